"""What a class computes, as straight-line code that a person could have written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fishnet_search.export.source_ops import function, is_function
from fishnet_search.graph import ops
from fishnet_search.graph.graph import Graph, Node

LEAST_TURNS = 3
"""Lines that a loop is worth."""


def forward_lines(graph: Graph) -> list[str]:
    """Return the statements that compute a graph, from its inputs to the `return`."""
    spoken = {name: name for name in graph.inputs}  # value -> its variable, or the expression that stands for it
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    lines = []
    for i, node in enumerate(graph.nodes):
        expression = _expression(node, [spoken[name] for name in node.inputs])
        if i + 1 == len(graph.nodes):
            lines.append(f"return {expression}")
        elif _joins(graph, i):
            spoken[node.name] = expression
        else:
            alive = {spoken[name] for name in spoken if last_use.get(name, -1) > i}
            spoken[node.name] = _variable(node, [spoken[name] for name in node.inputs], alive)
            lines.append(f"{spoken[node.name]} = {expression}")
    return _loop(graph, lines) or lines


def call(node: Node, arguments: Mapping[str, str]) -> str:
    """Return the call of a node's module."""
    return f"self.{node.name}({', '.join(arguments[name] for name in node.inputs)})"


def has_module(node: Node) -> bool:
    """Whether a class keeps a module for a node."""
    return not is_function(node.op)


def _expression(node: Node, arguments: Sequence[str]) -> str:
    if not has_module(node):
        return function(node.op, arguments)
    return f"self.{node.name}({', '.join(arguments)})"


def _joins(graph: Graph, i: int) -> bool:
    """Whether a node is written inside the expression of the next one, which alone needs it.

    A norm, an activation and a convolution of one number make one line. A module beside the main line is written where
    its result is added or concatenated.
    """
    node, after = graph.nodes[i], graph.nodes[i + 1]
    if [name for each in graph.nodes for name in each.inputs].count(node.name) != 1 or node.name not in after.inputs:
        return False
    if len(after.inputs) > 1 and after.inputs[0] != node.name:
        return isinstance(node.op, (Graph, ops.SqueezeChannels))
    match node.op, after.op:
        case (ops.Multiply(), ops.Add()) | (ops.Add() | ops.BatchNorm() | ops.GroupNorm(), ops.Activate()):
            return True
    return len(after.inputs) == 1 and _number(node) != "" and _number(node) == _number(after)


def _number(node: Node) -> str:
    found = re.fullmatch(r"(?:norm|act|conv)(\d+)", node.name)
    return found[1] if found else ""


def _variable(node: Node, arguments: Sequence[str], alive: set[str]) -> str:
    """Name a value: by a name that nothing needs any more, or, beside the main line, its own."""
    if isinstance(node.op, Graph) and not node.name[-1].isdigit():
        return node.name
    return next(name for name in (*arguments, "x", "out", node.name) if name not in alive and name.isidentifier())


def _loop(graph: Graph, lines: Sequence[str]) -> list[str]:
    """Return a loop over the modules where each has the same line, and nothing where they differ."""
    modules = [node.name for node in graph.nodes if has_module(node)]
    assigned = [re.sub(r"^return ", "x = ", line) for line in lines]
    turns = {line.replace(f"self.{name}(", "layer(") for name, line in zip(modules, assigned, strict=False)}
    if len(modules) != len(lines) or len(lines) < LEAST_TURNS or len(turns) != 1:
        return []
    return ["for layer in self.children():", f"    {turns.pop()}", "return x"]
