"""The words around a drawing: its caption on top and its legend at the bottom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fishnet_search.cost.ledger import cost_of
from fishnet_search.drawing.anatomy import INPUT
from fishnet_search.drawing.columns import SMALL
from fishnet_search.drawing.layout import Layout
from fishnet_search.drawing.signs import INK, PAINTS, QUIET, TAP, concatenation, dashed, label, main_path, mark, swatch
from fishnet_search.drawing.svg import group, text
from fishnet_search.drawing.text import text_width, wrapped
from fishnet_search.graph.build import CLASSIFIER
from fishnet_search.graph.graph import Graph

TITLE_SIZE = 17.0
TITLE_LINE = 22.0
FACTS_SIZE = 12.5
FACTS_LINE = 18.0
ENTRY_LINE = 22.0
ICON = 30.0
BETWEEN_ENTRIES = 10.0


class Piece(NamedTuple):
    """Elements in a strip that is as wide as the drawing; y begins at 0."""

    elements: tuple[str, ...]
    height: float


class Entry(NamedTuple):
    """What a sign in the drawing means. The sign stands around (0, 0)."""

    sign: str
    words: str
    room: float = ICON


def caption(graph: Graph, title: str, width: float) -> Piece:
    """Return the title, and below it what goes in and what the network costs."""
    y = 0.0
    elements = []
    for line in wrapped(name_of(graph, title), TITLE_SIZE, width):
        y += TITLE_LINE
        elements.append(text(0.0, y, line, TITLE_SIZE, font_weight="bold", fill=INK, class_="title"))
    for line in wrapped(facts(graph), FACTS_SIZE, width):
        y += FACTS_LINE
        elements.append(text(0.0, y, line, FACTS_SIZE, fill=QUIET, class_="facts"))
    return Piece(tuple(elements), y)


def name_of(graph: Graph, title: str) -> str:
    """Return the title, or else what a graph calls itself."""
    return title or graph.label + " backbone" * bool(graph.outputs)


def facts(graph: Graph) -> str:
    """Say what goes in and what the network costs."""
    cost = cost_of(graph)
    given = [f"{name} {shape}" for name, shape in zip(graph.inputs, graph.input_shapes, strict=True)]
    counted = [f"{short(cost.params)} parameters", f"{short(cost.macs)} multiply-accumulates (MACs) for one image"]
    return " · ".join(given + counted)


def short(number: int) -> str:
    """Return a number in millions (M), or thousands of them (G), where it is large."""
    for unit, letter in ((10**9, "G"), (10**6, "M")):
        if number >= unit:
            return f"{number / unit:,.2f} {letter}"
    return f"{number:,}"


def legend(layout: Layout, width: float) -> Piece:
    """Return what colours and signs mean, in as many lines as it takes."""
    x, y = 0.0, ENTRY_LINE / 2
    elements = []
    for sign, words, room in _entries(layout):
        taken = room + text_width(words, SMALL)
        if x and x + taken > width:
            x, y = 0.0, y + ENTRY_LINE
        elements.append(group([sign], transform=f"translate({x + room / 2 - 3:.1f} {y:.1f})"))
        elements.append(text(x + room, y + 0.35 * SMALL, words, SMALL, fill=QUIET, class_="legend"))
        x += taken + BETWEEN_ENTRIES
    return Piece(tuple(elements), y + ENTRY_LINE / 2)


def _entries(layout: Layout) -> Iterator[Entry]:
    stages = [box.stage for box in layout.boxes]
    for part in dict.fromkeys(stage.part for stage in stages):
        if part in PAINTS and part not in {INPUT, CLASSIFIER}:
            both = part == "stem" and stages[-1].name == CLASSIFIER
            yield Entry(swatch(part), f"stem, {CLASSIFIER}" if both else part)
    yield Entry(main_path(((-12, 0), (12, 0))), "main path; a higher box has more channels (logarithmic)")
    if layout.arcs:
        whole = any(arc.transfer.blocks is not None for arc in layout.arcs)
        yield Entry(dashed(((-12, 0), (12, 0))), "transfer and its blocks" if whole else "taken by a later step")
    if any(stage.concatenates for stage in stages):
        yield Entry(concatenation(0.0, 0.0), "concatenation and the channels that leave it")
    if layout.flags:
        yield Entry(label(0.0, 0.0, "tap", TAP), "output as a backbone, with its channels", 38.0)
    marks = {stage.mark[:1] for stage in stages}
    if "P" in marks:
        yield Entry(mark(0.0, 0.0, "P"), "1×1 projection beside the first block")
    if "k" in marks:
        yield Entry(mark(0.0, 0.0, "k"), "sums of k channels beside the first block")
    if any("SE" in stage.words for stage in stages):
        yield Entry(text(0.0, 0.35 * SMALL, "SE", SMALL, fill=INK, text_anchor="middle"), "squeeze-and-excitation")
