"""Archives of real images. They are not part of the project: without them, the tests that need them are skipped."""

import os
import tarfile
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("FISHNET_SEARCH_SHARED", Path(__file__).parents[2] / "shared")) / "data"
CIFAR10 = "cifar10-jpeg.tar.xz"
TINY_IMAGENET = "tiny-imagenet-40.tar.xz"


def unpacked(archive, folder, wanted=lambda name: True):
    """Unpack those files of an archive whose names are wanted, and return the folder."""
    if not (FOLDER / archive).exists():
        pytest.skip(f"no {archive} in the folder `data` of FISHNET_SEARCH_SHARED")
    with tarfile.open(FOLDER / archive) as file:
        file.extractall(folder, (one for one in file if one.isdir() or wanted(one.name)), filter="data")
    return folder
