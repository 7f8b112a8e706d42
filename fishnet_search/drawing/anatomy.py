"""What a drawing shows of a graph, as values: stages in the order of computation, and what is passed by them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fishnet_search.graph.build import CLASSIFIER
from fishnet_search.graph.graph import Graph, Node
from fishnet_search.graph.ops import Activate, AvgPool, Concat, Conv, MaxPool, Op, Shape, SqueezeChannels, Upsample

INPUT = "input"
"""The part of what goes into a graph: for a network its image."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A node of the graph, or one of its inputs."""

    name: str
    part: str  # "body" of "body1"
    words: tuple[str, ...]  # what its box tells beside its name
    channels: int  # that leave its blocks
    side: int  # pixels a side at which its blocks work
    output_side: int
    output_channels: int
    follows: bool  # whether it takes the output of the stage before it
    concatenates: bool = False  # behind its blocks, with what is transferred
    mark: str = ""  # the first block's shortcut: "P" for a projection, "k 2" for a squeeze by 2
    change: str = ""  # how the resolution changes
    label: str = ""  # the node's own


@dataclass(frozen=True, slots=True)
class Transfer:
    """An output that a stage takes beside that of the stage before it."""

    source: str
    target: str
    blocks: int | None  # transfer blocks on the way; None where a graph is not of a whole network


def stages_of(graph: Graph) -> tuple[Stage, ...]:
    """Return what stands in a drawing from left to right."""
    inputs = dict(zip(graph.inputs, graph.input_shapes, strict=True))
    stages = [_input(name, shape) for name, shape in reversed(inputs.items())]  # the main path goes on from the last
    shapes = inputs | {node.name: node.shape for node in graph.nodes}
    for node in graph.nodes:
        stages.append(_stage(node, shapes[node.inputs[0]], follows=stages[-1].name in node.inputs))
    return tuple(stages)


def transfers_of(graph: Graph) -> Iterator[Transfer]:
    """Yield what nodes take beside the output of the node before them, or in its place."""
    for before, node in zip((graph.inputs[0], *(each.name for each in graph.nodes)), graph.nodes, strict=False):
        for source in node.inputs:
            if source != before:
                yield Transfer(source, node.name, _transfer_blocks(node))


def _transfer_blocks(node: Node) -> int | None:
    if isinstance(node.op, Graph) and "skip" in node.op.inputs:
        return sum(inner.name.startswith("transfer") for inner in node.op.nodes)
    return None


def _input(name: str, shape: Shape) -> Stage:
    return Stage(name, INPUT, (str(shape),), shape.channels, shape.height, shape.height, shape.channels, follows=False)


def _stage(node: Node, entering: Shape, *, follows: bool) -> Stage:
    shape, part = node.shape, node.name.rstrip("0123456789")
    words: tuple[str, ...]
    if isinstance(node.op, Graph) and node.name != CLASSIFIER:
        return _nested_stage(node.name, part, node.op, entering, shape, follows=follows)
    if isinstance(node.op, Graph):  # numbers have no resolution: they stay where their features stood
        side, words = entering.height, (f"{shape.channels} classes",)
    else:
        side, words = shape.height, (operator_words(node.op), f"{shape.channels} channels")
    return Stage(node.name, part, words, shape.channels, side, side, shape.channels, follows)


def _nested_stage(name: str, part: str, graph: Graph, entering: Shape, shape: Shape, *, follows: bool) -> Stage:
    inside = {inner.name: inner for inner in graph.nodes}
    blocks = [inner.op for inner in graph.nodes if _is_block(inner) and isinstance(inner.op, Graph)]
    concatenates = "skip" in graph.inputs and isinstance(graph.nodes[-1].op, Concat)
    channels = inside[graph.nodes[-1].inputs[0]].shape.channels if concatenates else shape.channels
    return Stage(
        name=name,
        part=part,
        words=(*_words(inside, blocks, part), f"{channels} channels"),
        channels=channels,
        side=_working_side(inside, shape),
        output_side=shape.height,
        output_channels=shape.channels,
        follows=follows,
        concatenates=concatenates,
        mark=_mark(blocks),
        change=_change(inside, entering, shape),
        label=graph.label,
    )


def _is_block(node: Node) -> bool:
    return node.name.startswith(("block", "layer"))


def _changer(inside: Mapping[str, Node]) -> Node | None:
    return inside.get("downsample") or inside.get("upsample")


def _working_side(inside: Mapping[str, Node], shape: Shape) -> int:
    """Return the resolution in front of what changes it, where that stands behind something."""
    changer = _changer(inside)
    before = inside.get(changer.inputs[0]) if changer else None
    return before.shape.height if before else shape.height


def _change(inside: Mapping[str, Node], entering: Shape, shape: Shape) -> str:
    if changer := _changer(inside):
        return operator_words(changer.op) if isinstance(changer.op, Op) else ""
    return f"stride {entering.height // shape.height}" if entering.height > shape.height > 1 else ""


def _words(inside: Mapping[str, Node], blocks: Sequence[Graph], part: str) -> Iterator[str]:
    """Yield lines that say what a stage is made of."""
    if "score" in inside:
        yield "score layers"
    yield from _block_words(blocks, part) if blocks else _convolution_words(inside.values())
    if "pool" in inside and isinstance(inside["pool"].op, Op):
        yield operator_words(inside["pool"].op)
    if "attention" in inside or any(node.name == "attention" for block in blocks for node in block.nodes):
        yield "SE"


def _block_words(blocks: Sequence[Graph], part: str) -> Iterator[str]:
    kind = {"body": "UR-block", "head": "DR-block"}.get(part, blocks[0].label.removeprefix("pre-activation "))
    yield f"{len(blocks)} × {kind}"
    convolutions = [_spatial(block) for block in blocks]
    first = convolutions[0]
    if kind == "dense layer":
        yield f"growth {first.out_channels}"
    elif kind.endswith("R-block") and sum(isinstance(node.op, Conv) for node in blocks[0].nodes) == 2:
        yield "of basic kind"
    if first.kernel != 3:
        yield f"kernel {first.kernel}×{first.kernel}"
    dilations = [each.dilation for each in convolutions]
    if set(dilations) != {1}:
        one_each = ", ".join(map(str, dilations if len(set(dilations)) > 1 else dilations[:1]))
        yield f"dilation {one_each}" if len(one_each) <= 4 else f"dilation {min(dilations)}–{max(dilations)}"
    if first.groups != 1:
        yield f"{first.groups} groups"


def _spatial(block: Graph) -> Conv:
    """Return a block's convolution with the largest window, which is the one that can be dilated and grouped."""
    return max((node.op for node in block.nodes if isinstance(node.op, Conv)), key=lambda conv: conv.kernel)


def _convolution_words(nodes: Iterable[Node]) -> Iterator[str]:
    kernels = [node.op.kernel for node in nodes if isinstance(node.op, Conv) and node.name != "downsample"]
    sizes = ", ".join(f"{kernel}×{kernel}" for kernel in dict.fromkeys(kernels))
    if kernels:
        yield f"{len(kernels)} × conv {sizes}" if len(kernels) > 1 == len(set(kernels)) else f"conv {sizes}"


def _mark(blocks: Sequence[Graph]) -> str:
    shortcut = next((node.op for block in blocks[:1] for node in block.nodes if node.name == "shortcut"), None)
    if isinstance(shortcut, SqueezeChannels):
        return f"k {shortcut.k}"
    return "P" if shortcut else ""


def operator_words(op: Op) -> str:
    """Return a short name of an operator."""
    match op:
        case Conv() | MaxPool() | AvgPool():
            kind = {Conv: "conv", MaxPool: "max", AvgPool: "avg"}[type(op)]
            return f"{kind} {op.kernel}×{op.kernel}"
        case Upsample():
            return op.mode
        case Activate():
            return op.function
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(op).__name__).lower()
