"""Stages of every family: blocks in a row, and what changes the resolution."""

from __future__ import annotations

from functools import lru_cache

from fishnet_search.graph.blocks import (
    MEMO,
    attention_graph,
    block_graph,
    downsample_op,
    norm_op,
    score_graph,
    upsample_op,
)
from fishnet_search.graph.graph import Graph, GraphBuilder
from fishnet_search.graph.ops import Activate, Add, Concat, Conv, Multiply, Shape
from fishnet_search.spec.densenet import DenseStage
from fishnet_search.spec.fish import BodyStage, Bridge, HeadStage, TailStage
from fishnet_search.spec.resnet import ResNetStage
from fishnet_search.spec.stage import DERIVED, Downsample, Shortcut, Stage, Style, blocks_of, first_shortcut, style_of


@lru_cache(MEMO)
def tail_graph(stage: TailStage, entering: Shape, width: int, style: Style) -> Graph:
    """Return blocks, then half the resolution."""
    g = GraphBuilder(f"{_blocks_label(stage, style, 'block')}, {stage.downsample}", x=entering)
    x = _chain(g, "x", stage, width, "projection", style)
    _downsample(g, x, stage, stage.downsample, width, style)
    return g.build()


@lru_cache(MEMO)
def bridge_graph(stage: Bridge, entering: Shape, width: int, style: Style) -> Graph:
    """Return score layers and blocks, scaled and shifted by squeeze-and-excitation.

    Source: kevin-ssy/FishNet, models/fishnet.py, Fish._make_stage.
    """
    label = f"score layers, {_blocks_label(stage, style, 'block')}"
    g = GraphBuilder(label + ", squeeze-and-excitation" * stage.attention, x=entering)
    look = style_of(stage, style)
    scored = g.add("score", score_graph(entering, 2 * width, look, pool=False), "x")
    x = _chain(g, scored, stage, width, "projection", style)
    if stage.attention:
        weights = g.add("attention", attention_graph(g.shape(scored), width, look), scored)
        x = g.add("scale", Multiply(), x, weights)
        g.add("shift", Add(), x, weights)
    return g.build()


@lru_cache(MEMO)
def body_graph(stage: BodyStage, entering: Shape, width: int, skip: Shape | None, style: Style) -> Graph:
    """Return UR-blocks, then twice the resolution, then concatenation with what is transferred."""
    shortcut = first_shortcut(stage, entering.channels, width, "squeeze")
    k = "" if shortcut == "projection" else f", k {entering.channels // width}"
    label = f"{_blocks_label(stage, style, 'UR-block')}{k}{_transfer_label(stage, skip)}, {stage.upsample}"
    g = GraphBuilder(label, x=entering) if skip is None else GraphBuilder(label, x=entering, skip=skip)
    x = _chain(g, "x", stage, width, "squeeze", style)
    x = g.add("upsample", upsample_op(stage.upsample, width), x)
    _transfer(g, x, stage, skip, style)
    return g.build()


@lru_cache(MEMO)
def head_graph(stage: HeadStage, entering: Shape, width: int, skip: Shape | None, style: Style) -> Graph:
    """Return DR-blocks, then half the resolution, then concatenation with what is transferred."""
    label = f"{_blocks_label(stage, style, 'DR-block')}{_transfer_label(stage, skip)}, {stage.downsample}"
    if width != entering.channels:
        label += f", {stage.shortcut} {entering.channels} to {width}"
    g = GraphBuilder(label, x=entering) if skip is None else GraphBuilder(label, x=entering, skip=skip)
    x = _chain(g, "x", stage, width, "projection", style)
    x = _downsample(g, x, stage, stage.downsample, width, style)
    _transfer(g, x, stage, skip, style)
    return g.build()


@lru_cache(MEMO)
def resnet_stage_graph(stage: ResNetStage, entering: Shape, width: int, style: Style) -> Graph:
    """Return half the resolution, or not, and blocks."""
    label = _blocks_label(stage, style, "block")
    g = GraphBuilder(label if stage.downsample == "none" else f"{label}, {stage.downsample}", x=entering)
    x = "x"
    if stage.downsample not in {"none", "stride", "stride-first"}:
        x = _downsample(g, x, stage, stage.downsample, entering.channels, style)  # type: ignore[arg-type]
    _chain(g, x, stage, width, "projection", style, stage.block_stride, stage.downsample == "stride-first")
    return g.build()


@lru_cache(MEMO)
def dense_stage_graph(stage: DenseStage, entering: Shape, style: Style) -> Graph:
    """Return dense layers, each of which sees the concatenation of all before it.

    Source: torchvision, models/densenet.py, _DenseBlock.
    """
    g = GraphBuilder(f"{stage.depth} dense layer{'s' * (stage.depth > 1)} of growth {stage.growth}", x=entering)
    x = "x"
    for i in range(stage.depth):
        new = g.add(f"layer{i}", _dense_layer(stage, g.shape(x), style), x)
        x = g.add(f"concat{i}", Concat(), x, new)
    return g.build()


@lru_cache(MEMO)
def transition_graph(downsample: Downsample, entering: Shape, style: Style) -> Graph:
    """Return half the channels and half the resolution."""
    g = GraphBuilder(f"half the channels, {downsample}", x=entering)
    x = g.add("norm1", norm_op(style.norm, entering.channels), "x")
    x = g.add("act1", Activate(style.activation), x)
    half = entering.channels // 2
    x = g.add("conv1", Conv(entering.channels, half, kernel=1), x)
    g.add("downsample", downsample_op(downsample, half), x)
    return g.build()


def _dense_layer(stage: DenseStage, entering: Shape, style: Style) -> Graph:
    g = GraphBuilder("dense layer", x=entering)
    inside = stage.expansion * stage.growth
    x = g.add("norm1", norm_op(style.norm, entering.channels), "x")
    x = g.add("conv1", Conv(entering.channels, inside, kernel=1), g.add("act1", Activate(style.activation), x))
    x = g.add("norm2", norm_op(style.norm, inside), x)
    g.add("conv2", Conv(inside, stage.growth, kernel=3), g.add("act2", Activate(style.activation), x))
    return g.build()


def _chain(
    g: GraphBuilder,
    x: str,
    stage: Stage,
    width: int,
    change: Shortcut,
    style: Style,
    stride: int = 1,
    stride_first: bool = False,
) -> str:
    """Append a stage's blocks."""
    entering = g.shape(x).channels
    blocks = blocks_of(stage, entering, width, change=change, style=style, stride=stride, stride_first=stride_first)
    for i, block in enumerate(blocks):
        x = g.add(f"block{i}", block_graph(g.shape(x), block), x)
    return x


def _downsample(g: GraphBuilder, x: str, stage: Stage, kind: Downsample, channels: int, style: Style) -> str:
    x = g.add("downsample", downsample_op(kind, channels), x)
    if kind.startswith("conv") and not stage.preact:  # blocks with pre-activation bring what a convolution needs
        look = style_of(stage, style)
        x = g.add("downsample_norm", norm_op(look.norm, channels), x)
        x = g.add("downsample_act", Activate(look.activation), x)
    return x


def _transfer(g: GraphBuilder, x: str, stage: BodyStage | HeadStage, skip: Shape | None, style: Style) -> None:
    """Append the transfer blocks, which are the stage's own without dilation, and the concatenation."""
    if skip is None:
        return
    transferred = "skip"
    if stage.transfer:
        plain = "bottleneck" if stage.block.startswith("detnet") else stage.block
        row = stage.model_copy(update={"depth": stage.transfer, "dilation": 1, "block": plain, "shortcut": DERIVED})
        blocks = blocks_of(row, skip.channels, skip.channels, change="projection", style=style)
        for i, block in enumerate(blocks):
            transferred = g.add(f"transfer{i}", block_graph(skip, block), transferred)
    g.add("concat", Concat(), x, transferred)


def _transfer_label(stage: BodyStage | HeadStage, skip: Shape | None) -> str:
    return ", no transfer" if skip is None else f", {stage.transfer} transfer{'s' * (stage.transfer != 1)}"


def _blocks_label(stage: Stage, style: Style, name: str) -> str:
    """Say what blocks a stage has, and where they are not the ordinary ones."""
    plural = "" if stage.depth == 1 else "s"
    ordinary = type(stage).model_fields["block"].default
    special: list[str] = [] if stage.block == ordinary else [stage.block]
    special += [f"kernel {stage.kernel}"] * (stage.kernel != 3)
    special += [f"groups {stage.groups}"] * (stage.groups not in {DERIVED, 1})
    special += [f"group width {stage.group_width}"] * (stage.group_width != DERIVED)
    special += [f"expansion {stage.expansion}"] * (stage.expansion != 4 and not stage.basic)
    special += ["squeeze-and-excitation"] * stage.squeeze_excitation
    special += [f"{stage.shortcut} shortcut"] * (stage.shortcut != DERIVED)
    look = style_of(stage, style)
    special += [look.activation] if look.activation != "relu" else []
    special += ["group norm"] if look.norm == "group" else []
    kind = f" ({', '.join(special)})" if special else ""
    dilations = sorted(set(stage.dilations)) if len(set(stage.dilations)) == 1 else stage.dilations
    dilated = "" if set(dilations) == {1} else f" of dilation {'-'.join(map(str, dilations))}"
    return f"{stage.depth} {name}{plural}{kind}{dilated}"
