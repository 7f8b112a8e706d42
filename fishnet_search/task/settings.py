"""Tasks as values: what is to be found in images, and what stands on the backbone for it. Free of torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from fishnet_search.spec.architecture import refuse
from fishnet_search.spec.naming import nearest, shown
from fishnet_search.spec.value import Number, Value, Whole
from fishnet_search.task.figures import OF_TASK, Figure, TaskName

Channels = Annotated[Whole, Field(ge=1, le=4096)]


class _Task(Value):
    kind: TaskName

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What is measured; the first is what networks are chosen by, unless a search names another."""
        return OF_TASK[self.kind]


class Classification(_Task):
    """One class an image."""

    kind: Literal["classification"] = "classification"


CLASSIFICATION = Classification()


class Detection(_Task):
    """Boxes with classes: Faster R-CNN with a feature pyramid on the backbone's taps.

    The defaults are torchvision's, which are those of the papers.

    Source: arXiv 1506.01497 (Faster R-CNN), 1612.03144 (feature pyramids).
    """

    kind: Literal["detection"] = "detection"
    taps: tuple[str, ...] = Field(
        (), description="of the backbone, from fine to coarse; by default all of strides 4 to 32"
    )
    pyramid_channels: Channels = Field(256, description="of each level of the pyramid")
    head_channels: Channels = Field(1024, description="of the two layers that judge a proposal")
    smallest_anchor: Number = Field(
        32.0, ge=2, le=1024, description="pixels a side, on the finest level; twice that on each one behind it"
    )
    train_boxes: Whole = Field(
        512, ge=4, le=10_000, description="an image, among proposals and objects, that the head learns from"
    )
    train_proposals: Whole = Field(2000, ge=1, le=10_000, description="an image, kept for training")
    test_proposals: Whole = Field(1000, ge=1, le=10_000, description="an image, kept for evaluation")


class InstanceSegmentation(Detection):
    """Boxes with classes and masks: Mask R-CNN on the same taps.

    Source: arXiv 1703.06870.
    """

    kind: Literal["instance-segmentation"] = "instance-segmentation"  # type: ignore[assignment]
    mask_channels: Channels = Field(256, description="of the layers that draw a mask")


class SemanticSegmentation(_Task):
    """A class for each pixel: a light head on the finest tap of a fish's body, a plain FCN head on other backbones.

    Source: arXiv 1411.4038 (FCN).
    """

    kind: Literal["semantic-segmentation"] = "semantic-segmentation"
    tap: str | None = Field(
        None,
        description="of the backbone; by default the body's end, of stride 4, of a fish and the last one of others",
    )
    head_channels: Channels = Field(128, description="of the layer between tap and classes")


TASKS: dict[str, type[_Task]] = {
    "classification": Classification,
    "detection": Detection,
    "instance-segmentation": InstanceSegmentation,
    "semantic-segmentation": SemanticSegmentation,
}


def _task(value: Any) -> Any:
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, dict):
        return value
    if "kind" not in value:
        raise ValueError("has no kind; add it, such as kind: detection")
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in TASKS:
        raise ValueError(f"there is no task {shown(kind)}{nearest(str(kind)[:100], list(TASKS))}")
    fields = TASKS[kind].model_fields
    refuse(((name,), f"unknown field{nearest(str(name), list(fields))}") for name in value if name not in fields)
    return value


Task = Annotated[
    Classification | Detection | InstanceSegmentation | SemanticSegmentation,
    Field(discriminator="kind"),
    BeforeValidator(_task),
]
"""A word, such as `detection`, or a kind with more to say."""
