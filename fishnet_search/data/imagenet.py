"""ImageNet's 1,000 classes (ILSVRC 2012), or any part of them, in class folders.

    PATH/train/WNID/*.JPEG    to learn from; 50 images a class of them to choose by, or 10 % of a class with fewer
    PATH/val/WNID/*.JPEG      to report, as the literature does

`val` may also be flat, as it is given out, with one of these files beside it, in PATH:

    val.txt                                       "ILSVRC2012_val_00000001.JPEG 65" a line: the class's place, from 0,
                                                  among the sorted folders of train, as Caffe has it; or its WNID
    ILSVRC2012_validation_ground_truth.txt        the devkit's: a number a line, for the image of that number. These
                                                  numbers are in no order of names, so the devkit's meta.mat has to
                                                  lie there as well, which says what they stand for
    LOC_val_solution.csv                          Kaggle's: image and WNID, then boxes

The same images give the same set, whichever way `val` is laid out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from fishnet_search.data.folders import (
    ClassFiles,
    check_classes,
    check_several,
    class_files,
    flat_files,
    labelled,
    lines_of,
    listed,
    named,
    opened,
)
from fishnet_search.data.listing import Offer
from fishnet_search.errors import DataError

VALIDATION_A_CLASS = 50  # as many as ImageNet's own, which is for testing here

_LAYOUT = (
    "expected PATH/train/WNID/*.JPEG and PATH/val/WNID/*.JPEG, or PATH/val/*.JPEG with a file of their labels in PATH: "
    "val.txt, LOC_val_solution.csv, or ILSVRC2012_validation_ground_truth.txt with meta.mat"
)


def offer_imagenet(path: str) -> Offer:
    """Return the images of ImageNet; none of them is opened yet.

    Raises:
        DataError: the folder is missing or not laid out as this module says, or its files of labels do not fit.
    """
    root = opened(path, _LAYOUT)
    for name in ("train", "val"):
        if not (root / name).is_dir():
            raise DataError(f"{root}: has no folder {name}; {_LAYOUT}")
    train = class_files(root / "train")
    if not train:
        raise DataError(f"{root / 'train'}: has no class folders; {_LAYOUT}")
    check_classes(root / "train", train, train.keys(), "in train")
    check_several(root, train)
    test = _validation_files(root, tuple(train))
    check_classes(root / "val", test, train.keys(), "in train")
    return Offer(tuple(train), listed(train), test=listed(test), aside_a_class=VALIDATION_A_CLASS)


def _validation_files(root: Path, classes: tuple[str, ...]) -> ClassFiles:
    val = root / "val"
    folders, flat = class_files(val), flat_files(val)
    if not flat:
        return folders
    if folders:
        raise DataError(
            f"{val}: has class folders {named(folders)} and {len(flat):,} images beside them {named(flat)}; "
            "sort all images into class folders, or none"
        )
    for name, read in _LABEL_FILES.items():
        if (root / name).is_file():
            return labelled(val, flat, _by_image(root / name, read(root / name, classes), classes), root / name)
    raise DataError(f"{root}: has no file of labels for the {len(flat):,} images in val; {_LAYOUT}")


def _by_image(file: Path, pairs: Iterable[tuple[str, str]], classes: tuple[str, ...]) -> dict[str, str]:
    """Return the class of each image that a file of labels names."""
    found: dict[str, str] = {}
    known = frozenset(classes)
    for image, name in pairs:
        if image in found:
            raise DataError(f"{file}: names {image!r} twice; unpack it again")
        if name not in known:
            raise DataError(f"{file}: {image!r} is of class {name!r}, which is none of the {len(classes):,} in train")
        found[image] = name
    return found


def _listed_labels(file: Path, classes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Read "IMAGE PLACE" or "IMAGE WNID" lines."""
    for line in lines_of(file):
        *image, label = line.split()
        place = int(label) if re.fullmatch("[0-9]{1,9}", label) else len(classes)
        yield " ".join(image), classes[place] if place < len(classes) else label


def _kaggle_labels(file: Path, _: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Read "IMAGE,WNID x1 y1 x2 y2 ..." lines below a heading; images stand there without their extension."""
    for line in lines_of(file)[1:]:
        image, _comma, boxes = line.partition(",")
        yield f"{image}.JPEG", boxes.split(" ")[0]


def _devkit_labels(file: Path, _: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Read "NUMBER" lines, in the order of the images."""
    wnids = _devkit_classes(file.parent / "meta.mat")
    for image, line in enumerate(lines_of(file), start=1):
        number = int(line) if re.fullmatch("[0-9]{1,9}", line) else -1
        if number not in wnids:
            raise DataError(f"{file}:{image}: {line[:60]!r} is the number of no class in meta.mat; unpack both again")
        yield f"ILSVRC2012_val_{image:08}.JPEG", wnids[number]


def _devkit_classes(file: Path) -> dict[int, str]:
    """Return which class each of the devkit's numbers stands for."""
    from scipy.io import loadmat

    if not file.is_file():
        raise DataError(
            f"{file}: is missing, and ILSVRC2012_validation_ground_truth.txt has numbers that only it explains; "
            "copy it there from the devkit's folder data"
        )
    try:
        synsets = loadmat(file, squeeze_me=True)["synsets"]
        return {int(each["ILSVRC2012_ID"]): str(each["WNID"]) for each in synsets}
    except Exception as error:  # a damaged file breaks scipy's reader in any way
        raise DataError(f"{file}: is not the devkit's list of classes: {error}; copy it from there again") from error


_LABEL_FILES = {
    "val.txt": _listed_labels,
    "LOC_val_solution.csv": _kaggle_labels,
    "ILSVRC2012_validation_ground_truth.txt": _devkit_labels,
}
