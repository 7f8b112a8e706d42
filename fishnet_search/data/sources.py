"""Image sources by name: `digits`, `shapes`, or `NAME:PATH`."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from fishnet_search.data.cifar import offer_cifar
from fishnet_search.data.description import Data
from fishnet_search.data.digits import offer_digits
from fishnet_search.data.imagefolder import offer_imagefolder
from fishnet_search.data.imagenet import offer_imagenet
from fishnet_search.data.listing import ListedPart, Listing, Offer
from fishnet_search.data.shapes import list_shapes
from fishnet_search.data.splitting import split_up
from fishnet_search.data.tfrecord import offer_tfrecord
from fishnet_search.data.tiny_imagenet import offer_tiny_imagenet
from fishnet_search.errors import DataError

if TYPE_CHECKING:
    from fishnet_search.data.images import Part
    from fishnet_search.data.pictures import Pictures


def source_names() -> tuple[str, ...]:
    """Return how sources are named."""
    return ("digits", *(f"{name}:PATH" for name in (*_FOLDERS, *OBJECTS)), "shapes", "shapes:IMAGES", "pack:FILE")


def classes_of(data: Data) -> tuple[str, ...]:
    """Return the names of a source's classes, in the order of the labels; no image is opened.

    Raises:
        DataError: an unknown source, or images that are missing or not laid out as they should be.
    """
    name, path = name_and_path(data)
    if name == "pack":
        from fishnet_search.data.pack import header_of

        return header_of(path or "").classes
    return _offer(data).classes


def list_images(data: Data) -> Listing:
    """Return what images a source has and how they are split; none of them is decoded yet.

    Raises:
        DataError: as `classes_of`, or a split that the source has not enough images for.
    """
    name, path = name_and_path(data)
    return _listed_pack(data, path or "") if name == "pack" else split_up(_offer(data), data.split, data.source)


def name_and_path(data: Data) -> tuple[str, str | None]:
    """Return the name of a source and what stands behind its colon.

    Raises:
        DataError: there is no such source.
    """
    name, colon, path = data.source.partition(":")
    if name not in (*_SOURCES, "pack"):
        near = get_close_matches(name, [*_SOURCES, "pack"], n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        if data.source and Path(data.source).is_dir():
            hint = f"for a folder of classes write 'imagefolder:{data.source}'; "
        raise DataError(f"unknown data {data.source!r}; {hint}one of {_CHOICES}")
    if name == "pack" and not path:
        raise DataError("data 'pack' needs the path of a file; write 'pack:FILE'")
    return name, path if colon else None


def _offer(data: Data) -> Offer:
    name, path = name_and_path(data)
    try:
        return _SOURCES[name](path)
    except OSError as error:
        raise DataError(f"{data.source}: cannot be read: {error}; check the disk and the files' rights") from error


def _listed_pack(data: Data, path: str) -> Listing:
    if data.split is not None:
        raise DataError(
            f"{data.source}: split: a pack is split when it is written; leave it out, or write another pack"
        )
    from fishnet_search.data.pack import open_pack  # with torch, which no other source needs to be listed

    images = open_pack(path)
    train, validation, test = map(_listed_part, (images.train, images.validation, images.test))
    return Listing(images.classes, train, validation, test, images.split)


def _listed_part(part: Part) -> ListedPart:
    return ListedPart([partial(_unpacked, part.pictures, index) for index in range(len(part))], part.labels_N.numpy())


def _unpacked(pictures: Pictures, index: int) -> tuple[bytes, Image.Image]:
    image = Image.fromarray(pictures.at(index).permute(1, 2, 0).numpy())
    return image.tobytes(), image


def _digits(path: str | None) -> Offer:
    if path is not None:
        raise DataError(f"data 'digits:{path}': the digits come with scikit-learn and take no path; write 'digits'")
    return offer_digits()


def _shapes(images: str | None) -> Offer:
    drawn = list_shapes(images)
    return Offer(drawn.classes, drawn.train, drawn.validation, drawn.test)


def _refuse_objects(name: str, path: str | None) -> Offer:
    raise DataError(
        f"{name}:{path or 'PATH'} has objects, not one class an image; use `task: detection` or "
        "`task: semantic-segmentation`"
    )


def _in_folder(name: str, offer: Callable[[str], Offer], path: str | None) -> Offer:
    if not path:
        raise DataError(f"data {name!r} needs the path of a folder; write '{name}:PATH'")
    return offer(path)


OBJECTS = ("coco", "voc")
"""Folders with objects, see `data.scene_sources`."""

_FOLDERS: dict[str, Callable[[str], Offer]] = {
    "imagefolder": offer_imagefolder,
    "imagenet": offer_imagenet,
    "tiny-imagenet": offer_tiny_imagenet,
    "cifar10": partial(offer_cifar, name="cifar10"),
    "cifar100": partial(offer_cifar, name="cifar100"),
    "tfrecord": offer_tfrecord,
}
_SOURCES: dict[str, Callable[[str | None], Offer]] = {
    "digits": _digits,
    "shapes": _shapes,
    **{name: partial(_in_folder, name, offer) for name, offer in _FOLDERS.items()},
    **{name: partial(_refuse_objects, name) for name in OBJECTS},
}
_CHOICES = ", ".join(f"'{name}'" for name in source_names())
