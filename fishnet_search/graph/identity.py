"""Which network a graph is, whatever its nodes are called and however they are nested."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields

from fishnet_search.graph.graph import Graph
from fishnet_search.graph.ops import Op

Value = int
"""A tensor, by the order in which it is first needed."""


def identity(graph: Graph) -> str:
    """Return the SHA-256 of a graph's canonical form, as 64 hexadecimal digits.

    The canonical form is the list of operators that the outputs need, without names and nesting, in the order in
    which a walk from the outputs back to the image finishes them; each with the numbers of the operators it takes.
    Sizes of features are no part of it: a network stays itself on larger images.
    """
    lines = "\n".join(_canonical(graph))
    return hashlib.sha256(lines.encode()).hexdigest()


def _canonical(graph: Graph) -> Iterator[str]:
    operators, outputs = _flat(graph)
    numbers = {0: 0}  # the image
    stack = [(output, False) for output in reversed(outputs)]
    while stack:
        value, ready = stack.pop()
        if value in numbers:
            continue
        op, inputs = operators[value]
        if ready:
            numbers[value] = len(numbers)
            yield f"{_spelled(op)} {' '.join(str(numbers[each]) for each in inputs)}"
        else:
            stack.append((value, True))
            stack.extend((each, False) for each in reversed(inputs))
    yield f"outputs {' '.join(str(numbers[output]) for output in outputs)}"


def _flat(graph: Graph) -> tuple[dict[Value, tuple[Op, list[Value]]], list[Value]]:
    """Return all operators, each with what it takes, and the outputs; value 0 is the image."""
    operators: dict[Value, tuple[Op, list[Value]]] = {}

    def enter(inner: Graph, values: dict[str, Value]) -> Mapping[str, Value]:
        for node in inner.nodes:
            inputs = [values[name] for name in node.inputs]
            if isinstance(node.op, Graph):
                inside = enter(node.op, dict(zip(node.op.inputs, inputs, strict=True)))
                values[node.name] = inside[node.op.nodes[-1].name]
            else:
                values[node.name] = len(operators) + 1
                operators[values[node.name]] = (node.op, inputs)
        return values

    values = enter(graph, {graph.inputs[0]: 0})
    names = [node for _, node in graph.outputs] or [graph.nodes[-1].name]
    return operators, [values[name] for name in names]


def _spelled(op: Op) -> str:
    """Write an operator with the fields that are not at their default, so that new fields change no old identity."""
    told = [
        f"{each.name}={getattr(op, each.name)}"
        for each in fields(op)
        if each.default is MISSING or getattr(op, each.name) != each.default
    ]
    return f"{type(op).__name__}({','.join(told)})"
