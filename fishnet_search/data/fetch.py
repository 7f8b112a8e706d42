"""Fetching image sets that are given out freely, when someone asks for it; nothing else here uses the network.

    cifar10, cifar100    from Krizhevsky's page at the University of Toronto, 163 and 161 MB
    tiny-imagenet        from Stanford's CS231n, 237 MB

What arrives is compared with the MD5 of the published archive, and unpacked beside where it is to lie, then moved there
in one step. So what lies there is whole, and what lay there before is never touched.

Source: addresses and digests of CIFAR are torchvision's. Stanford publishes no digest of Tiny ImageNet; the one here is
what many projects have for that archive, such as avalanche (benchmarks/datasets/tiny_imagenet).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from fishnet_search.data.tiny_imagenet import FOLDER
from fishnet_search.errors import DataError


@dataclass(frozen=True)
class _Archive:
    url: str
    md5: str
    folder: str  # that it unpacks to


def fetchable() -> tuple[str, ...]:
    """Return the names of the image sets that can be fetched."""
    return tuple(_archives())


def fetch(name: str, folder: Path) -> Path:
    """Download an image set into a folder and unpack it there.

    Args:
        name: "cifar10", "cifar100" or "tiny-imagenet".
        folder: is made if it is missing.

    Returns:
        the folder within `folder` that it lies in, which is the PATH of `NAME:PATH`.

    Raises:
        DataError: an unknown name, something that lies in the way, no connection, or an archive that is not the
            published one.
    """
    archives = _archives()
    if name == "imagenet":
        raise DataError(
            "imagenet: cannot be fetched, since its owners give it only to those who accept their terms, at "
            "https://image-net.org; unpack it as PATH/train/WNID/*.JPEG and PATH/val/WNID/*.JPEG, and use imagenet:PATH"
        )
    if name not in archives:
        raise DataError(f"{name}: cannot be fetched; one of {', '.join(archives)}")
    archive = archives[name]
    try:
        return _fetched(archive, folder.expanduser())
    except (OSError, HTTPException, RuntimeError) as error:  # the last is torchvision's for a wrong MD5
        raise DataError(f"{name}: cannot be fetched from {archive.url}: {error}; try again, or by hand") from error


def _fetched(archive: _Archive, folder: Path) -> Path:
    from torchvision.datasets.utils import download_and_extract_archive

    there = folder / archive.folder
    if there.exists():
        raise DataError(f"{there}: is there already; use it, or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as beside:
        download_and_extract_archive(archive.url, beside, md5=archive.md5)
        (Path(beside) / archive.folder).rename(there)
    return there


def _archives() -> dict[str, _Archive]:
    from torchvision.datasets import CIFAR10, CIFAR100

    return {
        "cifar10": _Archive(CIFAR10.url, CIFAR10.tgz_md5, CIFAR10.base_folder),
        "cifar100": _Archive(CIFAR100.url, CIFAR100.tgz_md5, CIFAR100.base_folder),
        "tiny-imagenet": _Archive(
            f"http://cs231n.stanford.edu/{FOLDER}.zip", "90528d7ca1a48142e341f4ef8d21d0de", FOLDER
        ),
    }
