"""Reading the images of a source into memory, or mapping those of a pack."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from fishnet_search.data.decoding import decode, fingerprint_of, parts_of
from fishnet_search.data.description import Data
from fishnet_search.data.images import ImageSet, Part
from fishnet_search.data.listing import limited
from fishnet_search.data.memory import Memory, free_memory_bytes
from fishnet_search.data.pack import header_of, open_pack
from fishnet_search.data.pictures import Pictures
from fishnet_search.data.sources import list_images
from fishnet_search.errors import DataError


def load_images(data: Data, *, side: int, square: bool, limit: int | None = None) -> ImageSet:
    """Return all images of a source in RGB and one byte a channel: in memory, or in the pack that they lie in.

    Each is resized bilinearly, with antialiasing. Neither the order nor the split depends on the size, the file system
    or the training seed.

    Args:
        data: which images, how they are split, and what becomes of broken ones.
        side: pixels of the short side.
        square: whether the square in the middle is all that is looked at, and is cut out first; a pack of whole images
            has them whole all the same. Without it, images may have several sizes.
        limit: at most that many images in each part, of every class as near as possible the same number.

    Raises:
        BrokenImage: an image cannot be decoded.
        DataError: an unknown source, images that are missing, broken or not laid out as they should be, more images
            than fit in memory, a limit below the number of classes, or a pack that is damaged or of another size.
    """
    name, _, path = data.source.partition(":")
    if name == "pack":
        return _from_pack(data, path, side=side, square=square, limit=limit)
    listing = list_images(data) if limit is None else limited(list_images(data), limit)
    free = free_memory_bytes()
    count = sum(len(part.labels) for part in parts_of(listing).values())
    _check_memory(count * 3 * side**2, free, f"{count:,} images of {side}×{side} pixels need {{needed}}")

    memory = {part: Memory() for part in parts_of(listing)}

    def keep(part: str, bytes_B: NDArray[np.uint8], _: NDArray[np.int64]) -> None:
        memory[part].add(bytes_B)
        taken = sum(one.bytes for one in memory.values())
        _check_memory(taken, free, f"{count:,} images with a short side of {side} pixels need more than {{needed}}")

    decoded = decode(listing, side=side, square=square, broken=data.broken, keep=keep)
    parts = {
        part: Part(Pictures(memory[part].whole(), torch.from_numpy(of.sides_N2)), torch.from_numpy(of.labels_N))
        for part, of in decoded.entries.items()
    }
    fingerprint = fingerprint_of(listing.classes, side, decoded.entries)
    return ImageSet(
        data.source,
        listing.classes,
        side,
        **parts,
        fingerprint=fingerprint,
        split=listing.split,
        skipped=decoded.skipped,
    )


def _from_pack(data: Data, path: str, *, side: int, square: bool, limit: int | None) -> ImageSet:
    """Map the images of a pack, if they are as they are asked for or have that in their middle.

    Raises:
        DataError: they are not, or the pack cannot be opened.
    """
    if not path:
        raise DataError("data 'pack' needs the path of a file; write 'pack:FILE'")
    header = header_of(path)
    if data.split is not None:
        raise DataError(f"{path}: was split when it was written: {header.split}; leave out `split`, or write it anew")
    if header.side != side:
        raise DataError(
            f"{path}: its images have a short side of {header.side} pixels and {side} are needed; "
            "write one of that size with `fishnet-search data pack`"
        )
    if header.square and not square:
        raise DataError(
            f"{path}: its images are squares from the middle, and whole ones are needed; "
            "write one of whole images with `fishnet-search data pack`"
        )
    return open_pack(path, limit=limit)


def _check_memory(needed: int, free: int, sentence: str) -> None:
    if needed > free:
        raise DataError(
            f"{sentence.format(needed=f'{needed / 2**30:,.1f} GiB')} of memory and {free / 2**30:,.1f} GiB are free; "
            "take fewer with --limit, or write them into a file with `fishnet-search data pack`"
        )
