"""Making a report's pictures and curves of what a network found."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from fishnet_search.data.scenes import Objects, RunLengths, ScenePart
from fishnet_search.task.findings import LEAST_SCORE, RECALLS, Findings, SeenObject, Shown
from fishnet_search.task.found import Found
from fishnet_search.task.voc import curves_of

SHOWN = 4
"""Images, evenly spread over the part."""

LONGEST = 320
"""Pixels of a picture's longer side."""

MOST_FOUND = 40
"""Objects in a picture, the surest ones."""


def shown_images(part: ScenePart) -> list[int]:
    """Return which images of a part are shown: the same ones whatever the network."""
    return sorted({round(place) for place in np.linspace(0, len(part) - 1, SHOWN)})


def object_findings(
    part: ScenePart, found: Sequence[Found], truths: Sequence[Objects], classes: tuple[str, ...]
) -> Findings:
    """Return what is shown of a detector: pictures, and precision over recall of each class that has objects.

    Args:
        part: of the images.
        found: in each of them.
        truths: of the same images.
        classes: by the labels.
    """
    recalls = [point / (RECALLS - 1) for point in range(RECALLS)]
    curves = zip(classes, curves_of(found, truths, len(classes)), strict=True)
    return Findings(
        classes=classes,
        shown=tuple(_with_objects(part, index, found[index], truths[index]) for index in shown_images(part)),
        precision={
            name: tuple(round(curve.best_precision(recall), 4) for recall in recalls) for name, curve in curves if curve
        },
    )


def map_findings(
    part: ScenePart, found: dict[int, Tensor], truths: Sequence[Tensor], classes: tuple[str, ...], iou: dict[str, float]
) -> Findings:
    """Return what is shown of a network that gives each pixel a class.

    Args:
        part: of the images.
        found: the map of classes (height, width) of those of `shown_images`.
        truths: of all images.
        classes: by the values of the maps.
        iou: of each class that some pixel has or is taken for.
    """
    shown = []
    for index, map_HW in sorted(found.items()):
        sides = _sides(part, index)
        truth, own = (_png(_nearest(each_HW, sides)) for each_HW in (truths[index], map_HW))
        shown.append(Shown(name=part.names[index], picture=_picture(part, index, sides), truth=truth, found=own))
    return Findings(classes=classes, shown=tuple(shown), iou=iou)


def _with_objects(part: ScenePart, index: int, found: Found, truth: Objects) -> Shown:
    sides = _sides(part, index)
    factor = sides[0] / int(part.pictures.sides_N2[index, 0])
    aside_K = truth.crowd_K | truth.difficult_K
    there = zip(truth.labels_K.tolist(), truth.boxes_K4 * factor, aside_K.tolist(), strict=True)
    sure = [row for row, score in enumerate(found.scores_K.tolist()) if score >= LEAST_SCORE][:MOST_FOUND]
    return Shown(
        name=part.names[index],
        picture=_picture(part, index, sides),
        truth=tuple(
            SeenObject(label=label, box=_box(box_4), set_aside=aside, mask=_mask(truth.masks, row, sides))
            for row, (label, box_4, aside) in enumerate(there)
        ),
        found=tuple(
            SeenObject(
                label=int(found.labels_K[row]),
                box=_box(found.boxes_K4[row] * factor),
                score=round(float(found.scores_K[row]), 4),
                mask=_mask(found.masks, row, sides),
            )
            for row in sure
        ),
    )


def _sides(part: ScenePart, index: int) -> tuple[int, int]:
    """Return the height and width of an image's picture."""
    height, width = part.pictures.sides_N2[index].tolist()
    factor = min(1.0, LONGEST / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _box(box_4: Tensor) -> tuple[float, float, float, float]:
    left, top, right, bottom = (round(side, 1) for side in box_4.tolist())
    return left, top, right, bottom


def _mask(masks: tuple[RunLengths, ...] | None, row: int, sides: tuple[int, int]) -> str | None:
    from faster_coco_eval.core import mask

    if masks is None:
        return None
    whole_HW = torch.from_numpy(np.ascontiguousarray(mask.decode(masks[row])))
    encoded: RunLengths = mask.encode(np.asfortranarray(_nearest(whole_HW, sides)))
    return encoded["counts"].decode("ascii")


def _nearest(map_HW: Tensor, sides: tuple[int, int]) -> NDArray[np.uint8]:
    resized = functional.interpolate(map_HW[None, None].to(torch.uint8), sides, mode="nearest-exact")
    return resized[0, 0].numpy()


def _picture(part: ScenePart, index: int, sides: tuple[int, int]) -> str:
    image = Image.fromarray(part.pictures.at(index).permute(1, 2, 0).numpy())
    file = io.BytesIO()
    image.resize(sides[::-1], Image.Resampling.BILINEAR).save(file, "JPEG", quality=85)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _png(map_HW: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(map_HW).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")
