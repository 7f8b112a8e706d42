"""Real images to compare an exported network on: the study's test images, or drawn ones where there are none."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fishnet_search.data.description import Data
from fishnet_search.data.load import load_images
from fishnet_search.errors import DataError
from fishnet_search.export.choosing import Chosen
from fishnet_search.train.batches import Batches
from fishnet_search.train.normalisation import Normalisation

IMAGES = 16
DRAWN = "shapes"


@dataclass(frozen=True, eq=False)
class Images:
    """Prepared images, and where they are from."""

    images_NCHW: Tensor  # noqa: N815  float32, normalised
    told: str  # "16 test images of digits"


def images_for(chosen: Chosen) -> Images:
    """Return images as the network takes them at the test.

    Where the images of its study cannot be had here, or none are known, they are drawn.
    """
    record = chosen.model.record
    if record is not None:
        try:
            return _prepared(chosen, record.data.source, max(IMAGES, record.data.classes))
        except DataError:
            pass  # of a study that was made elsewhere
    return _prepared(chosen, DRAWN, IMAGES)


def _prepared(chosen: Chosen, source: str, limit: int) -> Images:
    model = chosen.model
    preparation = model.preparation
    images = load_images(Data(source=source), side=preparation.short_side, square=True, limit=limit)
    normalise = Normalisation(torch.tensor(preparation.mean), torch.tensor(preparation.std))
    batches = Batches(
        images.test, len(images.classes), normalise, chosen.recipe, preparation.image_size, torch.device("cpu")
    )
    first_NCHW, _ = next(iter(batches.in_order()))
    some_NCHW = first_NCHW[:IMAGES].contiguous()
    kind = source.partition(":")[0]
    what = f"drawn images ({DRAWN})" if source == DRAWN else f"test images of {kind}"
    return Images(some_NCHW, f"{len(some_NCHW)} {what}")
