"""What is measured of a network, by the name that records, spaces and tables have for it. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Figure = Literal[
    "top1",
    "top5",
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "map50",
    "map50_11",
    "mask_ap",
    "mask_ap50",
    "mask_ap75",
    "miou",
    "pixel_accuracy",
]
"""A fraction from 0 to 1, the higher the better."""

FIGURES: tuple[Figure, ...] = get_args(Figure)

Evaluation = Mapping[str, float]
"""How well a network does on some images: a number by figure, and `loss` where there is one."""

TaskName = Literal["classification", "detection", "instance-segmentation", "semantic-segmentation"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """How a figure is told."""

    label: str  # "top-1", in a sentence
    explained: str  # in a table's legend


MEANINGS: Mapping[Figure, Meaning] = {
    "top1": Meaning("top-1", "fraction of images whose class is guessed right"),
    "top5": Meaning("top-5", "fraction whose class is among the best min(5, classes) guesses"),
    "ap": Meaning("AP", "COCO's average precision of boxes, over IoU from 0.5 to 0.95 and over classes"),
    "ap50": Meaning("AP50", "COCO's average precision of boxes at IoU 0.5"),
    "ap75": Meaning("AP75", "COCO's average precision of boxes at IoU 0.75"),
    "ap_small": Meaning("AP small", "AP of objects below 32² pixels"),
    "ap_medium": Meaning("AP medium", "AP of objects from 32² to 96² pixels"),
    "ap_large": Meaning("AP large", "AP of objects above 96² pixels"),
    "map50": Meaning("VOC mAP", "VOC's mean average precision at IoU 0.5, by area as from 2010 on"),
    "map50_11": Meaning("VOC07 mAP", "VOC's mean average precision at IoU 0.5, at 11 points as in 2007"),
    "mask_ap": Meaning("mask AP", "COCO's average precision of masks, over IoU from 0.5 to 0.95 and over classes"),
    "mask_ap50": Meaning("mask AP50", "COCO's average precision of masks at IoU 0.5"),
    "mask_ap75": Meaning("mask AP75", "COCO's average precision of masks at IoU 0.75"),
    "miou": Meaning("mIoU", "intersection over union of the pixels of a class, mean over classes"),
    "pixel_accuracy": Meaning("pixel accuracy", "fraction of pixels whose class is guessed right"),
}

_BOXES: tuple[Figure, ...] = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "map50", "map50_11")

OF_TASK: Mapping[TaskName, tuple[Figure, ...]] = {
    "classification": ("top1", "top5"),
    "detection": _BOXES,
    "instance-segmentation": ("mask_ap", "mask_ap50", "mask_ap75", *_BOXES),
    "semantic-segmentation": ("miou", "pixel_accuracy"),
}
"""The first one of a task is what its networks are chosen by, unless a search names another."""


def word_of(figure: Figure) -> str:
    """Return what a figure is called where its exact kind does not matter: "accuracy", else its label."""
    return "accuracy" if figure in OF_TASK["classification"] else MEANINGS[figure].label


def task_of(figure: Figure) -> TaskName:
    """Return the first task that has a figure."""
    return next(task for task, figures in OF_TASK.items() if figure in figures)
