"""What a graph costs, counted exactly and without torch.

`params` are learned numbers. `macs` are the multiply-accumulates of convolutions and linear layers for one image,
which is what the FishNet tables call FLOPs; the addition of a bias is not counted. All other operators that compute
something are named with how often they occur, so that nothing is silently zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fishnet_search.graph.graph import Graph, Node
from fishnet_search.graph.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    Multiply,
    Op,
    ReLU,
    Shape,
    Sigmoid,
    SqueezeChannels,
    UpsampleNearest,
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a node, a stage or a whole network."""

    params: int = 0
    macs: int = 0
    uncounted: Mapping[str, int] = field(default_factory=Counter)  # operator -> occurrences without MACs

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.params + other.params,
            self.macs + other.macs,
            Counter(self.uncounted) + Counter(other.uncounted),
        )


def cost_of(graph: Graph) -> Cost:
    """Return the cost of everything in a graph."""
    return sum((cost for _, cost in node_costs(graph)), Cost())


def node_costs(graph: Graph) -> tuple[tuple[Node, Cost], ...]:
    """Return the cost of each node of a graph: for a whole network, of each stage."""
    return tuple((node, _node_cost(node)) for node in graph.nodes)


def _node_cost(node: Node) -> Cost:
    return cost_of(node.op) if isinstance(node.op, Graph) else _COST[type(node.op)](node.op, node.shape)


def _conv(op: Conv, output: Shape) -> Cost:
    weights = op.kernel**2 * op.in_channels * op.out_channels
    return Cost(weights + op.bias * op.out_channels, weights * output.height * output.width)


def _batch_norm(op: BatchNorm, _: Shape) -> Cost:
    return Cost(2 * op.channels, uncounted={"BatchNorm": 1})


def _uncounted(op: Op, _: Shape) -> Cost:
    return Cost(uncounted={type(op).__name__: 1})


def _moves_only(_: Op, __: Shape) -> Cost:
    return Cost()


_COST: dict[type[Op], Callable[[Any, Shape], Cost]] = {
    Conv: _conv,
    BatchNorm: _batch_norm,
    Concat: _moves_only,
    Flatten: _moves_only,
    **dict.fromkeys(
        (ReLU, Sigmoid, MaxPool, AvgPool, GlobalAvgPool, UpsampleNearest, SqueezeChannels, Add, Multiply), _uncounted
    ),
}
