"""A network of any family spelled out: its stages as nodes, and what can be tapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fishnet_search.graph.blocks import linear_classifier_graph, score_graph, stem_graph
from fishnet_search.graph.graph import Graph, GraphBuilder, check_side
from fishnet_search.graph.ops import Shape
from fishnet_search.graph.stages import (
    body_graph,
    bridge_graph,
    dense_stage_graph,
    head_graph,
    resnet_stage_graph,
    tail_graph,
    transition_graph,
)
from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.densenet import DenseNetSpec
from fishnet_search.spec.fish import BodyStage, Bridge, FishSpec, HeadStage
from fishnet_search.spec.resnet import ResNetSpec
from fishnet_search.spec.stage import DERIVED

IMAGE_CHANNELS = 3
CLASSIFIER = "classifier"
"""The last node; all that stands before it is the backbone."""


def build_graph(spec: Architecture, image_size: int | None = None) -> Graph:
    """Return the graph of a network for square images, by default those the spec names.

    The nodes are its stages. Of a fish: stem, tail0.., bridge, body0.., head0.., classifier. Of the other families:
    stem, stage0.., classifier, and in a DenseNet transition0.. between the stages.

    Args:
        spec: the architecture.
        image_size: pixels a side.

    Raises:
        SpecError: the side is not a multiple of the network's stride.
    """
    side = spec.image_size if image_size is None else image_size
    check_side(side, spec.stride)
    g = GraphBuilder(spec.family, image=Shape(IMAGE_CHANNELS, side, side))
    x = g.add("stem", stem_graph(spec.stem, g.shape("image"), spec.style), "image")
    _STAGES[type(spec)](g, x, spec)
    taps = tuple(spec.named_taps.items())
    return g.build(stride=spec.stride, taps=taps, fan="in" if isinstance(spec, DenseNetSpec) else "out")


def _fish(g: GraphBuilder, x: str, spec: FishSpec) -> None:
    """Append a fish's stages.

    Source: kevin-ssy/FishNet, models/fishnet.py. There the transfers are the trans_map (2, 1, 0, 6, 5, 4).
    """
    for plan in spec.plan:
        stage, width, entering = plan.stage, plan.width, g.shape(x)
        if isinstance(stage, (BodyStage, HeadStage)):
            skip = None if plan.source is None else g.shape(plan.source)
            make = body_graph if isinstance(stage, BodyStage) else head_graph
            graph = make(stage, entering, width, skip, spec.style)
            x = g.add(plan.name, graph, x, *([] if plan.source is None else [plan.source]))
        elif isinstance(stage, Bridge):
            x = g.add(plan.name, bridge_graph(stage, entering, width, spec.style), x)
        else:
            x = g.add(plan.name, tail_graph(stage, entering, width, spec.style), x)
    g.add(CLASSIFIER, score_graph(g.shape(x), spec.classes, spec.style, pool=True), x)


def _resnet(g: GraphBuilder, x: str, spec: ResNetSpec) -> None:
    for i, stage in enumerate(spec.stages):
        width = g.shape(x).channels if stage.width == DERIVED else stage.width
        x = g.add(f"stage{i}", resnet_stage_graph(stage, g.shape(x), width, spec.style), x)
    preact = spec.stages[-1].preact
    g.add(CLASSIFIER, linear_classifier_graph(g.shape(x), spec.classes, spec.style, preact=preact), x)


def _densenet(g: GraphBuilder, x: str, spec: DenseNetSpec) -> None:
    for i, stage in enumerate(spec.stages):
        x = g.add(f"stage{i}", dense_stage_graph(stage, g.shape(x), spec.style), x)
        if i + 1 < len(spec.stages):
            x = g.add(f"transition{i}", transition_graph(stage.downsample, g.shape(x), spec.style), x)
    g.add(CLASSIFIER, linear_classifier_graph(g.shape(x), spec.classes, spec.style, preact=True), x)


_STAGES: dict[type[Architecture], Callable[[GraphBuilder, str, Any], None]] = {
    FishSpec: _fish,
    ResNetSpec: _resnet,
    DenseNetSpec: _densenet,
}
