"""Average precision as the VOC development kits have it: greedy matching at one IoU, difficult objects set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import box_iou

from fishnet_search.data.scenes import Objects
from fishnet_search.task.found import Found

LEAST_IOU = 0.5
"""That a box needs with an object to count as found."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall of a class, as ever more boxes are taken, from the surest on."""

    recall_D: Floats  # noqa: N815
    precision_D: Floats  # noqa: N815

    def by_area(self) -> float:
        """Return the area below the curve, made to fall: the figure of 2010 and later.

        Source: VOCdevkit, VOCcode/VOCap.m.
        """
        recall_D = np.concatenate([[0.0], self.recall_D, [1.0]])
        precision_D = np.concatenate([[0.0], self.precision_D, [0.0]])
        falling_D = np.maximum.accumulate(precision_D[::-1])[::-1]
        return float(np.sum(np.diff(recall_D) * falling_D[1:]))

    def at_11_points(self) -> float:
        """Return the mean of the best precision at recalls of 0, 0.1, … 1 or more: the figure of 2007.

        Source: VOCdevkit 2007, VOCcode/VOCevaldet.m.
        """
        return float(np.mean([self.best_precision(recall / 10) for recall in range(11)]))

    def best_precision(self, recall: float) -> float:
        """Return the highest precision with at least this recall; 0 if that is never reached."""
        return float(self.precision_D[self.recall_D >= recall].max(initial=0.0))


def curves_of(found: Sequence[Found], truths: Sequence[Objects], classes: int) -> list[Curve | None]:
    """Return the curve of each class; None of one without objects that are asked for.

    An object is found by the surest of the boxes that have it as their best match; the others are false alarms. Boxes
    whose best match is difficult, or a crowd, do not count at all.

    Args:
        found: in each image.
        truths: of the same images, in the same order.
        classes: how many there are.
    """
    return [_curve(found, truths, label) for label in range(classes)]


def _curve(found: Sequence[Found], truths: Sequence[Objects], label: int) -> Curve | None:
    asked = sum(int((~_set_aside(truth)[truth.labels_K == label]).sum()) for truth in truths)
    if not asked:
        return None
    scores, best, ious, skipped = [], [], [], []
    first = 0  # number of the image's first object, counted over all images
    for one, truth in zip(found, truths, strict=True):
        boxes, objects = one.labels_K == label, truth.labels_K == label
        count = int(objects.sum())
        scores.append(one.scores_K[boxes].numpy())
        if count and boxes.any():
            iou_D, match_D = box_iou(one.boxes_K4[boxes], truth.boxes_K4[objects]).max(1)
            ious.append(iou_D.numpy())
            best.append(first + match_D.numpy())
            skipped.append(_set_aside(truth)[objects][match_D].numpy())
        else:
            ious.append(np.zeros(int(boxes.sum()), np.float32))
            best.append(np.full(int(boxes.sum()), -1))
            skipped.append(np.zeros(int(boxes.sum()), np.bool_))
        first += count
    order = np.argsort(-np.concatenate(scores), kind="stable")
    hit_D = np.concatenate(ious)[order] >= LEAST_IOU
    counted_D = ~(hit_D & np.concatenate(skipped)[order])
    hit_D, match_D = hit_D[counted_D], np.concatenate(best)[order][counted_D]
    first_D = np.zeros(len(hit_D), np.bool_)
    at = np.flatnonzero(hit_D)
    first_D[at[np.unique(match_D[at], return_index=True)[1]]] = True
    right_D = np.cumsum(first_D)
    return Curve(right_D / asked, right_D / np.arange(1, len(right_D) + 1))


def _set_aside(truth: Objects) -> Tensor:
    return truth.difficult_K | truth.crowd_K
