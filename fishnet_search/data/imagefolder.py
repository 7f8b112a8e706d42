"""A folder of image files, one folder a class, as torchvision's ImageFolder reads them.

    PATH/train/CLASS/*.jpg    to learn from
    PATH/val/CLASS/*.jpg      to choose by
    PATH/test/CLASS/*.jpg     to report

With only one of `val` and `test`, that one is the test part, and 10 % of the training images are set aside as the
validation part: stratified, and the same ones every time. Folders within a class folder are searched too. Names that
begin with a dot are ignored, and so are files that are no images by their extension.
"""

from __future__ import annotations

import os
import struct
import zlib
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from sklearn.model_selection import train_test_split

from fishnet_search.data.listing import ListedPart, Listing
from fishnet_search.errors import DataError

EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

_LAYOUT = "expected PATH/train/CLASS/*.jpg and the same classes in PATH/test, or in PATH/val and PATH/test"
_SPLIT_SEED = 0  # of the validation images that are set aside, which are the same for every training seed
_IMAGES_TO_SPLIT = 10  # of a class, so that 10 % are at least one
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # PIL would cut these off at 255
_BROKEN_IMAGE = (OSError, EOFError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError)

ClassFiles = dict[str, list[str]]  # class -> its files, both sorted


def list_imagefolder(path: str) -> Listing:
    """Return the images of a folder, sorted by class and name; none of them is opened yet.

    Raises:
        DataError: the folder is missing or not laid out as this module says, or a class has too few images.
    """
    root = _root(path)
    try:
        parts = {name: _class_files(root / name) for name in ("train", "val", "test") if (root / name).is_dir()}
    except OSError as error:
        raise DataError(f"{root}: cannot be read: {error}") from error
    _check_layout(root, parts)
    classes = tuple(parts["train"])
    listed = {name: _listed(files) for name, files in parts.items()}
    if "val" in listed and "test" in listed:
        return Listing(classes, listed["train"], listed["val"], listed["test"])

    train, validation = _set_validation_aside(root / "train", parts["train"], listed["train"])
    return Listing(classes, train, validation, listed["test" if "test" in listed else "val"])


def _root(path: str) -> Path:
    try:
        root = Path(path).expanduser()
        missing, folder = not root.exists(), root.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # no such user, a name too long or that no path can have
        raise DataError(f"{path!r}: cannot be a folder: {error}") from error
    if missing:
        raise DataError(f"{root}: no such folder; {_LAYOUT}")
    if not folder:
        raise DataError(f"{root}: not a folder; {_LAYOUT}")
    return root


def _class_files(part: Path) -> ClassFiles:
    folders = sorted(entry for entry in part.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return {folder.name: sorted(_image_files(folder)) for folder in folders}


def _image_files(folder: Path) -> list[str]:
    files = []
    for inner, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [f"{inner}/{name}" for name in names if name.lower().endswith(EXTENSIONS) and not name.startswith(".")]
    return files


def _raise(error: OSError) -> None:
    raise error


def _check_layout(root: Path, parts: dict[str, ClassFiles]) -> None:
    if "train" not in parts:
        raise DataError(f"{root}: has no folder train; {_LAYOUT}")
    if len(parts) == 1:
        raise DataError(f"{root}: has neither a folder val nor a folder test; {_LAYOUT}")
    classes = parts["train"].keys()
    for name, files in parts.items():
        if not files:
            raise DataError(f"{root / name}: has no class folders; {_LAYOUT}")
        if files.keys() != classes:
            missing, extra = sorted(classes - files.keys()), sorted(files.keys() - classes)
            raise DataError(f"{root / name}: other classes than in train: missing {missing}, extra {extra}")
        empty = [name for name, images in files.items() if not images]
        if empty:
            raise DataError(f"{root / name}: no images in {empty}; an image ends in one of {', '.join(EXTENSIONS)}")
    if len(classes) < 2:
        raise DataError(f"{root}: only the class {next(iter(classes))!r}; classification needs at least two")


def _listed(files: ClassFiles) -> ListedPart:
    return ListedPart(
        pictures=[partial(_read, file) for images in files.values() for file in images],
        labels=np.repeat(np.arange(len(files)), [len(images) for images in files.values()]),
    )


def _set_validation_aside(folder: Path, files: ClassFiles, train: ListedPart) -> tuple[ListedPart, ListedPart]:
    small = {name: len(images) for name, images in files.items() if len(images) < _IMAGES_TO_SPLIT}
    if small:
        raise DataError(
            f"{folder}: too few images to set 10 % aside as the validation part: {small}; "
            f"each class needs {_IMAGES_TO_SPLIT}, or give both a folder val and a folder test"
        )
    indices = np.arange(len(train.labels))
    kept, aside = train_test_split(indices, test_size=0.1, stratify=train.labels, random_state=_SPLIT_SEED)
    return train.take(np.sort(kept)), train.take(np.sort(aside))


def _read(file: str) -> tuple[bytes, Image.Image]:
    try:
        content = Path(file).read_bytes()
        with Image.open(BytesIO(content)) as image:
            if image.mode not in _DEEP_MODES:
                return content, image.convert("RGB")
    except UnidentifiedImageError as error:
        raise DataError(f"{file}: not a readable image: no format that is known; replace or remove it") from error
    except _BROKEN_IMAGE as error:
        raise DataError(f"{file}: not a readable image: {error}; replace or remove it") from error
    raise DataError(f"{file}: has more than 8 bits a pixel and channel; convert it to 8 bits")
