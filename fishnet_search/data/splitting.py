"""How a source's images are split into parts: by class, and with one seed the same ones on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from fishnet_search.data.description import Split
from fishnet_search.data.folders import named
from fishnet_search.data.listing import ListedPart, Listing, Offer
from fishnet_search.errors import DataError

_HELD_OUT = ("validation", "test")

Indices = NDArray[np.int64]


def split_up(offer: Offer, split: Split | None, where: str) -> Listing:
    """Return a source's images in three parts that share none.

    A count is drawn from the source's own part of that name. Where it has none, it is drawn from the training images,
    and of those that are left `split.train` are drawn: another count of those changes no other part.

    Args:
        offer: what the source has.
        split: what is asked for in place of the source's own split.
        where: the source, for the sentence that refuses.

    Raises:
        DataError: there are not as many images, or a part would have no image of some class.
    """
    asked = Split() if split is None else split
    draw = _Draw(where, offer.classes, asked.seed)
    rest, aside = _set_aside(offer, asked, draw)
    if asked.train is not None:
        _, rest = draw.taken("train", asked.train, offer.train.labels, rest)
    parts = {"train": offer.train.take(np.sort(rest))}
    for name in _HELD_OUT:
        own: ListedPart | None = getattr(offer, name)
        parts[name] = offer.train.take(np.sort(aside[name])) if own is None else draw.part(name, own, asked)
    for name, part in parts.items():
        draw.check_whole(name, part)
    return Listing(offer.classes, **parts, split=_told(offer, parts, asked.seed))


def _set_aside(offer: Offer, asked: Split, draw: _Draw) -> tuple[Indices, dict[str, Indices]]:
    """Return the training images that are left, and those for each part that the source lacks."""
    labels = offer.train.labels
    if offer.aside_a_class is not None and asked.validation is None:
        rest, validation = draw.of_each_class(offer.aside_a_class, labels)
        return rest, {"validation": validation}
    counts = {
        name: getattr(asked, name) or getattr(offer.aside, name) for name in _HELD_OUT if getattr(offer, name) is None
    }
    if not counts:
        return np.arange(len(labels)), {}
    rest, held = draw.taken(" and ".join(counts), sum(counts.values()), labels, np.arange(len(labels)))
    if len(counts) == 1:
        return rest, dict.fromkeys(counts, held)
    validation, test = draw.taken("test", counts["test"], labels, held)
    return rest, {"validation": validation, "test": test}


@dataclass(frozen=True)
class _Draw:
    """Draws images so that the classes keep their shares, and refuses what cannot be drawn."""

    where: str
    classes: tuple[str, ...]
    seed: int

    def part(self, name: str, own: ListedPart, asked: Split) -> ListedPart:
        """Return as many images of the source's own part as are asked for."""
        count = getattr(asked, name)
        if count is None:
            return own
        return own.take(np.sort(self.taken(name, count, own.labels, np.arange(len(own.labels)))[1]))

    def taken(self, name: str, count: int, labels_N: Indices, among: Indices) -> tuple[Indices, Indices]:
        """Return what is left and what is taken of some images, neither in order."""
        left = len(among) - count
        if left < 0:
            raise DataError(
                f"{self.where}: split: {name} asks for {count:,} images and there are {len(among):,} to draw from; "
                "ask for fewer"
            )
        if left == 0:
            return among[:0], among
        if min(left, count) < len(self.classes):
            raise DataError(
                f"{self.where}: split: {name} asks for {count:,} of {len(among):,} images, but each of the "
                f"{len(self.classes):,} classes needs an image in what is drawn and in what is left; "
                "add images, or ask for other counts"
            )
        single = np.flatnonzero(np.bincount(labels_N[among], minlength=len(self.classes)) < 2)
        if single.size:
            raise DataError(
                f"{self.where}: split: {name}: cannot be drawn from fewer than two images, which is all that is there "
                f"of {self._named(single)}; add images, or ask for other counts"
            )
        rest, taken = train_test_split(among, test_size=count, stratify=labels_N[among], random_state=self.seed)
        return rest, taken

    def of_each_class(self, count: int, labels_N: Indices) -> tuple[Indices, Indices]:
        """Return what is left and `count` images of each class, a tenth where a class has fewer than ten times that."""
        random = np.random.RandomState(self.seed)  # numpy keeps its numbers as they are for ever
        taken = np.zeros(len(labels_N), bool)
        ends = np.cumsum(np.bincount(labels_N, minlength=len(self.classes)))
        for indices in np.split(np.argsort(labels_N, kind="stable"), ends[:-1]):
            shuffled = random.permutation(indices)
            taken[shuffled[: min(count, -(-len(shuffled) // 10))]] = True
        return np.flatnonzero(~taken), np.flatnonzero(taken)

    def check_whole(self, name: str, part: ListedPart) -> None:
        missing = np.setdiff1d(np.arange(len(self.classes)), part.labels)
        if missing.size:
            raise DataError(
                f"{self.where}: split: the {name} part of {len(part.labels):,} images would have none of "
                f"{self._named(missing)}; add images of the class, or ask for other counts under `split`"
            )

    def _named(self, labels: Indices) -> str:
        return named([self.classes[label] for label in labels])


def _told(offer: Offer, parts: Mapping[str, ListedPart], seed: int) -> str:
    """Write down where each part is from: "train 40,000 of 50,000 training images, ...; drawn by class with seed 0"."""
    words, drawn = [], False
    for name, part in parts.items():
        own: ListedPart | None = getattr(offer, name)
        of, kind = (offer.train, "training") if own is None or name == "train" else (own, name)
        words.append(f"{name} {len(part.labels):,} of {len(of.labels):,} {kind} images")
        drawn |= len(part.labels) < len(of.labels)
    return ", ".join(words) + (f"; drawn by class with seed {seed}" if drawn else "")
