"""PASCAL VOC, and folders of one's own in its layout.

    PATH/Annotations/NAME.xml             objects: names, boxes, whether difficult
    PATH/JPEGImages/NAME.jpg              or any other kind of image
    PATH/ImageSets/Main/train.txt         a NAME a line; so val.txt, trainval.txt and test.txt
    PATH/SegmentationClass/NAME.png       maps: 0 the background, 255 not judged, else a class
    PATH/SegmentationObject/NAME.png      masks: the number of an object in the XML file, from 1
    PATH/ImageSets/Segmentation/*.txt     lists of the images that have maps and masks

PATH may also be a VOCdevkit, with VOC2007, VOC2012 or both in it. Of both, all training and validation images are to
learn from and VOC2007's test images to report; with maps and masks it is VOC2012 alone, whose images are those of
VOC2007 and more. Without a test part whose annotations are there, `val` is the test part. Without lists, all images
that are annotated are to learn from and to draw the other parts from.

Folders named VOC and a year have VOC's 20 classes. Others have the classes that occur in their annotations, sorted;
with maps those in PATH/class_names.txt, the background first, as labelme writes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fishnet_search.data.folders import is_image, lines_of, named, opened
from fishnet_search.data.modes import DAMAGE, read_image
from fishnet_search.data.scene_listing import (
    Annotated,
    Found,
    ListedScene,
    Map,
    SceneOffer,
    Scenes,
    Truth,
    check_once,
    found,
)
from fishnet_search.data.voc_xml import VocAnnotation, read_annotation
from fishnet_search.errors import BrokenImage, DataError

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
BACKGROUND = "background"

_UNJUDGED = 255
_MOST_CLASSES = 255  # with the background: 255 stands for what is not judged
_LISTS = ("train", "val", "trainval", "test")
_YEAR = re.compile(r"VOC\d{4}")
_LAYOUT = (
    "expected PATH/Annotations/*.xml, PATH/JPEGImages/*.jpg and PATH/ImageSets/Main/*.txt, or a VOCdevkit with VOC2007 "
    "or VOC2012 in it"
)


@dataclass(frozen=True)
class _Kind:
    """What is asked for, and where VOC has it."""

    truths: str  # the folder without which an image does not count
    ending: str
    lists: str
    maps: bool = False
    masks: bool = False


_BOXES = _Kind("Annotations", ".xml", "Main")
_MASKS = _Kind("SegmentationObject", ".png", "Segmentation", masks=True)
_MAPS = _Kind("SegmentationClass", ".png", "Segmentation", maps=True)


def offer_voc(path: str, *, maps: bool, masks: bool) -> SceneOffer:
    """Return the images of a folder in VOC's layout; none of them is opened yet.

    Raises:
        DataError: the folder is missing or not laid out as this module says.
    """
    kind = _kind(maps, masks)
    folders = _folders(path, kind)
    classes = _classes(folders, kind)
    lists = [_lists(folder, kind) for folder in folders]
    joined: dict[str, Scenes] = {}
    for folder, names in zip(folders, lists, strict=True):
        for part, scenes in _scenes(folder, names, classes, kind).items():
            joined[part] = (*joined.get(part, ()), *scenes)
    for part, scenes in joined.items():
        check_once(path, f"in {part}", (scene.name for scene in scenes))
    return _offer(classes, joined, [folder.name for folder in folders])


def voc_classes(path: str, *, maps: bool) -> tuple[str, ...]:
    """Return the classes of a folder in VOC's layout; no image is opened.

    Raises:
        DataError: as `offer_voc`.
    """
    kind = _kind(maps, masks=False)
    return _classes(_folders(path, kind), kind)


def _kind(maps: bool, masks: bool) -> _Kind:
    return _MAPS if maps else _MASKS if masks else _BOXES


def _folders(path: str, kind: _Kind) -> list[Path]:
    """Return the folders with images that are asked for: one, or several years to be joined."""
    root = opened(path, _LAYOUT)
    if (root / "VOCdevkit").is_dir():
        root = root / "VOCdevkit"
    years = sorted(entry for entry in root.iterdir() if _YEAR.fullmatch(entry.name) and entry.is_dir())
    folders = [root] if (root / "JPEGImages").is_dir() else years
    having = [folder for folder in folders if (folder / kind.truths).is_dir()]
    if not folders or (kind is _BOXES and not having):
        raise DataError(f"{root}: has no {'Annotations' if folders else 'JPEGImages'}; {_LAYOUT}")
    if not having:
        what = "maps" if kind.maps else "masks"
        raise DataError(f"{root}: has no {what}: they lie in a folder {kind.truths}; add it, or ask for boxes")
    for folder in having:
        if not (folder / "JPEGImages").is_dir():
            raise DataError(f"{folder}: has no JPEGImages; {_LAYOUT}")
    return having if kind is _BOXES else having[-1:]


def _lists(folder: Path, kind: _Kind) -> dict[str, list[str]]:
    """Return the names in each of a folder's lists whose images are annotated; VOC2012's test images are not."""
    lists = folder / "ImageSets" / kind.lists
    files = {part: lists / f"{part}.txt" for part in _LISTS if (lists / f"{part}.txt").is_file()}
    annotated = {file.stem for file in (folder / kind.truths).iterdir() if file.suffix == kind.ending}
    if not files:
        return {"trainval": sorted(annotated)}
    names = {part: lines_of(file) for part, file in files.items()}
    if "test" in names and annotated.isdisjoint(names["test"]):
        del names["test"]
    for part, listed in names.items():
        check_once(files[part], "in the list", listed)
        missing = [name for name in listed if name not in annotated]
        if missing:
            raise DataError(
                f"{files[part]}: lists {len(missing):,} images without a file in {folder / kind.truths}: "
                f"{named(missing)}; add the files, or take the names out of the list"
            )
    names.setdefault("trainval", [*names.get("train", ()), *names.get("val", ())])
    return names


def _classes(folders: Sequence[Path], kind: _Kind) -> tuple[str, ...]:
    """Return VOC's classes, or those of a folder that is not VOC's."""
    if all(_YEAR.fullmatch(folder.name) or _YEAR.fullmatch(folder.resolve().name) for folder in folders):
        return (BACKGROUND, *CLASSES) if kind.maps else CLASSES
    (folder,) = folders
    return _listed_classes(folder) if kind.maps else _occurring_classes(folder / "Annotations")


def _listed_classes(folder: Path) -> tuple[str, ...]:
    file = folder / "class_names.txt"
    if not file.is_file():
        raise DataError(
            f"{folder}: nothing says what the numbers in its maps stand for; write a file class_names.txt with a class "
            "a line, the background first, or name the folder VOC and a year if its classes are VOC's"
        )
    classes = [line for line in lines_of(file) if line != "__ignore__"]  # labelme's name for what is not judged
    check_once(file, "classes", classes)
    if not 2 <= len(classes) <= _MOST_CLASSES:
        raise DataError(f"{file}: has {len(classes):,} classes; maps have 2 to {_MOST_CLASSES}, with the background")
    return tuple(classes)


def _occurring_classes(folder: Path) -> tuple[str, ...]:
    files = sorted(file for file in folder.iterdir() if file.suffix == ".xml")
    classes = {one.name for file in files for one in read_annotation(file).objects}
    if not classes:
        raise DataError(f"{folder}: no object in any of its {len(files):,} files; annotate some")
    return tuple(sorted(classes))


def _scenes(
    folder: Path, lists: Mapping[str, Sequence[str]], classes: tuple[str, ...], kind: _Kind
) -> dict[str, Scenes]:
    images = _images(folder / "JPEGImages")
    parts = {}
    for part, names in lists.items():
        missing = [name for name in names if name not in images]
        if missing:
            raise DataError(
                f"{folder / 'JPEGImages'}: {len(missing):,} images of {part} are missing: {named(missing)}; add them, "
                f"or take their names out of ImageSets/{kind.lists}/{part}.txt"
            )
        parts[part] = tuple(
            ListedScene(name, partial(read_image, images[name], upright=False), _truth(folder, name, classes, kind))
            for name in names
        )
    return parts


def _images(folder: Path) -> dict[str, str]:
    """Return the image files of a folder by their names without endings."""
    files = sorted(entry for entry in folder.iterdir() if is_image(entry.name))
    check_once(folder, "images", (file.stem for file in files))
    return {file.stem: str(file) for file in files}


def _offer(classes: tuple[str, ...], lists: Mapping[str, Scenes], years: Sequence[str]) -> SceneOffer:
    """Choose what is for learning, choosing and reporting."""
    learnt, told = lists["trainval"], " and ".join(years)
    three = len(years) == 1 and {"train", "val", "test"} <= lists.keys()
    if three:
        offer = SceneOffer(classes, lists["train"], lists["val"], lists["test"], f"train, val and test of {told}")
    elif "test" in lists:
        offer = SceneOffer(classes, learnt, test=lists["test"], lists=f"trainval and test of {told}")
    elif {"train", "val"} <= lists.keys():
        offer = SceneOffer(classes, lists["train"], test=lists["val"], lists=f"train and val of {told}")
    else:
        offer = SceneOffer(classes, learnt, lists=f"all of {told}")
    _check_apart(offer)
    return offer


def _check_apart(offer: SceneOffer) -> None:
    parts = {"train": offer.train, "val": offer.validation or (), "test": offer.test or ()}
    names = {part: {scene.name for scene in scenes} for part, scenes in parts.items()}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        shared = sorted(names[one] & names[other])
        if shared:
            raise DataError(
                f"{offer.lists}: {len(shared):,} images are to learn from or choose by and to report as well: "
                f"{named(shared)}; list each image once"
            )


def _truth(folder: Path, name: str, classes: tuple[str, ...], kind: _Kind) -> Truth:
    if kind.maps:
        return partial(_read_map, str(folder / kind.truths / f"{name}.png"), classes)
    masks = str(folder / kind.truths / f"{name}.png") if kind.masks else None
    return partial(_read_objects, folder / "Annotations" / f"{name}.xml", name, classes, masks)


def _read_objects(file: Path, name: str, classes: tuple[str, ...], masks: str | None, height: int, width: int) -> Found:
    annotation = read_annotation(file)
    _check_size(annotation, file, height, width)
    objects = [
        Annotated(one.told, one.box, _label(one.name, classes, file, one.line), difficult=one.difficult)
        for one in annotation.objects
    ]
    if masks is None:
        return found(objects, height, width, name, masked=False)
    masked = _masked(objects, masks, height, width)
    within = found((one for one in masked if one.mask), height, width, name, masked=True)
    hidden = tuple(
        f"{name}: box {one.told} has no pixel in {Path(masks).parent.name}" for one in masked if not one.mask
    )
    return replace(within, dropped=(*within.dropped, *hidden))


def _check_size(annotation: VocAnnotation, file: Path, height: int, width: int) -> None:
    """Trust the image as VOC's tools do, unless the boxes are for one of another size."""
    beyond = any(one.box[2] > width or one.box[3] > height for one in annotation.objects)
    if annotation.sides not in (None, (height, width)) and beyond:
        told = "×".join(map(str, reversed(annotation.sides or ())))
        raise DataError(
            f"{file}: has boxes in an image of {told} pixels, and the image has {width}×{height}; annotate the image "
            "that is there, or put back the one that was annotated"
        )


def _label(name: str, classes: tuple[str, ...], file: Path, line: int) -> int:
    if name in classes:
        return classes.index(name)
    raise DataError(
        f"{file}:{line}: object.name: {name!r} is none of VOC's 20 classes; a folder with classes of its own must not "
        "be named VOC and a year"
    )


def _masked(objects: Sequence[Annotated], file: str, height: int, width: int) -> list[Annotated]:
    """Give each object the pixels that have its number. Some have none: VOC judges no pixel of difficult objects."""
    from faster_coco_eval.core.mask import encode

    numbers_HW = _numbers(file, height, width)
    numbers = set(np.unique(numbers_HW).tolist()) - {0, _UNJUDGED}
    if any(number > len(objects) for number in numbers):
        raise DataError(
            f"{file}: has a mask of number {max(numbers)}, and the XML file has {len(objects):,} objects; each number "
            "is the place of an object in that file, from 1"
        )
    return [
        replace(one, mask=encode(np.asfortranarray(numbers_HW == number, np.uint8))) if number in numbers else one
        for number, one in enumerate(objects, 1)
    ]


def _read_map(file: str, classes: tuple[str, ...], height: int, width: int) -> Map:
    map_HW = _numbers(file, height, width)
    strange = sorted(set(np.unique(map_HW).tolist()) - {*range(len(classes)), _UNJUDGED})
    if strange:
        raise DataError(
            f"{file}: has pixels of the class {strange[0]}, and the {len(classes):,} classes are numbered from 0 to "
            f"{len(classes) - 1}; mend the map, or write 255 for what is not judged"
        )
    return map_HW


def _numbers(file: str, height: int, width: int) -> NDArray[np.uint8]:
    """Return the number in each pixel of a PNG file.

    Raises:
        BrokenImage: it cannot be decoded.
        DataError: it has colours in place of numbers, or another size than its image.
    """
    try:
        with Image.open(file) as image:
            mode, numbers_HW = image.mode, np.array(image)
    except DAMAGE as error:
        raise BrokenImage(file, f"not a readable map: {error}; replace or remove it") from error
    if mode not in ("L", "P"):
        raise DataError(f"{file}: is of PIL's mode {mode}; write the classes' numbers as a grey or palette image")
    if numbers_HW.shape != (height, width):
        has = "×".join(map(str, reversed(numbers_HW.shape)))
        raise DataError(f"{file}: has {has} pixels and its image {width}×{height}; they must be the same size")
    return np.asarray(numbers_HW, np.uint8)
