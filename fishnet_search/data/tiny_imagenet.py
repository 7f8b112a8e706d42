"""Tiny ImageNet as Stanford's CS231n gave it out: 64×64 pixels, 200 classes of 500 training and 50 validation images.

    PATH/wnids.txt                       a class a line
    PATH/train/WNID/images/*.JPEG        to learn from; a tenth of them to choose by
    PATH/val/images/*.JPEG               to report
    PATH/val/val_annotations.txt         image, class and box, with tabs between

The labels of `PATH/test` were never published, so it is not read. Classes are WordNet's numbers in sorted order.
`words.txt` is not needed. A part of the 200 classes is as good, as long as `wnids.txt` says which. PATH may also be
the folder that `tiny-imagenet-200` lies in.
"""

from __future__ import annotations

from pathlib import Path

from fishnet_search.data.description import Split
from fishnet_search.data.folders import (
    ClassFiles,
    check_classes,
    check_several,
    class_files,
    flat_files,
    labelled,
    lines_of,
    listed,
    opened,
)
from fishnet_search.data.listing import Offer
from fishnet_search.errors import DataError

FOLDER = "tiny-imagenet-200"

_LAYOUT = (
    "expected PATH/wnids.txt, PATH/train/WNID/images/*.JPEG, PATH/val/images/*.JPEG and PATH/val/val_annotations.txt, "
    "as `fishnet-search data fetch tiny-imagenet` unpacks them"
)


def offer_tiny_imagenet(path: str) -> Offer:
    """Return the images of Tiny ImageNet; none of them is opened yet.

    Raises:
        DataError: the folder is missing or not laid out as this module says, or its files of labels do not fit.
    """
    root = opened(path, _LAYOUT)
    if (root / FOLDER).is_dir():
        root = root / FOLDER
    for name in ("wnids.txt", "train", "val/images", "val/val_annotations.txt"):
        if not (root / name).exists():
            raise DataError(f"{root}: has no {name}; {_LAYOUT}")
    classes = lines_of(root / "wnids.txt")
    train = class_files(root / "train")
    check_classes(root / "train", train, classes, "in wnids.txt")
    check_several(root, train)
    test = _annotated(root / "val")
    check_classes(root / "val", test, classes, "in wnids.txt")
    learn_from = listed(train)
    return Offer(tuple(train), learn_from, test=listed(test), aside=Split(validation=-(-len(learn_from.labels) // 10)))


def _annotated(val: Path) -> ClassFiles:
    file = val / "val_annotations.txt"
    classes = {}
    for line in lines_of(file):
        image, *rest = line.split("\t")
        if not rest or image in classes:
            problem = "is there twice" if rest else "has no class after a tab"
            raise DataError(f"{file}: {image!r} {problem}; unpack it again")
        classes[image] = rest[0]
    return labelled(val / "images", flat_files(val / "images"), classes, file)
