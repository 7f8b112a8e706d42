"""Reading the images of a source into memory."""

from __future__ import annotations

import hashlib
import json
import os
import re
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from fishnet_search.data.images import ImageSet, Part
from fishnet_search.data.listing import ListedPart, limited
from fishnet_search.data.sources import list_images
from fishnet_search.errors import DataError

_PICTURES_A_TASK = 64  # of a thread: handing over one small picture takes as long as decoding it


def load_images(source: str, *, image_size: int, limit: int | None = None) -> ImageSet:
    """Return all images of a source in memory, square, in RGB and one byte a channel.

    An image of another size is cropped at the centre to a square and resized bilinearly, with antialiasing. Neither
    the order nor the split depends on the image size, the file system or the training seed.

    Args:
        source: "digits" or "imagefolder:PATH"; the modules `digits` and `imagefolder` say how each is split.
        image_size: pixels a side.
        limit: at most that many images in each part, of every class as near as possible the same number.

    Raises:
        DataError: an unknown source, images that are missing, unreadable or not laid out as they should be, more
            images than fit in memory, or a limit below the number of classes.
    """
    listing = list_images(source)
    if limit is not None:
        listing = limited(listing, limit)
    parts = {"train": listing.train, "validation": listing.validation, "test": listing.test}
    _check_memory(sum(len(part.labels) for part in parts.values()), image_size)

    sha256 = hashlib.sha256(json.dumps([listing.classes, image_size]).encode())
    decoded = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, part in parts.items():
            decoded[name], digests = _decode(part, image_size, pool)
            sha256.update(json.dumps([name, part.labels.tolist()]).encode() + b"".join(digests))
    return ImageSet(source, listing.classes, image_size, **decoded, fingerprint=sha256.hexdigest())


def _check_memory(images: int, image_size: int) -> None:
    needed, free = images * 3 * image_size**2, _free_memory_bytes()
    if needed > free:
        raise DataError(
            f"{images:,} images of {image_size}×{image_size} pixels need {needed / 2**30:,.1f} GiB of memory "
            f"and {free / 2**30:,.1f} GiB are free; take fewer with --limit"
        )


def _free_memory_bytes() -> int:
    """Return what Linux says it can give without swapping; elsewhere the whole memory, for want of a better figure."""
    meminfo = Path("/proc/meminfo")
    available = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text()) if meminfo.exists() else None
    if available:
        return int(available[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _decode(part: ListedPart, image_size: int, pool: Executor) -> tuple[Part, list[bytes]]:
    """Return the decoded part and the SHA-256 of each picture's source bytes."""
    images_NCHW = np.empty((len(part.pictures), 3, image_size, image_size), np.uint8)

    def fill(indices: range) -> list[bytes]:
        digests = []
        for index in indices:
            content, image = part.pictures[index]()
            square = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BILINEAR).convert("RGB")
            images_NCHW[index] = np.asarray(square).transpose(2, 0, 1)
            digests.append(hashlib.sha256(content).digest())
        return digests

    everything = range(len(part.pictures))
    runs = [everything[start : start + _PICTURES_A_TASK] for start in everything[::_PICTURES_A_TASK]]
    digests = [digest for run in pool.map(fill, runs) for digest in run]
    return Part(torch.from_numpy(images_NCHW), torch.from_numpy(part.labels)), digests
