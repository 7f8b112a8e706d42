"""Real images to compare an exported model on: the study's test images, or drawn ones where there are none."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fishnet_search.data.description import Data
from fishnet_search.data.images import ImageSet
from fishnet_search.data.scenes import ScenePart
from fishnet_search.errors import DataError
from fishnet_search.export.choosing import Chosen
from fishnet_search.export.model import Model, Preparation
from fishnet_search.task.images import images_for as images_of_source
from fishnet_search.train.batches import Batches
from fishnet_search.train.scene_transforms import View, seen_image

IMAGES = 16
DRAWN = "shapes"


@dataclass(frozen=True, eq=False)
class Images:
    """Prepared images, and where they are from."""

    images_NCHW: Tensor  # noqa: N815  float32, normalised, as many pixels a side as the network is made for
    told: str  # "16 test images of digits"


def images_for(chosen: Chosen) -> Images:
    """Return images as the network takes them at the test; of tasks that see whole images, squares of them.

    Where the images of its study cannot be had here, or none are known, they are drawn.
    """
    record = chosen.model.record
    if record is not None:
        try:
            return _prepared(chosen.model, record.data.source, max(IMAGES, record.data.classes))
        except DataError:
            pass  # of a study that was made elsewhere
    return _prepared(chosen.model, DRAWN, IMAGES)


def _prepared(model: Model, source: str, limit: int) -> Images:
    preparation = model.preparation
    images = images_of_source(
        model.task,
        Data(source=source),
        image_size=preparation.image_size,
        short_side=preparation.short_side,
        square=True,
        limit=limit,
    )
    some_NCHW = _first(images, preparation) if isinstance(images, ImageSet) else _squares(images.test, preparation)
    kind = source.partition(":")[0]
    what = f"drawn images ({DRAWN})" if source == DRAWN else f"test images of {kind}"
    return Images(some_NCHW, f"{len(some_NCHW)} {what}")


def _first(images: ImageSet, preparation: Preparation) -> Tensor:
    batches = Batches(
        images.test,
        len(images.classes),
        preparation.normalisation,
        preparation.recipe,
        preparation.image_size,
        torch.device("cpu"),
    )
    first_NCHW, _ = next(iter(batches.in_order()))
    return first_NCHW[:IMAGES].contiguous()


def _squares(part: ScenePart, preparation: Preparation) -> Tensor:
    """Return the corners of the first images, resized so that none of them ends before its square does."""
    seen = [_square(part.pictures.at(index), preparation.image_size) for index in range(min(IMAGES, len(part)))]
    return preparation.normalisation(torch.stack(seen)).contiguous()


def _square(image_CHW: Tensor, size: int) -> Tensor:
    factor = size / min(image_CHW.shape[1:])
    height, width = (max(size, round(side * factor)) for side in image_CHW.shape[1:])
    return seen_image(image_CHW, View((height, width), (size, size)), (0, 0, 0))
