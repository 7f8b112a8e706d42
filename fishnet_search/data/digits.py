"""The 1,797 handwritten digits that come with scikit-learn: ten classes, 8×8 grey pixels, nothing to download."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from fishnet_search.data.description import Split
from fishnet_search.data.listing import ListedPart, Offer

_digits = cache(load_digits)
"""The images, which nothing changes, read once: a study asks for them several times."""


def offer_digits() -> Offer:
    """Return all images, of which 360 are for validation and 360 for testing."""
    digits = _digits()
    # From 0..16 to 0..255 in whole numbers, so that the pixels are the same on every machine.
    images_NHW = ((digits.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)
    return Offer(
        classes=tuple(str(name) for name in digits.target_names),
        train=ListedPart([partial(_draw, image) for image in images_NHW], digits.target.astype(np.int64)),
        aside=Split(validation=360, test=360),
    )


def _draw(image_HW: NDArray[np.uint8]) -> tuple[bytes, Image.Image]:
    return image_HW.tobytes(), Image.fromarray(image_HW)
