"""Where everything in a drawing stands: columns and lanes, given heights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fishnet_search.drawing.anatomy import INPUT, Stage, stages_of, transfers_of
from fishnet_search.drawing.columns import GAP, SMALL, Box, Vertical, boxes_of, rows_of, verticals_of
from fishnet_search.drawing.lanes import Arc, Flag, arcs_of, flags_of
from fishnet_search.drawing.text import text_width
from fishnet_search.graph.graph import Graph, taps_of

MARGIN = 16.0
LANE = 17.0
EDGE = 9.0  # between the boxes of a row and its edge, or its first lane
APART = 4.0  # between transfers and flags
BETWEEN = 26.0  # rows: room to say how the resolution changes
PARTS = ("tail", "body", "head")


@dataclass(frozen=True, slots=True)
class Row:
    """A resolution."""

    stride: int  # 0 where there is no single image that it could refer to
    side: int
    top: float
    y: float  # of its boxes' middle
    bottom: float
    half: float  # of its highest box
    arcs_above: int
    arcs_below: int

    def lane(self, level: int, *, above: bool) -> float:
        """Return the y of a lane for transfers."""
        away = self.half + EDGE + LANE * (level + 0.5)
        return self.y - away if above else self.y + away

    def flag(self, level: int, *, above: bool) -> float:
        """Return the y of a flag's middle: they stand beyond the transfers."""
        arcs = self.arcs_above if above else self.arcs_below
        return self.lane(level + arcs, above=above) + (-APART if above else APART)


@dataclass(frozen=True, slots=True)
class Bracket:
    """A part of a fish."""

    name: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing without its words around; x and y begin left of the rows' labels and on top of the first row."""

    rows: tuple[Row, ...]
    boxes: tuple[Box, ...]
    verticals: tuple[Vertical, ...]
    arcs: tuple[Arc, ...]
    flags: tuple[Flag, ...]
    brackets: tuple[Bracket, ...]
    left: float  # where the rows' labels begin
    right: float
    height: float


def layout_of(graph: Graph) -> Layout:
    """Return where everything stands that a graph has."""
    stages = stages_of(graph)
    boxes = boxes_of(stages)
    verticals = tuple(verticals_of(boxes))
    arcs = arcs_of(transfers_of(graph), boxes, verticals)
    flags = flags_of(taps_of(graph), boxes, verticals)
    rows = tuple(_rows(stages, boxes, arcs, flags))
    labels = max(text_width(line, SMALL) for row in rows for line in row_label(row))
    left, right = boxes[0].left - labels - MARGIN, max(boxes[-1].right, boxes[-1].output) + MARGIN
    return Layout(rows, boxes, verticals, arcs, flags, tuple(_brackets(boxes)), left, right, rows[-1].bottom)


def row_label(row: Row) -> tuple[str, ...]:
    """Return the lines left of a row."""
    size = f"{row.side}×{row.side}"
    return (f"stride {row.stride}", size) if row.stride else (size,)


def _rows(stages: Sequence[Stage], boxes: Sequence[Box], arcs: Sequence[Arc], flags: Sequence[Flag]) -> Iterator[Row]:
    bottom = -BETWEEN
    image = 0 if stages[1].part == INPUT else stages[0].side
    for side, row in rows_of(stages).items():
        half = max([box.height for box in boxes if box.row == row], default=2 * EDGE) / 2
        arcs_above, arcs_below = (_levels(arcs, row, above=above) for above in (True, False))
        flags_above, flags_below = (_levels(flags, row, above=above) for above in (True, False))
        top = bottom + BETWEEN
        y = top + EDGE + LANE * (arcs_above + flags_above) + APART * bool(flags_above) + half
        bottom = y + half + LANE * (arcs_below + flags_below) + APART * bool(flags_below) + EDGE
        yield Row(image // side, side, top, y, bottom, half, arcs_above, arcs_below)


def _levels(items: Sequence[Arc] | Sequence[Flag], row: int, *, above: bool) -> int:
    return max((item.level + 1 for item in items if (item.row, item.above) == (row, above)), default=0)


def _brackets(boxes: Sequence[Box]) -> Iterator[Bracket]:
    for part in PARTS:
        own = [box for box in boxes if box.stage.part == part]
        if own:
            yield Bracket(part, own[0].left, own[-1].output + GAP / 2 - 4)
