"""Adding up what networks find, image by image, into the figures of a task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fishnet_search.data.scenes import UNJUDGED, Objects
from fishnet_search.task.coco import coco_figures
from fishnet_search.task.found import Found
from fishnet_search.task.voc import curves_of


def object_figures(
    found: Sequence[Found], truths: Sequence[Objects], classes: int, *, masks: bool = False
) -> dict[str, float]:
    """Return the figures of detection, and with masks those of instance segmentation.

    Those of sizes and classes that no object has are left out; without any object that is asked for there are none.

    Args:
        found: in each image.
        truths: of the same images, in the same order.
        classes: how many there are.
        masks: whether they are judged too.
    """
    curves = [curve for curve in curves_of(found, truths, classes) if curve is not None]
    figures: dict[str, float] = coco_figures(found, truths, classes, "segm") if masks else {}
    figures |= coco_figures(found, truths, classes, "bbox")
    if curves:
        figures["map50"] = sum(curve.by_area() for curve in curves) / len(curves)
        figures["map50_11"] = sum(curve.at_11_points() for curve in curves) / len(curves)
    return figures


class PixelTally:
    """Counts how often pixels of one class are taken for another, on the CPU.

    Args:
        classes: how many there are, the background included.
    """

    def __init__(self, classes: int) -> None:
        self._counts_TG = torch.zeros(classes, classes, dtype=torch.int64)

    def add(self, guesses: Tensor, truths: Tensor) -> None:
        """Count pixels.

        Args:
            guesses: class of each pixel, whole numbers of any shape.
            truths: the same shape; what is `UNJUDGED` is left out.
        """
        judged, classes = truths != UNJUDGED, len(self._counts_TG)
        pairs = truths[judged].long() * classes + guesses[judged].long()
        self._counts_TG += torch.bincount(pairs, minlength=classes**2).view(classes, classes)

    def iou(self) -> dict[int, float]:
        """Return intersection over union of each class that some pixel has or is taken for.

        Source: VOCdevkit, VOCcode/VOCevalseg.m, but for its NaN where a class does not occur.
        """
        right_K = self._counts_TG.diag()
        either_K = self._counts_TG.sum(0) + self._counts_TG.sum(1) - right_K
        return {label: int(right_K[label]) / either for label, either in enumerate(either_K.tolist()) if either}

    def figures(self) -> dict[str, float]:
        """Return mIoU over the classes of `iou`, and the pixel accuracy; nothing if no pixel is judged."""
        iou = self.iou()
        if not iou:
            return {}
        right = int(self._counts_TG.diag().sum())
        return {"miou": sum(iou.values()) / len(iou), "pixel_accuracy": right / int(self._counts_TG.sum())}
