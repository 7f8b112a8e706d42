"""The 1,797 handwritten digits that come with scikit-learn: ten classes, 8×8 grey pixels, nothing to download."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fishnet_search.data.listing import ListedPart, Listing

_SPLIT_SEED = 0  # of the split, which is the same for every image size and every training seed


def list_digits() -> Listing:
    """Return 1,077 images for training, 360 for validation and 360 for testing, stratified."""
    digits = load_digits()
    # From 0..16 to 0..255 in whole numbers, so that the pixels are the same on every machine.
    images_NHW = ((digits.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)
    everything = ListedPart([partial(_draw, image) for image in images_NHW], digits.target.astype(np.int64))

    train, rest = train_test_split(
        np.arange(len(digits.target)), test_size=720, stratify=digits.target, random_state=_SPLIT_SEED
    )
    validation, test = train_test_split(rest, test_size=360, stratify=digits.target[rest], random_state=_SPLIT_SEED)
    return Listing(
        classes=tuple(str(name) for name in digits.target_names),
        train=everything.take(np.sort(train)),
        validation=everything.take(np.sort(validation)),
        test=everything.take(np.sort(test)),
    )


def _draw(image_HW: NDArray[np.uint8]) -> tuple[bytes, Image.Image]:
    return image_HW.tobytes(), Image.fromarray(image_HW)
