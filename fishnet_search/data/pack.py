"""Packs: a set of images decoded, resized and laid into one file, which is mapped into memory instead of read.

    a page of 4,096 bytes       format, where the index is, and its SHA-256
    the pixels                  of train, validation and test: each image as (3, height, width), one after the other
    the index                   a header in JSON, then what is noted of each image, in tables of little-endian numbers

The index comes last because the sizes of the images are known when the last one has been decoded. `data.packing` writes
packs. Nothing in them is unpickled.
"""

from __future__ import annotations

import hashlib
import os
import struct
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from torch import Tensor

from fishnet_search.data.decoding import DIGEST_BYTES, Entries, fingerprint_of, parts_of
from fishnet_search.data.images import ImageSet, Part
from fishnet_search.data.listing import ListedPart, Listing, limited
from fishnet_search.data.pictures import Pictures
from fishnet_search.errors import DataError
from fishnet_search.spec.value import Value, Whole

PAGE_BYTES = 4096
PARTS = ("train", "validation", "test")

_NAME = b"fishnet-search pack "
_MAGIC = _NAME + b"1\n"
_WHERE = struct.Struct("<QQQ")  # first byte of the index, its bytes, those of its header
_ENTRY_BYTES = 3 * 4 + DIGEST_BYTES  # label, height, width and the SHA-256 of an image
_DIGEST_AT = len(_MAGIC) + _WHERE.size
_LONGEST_SIDE = 2**18  # with so many images at most, their bytes can be added up in 64 bits
_MOST_IMAGES = 2**25
_ANEW = "copy it again, or write it anew with `fishnet-search data pack`"

Count = Annotated[Whole, Field(ge=0)]
Levels = Annotated[tuple[Annotated[tuple[Count, ...], Field(min_length=256, max_length=256)], ...], Field(max_length=3)]


class PackedPart(Value):
    """The images of one purpose."""

    images: Annotated[Whole, Field(ge=1, le=_MOST_IMAGES)]
    levels: Levels = Field(min_length=3)  # pixels of each channel that have each of the 256 grey levels


class PackHeader(Value):
    """What a pack says of itself."""

    source: str  # as `Data.source`, of the images that were packed
    split: str  # how they were split, in words
    classes: tuple[str, ...]
    side: Annotated[Whole, Field(ge=1)]  # pixels of the short side
    square: bool  # whether the square in the middle was cut out
    limit: Whole | None  # images of each part, as asked
    fingerprint: str  # as of the images in memory
    skipped: tuple[str, ...]  # broken images that were left out, by name
    train: PackedPart
    validation: PackedPart
    test: PackedPart


@dataclass(frozen=True, eq=False)
class PackedPictures(Pictures):
    """Pictures in a pack, which another process gets by its path and opens itself."""

    part: str = ""
    fingerprint: str = ""  # of the whole pack
    levels: tuple[tuple[int, ...], ...] = ()

    @cached_property
    def levels_3L(self) -> Tensor:  # noqa: N802
        """As they were counted when the pack was written."""
        return torch.tensor(self.levels)

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened_again, (self.file, self.part, self.fingerprint)


def header_of(file: str | Path) -> PackHeader:
    """Return what a pack says of itself.

    Raises:
        DataError: no such file, no pack, one of another version, or one that is damaged.
    """
    return _index(file).header


def open_pack(file: str | Path, *, limit: int | None = None) -> ImageSet:
    """Map the images of a pack into memory, to be read only.

    Args:
        file: the pack. It may be moved or replaced, but not written to, for as long as its images are in use.
        limit: as of `load_images`; those fewer images are copied into memory.

    Raises:
        DataError: as `header_of`, or the limit is below the number of classes.
    """
    index = _index(file)
    header, entries, pictures = index.header, index.entries, {name: _mapped(index, name) for name in PARTS}
    if limit is not None and limit < max(map(len, pictures.values())):
        chosen = _within(limit, header.classes, entries)
        entries = {name: part.taken(chosen[name]) for name, part in entries.items()}
        pictures = {name: part.taken(torch.from_numpy(chosen[name])) for name, part in pictures.items()}
    parts = {name: Part(pictures[name], torch.from_numpy(entries[name].labels_N)) for name in PARTS}
    whole = entries is index.entries
    return ImageSet(
        f"pack:{file}",
        header.classes,
        header.side,
        **parts,
        fingerprint=header.fingerprint if whole else fingerprint_of(header.classes, header.side, entries),
        split=header.split,
        skipped=header.skipped,
    )


def index_bytes(header: PackHeader, entries: Mapping[str, Entries], start: int) -> tuple[bytes, bytes]:
    """Return the first page of a pack and its index.

    Args:
        header: of the pack.
        entries: of each part.
        start: of the index, in bytes from the start of the file.
    """
    told = header.model_dump_json().encode()
    tables = [table.tobytes() for name in PARTS for table in _as_stored(entries[name])]
    index = b"".join([told, *tables])
    where = _WHERE.pack(start, len(index), len(told))
    return (_MAGIC + where + hashlib.sha256(where + index).digest()).ljust(PAGE_BYTES, b"\0"), index


def path_of(file: str | Path) -> Path:
    """Return the whole path of a pack, which is the same one from another folder.

    Raises:
        DataError: no file can be called that.
    """
    try:
        path = Path(file).expanduser().absolute()
        with suppress(FileNotFoundError, NotADirectoryError):
            path.lstat()
    except (OSError, RuntimeError, ValueError) as error:  # no such user, a name too long or that no path can have
        raise DataError(f"{str(file)!r}: cannot be a file: {error}") from error
    return path


@dataclass(frozen=True, eq=False)
class _Index:
    file: Path
    header: PackHeader
    entries: Mapping[str, Entries]


def _index(file: str | Path) -> _Index:
    path = path_of(file)
    try:
        with path.open("rb") as opened:
            page, size = opened.read(PAGE_BYTES), os.fstat(opened.fileno()).st_size
            start, index_size, header_size = _where(path, page, size)
            opened.seek(start)
            index = opened.read(index_size)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; write a pack with `fishnet-search data pack`") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    where, digest = page[len(_MAGIC) : _DIGEST_AT], page[_DIGEST_AT : _DIGEST_AT + DIGEST_BYTES]
    if hashlib.sha256(where + index).digest() != digest:
        raise DataError(f"{path}: is damaged: the SHA-256 of its index is another than was written; {_ANEW}")
    try:
        header = PackHeader.model_validate_json(index[:header_size])
        entries = _read_tables(header, index[header_size:])
        _check(header, entries, start - PAGE_BYTES)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; {_ANEW}") from error
    except ValueError as error:
        raise DataError(f"{path}: {error}; {_ANEW}") from error
    return _Index(path, header, entries)


def _where(path: Path, page: bytes, size: int) -> tuple[int, int, int]:
    """Return the first byte of the index, its bytes and those of its header."""
    if not page.startswith(_MAGIC):
        what = "a pack of another version" if page.startswith(_NAME) else "no pack"
        raise DataError(f"{path}: is {what}; write one with `fishnet-search data pack`")
    if len(page) < PAGE_BYTES:
        raise DataError(f"{path}: is cut short after {size:,} bytes; {_ANEW}")
    start, index_size, header_size = _WHERE.unpack_from(page, len(_MAGIC))
    if start + index_size != size:
        raise DataError(f"{path}: has {size:,} bytes where {start + index_size:,} were written; {_ANEW}")
    return start, index_size, header_size


def _as_stored(entries: Entries) -> tuple[NDArray[Any], ...]:
    return entries.labels_N.astype("<i4"), entries.sides_N2.astype("<i4"), entries.digests_ND


def _read_tables(header: PackHeader, tables: bytes) -> dict[str, Entries]:
    """Return what `_as_stored` was given of each part.

    Raises:
        ValueError: the tables are too short or too long.
    """
    needed = sum(_part(header, name).images for name in PARTS) * _ENTRY_BYTES
    if needed != len(tables):
        raise ValueError(f"its tables have {len(tables):,} bytes, and {needed:,} are needed")
    entries, at = {}, 0
    for name in PARTS:
        count = _part(header, name).images
        numbers = np.frombuffer(tables, "<i4", count * 3, at).astype(np.int64)
        digests_B = np.frombuffer(tables, np.uint8, count * DIGEST_BYTES, at + count * 12)
        entries[name] = Entries(
            labels_N=numbers[:count].copy(),
            sides_N2=numbers[count:].reshape(count, 2),
            digests_ND=digests_B.reshape(count, DIGEST_BYTES),
        )
        at += count * _ENTRY_BYTES
    return entries


def _check(header: PackHeader, entries: Mapping[str, Entries], pixel_bytes: int) -> None:
    """Check what is used as an index into memory, also of a file whose SHA-256 was made to fit.

    Raises:
        ValueError: a label is of no class, or the images do not lie in the file.
    """
    for name, part in entries.items():
        if part.labels_N.min() < 0 or part.labels_N.max() >= len(header.classes):
            raise ValueError(f"a label of its {name} part is of none of its {len(header.classes)} classes")
        if part.sides_N2.min() < 1 or part.sides_N2.max() > _LONGEST_SIDE:
            raise ValueError(f"an image of its {name} part has no pixels, or too many")
    total = sum(_bytes_of(part) for part in entries.values())
    if total != pixel_bytes:
        raise ValueError(f"its images have {total:,} bytes, and {pixel_bytes:,} are there")


def _bytes_of(entries: Entries) -> int:
    """Return how many bytes the pixels of a part take."""
    return 3 * int(entries.sides_N2.prod(1).sum())


def _part(header: PackHeader, name: str) -> PackedPart:
    return cast(PackedPart, getattr(header, name))


def _mapped(index: _Index, name: str) -> Pictures:
    """Return the pictures of a part; nothing is read before it is used."""
    start = PAGE_BYTES
    for other in PARTS[: PARTS.index(name)]:
        start += _bytes_of(index.entries[other])
    entries, header = index.entries[name], index.header
    try:
        pixels_B = np.memmap(index.file, np.uint8, "r", start, (_bytes_of(entries),))
    except (OSError, ValueError) as error:
        raise DataError(f"{index.file}: cannot be mapped into memory: {error}; {_ANEW}") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has no tensors that can only be read
        bytes_B = torch.from_numpy(pixels_B)
    sides_N2 = torch.from_numpy(entries.sides_N2)
    return PackedPictures(bytes_B, sides_N2, index.file, name, header.fingerprint, _part(header, name).levels)


def _opened_again(file: Path, name: str, fingerprint: str) -> Pictures:
    """Return in another process what `_mapped` returned.

    Raises:
        DataError: as `header_of`, or the file is another pack by now.
    """
    index = _index(file)
    if index.header.fingerprint != fingerprint:
        raise DataError(f"{file}: is another pack than the one that was opened first; start again")
    return _mapped(index, name)


def _within(limit: int, classes: tuple[str, ...], entries: Mapping[str, Entries]) -> dict[str, NDArray[np.int64]]:
    """Return which images of each part are kept by the rule of `limited`."""
    train, validation, test = (_numbered(entries[name].labels_N) for name in PARTS)
    kept = limited(Listing(classes, train, validation, test), limit)
    return {name: np.array(part.pictures, np.int64) for name, part in parts_of(kept).items()}


def _numbered(labels_N: NDArray[np.int64]) -> ListedPart:
    """Return a part whose pictures are their own indices: they lie in the file and are not read one by one."""
    return ListedPart(cast(Any, range(len(labels_N))), labels_N)
