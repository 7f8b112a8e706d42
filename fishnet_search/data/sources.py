"""Image sources by name: `digits` or `imagefolder:PATH`."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from fishnet_search.data.digits import list_digits
from fishnet_search.data.imagefolder import list_imagefolder
from fishnet_search.data.listing import Listing
from fishnet_search.errors import DataError


def classes_of(source: str) -> tuple[str, ...]:
    """Return the names of a source's classes, in the order of the labels; no image is opened.

    Raises:
        DataError: as `list_images`.
    """
    return list_images(source).classes


def list_images(source: str) -> Listing:
    """Return what images a source has and how they are split; none of them is decoded yet.

    Raises:
        DataError: an unknown source, or images that are missing or not laid out as they should be.
    """
    name, colon, path = source.partition(":")
    if name not in _SOURCES:
        near = get_close_matches(name, _SOURCES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise DataError(f"unknown data {source!r}; {hint}one of 'digits', 'imagefolder:PATH'")
    return _SOURCES[name](path if colon else None)


def _digits(path: str | None) -> Listing:
    if path is not None:
        raise DataError(f"data 'digits:{path}': the digits come with scikit-learn and take no path; write 'digits'")
    return list_digits()


def _imagefolder(path: str | None) -> Listing:
    if not path:
        raise DataError("data 'imagefolder' needs the path of a folder; write 'imagefolder:PATH'")
    return list_imagefolder(path)


_SOURCES: dict[str, Callable[[str | None], Listing]] = {"digits": _digits, "imagefolder": _imagefolder}
