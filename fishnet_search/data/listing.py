"""Which images a source offers and how they are split, before any of them is decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from fishnet_search.data.description import Split
from fishnet_search.errors import DataError

Picture = Callable[[], tuple[bytes, Image.Image]]  # reads one image: its source bytes and the image, RGB or grey


@dataclass(frozen=True, eq=False)
class ListedPart:
    """The images of one purpose in a fixed order."""

    pictures: Sequence[Picture]
    labels: NDArray[np.int64]  # of each picture, indices into the classes

    def take(self, indices: NDArray[np.int64]) -> ListedPart:
        """Return the part with only these pictures, in this order."""
        return ListedPart([self.pictures[index] for index in indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Offer:
    """All images of a source, before they are split."""

    classes: tuple[str, ...]
    train: ListedPart
    validation: ListedPart | None = None
    test: ListedPart | None = None
    aside: Split = field(default_factory=Split)  # what train gives to parts that are None, if not told otherwise
    aside_a_class: int | None = None  # in place of `aside`: so many of each class for validation, at most a tenth


@dataclass(frozen=True, eq=False)
class Listing:
    """All images of a source, split."""

    classes: tuple[str, ...]
    train: ListedPart
    validation: ListedPart
    test: ListedPart
    split: str = "as the source has it"  # how it was split, in words


def limited(listing: Listing, limit: int) -> Listing:
    """Return a listing with at most `limit` images in each part.

    Each class gives its first images and the same number of them; where a class has too few, the others give more.

    Raises:
        DataError: fewer images than classes.
    """
    if limit < len(listing.classes):
        raise DataError(
            f"limit {limit}: each part needs an image of every class; use at least {len(listing.classes)} images"
        )
    return replace(
        listing,
        train=_first_of_each_class(listing.train, limit),
        validation=_first_of_each_class(listing.validation, limit),
        test=_first_of_each_class(listing.test, limit),
    )


def _first_of_each_class(part: ListedPart, limit: int) -> ListedPart:
    """Take the first image of every class, then the second of every class, and so on, and keep them in order."""
    rounds = pd.Series(part.labels).groupby(part.labels).cumcount()
    return part.take(np.sort(np.lexsort((part.labels, rounds))[:limit]))
