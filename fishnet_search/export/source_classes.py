"""The classes of a file of plain PyTorch: one for each kind of block, for each stage, and for the network."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping

from fishnet_search.export.source_forward import call, forward_lines, has_module
from fishnet_search.export.source_kinds import Kind, Kinds, free_name, is_chain, kinds_of, numbers, skeleton
from fishnet_search.export.source_ops import module
from fishnet_search.export.source_text import INDENT, LINE, Call, Expression, written
from fishnet_search.graph import ops
from fishnet_search.graph.graph import Graph, Node, taps_of

_COMMENT = f"{INDENT * 2}# "


def classes_of(network: Graph, name: str, taken: set[str]) -> list[str]:
    """Return the text of each class, the network's last.

    Args:
        network: from `build_graph` or `features_only`.
        name: of the network's class.
        taken: names that no class may have.
    """
    kinds = kinds_of(network, taken)
    stages = {
        node.name: (free_name(node.name.capitalize(), taken), node.op)
        for node in network.nodes
        if isinstance(node.op, Graph) and not is_chain(node.op)
    }
    return [
        *(_block_class(kind, kinds) for kind in kinds.values()),
        *(_stage_class(stage, graph, kinds) for stage, graph in stages.values()),
        _network_class(network, name, {node: stage for node, (stage, _) in stages.items()}, kinds),
    ]


def _block_class(kind: Kind, kinds: Kinds) -> str:
    arguments = [f"{each.name}: int" + (f" = {each.default}" if each.default else "") for each in kind.arguments]
    values = [f"{INDENT * 2}{name} = {expression}" for name, expression in kind.values.items()]
    making = [*values, *_modules(kind.graph, kind.told, kinds)]
    return _class(kind.name, _described(kind.graph), arguments, making, kind.graph)


def _stage_class(name: str, graph: Graph, kinds: Kinds) -> str:
    digits = {place: str(number) for place, number in numbers(graph, kinds).items()}
    return _class(name, f"{_capital(graph.label)}.", [], _modules(graph, digits, kinds), graph)


def _class(name: str, doc: str, arguments: list[str], making: list[str], graph: Graph) -> str:
    inputs = ", ".join(f"{each}: Tensor" for each in graph.inputs)
    return _text(
        f"class {name}(nn.Module):",
        *_docstring(doc),
        "",
        *written("def ", Call("__init__", ("self", *arguments)), " -> None:", indent=1),
        "        super().__init__()",
        *making,
        "",
        f"    def forward(self, {inputs}) -> Tensor:",
        *(f"        {line}" for line in forward_lines(graph)),
    )


def _network_class(network: Graph, name: str, stages: Mapping[str, str], kinds: Kinds) -> str:
    taps = taps_of(network) if network.outputs else ()
    given = "dict[str, Tensor]" if taps else "Tensor"
    what = "The backbone: some of its stages are given by name." if taps else "The whole network, stage by stage."
    return _text(
        f"class {name}(nn.Module):",
        f'    """{what}"""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *_stages(network, stages, kinds),
        *_initialisation(network),
        "",
        f"    def forward(self, images: Tensor) -> {given}:",
        *_computing(network),
    )


def _stages(network: Graph, classes: Mapping[str, str], kinds: Kinds) -> Iterator[str]:
    digits = {place: str(number) for place, number in numbers(network, {}).items()}
    for node in network.nodes:
        if node.name in classes:
            yield f"        self.{node.name} = {classes[node.name]}()"
        else:
            if isinstance(node.op, Graph) and node.op.label != node.name:
                yield from textwrap.wrap(node.op.label, LINE, initial_indent=_COMMENT, subsequent_indent=_COMMENT)
            yield from written(f"self.{node.name} = ", _made(node, node.name, digits, kinds), indent=2)


def _initialisation(network: Graph) -> list[str]:
    """Write the network's own initialisation where it differs from what PyTorch's modules begin with."""
    lines = [
        "        for module in self.modules():",
        "            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):",
        f'                nn.init.kaiming_normal_(module.weight, mode="fan_{network.fan}", nonlinearity="relu")',
    ]
    if network.fan == "in" and ops.Linear in operators_of(network):
        lines += [
            "            elif isinstance(module, nn.Linear):",
            "                nn.init.zeros_(module.bias)",
        ]
    return lines


def _computing(network: Graph) -> Iterator[str]:
    """Write the network's `forward`, with the shape of each stage's result for images of the graph's size."""
    if network.stride > 1:
        n = network.stride
        yield "        height, width = images.shape[-2:]"
        yield f"        if height < {n} or height % {n} or width < {n} or width % {n}:"
        yield f'            raise ValueError(f"sides of images must be multiples of {n}, not {{height}} × {{width}}")'
    spoken = dict.fromkeys(network.inputs, "images") | {node.name: node.name for node in network.nodes}
    *before, last = network.nodes
    for node in network.nodes if network.outputs else before:
        shape = " × ".join(map(str, node.shape))
        yield f"        {node.name} = {call(node, spoken)}  # {shape}"
    if network.outputs:
        pairs = tuple(f"{json.dumps(tap, ensure_ascii=False)}: {node}" for tap, node in network.outputs)
        yield from written("return ", Call("", pairs, brackets=("{", "}")), indent=2)
    else:
        yield f"        return {call(last, spoken)}"


def operators_of(graph: Graph) -> set[type[ops.Op]]:
    """Return the types of all operators in a graph."""
    found: set[type[ops.Op]] = set()
    for node in graph.nodes:
        found |= operators_of(node.op) if isinstance(node.op, Graph) else {type(node.op)}
    return found


def _modules(graph: Graph, told: Mapping[str, str], kinds: Kinds) -> list[str]:
    return [
        line
        for node in graph.nodes
        if has_module(node)
        for line in written(f"self.{node.name} = ", _made(node, node.name, told, kinds), indent=2)
    ]


def _made(node: Node, path: str, told: Mapping[str, str], kinds: Kinds) -> Expression:
    """Return the expression that makes a node's module; `told` says how the numbers at each place are written."""
    if not isinstance(node.op, Graph):
        return module(node.op, lambda field: told[f"{path}.{field}"])
    if kind := kinds.get(skeleton(node.op)):
        given = [(each, told[f"{path}.{each.place}"]) for each in kind.arguments]
        return Call(kind.name, (), tuple((each.name, value) for each, value in given if value != each.default))
    children = ((child.name, _made(child, f"{path}.{child.name}", told, kinds)) for child in node.op.nodes)
    return Call("sequential", (), tuple(children), spread=True)


def _described(graph: Graph) -> str:
    """Say what a block is, and what it is added to."""
    nodes = {node.name: node.op for node in graph.nodes}
    beside = ""
    if "shortcut" in nodes:
        squeezes = isinstance(nodes["shortcut"], ops.SqueezeChannels)
        beside = " beside sums of neighbouring channels" if squeezes else " beside a 1×1 convolution"
    elif "add" in nodes:
        beside = " beside the identity"
    scaled = ", scaled by squeeze-and-excitation" if "attention" in nodes else ""
    return f"{_capital(graph.label)}{beside}{scaled}."


def _docstring(text: str) -> list[str]:
    """Return the docstring of a class, on several lines where it is long."""
    if len(line := f'{INDENT}"""{text}"""') <= LINE:
        return [line]
    lines = textwrap.wrap(text, LINE, initial_indent=f'{INDENT}"""', subsequent_indent=INDENT)
    return [*lines, f'{INDENT}"""']


def _capital(label: str) -> str:
    return label[0].upper() + label[1:]


def _text(*lines: str) -> str:
    return "\n".join(lines) + "\n"
