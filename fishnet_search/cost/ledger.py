"""What a graph costs, counted exactly and without torch.

`params` are learned numbers. `macs` are the multiply-accumulates of convolutions and linear layers for one image,
which is what the FishNet tables call FLOPs; the addition of a bias is not counted. `activations` are the numbers that
these layers give for one image (arXiv 2003.13678). All other operators that compute something are named with how
often they occur, so that nothing is silently zero.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

from fishnet_search.graph.blocks import MEMO
from fishnet_search.graph.build import CLASSIFIER
from fishnet_search.graph.graph import Graph, Node
from fishnet_search.graph.ops import (
    Activate,
    Add,
    AvgPool,
    BatchNorm,
    Blur,
    Concat,
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

FLOAT_BYTES = 4
INDEX_BYTES = 8


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a node, a stage or a whole network, for one image."""

    params: int = 0
    macs: int = 0
    activations: int = 0
    layers: int = 0  # convolutions and linear layers, those of shortcuts included
    saved_bytes: int = 0  # what a training step keeps for the backward pass, in float32
    uncounted: Mapping[str, int] = field(default_factory=dict)  # operator -> occurrences without MACs

    def training_bytes(self, batch: int) -> int:
        """Estimate the memory of a training step in float32 by SGD with momentum.

        Weights, gradients and momentum, and what the forward pass keeps for the backward pass. Buffers that live for
        one operator, the batch itself and the allocator's slack come on top.
        """
        return 3 * FLOAT_BYTES * self.params + batch * self.saved_bytes


@dataclass(frozen=True, slots=True)
class Line:
    """A node of a graph, with what it costs."""

    path: str  # "body1.block0.conv2"; "body1" for a stage
    label: str
    shape: Shape  # that comes out
    stride: float  # input resolution over output resolution
    receptive_field: float
    """Pixels a side that one output sees through windows, beside global averages, which see the whole image: infinite
    where there is nothing else. Behind an upsampling it depends on the position, by a few pixels more or less."""
    cost: Cost

    @property
    def part(self) -> str:
        """The stage's part: "body" of "body1"."""
        return self.path.partition(".")[0].rstrip("0123456789")


@dataclass(frozen=True)
class Ledger:
    """The costs of a whole network: by stage, by part, and of every node inside."""

    graph: Graph
    stages: tuple[Line, ...]

    @property
    def total(self) -> Cost:
        """Of the whole model."""
        return _total(line.cost for line in self.stages)

    @property
    def backbone(self) -> Cost:
        """Of all but the classifier."""
        return _total(line.cost for line in self.stages if line.path != CLASSIFIER)

    @property
    def parts(self) -> tuple[Line, ...]:
        """Each part in the order of computation, with the output of its last stage."""
        parts: dict[str, list[Line]] = {}
        for line in self.stages:
            parts.setdefault(line.part, []).append(line)
        return tuple(
            replace(lines[-1], path=part, label=_counted(len(lines), "stage"), cost=_total(line.cost for line in lines))
            for part, lines in parts.items()
        )

    @property
    def nodes(self) -> tuple[Line, ...]:
        """Every operator of the network, by its path."""
        return tuple(_lines(self.graph, deep=True))

    def _repr_html_(self) -> str:
        return str(import_module("fishnet_search.drawing.pages").ledger_html(self))


def ledger_of(graph: Graph) -> Ledger:
    """Return the costs of a network or a backbone, stage by stage."""
    return Ledger(graph, tuple(_lines(graph, deep=False)))


def cost_of(graph: Graph) -> Cost:
    """Return the cost of everything in a graph."""
    return _summarise(graph).cost


class _Summary(NamedTuple):
    """What a graph, or an operator in its place, costs on its own, and what it keeps for the backward pass."""

    cost: Cost  # saved_bytes without those of its inputs and its output
    saves_inputs: tuple[bool, ...]
    saves_output: bool


def _summarise(graph: Graph) -> _Summary:
    summaries = [_summary_of(graph, node) for node in graph.nodes]
    saved = _saved_outputs(graph, summaries)
    params = macs = activations = layers = saved_bytes = 0
    uncounted: dict[str, int] = {}
    last = graph.nodes[-1]
    for node, (cost, _, _) in zip(graph.nodes, summaries, strict=True):
        params += cost.params
        macs += cost.macs
        activations += cost.activations
        layers += cost.layers
        saved_bytes += cost.saved_bytes
        if node.name in saved and node is not last:
            saved_bytes += _bytes(node.shape)
        for operator, count in cost.uncounted.items():
            uncounted[operator] = uncounted.get(operator, 0) + count
    cost = Cost(params, macs, activations, layers, saved_bytes, uncounted)
    return _Summary(cost, tuple(name in saved for name in graph.inputs), last.name in saved)


_memoised = lru_cache(MEMO)(_summarise)


def _summary_of(graph: Graph, node: Node) -> _Summary:
    if isinstance(node.op, Graph):
        return _memoised(node.op)
    first = node.inputs[0]
    shapes = dict(zip(graph.inputs, graph.input_shapes, strict=True))
    entering = shapes[first] if first in shapes else graph.node(first).shape
    return _RULES[type(node.op)](node.op, entering, node.shape)


def _saved_outputs(graph: Graph, summaries: Sequence[_Summary]) -> set[str]:
    """Return the values that the backward pass needs again."""
    saved: set[str] = set()
    for node, summary in zip(graph.nodes, summaries, strict=True):
        if True in summary.saves_inputs:
            saved.update(itertools.compress(node.inputs, summary.saves_inputs))
        if summary.saves_output:
            saved.add(node.name)
    return saved


def _lines(
    graph: Graph,
    *,
    deep: bool,
    prefix: str = "",
    side: int = 0,
    fields: Mapping[str, float] | None = None,
    output_saved: bool = False,
) -> Iterator[Line]:
    """Yield a line a node; with `deep` the operators inside nodes take their place.

    Args:
        graph: of the network, or inside it.
        deep: whether to go inside.
        prefix: path of the graph.
        side: of the image.
        fields: receptive field of each input.
        output_saved: whether the graph's output is kept for the backward pass by what comes behind it.
    """
    side = side or graph.input_shapes[0].height
    seen = _receptive_fields(graph, side, fields or {graph.inputs[0]: 1.0})
    summaries = [_summary_of(graph, node) for node in graph.nodes]
    saved = _saved_outputs(graph, summaries) | ({graph.nodes[-1].name} if output_saved else set())
    for node, summary in zip(graph.nodes, summaries, strict=True):
        kept = node.name in saved
        path = f"{prefix}{node.name}"
        if deep and isinstance(node.op, Graph):
            inner = {name: seen[outer] for name, outer in zip(node.op.inputs, node.inputs, strict=True)}
            yield from _lines(node.op, deep=True, prefix=f"{path}.", side=side, fields=inner, output_saved=kept)
        else:
            label = node.op.label if isinstance(node.op, Graph) else _operator(node.op)
            cost = summary.cost
            if kept:
                cost = replace(cost, saved_bytes=cost.saved_bytes + _bytes(node.shape))
            yield Line(path, label, node.shape, side / node.shape.height, seen[node.name], cost)


def _operator(op: Op) -> str:
    """Write an operator as a person would: "Conv 3×3, stride 2", "Activate relu"."""
    match op:
        case Conv():
            others = [
                f"{name} {getattr(op, name)}" for name in ("stride", "dilation", "groups") if getattr(op, name) > 1
            ]
            return ", ".join([f"Conv {op.kernel}×{op.kernel}", *others])
        case Activate():
            return f"Activate {op.function}"
        case Upsample():
            return f"Upsample {op.mode}"
        case MaxPool() | AvgPool():
            return f"{type(op).__name__} {op.kernel}×{op.kernel}"
        case _:
            return type(op).__name__


def _receptive_fields(graph: Graph, side: int, fields: Mapping[str, float]) -> dict[str, float]:
    """Return the receptive field of every value of a graph, in pixels of an image of `side`."""
    seen = dict(fields)
    sides = {name: shape.height for name, shape in zip(graph.inputs, graph.input_shapes, strict=True)}
    for node in graph.nodes:
        if isinstance(node.op, Graph):
            inner = {name: seen[outer] for name, outer in zip(node.op.inputs, node.inputs, strict=True)}
            seen[node.name] = _receptive_fields(node.op, side, inner)[node.op.nodes[-1].name]
        else:
            reach = _REACH[type(node.op)](node.op) if type(node.op) in _REACH else 0
            # what a global average gives (infinite) says nothing of what is seen through windows beside it
            windows = [seen[name] for name in node.inputs if seen[name] < math.inf]
            seen[node.name] = max(windows, default=math.inf) + reach * side / sides[node.inputs[0]]
        sides[node.name] = node.shape.height
    return seen


def _total(costs: Iterable[Cost]) -> Cost:
    costs = tuple(costs)
    uncounted: Counter[str] = Counter()
    for cost in costs:
        uncounted.update(cost.uncounted)
    return Cost(
        sum(cost.params for cost in costs),
        sum(cost.macs for cost in costs),
        sum(cost.activations for cost in costs),
        sum(cost.layers for cost in costs),
        sum(cost.saved_bytes for cost in costs),
        dict(uncounted),
    )


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'s' * (number != 1)}"


def _bytes(shape: Shape) -> int:
    return FLOAT_BYTES * shape.channels * shape.height * shape.width


def _weighted(params: int, macs: int, output: Shape, *, layers: int = 1) -> _Summary:
    numbers = output.channels * output.height * output.width
    return _Summary(Cost(params, macs, numbers, layers), (True,), False)


def _conv(op: Conv, _: Shape, output: Shape) -> _Summary:
    weights = op.kernel**2 * op.in_channels * op.out_channels // op.groups
    return _weighted(weights + op.bias * op.out_channels, weights * output.height * output.width, output)


def _transposed_conv(op: TransposedConv, entering: Shape, output: Shape) -> _Summary:
    weights = op.stride**2 * op.in_channels * op.out_channels
    return _weighted(weights, weights * entering.height * entering.width, output)


def _linear(op: Linear, _: Shape, output: Shape) -> _Summary:
    weights = op.in_features * op.out_features
    return _weighted(weights + op.out_features, weights, output)


def _blur(op: Blur, entering: Shape, output: Shape) -> _Summary:
    """Counted as the convolution that it is, though nothing in it is learned; it keeps a padded copy as well."""
    summary = _weighted(0, 9 * op.channels * output.height * output.width, output, layers=0)
    padded = _bytes(Shape(op.channels, entering.height + 1, entering.width + 1))
    return summary._replace(cost=replace(summary.cost, saved_bytes=padded), saves_inputs=(False,))


def _uncounted(
    name: str, *, params: int = 0, kept: int = 0, saves_inputs: tuple[bool, ...] = (False,), saves_output: bool = False
) -> _Summary:
    return _Summary(Cost(params=params, saved_bytes=kept, uncounted={name: 1}), saves_inputs, saves_output)


def _activate(op: Activate, _: Shape, __: Shape) -> _Summary:
    from_output = op.function in {"relu", "sigmoid"}
    return _uncounted(op.function, saves_inputs=(not from_output,), saves_output=from_output)


def _max_pool(_: MaxPool, __: Shape, output: Shape) -> _Summary:
    indices = INDEX_BYTES * output.channels * output.height * output.width
    return _uncounted("max pool", kept=indices, saves_inputs=(True,))


def _group_norm(op: GroupNorm, _: Shape, __: Shape) -> _Summary:
    statistics = 2 * FLOAT_BYTES * op.groups
    return _uncounted("group norm", params=2 * op.channels, kept=statistics, saves_inputs=(True,))


_RULES: dict[type[Op], Callable[[Any, Shape, Shape], _Summary]] = {
    Conv: _conv,
    TransposedConv: _transposed_conv,
    Linear: _linear,
    Blur: _blur,
    BatchNorm: lambda op, _, __: _uncounted("batch norm", params=2 * op.channels, saves_inputs=(True,)),
    GroupNorm: _group_norm,
    Activate: _activate,
    MaxPool: _max_pool,
    AvgPool: lambda _, __, ___: _uncounted("average pool", saves_inputs=(True,)),
    GlobalAvgPool: lambda _, __, ___: _uncounted("global average pool"),
    Upsample: lambda op, _, __: _uncounted(f"{op.mode} upsampling"),
    SqueezeChannels: lambda _, __, ___: _uncounted("channel squeeze"),
    Add: lambda _, __, ___: _uncounted("add", saves_inputs=(False, False)),
    Multiply: lambda _, __, ___: _uncounted("multiply", saves_inputs=(True, True)),
    Concat: lambda _, __, ___: _Summary(Cost(), (False, False), False),  # moves numbers, computes nothing
    Flatten: lambda _, __, ___: _Summary(Cost(), (False,), False),
}
"""By operator: its cost, from itself and the shapes of what it takes and gives."""

_REACH: dict[type[Op], Callable[[Any], float]] = {
    Conv: lambda op: op.dilation * (op.kernel - 1),
    Blur: lambda _: 2,
    MaxPool: lambda op: op.kernel - 1,
    AvgPool: lambda op: op.kernel - 1,
    Upsample: lambda op: float(op.mode == "bilinear"),
    GlobalAvgPool: lambda _: math.inf,
}
"""Pixels of its input that an operator's output sees beside one; none in the others."""
