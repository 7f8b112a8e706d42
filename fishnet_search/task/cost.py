"""What the model for a task costs, counted exactly and without torch: the backbone, and each part on it.

Params and MACs are counted as in `cost`. Poolings, interpolations and the choice among proposals have no MACs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from fishnet_search.cost.ledger import Cost, cost_of, ledger_of
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import Graph, taps_of
from fishnet_search.graph.ops import Shape
from fishnet_search.spec.architecture import Architecture
from fishnet_search.task.levels import (
    ASPECTS,
    BOX_SIDE,
    DETECTIONS,
    MASK_LAYERS,
    MASK_SIDE,
    detector_graph,
    levels_of,
    segmenter_graph,
    side_multiple,
)
from fishnet_search.task.settings import Classification, Detection, InstanceSegmentation, SemanticSegmentation, Task


class PartCost(NamedTuple):
    """Of a part of a model, for one image."""

    name: str
    params: int
    macs: int


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Of a whole model, for one image: the backbone first, and what stands on it."""

    parts: tuple[PartCost, ...]

    @property
    def params(self) -> int:
        """Learned numbers."""
        return sum(part.params for part in self.parts)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers."""
        return sum(part.macs for part in self.parts)

    @property
    def backbone(self) -> PartCost:
        """Of the backbone alone."""
        return self.parts[0]


def whole_cost(spec: Architecture, task: Task) -> Cost:
    """Return what candidates are compared and constrained by: that of the task's whole model.

    Activations, layers and memory are those of the backbone.

    Args:
        spec: for as many classes as there are.
        task: what is to be found.
    """
    if isinstance(task, Classification):
        return cost_of(build_graph(spec))
    model, backbone = model_cost(spec, task, spec.classes), cost_of(_BACKBONE[task.kind](spec, task, spec.image_size))
    return replace(backbone, params=model.params, macs=model.macs)


def model_cost(spec: Architecture, task: Task, classes: int, *, image_size: int | None = None) -> ModelCost:
    """Return the cost of the model that `build_model` makes, in evaluation mode.

    Args:
        spec: the architecture.
        task: what is to be found.
        classes: how many; of boxes without the background.
        image_size: pixels a side of a square image, by default those the spec names. Detectors pad it, and count
            all `test_proposals` and as many masks as they keep boxes, the most that there can be.

    Raises:
        SpecError: the side does not fit the network, or the task's taps do not.
    """
    spec = spec.model_copy(update={"classes": classes})
    return ModelCost(_PARTS[task.kind](spec, task, classes, spec.image_size if image_size is None else image_size))


class _Count(NamedTuple):
    params: int
    macs: int


def _classifier(spec: Architecture, _: Classification, __: int, side: int) -> tuple[PartCost, ...]:
    ledger = ledger_of(build_graph(spec, side))
    whole, backbone = ledger.total, ledger.backbone
    return (
        PartCost("backbone", backbone.params, backbone.macs),
        PartCost("classifier", whole.params - backbone.params, whole.macs - backbone.macs),
    )


def _detector(spec: Architecture, task: Detection, classes: int, side: int) -> tuple[PartCost, ...]:
    backbone = _detector_backbone(spec, task, side)
    return (
        _backbone(backbone),
        _part("pyramid", _pyramid(backbone, task.pyramid_channels)),
        _part("proposals", _proposals(backbone, task)),
        _part("boxes", _boxes(task, classes + 1)),
        *([_part("masks", _masks(task, classes + 1))] if isinstance(task, InstanceSegmentation) else []),
    )


def _detector_backbone(spec: Architecture, task: Detection, side: int) -> Graph:
    multiple = side_multiple(build_graph(spec))
    return detector_graph(build_graph(spec, math.ceil(side / multiple) * multiple), task)


def _segmenter(spec: Architecture, task: SemanticSegmentation, classes: int, side: int) -> tuple[PartCost, ...]:
    backbone = _segmenter_backbone(spec, task, side)
    (shape,) = _shapes(backbone)
    hidden, places = task.head_channels, shape.height * shape.width
    norm = _Count(2 * hidden, 0)
    return (
        _backbone(backbone),
        _part(
            "pixels", [_conv(shape.channels, hidden, 3, places, bias=False), norm, _conv(hidden, classes, 1, places)]
        ),
    )


def _segmenter_backbone(spec: Architecture, task: SemanticSegmentation, side: int) -> Graph:
    return segmenter_graph(build_graph(spec, side), task)


def _pyramid(backbone: Graph, width: int) -> Iterable[_Count]:
    for channels, height, of_width in _shapes(backbone):
        yield _conv(channels, width, 1, height * of_width)
        yield _conv(width, width, 3, height * of_width)


def _proposals(backbone: Graph, task: Detection) -> Iterable[_Count]:
    """Count one head that goes over all levels; its parameters count once."""
    side, width, anchors = backbone.input_shapes[0].height, task.pyramid_channels, len(ASPECTS)
    places = sum(math.ceil(side / level.stride) ** 2 for level in levels_of(backbone, task))
    return [
        _conv(width, width, 3, places),
        _conv(width, anchors, 1, places),  # whether there is something
        _conv(width, 4 * anchors, 1, places),  # and where
    ]


def _boxes(task: Detection, outputs: int) -> Iterable[_Count]:
    hidden, proposals = task.head_channels, task.test_proposals
    widths = [(task.pyramid_channels * BOX_SIDE**2, hidden), (hidden, hidden), (hidden, outputs), (hidden, 4 * outputs)]
    return [_conv(entering, leaving, 1, proposals) for entering, leaving in widths]


def _masks(task: InstanceSegmentation, outputs: int) -> Iterable[_Count]:
    width, places = task.mask_channels, DETECTIONS * MASK_SIDE**2
    return [
        _conv(task.pyramid_channels, width, 3, places),
        *[_conv(width, width, 3, places)] * (MASK_LAYERS - 1),
        _conv(width, width, 2, places),  # transposed: each place becomes 2 × 2
        _conv(width, outputs, 1, 4 * places),
    ]


def _conv(entering: int, leaving: int, kernel: int, places: int, *, bias: bool = True) -> _Count:
    """Count a convolution at so many places; a linear layer is one of kernel 1."""
    weights = kernel**2 * entering * leaving
    return _Count(weights + bias * leaving, weights * places)


def _shapes(backbone: Graph) -> list[Shape]:
    return [backbone.node(tap.node).shape for tap in taps_of(backbone)]


def _backbone(backbone: Graph) -> PartCost:
    cost = cost_of(backbone)
    return PartCost("backbone", cost.params, cost.macs)


def _part(name: str, counts: Iterable[_Count]) -> PartCost:
    params, macs = map(sum, zip(*counts, strict=True))
    return PartCost(name, params, macs)


_PARTS: dict[str, Callable[[Architecture, Any, int, int], tuple[PartCost, ...]]] = {
    "classification": _classifier,
    "detection": _detector,
    "instance-segmentation": _detector,
    "semantic-segmentation": _segmenter,
}
_BACKBONE: dict[str, Callable[[Architecture, Any, int], Graph]] = {
    "detection": _detector_backbone,
    "instance-segmentation": _detector_backbone,
    "semantic-segmentation": _segmenter_backbone,
}
