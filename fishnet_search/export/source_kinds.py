"""Kinds of blocks: graphs that differ in numbers alone are one class, whose arguments are those numbers."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from fishnet_search.export.source_ops import numbers_of
from fishnet_search.graph import ops
from fishnet_search.graph.graph import Graph, Node

CHANNELS = {"channels", "in_channels", "out_channels", "in_features", "out_features"}
ONE_BY_DEFAULT = {"stride", "dilation", "groups"}


@dataclass(frozen=True, slots=True)
class Argument:
    """Of a class."""

    name: str
    place: str  # a number that it stands for, such as "conv2.dilation"
    default: str = ""  # nothing where it must be given


@dataclass(frozen=True, slots=True)
class Kind:
    """A class for all graphs of one skeleton."""

    name: str
    graph: Graph  # one of them
    arguments: tuple[Argument, ...]
    values: Mapping[str, str]  # local names of its constructor -> expressions of its arguments
    told: Mapping[str, str]  # place -> how the number there is written: a digit, an argument, a local name


Kinds = Mapping[Hashable, Kind]
"""By skeleton."""


def kinds_of(network: Graph, taken: set[str]) -> dict[Hashable, Kind]:
    """Return the classes that a network's stages are made of, those inside others first.

    Args:
        network: of which each node is a stage.
        taken: names that the classes must not have; theirs are added.
    """
    uses: dict[Hashable, list[Graph]] = {}
    for stage in network.nodes:
        for block in _inside(stage):
            for graph in _classes(block):
                uses.setdefault(skeleton(graph), []).append(graph)
    repeated = {key: graphs for key, graphs in uses.items() if len(graphs) > 1 or not is_chain(graphs[0])}
    names = _names([graphs[0] for graphs in repeated.values()], taken)
    kinds: dict[Hashable, Kind] = {}
    for (key, graphs), name in sorted(
        zip(repeated.items(), names, strict=True), key=lambda each: _height(each[0][1][0])
    ):
        kinds[key] = _kind(name, graphs, kinds)
    return kinds


def skeleton(graph: Graph) -> Hashable:
    """Return what two graphs of one class have in common: names, operators and wiring, without numbers."""
    return (graph.inputs, tuple((node.name, _operator(node), node.inputs) for node in graph.nodes))


def is_chain(graph: Graph) -> bool:
    """Whether each node takes what the one before it gives, and nothing else."""
    before = [*graph.inputs, *(node.name for node in graph.nodes)]
    return len(graph.inputs) == 1 and all(
        node.inputs == (name,) for node, name in zip(graph.nodes, before, strict=False)
    )


def numbers(graph: Graph, kinds: Kinds) -> dict[str, int]:
    """Return place -> number for all that a graph's text needs: fields of operators, arguments of classes."""
    found = {}
    for node in graph.nodes:
        if isinstance(node.op, Graph):
            inner, kind = numbers(node.op, kinds), kinds.get(skeleton(node.op))
            places = inner if kind is None else [argument.place for argument in kind.arguments]
            found.update({f"{node.name}.{place}": inner[place] for place in places})
        else:
            found.update({f"{node.name}.{name}": number for name, number in numbers_of(node.op).items()})
    return found


def _operator(node: Node) -> Hashable:
    if isinstance(node.op, Graph):
        return skeleton(node.op)
    words = tuple(getattr(node.op, each.name) for each in fields(node.op))
    return (type(node.op), *(word for word in words if type(word) is not int))


def _inside(node: Node) -> Iterator[Graph]:
    return (
        (child.op for child in node.op.nodes if isinstance(child.op, Graph)) if isinstance(node.op, Graph) else iter(())
    )


def _classes(block: Graph) -> Iterator[Graph]:
    """Yield a block, and what is inside it that cannot be written as a sequence in its place."""
    yield block
    for node in block.nodes:
        if isinstance(node.op, Graph) and not is_chain(node.op):
            yield from _classes(node.op)


def _height(graph: Graph) -> int:
    return 1 + max((_height(node.op) for node in graph.nodes if isinstance(node.op, Graph)), default=0)


@dataclass(slots=True)
class _Writer:
    """Works out how the numbers of a kind are written."""

    columns: dict[str, tuple[int, ...]]  # place -> the number there in each use
    ends: dict[tuple[int, ...], str]  # numbers of channels that enter and leave -> name
    arguments: dict[tuple[str, tuple[int, ...]], Argument] = field(default_factory=dict)
    derived: dict[str, str] = field(default_factory=dict)  # expression -> local name
    told: dict[str, str] = field(default_factory=dict)

    def write(self) -> None:
        for channels, name in self.ends.items():
            for place, column in self.columns.items():
                if column == channels and _of_channels(place):
                    self.arguments.setdefault(("channels", channels), Argument(name, place))
        for place, column in self.columns.items():
            self.told[place] = self._channels(place, column) if _of_channels(place) else self._other(place, column)

    def _channels(self, place: str, column: tuple[int, ...]) -> str:
        if ("channels", column) in self.arguments:
            return self.arguments["channels", column].name
        for end, name in reversed(self.ends.items()):
            if ("channels", end) in self.arguments and (expression := _ratio(column, end, name)):
                return self.derived.setdefault(expression, self._free(_width(place), place))
        if len(set(column)) == 1:
            return str(column[0])
        return self._argument("channels", _width(place), place, column)

    def _other(self, place: str, column: tuple[int, ...]) -> str:
        name = place.rpartition(".")[2]
        if name == "k" and sum(("channels", end) in self.arguments for end in self.ends) == 2:
            (entering, first), (leaving, last) = self.ends.items()
            if all(a == k * b for a, b, k in zip(entering, leaving, column, strict=True)):
                return f"{first} // {last}"
        if len(set(column)) == 1:
            return str(column[0])
        return self._argument(name, name, place, column)

    def _argument(self, what: str, name: str, place: str, column: tuple[int, ...]) -> str:
        if (what, column) not in self.arguments:
            default = "1" if what in ONE_BY_DEFAULT and 1 in column else ""
            self.arguments[what, column] = Argument(self._free(name, place), place, default)
        return self.arguments[what, column].name

    def _free(self, name: str, place: str) -> str:
        taken = {argument.name for argument in self.arguments.values()} | set(self.derived.values())
        return name if name not in taken else place.replace(".", "_")


def _kind(name: str, graphs: Sequence[Graph], kinds: Kinds) -> Kind:
    each = [numbers(graph, kinds) for graph in graphs]
    ends = {
        tuple(graph.input_shapes[0].channels for graph in graphs): "in_channels",
        tuple(graph.nodes[-1].shape.channels for graph in graphs): "out_channels",
    }
    if len(ends) == 1:
        ends = dict.fromkeys(ends, "channels")
    writer = _Writer({place: tuple(found[place] for found in each) for place in each[0]}, ends)
    writer.write()
    arguments = sorted(writer.arguments.values(), key=lambda argument: bool(argument.default))
    values = {local: expression for expression, local in writer.derived.items()}
    return Kind(name, graphs[0], tuple(arguments), values, writer.told)


def _of_channels(place: str) -> bool:
    return place.rpartition(".")[2] in CHANNELS


def _width(place: str) -> str:
    """Name the channels inside: "width", or "attention_width" of those inside a sequence."""
    parents = place.split(".")[:-2]
    return "_".join([*parents, "width"])


def _ratio(column: tuple[int, ...], end: tuple[int, ...], name: str) -> str:
    """Write a column as a multiple or a part of another; nothing where it is neither."""
    if all(a * end[0] == column[0] * b for a, b in zip(column, end, strict=True)):
        if column[0] % end[0] == 0:
            return f"{column[0] // end[0]} * {name}"
        if end[0] % column[0] == 0:
            return f"{name} // {end[0] // column[0]}"
    return ""


def _names(graphs: Sequence[Graph], taken: set[str]) -> list[str]:
    """Name a class after what its graph is called, and more closely where several would have one name."""
    plain = [_class_name(graph.label) + _suffix(_extras(graph)) for graph in graphs]
    names = []
    for graph, name in zip(graphs, plain, strict=True):
        closer = name
        if plain.count(name) > 1:
            closer = _class_name(graph.label) + _suffix([*_extras(graph), *_styles(graph)])
        names.append(free_name(closer, taken))
    return names


def free_name(name: str, taken: set[str]) -> str:
    """Return a name that is not taken yet, and take it."""
    numbered = (f"{name}{i}" for i in range(2, len(taken) + 3))
    found = name if name not in taken else next(each for each in numbered if each not in taken)
    taken.add(found)
    return found


def _class_name(label: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", label.replace("pre-activation", "preAct"))
    return "".join(word[0].upper() + word[1:] for word in words)


def _extras(graph: Graph) -> list[str]:
    nested = {node.name for node in graph.nodes if isinstance(node.op, Graph)}
    return [word for name, word in (("attention", "Attention"), ("shortcut", "Projection")) if name in nested]


def _styles(graph: Graph) -> list[str]:
    functions = {node.op.function for node in graph.nodes if isinstance(node.op, ops.Activate)}
    grouped = any(isinstance(node.op, ops.GroupNorm) for node in graph.nodes)
    return [*(_class_name(each) for each in sorted(functions)), *(["GroupNorm"] * grouped)]


def _suffix(words: Sequence[str]) -> str:
    return "With" + "And".join(words) if words else ""
