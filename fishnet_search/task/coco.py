"""Average precision as COCO has it, by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from fishnet_search.data.scenes import Objects
from fishnet_search.task.figures import Figure
from fishnet_search.task.found import Found

MOST_BOXES = 100
"""In an image: the surest ones, which alone are judged."""

Of = Literal["bbox", "segm"]

_STATS: Mapping[Of, tuple[Figure, ...]] = {
    "bbox": ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
    "segm": ("mask_ap", "mask_ap50", "mask_ap75"),
}
"""What COCO's summary begins with."""


def coco_figures(found: Sequence[Found], truths: Sequence[Objects], classes: int, of: Of) -> dict[str, float]:
    """Return the figures of boxes or of masks.

    Difficult objects, which COCO does not know, are taken as its crowds are: to find them, or not to, costs nothing. A
    figure of sizes that no object has is left out.

    Args:
        found: in each image.
        truths: of the same images, in the same order.
        classes: how many there are.
        of: boxes, or masks, which all of `found` and `truths` have then.
    """
    from faster_coco_eval import COCO, COCOeval_faster  # takes half a second, and most tasks have no use for it

    asked = COCO(asked_dataset(truths, classes, of))
    answers = COCO({**asked.dataset, "annotations": answered(found, of)})
    judge = COCOeval_faster(asked, answers, of)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    stats = zip(_STATS[of], judge.stats, strict=False)
    return {name: float(stat) for name, stat in stats if stat >= 0}


def asked_dataset(truths: Sequence[Objects], classes: int, of: Of) -> dict[str, Any]:
    """Return what is to be found as a dataset of COCO's; numbers of classes and images begin at 1."""
    annotations: list[dict[str, Any]] = []
    for image, truth in enumerate(truths, start=1):
        aside_K = truth.crowd_K | truth.difficult_K
        rows = zip(truth.labels_K.tolist(), _xywh(truth), truth.areas_K.tolist(), aside_K.tolist(), strict=True)
        for index, (label, box, area, aside) in enumerate(rows):
            own = {} if truth.masks is None or of == "bbox" else {"segmentation": truth.masks[index]}
            number = {"id": len(annotations) + 1, "image_id": image, "category_id": label + 1}
            annotations.append({**number, "bbox": box, "area": area, "iscrowd": int(aside), **own})
    return {
        "info": {},
        # sides are looked up, but used for polygons alone
        "images": [{"id": number, "height": 0, "width": 0} for number in range(1, len(truths) + 1)],
        "categories": [{"id": number, "name": str(number)} for number in range(1, classes + 1)],
        "annotations": annotations,
    }


def answered(found: Sequence[Found], of: Of) -> list[dict[str, Any]]:
    """Return what was found as annotations of COCO's, with the area of the box or the mask."""
    from faster_coco_eval.core import mask as run_lengths

    annotations: list[dict[str, Any]] = []
    for image, one in enumerate(found, start=1):
        for index, (label, box, score) in enumerate(
            zip(one.labels_K.tolist(), _xywh(one), one.scores_K.tolist(), strict=True)
        ):
            own: dict[str, Any] = {"area": box[2] * box[3]}
            if of == "segm" and one.masks is not None:
                own = {"segmentation": one.masks[index], "area": float(run_lengths.area(one.masks[index]))}
            number = {"id": len(annotations) + 1, "image_id": image, "category_id": label + 1}
            annotations.append({**number, "bbox": box, "score": score, "iscrowd": 0, **own})
    return annotations


def _xywh(boxes: Found | Objects) -> list[list[float]]:
    corners_K4 = boxes.boxes_K4.numpy().astype(np.float64)
    return np.concatenate([corners_K4[:, :2], corners_K4[:, 2:] - corners_K4[:, :2]], axis=1).tolist()  # type: ignore[no-any-return]
