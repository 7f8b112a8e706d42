"""A fish spelled out: stem, tail, bridge, body, head, classifier, and which stage is transferred where."""

from __future__ import annotations

from fishnet_search.graph.blocks import bottleneck, downsample, score, squeeze_excitation, stem
from fishnet_search.graph.graph import Graph, GraphBuilder, check_side
from fishnet_search.graph.ops import Add, Concat, Multiply, Shape, UpsampleNearest
from fishnet_search.spec.fish import BodyStage, Bridge, FishSpec, HeadStage, Stage, TailStage, head_widths

IMAGE_CHANNELS = 3


def build_graph(spec: FishSpec, image_size: int | None = None) -> Graph:
    """Return the graph of a fish for square images, by default those the spec names.

    The nodes are its stages: stem, tail0.., bridge, body0.., head0.., classifier.

    Args:
        spec: the architecture.
        image_size: pixels a side.

    Raises:
        SpecError: the side is not a multiple of the fish's stride.

    Source: kevin-ssy/FishNet, models/fishnet.py. There the transfers are the trans_map (2, 1, 0, 6, 5, 4).
    """
    side = spec.image_size if image_size is None else image_size
    check_side(side, spec.stride)
    g = GraphBuilder("fish", image=Shape(IMAGE_CHANNELS, side, side))

    x = g.add("stem", stem(spec.stem, g.shape("image")), "image")
    at_resolution = [x]  # what the body meets on its way up, highest resolution first
    for i, tail_stage in enumerate(spec.tail):
        x = g.add(f"tail{i}", _tail_stage(tail_stage, g.shape(x)), x)
        at_resolution.append(x)

    at_resolution.pop()  # the lowest resolution goes through the bridge alone
    x = g.add("bridge", _bridge(spec.bridge, g.shape(x)), x)
    on_the_way_down = []  # what the head meets, lowest resolution first
    for i, body_stage in enumerate(spec.body):
        on_the_way_down.append(x)
        skip = at_resolution.pop()
        x = g.add(f"body{i}", _body_stage(body_stage, g.shape(x), g.shape(skip)), x, skip)

    for i, (head_stage, width) in enumerate(zip(spec.head, head_widths(spec), strict=True)):
        skip = on_the_way_down.pop()
        x = g.add(f"head{i}", _head_stage(head_stage, width, g.shape(x), g.shape(skip)), x, skip)

    g.add("classifier", score(g.shape(x), spec.classes, pool=True), x)
    return g.build(stride=spec.stride)


def _tail_stage(stage: TailStage, entering: Shape) -> Graph:
    g = GraphBuilder(f"{_blocks(stage, 'block')}, {stage.downsample}", x=entering)
    x = _chain(g, "block", "x", stage.width, stage.depth, dilation=stage.dilation)
    g.add("downsample", downsample(stage.downsample, stage.width), x)
    return g.build()


def _bridge(stage: Bridge, entering: Shape) -> Graph:
    g = GraphBuilder(f"score layers, {_blocks(stage, 'block')}, squeeze-and-excitation", x=entering)
    scored = g.add("score", score(entering, 2 * stage.width, pool=False), "x")
    x = _chain(g, "block", scored, stage.width, stage.depth, dilation=stage.dilation)
    weights = g.add("attention", squeeze_excitation(g.shape(scored), stage.width), scored)
    x = g.add("scale", Multiply(), x, weights)
    g.add("shift", Add(), x, weights)
    return g.build()


def _body_stage(stage: BodyStage, entering: Shape, skip: Shape) -> Graph:
    k = entering.channels // stage.width
    label = f"{_blocks(stage, 'UR-block')}, k {k}, {stage.transfer} transfer, nearest"
    g = GraphBuilder(label, x=entering, skip=skip)
    x = _chain(g, "block", "x", stage.width, stage.depth, dilation=stage.dilation, squeeze=True)
    x = g.add("upsample", UpsampleNearest(factor=2), x)
    g.add("concat", Concat(), x, _chain(g, "transfer", "skip", skip.channels, stage.transfer))
    return g.build()


def _head_stage(stage: HeadStage, width: int, entering: Shape, skip: Shape) -> Graph:
    label = f"{_blocks(stage, 'DR-block')}, {stage.transfer} transfer, {stage.downsample}"
    if width != entering.channels:
        label += f", projection {entering.channels} to {width}"
    g = GraphBuilder(label, x=entering, skip=skip)
    x = _chain(g, "block", "x", width, stage.depth, dilation=stage.dilation)
    x = g.add("downsample", downsample(stage.downsample, width), x)
    g.add("concat", Concat(), x, _chain(g, "transfer", "skip", skip.channels, stage.transfer))
    return g.build()


def _chain(
    g: GraphBuilder, name: str, x: str, width: int, depth: int, *, dilation: int = 1, squeeze: bool = False
) -> str:
    """Append `depth` bottlenecks; only the first one can meet other channels than `width`."""
    for i in range(depth):
        x = g.add(f"{name}{i}", bottleneck(g.shape(x), width, dilation=dilation, squeeze=squeeze and i == 0), x)
    return x


def _blocks(stage: Stage, name: str) -> str:
    plural = "" if stage.depth == 1 else "s"
    dilated = "" if stage.dilation == 1 else f" of dilation {stage.dilation}"
    return f"{stage.depth} {name}{plural}{dilated}"
