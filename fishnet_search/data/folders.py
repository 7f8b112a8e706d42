"""Class folders and files of labels, which several sources are laid out in."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from fishnet_search.data.listing import ListedPart
from fishnet_search.data.modes import read_image
from fishnet_search.errors import DataError, MissingImagesError

EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_MOST_NAMED = 5  # classes or files in one sentence

ClassFiles = dict[str, list[str]]  # class -> its files, both sorted


def opened(path: str, layout: str) -> Path:
    """Return the folder at a path.

    Raises:
        MissingImagesError: there is nothing; `layout` says how it should look.
        DataError: it is no folder.
    """
    try:
        root = Path(path).expanduser()
        missing, folder = not root.exists(), root.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # no such user, a name too long or that no path can have
        raise DataError(f"{path!r}: cannot be a folder: {error}") from error
    if missing:
        raise MissingImagesError(f"{root}: no such folder; {layout}")
    if not folder:
        raise DataError(f"{root}: not a folder; {layout}")
    return root


def class_files(folder: Path) -> ClassFiles:
    """Return the image files of each folder in a folder; names that begin with a dot are left out."""
    found = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return {each.name: sorted(_image_files(each)) for each in found}


def flat_files(folder: Path) -> list[str]:
    """Return the names of the image files that lie in a folder itself."""
    return sorted(entry.name for entry in os.scandir(folder) if is_image(entry.name) and entry.is_file())


def is_image(name: str) -> bool:
    """Whether a file is an image by its name."""
    return name.lower().endswith(EXTENSIONS) and not name.startswith(".")


def _image_files(folder: Path) -> list[str]:
    files = []
    for inner, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [f"{inner}/{name}" for name in names if is_image(name)]
    return files


def _raise(error: OSError) -> None:
    raise error


def check_classes(folder: Path, files: ClassFiles, expected: Collection[str], where: str) -> None:
    """Check that a part has all classes and no others, and images of each.

    Raises:
        DataError: it has not; `where` says what the expected classes are of.
    """
    if files.keys() != set(expected):
        missing, extra = sorted(set(expected) - files.keys()), sorted(files.keys() - set(expected))
        raise DataError(f"{folder}: other classes than {where}: missing {named(missing)}, extra {named(extra)}")
    empty = [name for name, images in files.items() if not images]
    if empty:
        raise DataError(f"{folder}: no images in {named(empty)}; an image ends in one of {', '.join(EXTENSIONS)}")


def check_several(root: Path, classes: Collection[str]) -> None:
    """Check that there is something to tell apart.

    Raises:
        DataError: there is one class only, or none.
    """
    if len(classes) < 2:
        found = f"only the class {next(iter(classes))!r}" if classes else "no class"
        raise DataError(f"{root}: {found}; classification needs at least two")


def labelled(folder: Path, names: Collection[str], classes: Mapping[str, str], file: Path) -> ClassFiles:
    """Return the images of one folder by class, as a file of labels tells them apart.

    Args:
        folder: that the images lie in.
        names: of all its images.
        classes: image -> class.
        file: that the classes are from.

    Raises:
        DataError: the file and the folder have not the same images.
    """
    unlabelled, missing = sorted(set(names) - classes.keys()), sorted(classes.keys() - set(names))
    if unlabelled or missing:
        raise DataError(
            f"{file}: does not fit {folder}: {len(missing):,} of its images are missing {named(missing)} and "
            f"{len(unlabelled):,} of the folder's have no class {named(unlabelled)}; unpack both again"
        )
    found: ClassFiles = {name: [] for name in sorted(set(classes.values()))}
    for image in sorted(classes):
        found[classes[image]].append(f"{folder}/{image}")
    return found


def lines_of(file: Path) -> list[str]:
    """Return the lines of a text file without the white space around them; empty lines are left out.

    Raises:
        DataError: the file is no text.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: is not UTF-8 text (byte {error.start}); unpack it again") from error
    return [line.strip() for line in lines if line.strip()]


def named(names: Collection[object]) -> str:
    """Write a list of names, the first few of many."""
    first = list(names)[:_MOST_NAMED]
    more = f" and {len(names) - len(first):,} more" if len(names) > len(first) else ""
    return f"{first}{more}"


def listed(files: ClassFiles) -> ListedPart:
    """Return the images of class folders, sorted by class and name."""
    return ListedPart(
        pictures=[partial(read_image, file) for images in files.values() for file in images],
        labels=np.repeat(np.arange(len(files)), [len(images) for images in files.values()]),
    )
