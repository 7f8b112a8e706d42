"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their original python batches: 32×32 pixels, 60,000 images.

    PATH/cifar-10-batches-py/{data_batch_1, ..., data_batch_5, test_batch, batches.meta}
    PATH/cifar-100-python/{train, test, meta}

Of the 50,000 training images, a fifth are set aside as the validation part, which leaves 40,000; the 10,000 test images
are the test part. CIFAR-100's classes are the fine ones. torchvision reads the batches, which are pickled, and first
compares their MD5 with that of the published files, so that no other file is unpickled.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fishnet_search.data.description import Split
from fishnet_search.data.folders import opened
from fishnet_search.data.listing import ListedPart, Offer
from fishnet_search.errors import DataError


def offer_cifar(path: str, *, name: str) -> Offer:
    """Return all images of CIFAR-10 or CIFAR-100; they are small enough to be read at once.

    Args:
        path: of the folder that has the batches' folder, or of the latter.
        name: "cifar10" or "cifar100".

    Raises:
        DataError: the batches are missing or not the published ones.
    """
    from torchvision import datasets

    published: Any = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    folder = published.base_folder
    files = [file for file, _ in published.train_list + published.test_list] + [published.meta["filename"]]
    layout = (
        f"expected PATH/{folder} with the files {', '.join(files)}, as `fishnet-search data fetch {name}` unpacks them"
    )
    root = opened(path, layout)
    if root.resolve().name == folder:
        root = root.resolve().parent
    for file in files:
        if not (root / folder / file).is_file():
            raise DataError(f"{root}: has no {folder}/{file}; {layout}")
    try:
        train, test = published(root, train=True), published(root, train=False)
    except RuntimeError as error:
        raise DataError(
            f"{root / folder}: {_other_file(root / folder, published)} is not the published file, by its MD5; "
            f"remove the folder and have it fetched again by `fishnet-search data fetch {name}`"
        ) from error
    train_part = _part(train)
    return Offer(
        tuple(train.classes), train_part, test=_part(test), aside=Split(validation=-(-len(train_part.labels) // 5))
    )


def _other_file(folder: Path, published: Any) -> str:
    """Return the first file that is not as it was published."""
    from torchvision.datasets.utils import check_integrity

    meta = published.meta["filename"], published.meta["md5"]
    digests: list[tuple[str, str]] = [*published.train_list, *published.test_list, meta]
    return next(file for file, md5 in digests if not check_integrity(folder / file, md5))


def _part(images: Any) -> ListedPart:
    return ListedPart([partial(_picture, image) for image in images.data], np.asarray(images.targets, np.int64))


def _picture(image_HWC: NDArray[np.uint8]) -> tuple[bytes, Image.Image]:
    return image_HWC.tobytes(), Image.fromarray(image_HWC)
