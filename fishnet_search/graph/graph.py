"""A network spelled out: named nodes with shapes, in the order in which they are computed.

A node is an operator or a graph of its own, so that stages and blocks keep their names. From one graph both the cost
and the network are read; a dotted path through it ("tail0.block1.conv2") is the network's module name.
"""

from __future__ import annotations

from dataclasses import dataclass

from fishnet_search.errors import SpecError
from fishnet_search.graph.ops import Op, Shape


@dataclass(frozen=True, slots=True)
class Node:
    """One step. Its output goes by its name."""

    name: str
    op: Op | Graph
    inputs: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in topological order. The last one's output is the graph's."""

    label: str
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    nodes: tuple[Node, ...]
    stride: int = 1  # sides of the input must be multiples of it

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the output; a graph takes exactly the shapes it was made for.

        Raises:
            SpecError: other shapes go in.
        """
        if inputs != self.input_shapes:
            raise SpecError(f"{self.label} was made for {self.input_shapes}, not for {inputs}")
        return self.nodes[-1].shape


class GraphBuilder:
    """Collects nodes, working out their shapes; `build` returns the value."""

    def __init__(self, label: str, **inputs: Shape) -> None:
        self._label = label
        self._inputs = inputs
        self._nodes: list[Node] = []
        self._shapes = dict(inputs)

    def add(self, name: str, op: Op | Graph, *inputs: str) -> str:
        """Append a node and return its name, ready to be another node's input.

        Raises:
            SpecError: the name is taken, an input is not there yet, or its shape does not fit.
        """
        if name in self._shapes:
            raise SpecError(f"{self._label}: two nodes are named {name!r}")
        if missing := [given for given in inputs if given not in self._shapes]:
            raise SpecError(f"{self._label}: {name!r} takes {missing[0]!r}, which is not there yet")
        shape = op.output_shape(*(self._shapes[given] for given in inputs))
        self._nodes.append(Node(name, op, inputs, shape))
        self._shapes[name] = shape
        return name

    def shape(self, name: str) -> Shape:
        """Return the shape of an input or of a node's output."""
        return self._shapes[name]

    def build(self, *, stride: int = 1) -> Graph:
        """Return the graph collected so far, for inputs whose sides are multiples of `stride`."""
        return Graph(self._label, tuple(self._inputs), tuple(self._inputs.values()), tuple(self._nodes), stride)


def check_side(side: int, stride: int) -> None:
    """Refuse an image side that the stages cannot halve and double without a remainder.

    Raises:
        SpecError: the side is not a positive multiple of the stride.
    """
    if side < stride or side % stride:
        low = max(side // stride, 1) * stride
        raise SpecError(
            f"image side {side} does not fit this network: sides must be multiples of its stride {stride}; "
            f"use {low} or {low + stride}"
        )
