"""COCO, and folders of one's own in its layout.

    PATH/annotations/instances_train2017.json    images, categories, objects; so instances_val2017.json
    PATH/train2017/*.jpg                         and PATH/val2017/*.jpg

Any year will do, and none: `instances_train.json`, `instances_val.json` and `instances_test.json`. Images lie in
folders of the same names, there or in PATH/images, or in PATH/images itself. COCO's `val` is the test part, as long as
there is no other, since the truths of its own test images were never published. Classes are in the order of the
categories' numbers.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

import msgspec

from fishnet_search.data.folders import named, opened
from fishnet_search.data.modes import read_image
from fishnet_search.data.scene_listing import (
    Annotated,
    Box,
    Found,
    ListedScene,
    SceneOffer,
    Scenes,
    check_once,
    found,
    told,
)
from fishnet_search.errors import DataError

if TYPE_CHECKING:
    from fishnet_search.data.scenes import RunLengths

_FILE = re.compile(r"instances_(train|val|test)(\d*)\.json")
_LARGEST_AREA = 2.0**53
_LAYOUT = (
    "expected PATH/annotations/instances_train2017.json and instances_val2017.json, PATH/train2017 and PATH/val2017"
)


class _Category(msgspec.Struct, frozen=True):
    id: int
    name: str


class _Image(msgspec.Struct, frozen=True):
    id: int
    file_name: str
    width: int | None = None
    height: int | None = None


class _Object(msgspec.Struct, frozen=True):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    id: int | None = None
    area: float | None = None
    iscrowd: int | bool = 0


class _MaskedObject(_Object, frozen=True):
    segmentation: msgspec.Raw = msgspec.Raw()


class _RunLengths(msgspec.Struct, frozen=True):
    size: tuple[int, int]
    counts: str | list[int]


class _Categories(msgspec.Struct, frozen=True):
    categories: tuple[_Category, ...]


class _Boxes(_Categories, frozen=True):
    images: tuple[_Image, ...]
    annotations: tuple[_Object, ...]


class _Masks(_Categories, frozen=True):
    images: tuple[_Image, ...]
    annotations: tuple[_MaskedObject, ...]


Content = TypeVar("Content", bound=_Categories)


def offer_coco(path: str, *, masks: bool) -> SceneOffer:
    """Return the images of a folder in COCO's layout; none of them is opened yet.

    Raises:
        DataError: the folder is missing or not laid out as this module says, or its files contradict themselves.
    """
    files = _files(path)
    parts, classes = dict[str, Scenes](), dict[str, tuple[str, ...]]()
    for part, file in files.items():
        content = _read(file, _Masks) if masks else _read(file, _Boxes)
        classes[part] = _classes(content, file)
        parts[part] = _scenes(content, file)
        if classes[part] != classes["train"]:
            raise DataError(
                f"{file}: categories: {named(classes[part])}, and {files['train'].name} has "
                f"{named(classes['train'])}; all files need the same"
            )
    lists = " and ".join(file.stem for file in files.values())
    if "test" in parts:
        return SceneOffer(classes["train"], parts["train"], parts.get("val"), parts["test"], lists)
    return SceneOffer(classes["train"], parts["train"], test=parts.get("val"), lists=lists)


def coco_classes(path: str) -> tuple[str, ...]:
    """Return the classes of a folder in COCO's layout; no image is opened.

    Raises:
        DataError: as `offer_coco`.
    """
    file = _files(path)["train"]
    return _classes(_read(file, _Categories), file)


def _files(path: str) -> dict[str, Path]:
    """Return the files of annotations by part."""
    root = opened(path, _LAYOUT)
    folder = root / "annotations"
    if not folder.is_dir():
        raise DataError(f"{root}: has no folder annotations; {_LAYOUT}")
    found_files: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.iterdir()):
        match = _FILE.fullmatch(file.name)
        if match:
            found_files[match[1]].append(file)
    if "train" not in found_files:
        raise DataError(f"{folder}: has no instances_train2017.json, nor one of another year; {_LAYOUT}")
    for files in found_files.values():
        if len(files) > 1:
            names = " and ".join(file.name for file in files)
            raise DataError(f"{folder}: has {names}; keep one and move the others elsewhere")
    return {part: found_files[part][0] for part in ("train", "val", "test") if part in found_files}


def _read(file: Path, kind: type[Content]) -> Content:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}; check the disk and the file's rights") from error
    return content_of(content, str(file), kind)


def content_of(content: bytes, name: str, kind: type[Content]) -> Content:
    """Return what the bytes of a file stand for; `name` is for the sentence that refuses.

    Raises:
        DataError: they are no JSON, or not what COCO has.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise DataError(f"{name}: is not as COCO's files are: {error}; mend it, or write it anew") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        byte = re.search(r"\(byte (\d+)\)", str(error))
        line = content.count(b"\n", 0, int(byte[1])) + 1 if byte else content.count(b"\n") + 1
        raise DataError(f"{name}:{line}: is no JSON: {error}; mend it, or unpack it again") from error


def _classes(content: _Categories, file: Path) -> tuple[str, ...]:
    categories = sorted(content.categories, key=lambda category: category.id)
    check_once(file, "categories: numbers", (category.id for category in categories))
    check_once(file, "categories: names", (category.name for category in categories))
    if not categories:
        raise DataError(f"{file}: categories: has none; add those of its objects")
    return tuple(category.name for category in categories)


def _scenes(content: _Boxes | _Masks, file: Path) -> Scenes:
    check_once(file, "images: numbers", (image.id for image in content.images))
    check_once(file, "images: file_name", (image.file_name for image in content.images))
    check_once(file, "annotations: numbers", (one.id for one in content.annotations if one.id is not None))
    masks = isinstance(content, _Masks)
    labels = {number: label for label, number in enumerate(sorted(category.id for category in content.categories))}
    objects: dict[int, list[_Object]] = {image.id: [] for image in content.images}
    for number, one in enumerate(content.annotations):
        where = f"{file}: annotations[{number}]"
        if one.image_id not in objects:
            raise DataError(f"{where}.image_id: no image has the number {one.image_id}; add the image, or take it out")
        if one.category_id not in labels:
            raise DataError(f"{where}.category_id: no category has the number {one.category_id}; add it to categories")
        if one.area is not None and not 0 <= one.area <= _LARGEST_AREA:
            raise DataError(f"{where}.area: {one.area:g} is no number of pixels; write 0 or more")
        objects[one.image_id].append(one)
    images = sorted(content.images, key=lambda image: image.id)
    return tuple(
        ListedScene(
            image.file_name,
            partial(read_image, image_file, upright=False),
            partial(_found, str(file), image, tuple(objects[image.id]), labels, masks),
        )
        for image, image_file in zip(images, _image_files(images, file), strict=True)
    )


def _image_files(images: Sequence[_Image], file: Path) -> list[str]:
    """Return where the images lie."""
    root, match = file.parent.parent, _FILE.fullmatch(file.name)
    part, year = match.groups() if match else ("", "")
    folders = [root / f"{part}{year}", root / part, root / "images" / f"{part}{year}", root / "images" / part]
    folders = [folder for folder in dict.fromkeys((*folders, root / "images")) if folder.is_dir()]
    files = {image.file_name: _file_in(folders, image.file_name) for image in images}
    missing = [name for name, there in files.items() if there is None]
    if missing:
        raise DataError(
            f"{file}: {len(missing):,} of its images are missing: {named(missing)}; expected in {root / (part + year)} "
            f"or {root / 'images'}; add them, or take them out of the file"
        )
    return [str(there) for there in files.values()]


def _file_in(folders: Sequence[Path], name: str) -> Path | None:
    inner = PurePosixPath(name)
    if "\0" in name or inner.is_absolute() or ".." in inner.parts:  # a file of someone else
        return None
    return next((there for folder in folders if (there := folder / name).is_file()), None)


def _found(
    file: str,
    image: _Image,
    objects: Sequence[_Object],
    labels: Mapping[int, int],
    masks: bool,
    height: int,
    width: int,
) -> Found:
    where = f"{file}: image {image.id}"
    if (image.height or height, image.width or width) != (height, width):
        raise DataError(
            f"{where}: is annotated with {image.width}×{image.height} pixels, and {image.file_name} has "
            f"{width}×{height}; annotate the image that is there, or put back the one that was annotated"
        )
    annotated = []
    for one in objects:
        x, y, across, down = one.bbox
        mask = None
        if isinstance(one, _MaskedObject):
            mask = mask_of(bytes(one.segmentation), height, width, f"{where}: annotation {one.id}: segmentation")
        box: Box = (x, y, x + across, y + down)
        annotated.append(
            Annotated(told(one.bbox), box, labels[one.category_id], mask, one.area, crowd=bool(one.iscrowd))
        )
    return found(annotated, height, width, image.file_name, masked=masks)


def mask_of(segmentation: bytes, height: int, width: int, where: str) -> RunLengths:
    """Return the mask that polygons or run lengths in JSON stand for.

    Raises:
        DataError: they stand for none; `where` says whose they are.
    """
    if segmentation in (b"", b"null", b"[]"):
        raise DataError(f"{where}: there is none, and each object needs a mask; add it, or ask for boxes")
    try:
        shape = msgspec.json.decode(segmentation, type=list[list[float]] | _RunLengths)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}: is neither polygons nor run lengths: {error}; mend it") from error
    if isinstance(shape, list):
        return _of_polygons(shape, height, width, where)
    return _of_runs(shape, height, width, where)


def _of_polygons(polygons: list[list[float]], height: int, width: int, where: str) -> RunLengths:
    from faster_coco_eval.core.mask import frPyObjects, merge

    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise DataError(
                f"{where}: a polygon of {len(polygon)} numbers; x and y of three corners or more are needed"
            )
        for edges, end in ((polygon[::2], width), (polygon[1::2], height)):
            furthest = max(edges, key=lambda edge: abs(edge - end / 2))
            if not -end <= furthest <= 2 * end:  # what comes of it is drawn, however far it reaches
                raise DataError(f"{where}: a corner at {furthest:g}, far beyond the image; mend it")
    merged: RunLengths = merge(frPyObjects(polygons, height, width))
    return merged


def _of_runs(runs: _RunLengths, height: int, width: int, where: str) -> RunLengths:
    """Return run lengths as they are written again, so that no damaged ones are kept."""
    from faster_coco_eval.core.mask import decode, encode, frPyObjects

    if runs.size != (height, width):
        raise DataError(f"{where}.size: {list(runs.size)}, and the image has [{height}, {width}]; mend it")
    if isinstance(runs.counts, list):
        if min(runs.counts, default=-1) < 0 or sum(runs.counts) != height * width:
            raise DataError(f"{where}.counts: are not run lengths of {height * width:,} pixels; mend them")
        (given,) = frPyObjects([{"size": [height, width], "counts": runs.counts}], height, width)
    else:
        given = {"size": [height, width], "counts": runs.counts.encode()}
    try:
        mask_HW = decode(given)
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{where}.counts: are no run lengths: {error}; mend them") from error
    mask: RunLengths = encode(mask_HW)
    return mask
