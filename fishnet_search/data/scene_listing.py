"""Which images with objects or maps a source offers, what is said of each, and how they are split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fishnet_search.data.description import Split
from fishnet_search.data.folders import named
from fishnet_search.data.listing import Picture
from fishnet_search.errors import DataError

if TYPE_CHECKING:
    from fishnet_search.data.scenes import RunLengths

PARTS = ("train", "validation", "test")

Box = tuple[float, float, float, float]  # x1, y1, x2, y2


@dataclass(frozen=True)
class Annotated:
    """An object as a source has it. Its box may go beyond the image, or be none at all."""

    told: str  # the box in the source's own numbers, for a sentence
    box: Box  # in pixels from the left upper corner of the image
    label: int
    mask: RunLengths | None = None
    area: float | None = None  # in place of the mask's, or of the box's
    crowd: bool = False
    difficult: bool = False


@dataclass(frozen=True)
class Found:
    """The objects of an image, all of them within it."""

    objects: tuple[Annotated, ...]
    dropped: tuple[str, ...]  # a sentence for each object that is left out
    clipped: int  # boxes that went beyond the image
    masked: bool  # whether masks were asked for


Map = NDArray[np.uint8]  # of classes, (height, width)
Truth = Callable[[int, int], "Found | Map"]  # of an image with that height and width; both can be sent to processes


@dataclass(frozen=True)
class ListedScene:
    """An image that is not decoded yet."""

    name: str
    picture: Picture
    truth: Truth


Scenes = tuple[ListedScene, ...]


@dataclass(frozen=True)
class SceneOffer:
    """All images of a source, before they are split."""

    classes: tuple[str, ...]
    train: Scenes
    validation: Scenes | None = None
    test: Scenes | None = None
    lists: str = ""  # which of the source's own lists the parts are, in words


@dataclass(frozen=True)
class SceneListing:
    """All images of a source, split."""

    classes: tuple[str, ...]
    parts: Mapping[str, Scenes]  # train, validation and test
    split: str  # in words


def found(objects: Iterable[Annotated], height: int, width: int, name: str, *, masked: bool) -> Found:
    """Clip boxes to their image, and leave out objects whose boxes have no area there."""
    kept, dropped, clipped = list[Annotated](), list[str](), 0
    for one in objects:
        box = _within(one.box, height, width)
        x1, y1, x2, y2 = np.array(box, np.float32)  # as they are kept: what is left must not vanish in rounding
        if x1 >= x2 or y1 >= y2:
            dropped.append(f"{name}: box {one.told} has no area" + (" in the image" if box != one.box else ""))
            continue
        clipped += box != one.box
        kept.append(replace(one, box=box))
    return Found(tuple(kept), tuple(dropped), clipped, masked)


def told(numbers: Iterable[float]) -> str:
    """Write the numbers of a box."""
    return "(" + ", ".join(f"{number:g}" for number in numbers) + ")"


def check_once(where: object, what: str, names: Iterable[object]) -> None:
    """Check that nothing is named twice.

    Raises:
        DataError: it is.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{where}: {what} there twice: {named(twice)}; each must be there once")


def split_up(offer: SceneOffer, split: Split | None, where: str) -> SceneListing:
    """Return a source's images in three parts that share none, each in the order that the source has them in.

    A count is drawn from the source's own part of that name. Where it has none, it is drawn from the training images, a
    tenth of them if no count is asked for; and of those that are left `split.train` are drawn.

    Args:
        offer: what the source has.
        split: what is asked for in place of the source's own split.
        where: the source, for the sentence that refuses.

    Raises:
        DataError: there are not as many images, or a part would have none.
    """
    asked, rest, parts = split or Split(), offer.train, dict[str, Scenes]()
    for name in PARTS[1:]:
        own, count, there = getattr(offer, name), getattr(asked, name), f"{where}: split: {name}"
        if own is None:
            rest, parts[name] = _drawn(rest, count or -(-len(offer.train) // 10), asked.seed, there)
        else:
            _, parts[name] = _drawn(own, count or len(own), asked.seed, there)
    _, train = _drawn(rest, asked.train or len(rest), asked.seed, f"{where}: split: train")
    parts = {"train": train, **parts}
    _check_filled(parts, where)
    return SceneListing(offer.classes, parts, _told(offer, parts, asked.seed))


def limited(listing: SceneListing, limit: int) -> SceneListing:
    """Return a listing with the first so many images of each part.

    Raises:
        DataError: that is none.
    """
    if limit < 1:
        raise DataError(f"limit {limit}: each part needs an image; use 1 or more")
    return SceneListing(listing.classes, {name: part[:limit] for name, part in listing.parts.items()}, listing.split)


def _within(box: Box, height: int, width: int) -> Box:
    x1, y1, x2, y2 = (
        min(max(edge, 0.0), float(end)) for edge, end in zip(box, (width, height, width, height), strict=True)
    )
    return x1, y1, x2, y2


def _drawn(among: Scenes, count: int, seed: int, where: str) -> tuple[Scenes, Scenes]:
    """Return what is left and what is drawn, each in order."""
    if count > len(among):
        raise DataError(f"{where} asks for {count:,} images and there are {len(among):,} to draw from; ask for fewer")
    drawn = set(np.random.RandomState(seed).permutation(len(among))[:count].tolist())  # numpy keeps its numbers
    left = tuple(one for index, one in enumerate(among) if index not in drawn)
    return left, tuple(one for index, one in enumerate(among) if index in drawn)


def _check_filled(parts: Mapping[str, Sequence[ListedScene]], where: str) -> None:
    for name, part in parts.items():
        if not part:
            raise DataError(f"{where}: split: the {name} part would have no image; add images, or ask for other counts")


def _told(offer: SceneOffer, parts: Mapping[str, Scenes], seed: int) -> str:
    """Write down where each part is from: "instances_train2017 and …: train 9 of 10 training images, …"."""
    words, drawn = [], False
    for name, part in parts.items():
        own: Scenes | None = getattr(offer, name)
        of, kind = (offer.train, "training") if own is None or name == "train" else (own, name)
        words.append(f"{name} {len(part):,} of {len(of):,} {kind} images")
        drawn |= len(part) < len(of)
    lists = f"{offer.lists}: " if offer.lists else ""
    return lists + ", ".join(words) + (f"; drawn with seed {seed}" if drawn else "")
