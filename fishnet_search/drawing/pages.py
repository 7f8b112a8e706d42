"""What a notebook shows of a spec, a graph and a ledger: fragments of HTML that need no style sheet.

Colours of text are the notebook's own, light or dark; a drawing stands on a white ground of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from fishnet_search.cost.ledger import Cost, Ledger, Line, ledger_of
from fishnet_search.drawing.fish import draw
from fishnet_search.drawing.svg import element, plain
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import Graph
from fishnet_search.spec.architecture import Architecture

_RULE = "1px solid rgba(128,128,128,0.45)"
_TABLE = "border-collapse:collapse;margin:0.6em 0;font-size:0.9em;font-variant-numeric:tabular-nums"
_CELL = "padding:0.2em 0.7em;background:none;white-space:nowrap"
_COLUMNS = ("stage", "output C×H×W", "sees", "layers", "parameters", "MACs", "activations", "made of")
_WORDS = {"stage", "made of"}


def spec_html(spec: Architecture) -> str:
    """Return a spec's drawing, its costs stage by stage, and its identity."""
    graph = build_graph(spec)
    identity = element("p", "identity ", element("code", spec.identity()), style="margin:0.4em 0;font-size:0.9em")
    return _fragment(_drawing(graph), ledger_html(ledger_of(graph)), identity)


def graph_html(graph: Graph) -> str:
    """Return a graph's drawing, and its parameters and MACs to the last digit."""
    cost = ledger_of(graph).total
    sentence = f"{cost.params:,} parameters, {cost.macs:,} MACs (multiply-accumulates for one image)"
    return _fragment(_drawing(graph), element("p", plain(sentence), style="margin:0.4em 0;font-size:0.9em"))


def ledger_html(ledger: Ledger) -> str:
    """Return a ledger as a table: a row a stage, then the backbone, where it is less than all, and the total."""
    rows = [_row(_stage_cells(line)) for line in ledger.stages]
    if ledger.backbone != ledger.total:
        rows.append(_row(_sum_cells("backbone", ledger.backbone, "all but the classifier"), rule=True))
    rows.append(_row(_sum_cells("total", ledger.total, ""), rule=ledger.backbone == ledger.total, bold=True))
    head = element("thead", element("tr", *(_cell("th", name, name, bold=True) for name in _COLUMNS)))
    table = element("table", head, element("tbody", *rows), style=_TABLE)
    return element("div", table, style="overflow-x:auto")


def _fragment(*parts: str) -> str:
    return element("div", *parts, class_="fishnet-search")


def _drawing(graph: Graph) -> str:
    return element("div", draw(graph), style="background:#ffffff;overflow-x:auto")


def _stage_cells(line: Line) -> Iterator[str]:
    yield line.path
    yield str(line.shape)
    yield "image" if math.isinf(line.receptive_field) else f"{line.receptive_field:g}"
    yield from _figures(line.cost)
    yield line.label


def _sum_cells(name: str, cost: Cost, words: str) -> Iterator[str]:
    yield from (name, "", "")
    yield from _figures(cost)
    yield words


def _figures(cost: Cost) -> tuple[str, ...]:
    return tuple(f"{figure:,}" for figure in (cost.layers, cost.params, cost.macs, cost.activations))


def _row(cells: Iterable[str], *, rule: bool = False, bold: bool = False) -> str:
    filled = (_cell("td", name, words, rule=rule, bold=bold) for name, words in zip(_COLUMNS, cells, strict=True))
    return element("tr", *filled, style="background:none")


def _cell(tag: str, column: str, words: str, *, rule: bool = False, bold: bool = False) -> str:
    style = f"{_CELL};text-align:{'left' if column in _WORDS else 'right'}"
    style += f";border-top:{_RULE}" * rule + f";border-bottom:{_RULE}" * (tag == "th") + ";font-weight:bold" * bold
    return element(tag, plain(words), style=style)
