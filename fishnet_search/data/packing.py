"""Writing packs: any number of images, in the memory that a few of them take."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from fishnet_search.data.decoding import Decoded, decode, fingerprint_of, parts_of
from fishnet_search.data.description import Data
from fishnet_search.data.listing import Listing, limited
from fishnet_search.data.pack import PAGE_BYTES, PARTS, PackedPart, PackHeader, index_bytes, path_of
from fishnet_search.data.pictures import Pictures
from fishnet_search.data.sources import list_images
from fishnet_search.errors import DataError

Progress = Callable[[int, int], None]
"""Takes how many images are done, and of how many."""


def write_pack(
    data: Data,
    file: str | Path,
    *,
    side: int,
    square: bool = False,
    limit: int | None = None,
    progress: Progress = lambda done, of: None,
) -> PackHeader:
    """Decode and resize a set of images once and for all, and return what the pack says of itself.

    The images are as those of `load_images` with the same side, square and limit, and so is their fingerprint. In
    memory are some of them at a time, and about a hundred bytes of each. The file appears when it is whole.

    Args:
        data: which images.
        file: to be written; there must be none.
        side: pixels of the short side.
        square: whether the square in the middle is cut out first.
        limit: images of each part.
        progress: is told from time to time.

    Raises:
        BrokenImage: as `load_images`.
        DataError: as `load_images`; or there is such a file, no place for it, or it may not be written.
    """
    path = path_of(file)
    if data.source.partition(":")[0] == "pack":
        raise DataError(f"{data.source}: is a pack already; write one from the images that it was made of")
    listing = list_images(data) if limit is None else limited(list_images(data), limit)
    try:
        _check_place(path, 3 * side**2 * _images(listing))
        with _appearing(path) as out:
            writer = _Writer(out, _images(listing), progress)
            decoded = decode(listing, side=side, square=square, broken=data.broken, keep=writer.add)
            header = PackHeader(
                source=_text(data.source),
                split=listing.split,
                classes=tuple(map(_text, listing.classes)),
                side=side,
                square=square,
                limit=limit,
                fingerprint=fingerprint_of(listing.classes, side, decoded.entries),
                skipped=tuple(map(_text, decoded.skipped)),
                **writer.parts(decoded),
            )
            writer.finish(header, decoded)
    except OSError as problem:
        raise DataError(f"{path}: cannot be written: {problem.strerror}; name another file") from problem
    return header


@contextmanager
def _appearing(path: Path) -> Iterator[BinaryIO]:
    """Give a file beside a path to write to, which takes its place when all is well and otherwise is gone."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with beside.open("xb") as out:
            yield out
        beside.replace(path)
        _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


class _Writer:
    """Writes pixels as they come, and counts their grey levels."""

    def __init__(self, out: BinaryIO, images: int, progress: Progress) -> None:
        self._out, self._images, self._progress = out, images, progress
        self._levels = {name: torch.zeros(3, 256, dtype=torch.int64) for name in PARTS}
        self._done = 0
        out.write(bytes(PAGE_BYTES))

    def add(self, name: str, bytes_B: NDArray[np.uint8], sides_N2: NDArray[np.int64]) -> None:
        self._out.write(bytes_B.data)
        self._levels[name] += Pictures(torch.from_numpy(bytes_B), torch.from_numpy(sides_N2)).levels_3L
        self._done += len(sides_N2)
        self._progress(self._done, self._images)

    def parts(self, decoded: Decoded) -> dict[str, PackedPart]:
        return {
            name: PackedPart(images=len(decoded.entries[name].labels_N), levels=levels.tolist())
            for name, levels in self._levels.items()
        }

    def finish(self, header: PackHeader, decoded: Decoded) -> None:
        """Write the index, then the first page, and have the disk hold both."""
        page, index = index_bytes(header, decoded.entries, self._out.tell())
        self._out.write(index)
        self._out.seek(0)
        self._out.write(page)
        self._out.flush()
        os.fsync(self._out.fileno())


def _text(name: str) -> str:
    """Return a name of a file as JSON can hold it: on Linux it need not be UTF-8."""
    return name.encode(errors="backslashreplace").decode()


def _images(listing: Listing) -> int:
    return sum(len(part.labels) for part in parts_of(listing).values())


def _check_place(path: Path, needed: int) -> None:
    if path.exists():
        raise DataError(f"{path}: exists; remove it, or name another file")
    if not path.parent.is_dir():
        raise DataError(f"{path.parent}: no such folder; make it, or name a file elsewhere")
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise DataError(
            f"{path}: needs at least {needed / 2**30:,.1f} GiB and {free / 2**30:,.1f} GiB are free; "
            "name a file elsewhere, or take fewer with --limit"
        )


def _sync(folder: Path) -> None:
    """Have the disk hold that a file was renamed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
