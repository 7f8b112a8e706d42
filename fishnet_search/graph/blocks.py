"""The parts that stages are built from, each a small graph that takes features `x`."""

from __future__ import annotations

from fishnet_search.graph.graph import Graph, GraphBuilder
from fishnet_search.graph.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Conv,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    Op,
    ReLU,
    Shape,
    Sigmoid,
    SqueezeChannels,
)
from fishnet_search.spec.fish import EXPANSION, SQUEEZE_EXCITATION_REDUCTION, Downsample, Stem


def downsample(kind: Downsample, channels: int) -> Op:
    """Return the operator that halves the resolution."""
    match kind:
        case "max-2x2":
            return MaxPool(kernel=2, stride=2)
        case "max-3x3":
            return MaxPool(kernel=3, stride=2, padding=1)
        case "avg-2x2":
            return AvgPool(kernel=2, stride=2)
        case "conv-3x3":
            return Conv(channels, channels, kernel=3, stride=2)


def stem(spec: Stem, image: Shape) -> Graph:
    """Return the layers in front of the tail.

    Source: kevin-ssy/FishNet, models/fishnet.py, FishNet.__init__ for 'three-conv'.
    """
    g = GraphBuilder(f"{spec.kind} stem", x=image)
    if spec.kind != "three-conv":
        _conv_bn_relu(g, 1, "x", spec.width, stride=spec.stride)
        return g.build()
    half = spec.width // 2
    x = _conv_bn_relu(g, 1, "x", half, stride=2)
    x = _conv_bn_relu(g, 2, x, half)
    x = _conv_bn_relu(g, 3, x, spec.width)
    g.add("pool", MaxPool(kernel=3, stride=2, padding=1), x)
    return g.build()


def bottleneck(entering: Shape, width: int, *, dilation: int = 1, squeeze: bool = False) -> Graph:
    """Return a pre-activation bottleneck: 1×1, 3×3 and 1×1 convolution beside a shortcut.

    The shortcut is the identity where the channels stay. Where they change, it squeezes them by k = entering / width
    (a UR-block) if `squeeze`, and projects them with a 1×1 convolution otherwise.

    Source: kevin-ssy/FishNet, models/fish_block.py, Bottleneck.
    """
    g = GraphBuilder("UR-block" if squeeze else "bottleneck", x=entering)
    middle = width // EXPANSION
    x = "x"
    for i, (channels, conv) in enumerate(
        (
            (entering.channels, Conv(entering.channels, middle, kernel=1)),
            (middle, Conv(middle, middle, kernel=3, dilation=dilation)),
            (middle, Conv(middle, width, kernel=1)),
        ),
        start=1,
    ):
        x = g.add(f"bn{i}", BatchNorm(channels), x)
        x = g.add(f"relu{i}", ReLU(), x)
        x = g.add(f"conv{i}", conv, x)
    shortcut = "x"
    if entering.channels != width:
        op = SqueezeChannels(entering.channels // width) if squeeze else _projection(entering, width)
        shortcut = g.add("shortcut", op, "x")
    g.add("add", Add(), x, shortcut)
    return g.build()


def score(entering: Shape, width: int, *, pool: bool) -> Graph:
    """Return score layers: half the channels by a 1×1 convolution, then `width` by another, with bias.

    With `pool` the second one sees the average over all positions, and numbers come out: a classifier.

    Source: kevin-ssy/FishNet, models/fishnet.py, Fish._make_score.
    """
    g = GraphBuilder("classifier" if pool else "score layers", x=entering)
    half = entering.channels // 2
    x = g.add("bn1", BatchNorm(entering.channels), "x")
    x = g.add("relu1", ReLU(), x)
    x = g.add("conv1", Conv(entering.channels, half, kernel=1), x)
    x = g.add("bn2", BatchNorm(half), x)
    x = g.add("relu2", ReLU(), x)
    if pool:
        x = g.add("pool", GlobalAvgPool(), x)
    x = g.add("conv2", Conv(half, width, kernel=1, bias=True), x)
    if pool:
        g.add("flatten", Flatten(), x)
    return g.build()


def squeeze_excitation(entering: Shape, width: int) -> Graph:
    """Return the weights from 0 to 1 for each of `width` channels, worked out from all positions.

    Source: kevin-ssy/FishNet, models/fishnet.py, Fish._make_se_block.
    """
    g = GraphBuilder("squeeze-and-excitation", x=entering)
    squeezed = width // SQUEEZE_EXCITATION_REDUCTION
    x = g.add("bn", BatchNorm(entering.channels), "x")
    x = g.add("relu1", ReLU(), x)
    x = g.add("pool", GlobalAvgPool(), x)
    x = g.add("conv1", Conv(entering.channels, squeezed, kernel=1, bias=True), x)
    x = g.add("relu2", ReLU(), x)
    x = g.add("conv2", Conv(squeezed, width, kernel=1, bias=True), x)
    g.add("sigmoid", Sigmoid(), x)
    return g.build()


def _conv_bn_relu(g: GraphBuilder, i: int, x: str, width: int, *, stride: int = 1) -> str:
    x = g.add(f"conv{i}", Conv(g.shape(x).channels, width, kernel=3, stride=stride), x)
    x = g.add(f"bn{i}", BatchNorm(width), x)
    return g.add(f"relu{i}", ReLU(), x)


def _projection(entering: Shape, width: int) -> Graph:
    g = GraphBuilder("projection", x=entering)
    x = g.add("bn", BatchNorm(entering.channels), "x")
    x = g.add("relu", ReLU(), x)
    g.add("conv", Conv(entering.channels, width, kernel=1), x)
    return g.build()
