"""A network spelled out: named nodes with shapes, in the order in which they are computed.

A node is an operator or a graph of its own, so that stages and blocks keep their names. From one graph both the cost
and the network are read; a dotted path through it ("tail0.block1.conv2") is the network's module name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Literal, NamedTuple

from fishnet_search.errors import SpecError
from fishnet_search.graph.ops import Op, Shape
from fishnet_search.spec.naming import nearest


class Node(NamedTuple):
    """One step. Its output goes by its name."""

    name: str
    op: Op | Graph
    inputs: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in topological order. The last one's output is the graph's, unless it has named `outputs`."""

    label: str
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    nodes: tuple[Node, ...]
    stride: int = 1  # sides of the input must be multiples of it
    taps: tuple[tuple[str, str], ...] = ()  # (name, node): what can be asked for when it becomes a backbone
    outputs: tuple[tuple[str, str], ...] = ()  # (name, node): what a backbone gives
    fan: Literal["in", "out"] = "out"  # which end of a convolution its initial weights are scaled by
    _hash: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        """Worked out once: graphs are the keys of memos, and nest deeply."""
        if not self._hash:
            self._hash.append(hash((self.label, self.input_shapes, self.nodes, self.outputs)))
        return self._hash[0]

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the output; a graph takes exactly the shapes it was made for.

        Raises:
            SpecError: other shapes go in.
        """
        if inputs != self.input_shapes:
            raise SpecError(f"{self.label} was made for {self.input_shapes}, not for {inputs}")
        return self.nodes[-1].shape

    def node(self, name: str) -> Node:
        """Return a node by its name.

        Raises:
            SpecError: there is none.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        raise SpecError(f"there is no stage {name!r}{nearest(name, [node.name for node in self.nodes])}")

    def _repr_html_(self) -> str:
        return str(import_module("fishnet_search.drawing.pages").graph_html(self))

    def _repr_svg_(self) -> str:
        return str(import_module("fishnet_search.drawing.fish").draw(self))


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
        try:
            entering = [self._shapes[given] for given in inputs]
        except KeyError as missing:
            raise SpecError(f"{self._label}: {name!r} takes {missing}, which is not there yet") from None
        shape = op.output_shape(*entering)
        self._nodes.append(Node(name, op, inputs, shape))
        self._shapes[name] = shape
        return name

    def shape(self, name: str) -> Shape:
        """Return the shape of an input or of a node's output."""
        return self._shapes[name]

    def build(
        self, *, stride: int = 1, taps: tuple[tuple[str, str], ...] = (), fan: Literal["in", "out"] = "out"
    ) -> Graph:
        """Return the graph collected so far; for the arguments see `Graph`."""
        return Graph(
            self._label, tuple(self._inputs), tuple(self._inputs.values()), tuple(self._nodes), stride, taps, fan=fan
        )


@dataclass(frozen=True, slots=True)
class Tap:
    """An output of a backbone."""

    name: str
    node: str
    channels: int
    stride: int  # input resolution over its resolution


def taps_of(graph: Graph) -> tuple[Tap, ...]:
    """Return what a network offers as a backbone, or, of a backbone, what it gives."""
    side = graph.input_shapes[0].height
    return tuple(
        Tap(name, node, shape.channels, side // shape.height)
        for name, node in graph.outputs or graph.taps
        for shape in [graph.node(node).shape]
    )


def features_only(graph: Graph, taps: Sequence[str] | None = None) -> Graph:
    """Return the backbone of a network: several outputs by name, and nothing that none of them needs.

    Args:
        graph: of a whole network, from `build_graph`.
        taps: names of taps or of stages ("body2"); by default all taps of the graph.

    Raises:
        SpecError: a name that is neither a tap nor a stage.
    """
    known = dict(graph.taps)
    names = list(known) if taps is None else list(dict.fromkeys(taps))
    if not names:
        raise SpecError(f"a backbone needs at least one tap; those of this network are {', '.join(known)}")
    outputs = tuple((name, graph.node(known.get(name, name)).name) for name in names)
    needed = {node for _, node in outputs}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return replace(graph, nodes=tuple(node for node in graph.nodes if node.name in needed), outputs=outputs)


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
