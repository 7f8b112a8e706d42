"""Decoding the images of a listing in threads, a run of them at a time and in order."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fishnet_search.data.listing import ListedPart, Listing
from fishnet_search.errors import BrokenImage, DataError

DIGEST_BYTES = hashlib.sha256().digest_size

_PICTURES_A_RUN = 16  # handing over one small picture to a thread takes as long as decoding it
_RUNS_AHEAD = 2  # of each thread: what is decoded must not pile up where it is written more slowly
_NAMED = 5  # of the broken images
_LONGEST = 16  # times the short side

Resize = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True, eq=False)
class Entries:
    """What is noted of each image of a part beside its pixels."""

    labels_N: NDArray[np.int64]  # noqa: N815
    sides_N2: NDArray[np.int64]  # noqa: N815  height and width
    digests_ND: NDArray[np.uint8]  # noqa: N815  SHA-256 of the image's source bytes

    def taken(self, indices_N: NDArray[np.int64]) -> Entries:
        """Return the entries at these indices."""
        return Entries(self.labels_N[indices_N], self.sides_N2[indices_N], self.digests_ND[indices_N])


@dataclass(frozen=True, eq=False)
class Decoded:
    """What came of decoding a listing, beside the pixels."""

    entries: Mapping[str, Entries]  # of the parts train, validation and test
    skipped: tuple[str, ...]  # broken images that were left out, by name


Keep = Callable[[str, NDArray[np.uint8], NDArray[np.int64]], None]
"""Takes the name of a part, the bytes of its next images and their sides (N, 2)."""


def decode(listing: Listing, *, side: int, square: bool, broken: Literal["fail", "skip"], keep: Keep) -> Decoded:
    """Decode all images of a listing and hand them over, part by part and in order.

    Beside what is kept, no more than some runs of images are in memory at any time.

    Args:
        listing: what to decode.
        side: pixels of the short side that each image is resized to, bilinearly and with antialiasing.
        square: whether the square in the middle is cut out first.
        broken: "skip" leaves broken images out; "fail" tries all others too, in order to name them together.
        keep: is called from this thread.

    Raises:
        BrokenImage: one image is broken.
        DataError: several are, or all images of a class, or an image is not as its source allows.
    """
    resize: Resize = partial(_squared if square else _shortened, side=side)
    entries, problems = {}, list[BrokenImage]()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, part in parts_of(listing).items():
            runs = []
            for run in _runs(part, resize, pool):
                problems += run.broken
                if broken == "skip" or not problems:
                    keep(name, run.bytes_B, run.entries.sides_N2)
                runs.append(run.entries)
            entries[name] = _joined(runs)
    if problems and broken == "fail":
        raise together(problems)
    _check_classes(listing, entries, problems)
    return Decoded(entries, tuple(problem.image for problem in problems))


def parts_of(listing: Listing) -> dict[str, ListedPart]:
    """Return the parts by name, in the order in which they are decoded."""
    return {"train": listing.train, "validation": listing.validation, "test": listing.test}


def fingerprint_of(classes: Sequence[str], side: int, entries: Mapping[str, Entries]) -> str:
    """Return the SHA-256 over contents, labels, split and sides, in hexadecimal.

    Where all images are squares it does not tell whether those were cut out or the images were as they are: the pixels
    are the same.
    """
    squares = all((part.sides_N2 == side).all() for part in entries.values())
    sha256 = hashlib.sha256(json.dumps([classes, side] if squares else [classes, side, "short side"]).encode())
    for name, part in entries.items():
        sha256.update(json.dumps([name, part.labels_N.tolist()]).encode() + part.digests_ND.tobytes())
    return sha256.hexdigest()


def _squared(image: Image.Image, *, side: int) -> Image.Image:
    return ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR).convert("RGB")


def _shortened(image: Image.Image, *, side: int) -> Image.Image:
    """Resize as torchvision's Resize does; of an image that is next to a line, only the middle is kept."""
    short = min(image.size)
    if max(image.size) > _LONGEST * short:
        kept = [min(length, _LONGEST * short) for length in image.size]
        left, top = ((length - keep) // 2 for length, keep in zip(image.size, kept, strict=True))
        image = image.crop((left, top, left + kept[0], top + kept[1]))
    width, height = (side * length // short for length in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR).convert("RGB")


@dataclass(frozen=True, eq=False)
class _Run:
    """Some successive images of a part."""

    bytes_B: NDArray[np.uint8]  # noqa: N815
    entries: Entries
    broken: list[BrokenImage]


def _runs(part: ListedPart, resize: Resize, pool: Executor) -> Iterator[_Run]:
    everything, ahead = range(len(part.pictures)), deque[Future[_Run]]()
    for start in everything[::_PICTURES_A_RUN]:
        ahead.append(pool.submit(_run, part, everything[start : start + _PICTURES_A_RUN], resize))
        if len(ahead) > _RUNS_AHEAD * (os.cpu_count() or 1):
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def _run(part: ListedPart, indices: range, resize: Resize) -> _Run:
    kept, images, digests, broken = list[int](), [], [], []
    for index in indices:
        try:
            content, image = part.pictures[index]()
        except BrokenImage as problem:
            broken.append(problem)
            continue
        kept.append(index)
        images.append(np.asarray(resize(image)).transpose(2, 0, 1))
        digests.append(hashlib.sha256(content).digest())
    entries = Entries(
        labels_N=part.labels[kept].astype(np.int64),
        sides_N2=np.array([image.shape[1:] for image in images], np.int64).reshape(-1, 2),
        digests_ND=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES),
    )
    return _Run(np.concatenate([np.empty(0, np.uint8), *(image.ravel() for image in images)]), entries, broken)


def _joined(runs: Sequence[Entries]) -> Entries:
    return Entries(
        np.concatenate([run.labels_N for run in runs]),
        np.concatenate([run.sides_N2 for run in runs]),
        np.concatenate([run.digests_ND for run in runs]),
    )


def together(problems: Sequence[BrokenImage]) -> DataError:
    """Return what to raise for broken images."""
    if len(problems) == 1:
        return problems[0]
    named = "; ".join(problem.image for problem in problems[:_NAMED])
    more = f"; and {len(problems) - _NAMED:,} more" if len(problems) > _NAMED else ""
    return DataError(
        f"{len(problems):,} images are broken: {named}{more}; the first: {problems[0].problem}; "
        "with `broken: skip`, or --broken skip, they are left out"
    )


def _check_classes(listing: Listing, entries: Mapping[str, Entries], problems: Sequence[BrokenImage]) -> None:
    for name, part in parts_of(listing).items():
        lost = np.setdiff1d(part.labels, entries[name].labels_N)
        if len(lost):
            classes = [listing.classes[label] for label in lost]
            raise DataError(
                f"{name}: all images of {classes} are broken, such as {problems[0].image}; "
                "replace them, or remove the classes"
            )
