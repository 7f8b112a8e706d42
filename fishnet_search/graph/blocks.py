"""The parts that stages are built from, each a small graph that takes features `x`."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from fishnet_search.graph.graph import Graph, GraphBuilder
from fishnet_search.graph.ops import (
    Activate,
    Add,
    AvgPool,
    BatchNorm,
    Blur,
    Conv,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    Linear,
    MaxPool,
    Multiply,
    Op,
    Shape,
    SqueezeChannels,
    TransposedConv,
    Upsample,
)
from fishnet_search.spec import stage as words
from fishnet_search.spec.architecture import Stem
from fishnet_search.spec.stage import Block, Style

MOST_NORM_GROUPS = 32
LEAST_CHANNELS_A_NORM_GROUP = 4
SQUEEZE_EXCITATION_REDUCTION = 16
MEMO = 65_536
"""Blocks and stages that are kept: those of a search's candidates are mostly the same."""


def norm_op(kind: words.Norm, channels: int) -> Op:
    """Return a normalisation. Groups are at most 32, as in arXiv 1803.08494, and of at least 4 channels."""
    if kind == "batch":
        return BatchNorm(channels)
    groups = math.gcd(MOST_NORM_GROUPS, channels)
    while groups > 1 and channels < groups * LEAST_CHANNELS_A_NORM_GROUP:
        groups //= 2
    return GroupNorm(groups, channels)


def downsample_op(kind: words.Downsample, channels: int) -> Op:
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
        case "conv-1x1":
            return Conv(channels, channels, kernel=1, stride=2)
        case "blur":
            return Blur(channels)


def upsample_op(kind: words.Upsample, channels: int) -> Op:
    """Return the operator that doubles the resolution."""
    if kind == "transposed":
        return TransposedConv(channels, channels, stride=2)
    return Upsample(kind, factor=2)


@lru_cache(MEMO)
def block_graph(entering: Shape, block: Block) -> Graph:
    """Return a residual block: convolutions beside a shortcut.

    The shortcut is the identity, a 1×1 convolution, or the sums of k = entering / width neighbouring channels, which
    makes the block a UR-block.

    Source: kevin-ssy/FishNet, models/fish_block.py, Bottleneck, and torchvision, models/resnet.py, for blocks with
    and without pre-activation.
    """
    g = GraphBuilder(_name(block), x=entering)
    x = "x"
    for i, conv in enumerate(_convolutions(entering.channels, block), start=1):
        if block.preact:
            x = g.add(f"conv{i}", conv, _norm_act(g, i, x, block.style))
        else:
            x = g.add(f"norm{i}", norm_op(block.style.norm, conv.out_channels), g.add(f"conv{i}", conv, x))
            if i < len(block.widths):
                x = g.add(f"act{i}", Activate(block.style.activation), x)
    if block.squeeze_excitation:
        weights = g.add("attention", _squeeze_excitation(g.shape(x), block.style), x)
        x = g.add("scale", Multiply(), x, weights)
    x = g.add("add", Add(), x, _shortcut(g, entering, block))
    if not block.preact:
        g.add("act", Activate(block.style.activation), x)
    return g.build()


@lru_cache(MEMO)
def stem_graph(spec: Stem, image: Shape, style: Style) -> Graph:
    """Return the layers in front of the first stage.

    Source: kevin-ssy/FishNet, models/fishnet.py, FishNet.__init__ for 'three-conv'; torchvision, models/resnet.py for
    'conv-7x7'. 'residual' is ours.
    """
    g = GraphBuilder(f"{spec.kind} stem", x=image)
    half = spec.width // 2
    match spec.kind:
        case "one-conv" | "strided-conv":
            _conv_norm_act(g, 1, "x", spec.width, style, stride=spec.stride)
            return g.build()
        case "three-conv":
            x = _conv_norm_act(g, 1, "x", half, style, stride=2)
            x = _conv_norm_act(g, 2, x, half, style)
            x = _conv_norm_act(g, 3, x, spec.width, style)
        case "conv-7x7":
            x = _conv_norm_act(g, 1, "x", spec.width, style, kernel=7, stride=2)
        case "residual":
            basic = Block(
                preact=False,
                widths=(half, half),
                kernel=3,
                dilation=1,
                groups=1,
                squeeze_excitation=False,
                shortcut="projection",
                style=style,
            )
            x = g.add("block0", block_graph(image, replace(basic, stride=2)), "x")
            x = g.add("block1", block_graph(g.shape(x), replace(basic, widths=(spec.width,) * 2)), x)
    g.add("pool", MaxPool(kernel=3, stride=2, padding=1), x)
    return g.build()


@lru_cache(MEMO)
def score_graph(entering: Shape, width: int, style: Style, *, pool: bool) -> Graph:
    """Return score layers: half the channels by a 1×1 convolution, then `width` by another, with bias.

    With `pool` the second one sees the average over all positions, and numbers come out: a classifier.

    Source: kevin-ssy/FishNet, models/fishnet.py, Fish._make_score.
    """
    g = GraphBuilder("classifier" if pool else "score layers", x=entering)
    half = entering.channels // 2
    x = g.add("conv1", Conv(entering.channels, half, kernel=1), _norm_act(g, 1, "x", style))
    x = _norm_act(g, 2, x, style)
    if pool:
        x = g.add("pool", GlobalAvgPool(), x)
    x = g.add("conv2", Conv(half, width, kernel=1, bias=True), x)
    if pool:
        g.add("flatten", Flatten(), x)
    return g.build()


@lru_cache(MEMO)
def linear_classifier_graph(entering: Shape, classes: int, style: Style, *, preact: bool) -> Graph:
    """Return the average over all positions and a linear layer, behind norm and activation where blocks end bare.

    Source: torchvision, models/resnet.py and models/densenet.py.
    """
    g = GraphBuilder("classifier", x=entering)
    x = g.add("pool", GlobalAvgPool(), _norm_act(g, 1, "x", style) if preact else "x")
    g.add("linear", Linear(entering.channels, classes), g.add("flatten", Flatten(), x))
    return g.build()


@lru_cache(MEMO)
def attention_graph(entering: Shape, width: int, style: Style) -> Graph:
    """Return the weights from 0 to 1 for each of `width` channels, worked out from all positions of the score.

    Source: kevin-ssy/FishNet, models/fishnet.py, Fish._make_se_block.
    """
    g = GraphBuilder("squeeze-and-excitation", x=entering)
    _excite(g, g.add("pool", GlobalAvgPool(), _norm_act(g, 1, "x", style)), width, style)
    return g.build()


def _squeeze_excitation(entering: Shape, style: Style) -> Graph:
    """Return the weights from 0 to 1 for each channel of a block's result.

    Source: arXiv 1709.01507, with its reduction of 16.
    """
    g = GraphBuilder("squeeze-and-excitation", x=entering)
    _excite(g, g.add("pool", GlobalAvgPool(), "x"), entering.channels, style)
    return g.build()


def _excite(g: GraphBuilder, x: str, width: int, style: Style) -> None:
    squeezed = max(width // SQUEEZE_EXCITATION_REDUCTION, 1)
    x = g.add("conv1", Conv(g.shape(x).channels, squeezed, kernel=1, bias=True), x)
    x = g.add("act2", Activate(style.activation), x)
    x = g.add("conv2", Conv(squeezed, width, kernel=1, bias=True), x)
    g.add("sigmoid", Activate("sigmoid"), x)


def _convolutions(entering: int, block: Block) -> list[Conv]:
    bottleneck = len(block.widths) == 3
    strided = 1 if bottleneck and not block.stride_first else 0
    convolutions = []
    for i, width in enumerate(block.widths):
        spatial = i == 1 or not bottleneck
        convolutions.append(
            Conv(
                entering,
                width,
                kernel=block.kernel if spatial else 1,
                stride=block.stride if i == strided else 1,
                dilation=block.dilation if spatial and block.kernel > 1 else 1,
                groups=block.groups if spatial else 1,
            )
        )
        entering = width
    return convolutions


def _shortcut(g: GraphBuilder, entering: Shape, block: Block) -> str:
    width = block.widths[-1]
    if block.shortcut == "projection":
        return g.add("shortcut", _projection(entering, block), "x")
    if block.shortcut == "squeeze" and entering.channels != width:
        return g.add("shortcut", SqueezeChannels(entering.channels // width), "x")
    return "x"


def _projection(entering: Shape, block: Block) -> Graph:
    g = GraphBuilder("projection", x=entering)
    conv = Conv(entering.channels, block.widths[-1], kernel=1, stride=block.stride)
    if block.preact:
        g.add("conv1", conv, _norm_act(g, 1, "x", block.style))
    else:
        g.add("norm1", norm_op(block.style.norm, conv.out_channels), g.add("conv1", conv, "x"))
    return g.build()


def _norm_act(g: GraphBuilder, i: int, x: str, style: Style) -> str:
    x = g.add(f"norm{i}", norm_op(style.norm, g.shape(x).channels), x)
    return g.add(f"act{i}", Activate(style.activation), x)


def _conv_norm_act(
    g: GraphBuilder, i: int, x: str, width: int, style: Style, *, kernel: int = 3, stride: int = 1
) -> str:
    x = g.add(f"conv{i}", Conv(g.shape(x).channels, width, kernel=kernel, stride=stride), x)
    x = g.add(f"norm{i}", norm_op(style.norm, width), x)
    return g.add(f"act{i}", Activate(style.activation), x)


def _name(block: Block) -> str:
    if block.shortcut == "squeeze":
        return "UR-block"
    return ("pre-activation " if block.preact else "") + ("bottleneck" if len(block.widths) == 3 else "basic block")
