"""Networks as pictures: a fish with its tail, body and head, and every other family in the same manner.

Rows are resolutions, columns are stages in the order of computation, as in figure 2 of the paper (arXiv 1901.03495).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from fishnet_search.drawing.captions import caption, legend, name_of
from fishnet_search.drawing.columns import LINE, NAME_SIZE, SMALL, Box, Vertical, output_label_width
from fishnet_search.drawing.lanes import TEE, Arc, Flag
from fishnet_search.drawing.layout import BETWEEN, MARGIN, Bracket, Layout, Row, layout_of, row_label
from fishnet_search.drawing.signs import (
    BAND,
    CIRCLE,
    DOT,
    INK,
    MAIN,
    QUIET,
    TAP,
    TRANSFER,
    concatenation,
    dashed,
    label,
    main_path,
    mark,
    paint_of,
)
from fishnet_search.drawing.svg import Points, element, group, path, plain, text
from fishnet_search.graph.graph import Graph

NARROWEST = 560.0
BRACKETS = 34.0
FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


def draw(graph: Graph, title: str = "") -> str:
    """Return a picture of a network as one SVG document.

    Args:
        graph: of a network or a backbone; of anything else its nodes are shown in a row.
        title: stands above the picture; by default the family's name.
    """
    layout = layout_of(graph)
    width = max(layout.right - layout.left, NARROWEST)
    above, below = caption(graph, title, width), legend(layout, width)
    top = MARGIN + above.height + (BRACKETS if layout.brackets else MARGIN)
    bottom = top + layout.height + MARGIN
    whole_width, whole_height = width + 2 * MARGIN, bottom + below.height + MARGIN
    return element(
        "svg",
        element("title", plain(name_of(graph, title))),
        element("rect", width=whole_width, height=whole_height, fill="#ffffff"),
        group(above.elements, transform=f"translate({MARGIN:.2f} {MARGIN:.2f})"),
        group(_picture(layout, width), transform=f"translate({MARGIN - layout.left:.2f} {top:.2f})"),
        group(below.elements, transform=f"translate({MARGIN:.2f} {bottom:.2f})"),
        xmlns="http://www.w3.org/2000/svg",
        width=whole_width,
        height=whole_height,
        viewBox=f"0 0 {whole_width:.2f} {whole_height:.2f}",
        style="max-width:100%;height:auto",
        font_family=FONT,
        role="img",
    )


def _picture(layout: Layout, width: float) -> Iterator[str]:
    """Yield everything from the back to the front."""
    rows = layout.rows
    for row in rows:
        yield _band(row, layout.left, width)
    for bracket in layout.brackets:
        yield from _bracket(bracket)
    yield from _lines(layout)
    for flag in layout.flags:
        yield _flag(flag, rows[flag.row])
    ends = _ends(layout)
    for box in layout.boxes:
        yield _box(box, rows[box.row])
        yield _output(box, rows[box.output_row], ends)
        if box.stage.concatenates:
            yield _channels(box, rows[box.output_row], layout.arcs)
    for vertical in layout.verticals:
        yield _change(vertical, rows) if vertical.words else ""
    for arc in layout.arcs:
        y = rows[arc.row].lane(arc.level, above=arc.above) if arc.label_in_lane else rows[arc.row].y
        yield label(arc.label_x, y, arc.label, TRANSFER) if arc.label else ""


def _lines(layout: Layout) -> Iterator[str]:
    """Yield the transfers and the main path."""
    rows, ends = layout.rows, _ends(layout)
    for arc in layout.arcs:
        source, target, blocks = arc.transfer.source, arc.transfer.target, arc.transfer.blocks
        way = _way(arc, rows)
        yield dashed(way, head=arc.into == "box", data_from=source, data_to=target, data_blocks=blocks)
    for before, box in pairwise(layout.boxes):
        if box.stage.follows:
            way = _onward(before, box, rows, dotted=before.stage.name in ends)
            yield main_path(way, data_from=before.stage.name, data_to=box.stage.name)
    for box in layout.boxes:
        if box.row != box.output_row:
            yield main_path(_outward(box, rows))
        elif box.stage.name in ends:
            yield main_path(((box.right, rows[box.row].y), (box.output, rows[box.row].y)), head=False)


def _ends(layout: Layout) -> set[str]:
    """Return the stages at whose outputs something leaves the main path."""
    return {arc.transfer.source for arc in layout.arcs} | {flag.tap.node for flag in layout.flags}


def _band(row: Row, left: float, width: float) -> str:
    band = element("rect", x=left, y=row.top, width=width, height=row.bottom - row.top, rx=4, fill=BAND)
    words = row_label(row)
    first = row.y - LINE * (len(words) - 1) / 2 + 0.35 * SMALL
    lines = (text(left + 8, first + i * LINE, line, SMALL, fill=QUIET) for i, line in enumerate(words))
    return group([band, *lines], class_="row", data_side=row.side, data_y=row.y)


def _bracket(bracket: Bracket) -> Iterator[str]:
    left, right, y = bracket.left, bracket.right, -10.0
    colour = paint_of(bracket.name).edge
    yield path(((left, y + 5), (left, y), (right, y), (right, y + 5)), corner=3, stroke=colour, stroke_width=1.5)
    yield text((left + right) / 2, y - 6, bracket.name, 13.0, fill=colour, font_weight="bold", text_anchor="middle")


def _way(arc: Arc, rows: tuple[Row, ...]) -> Points:
    """Return the points of a transfer's way."""
    row, end = rows[arc.row], rows[arc.end_row]
    lane = row.lane(arc.level, above=arc.above)
    way = [(arc.left - TEE, row.y), (arc.left, row.y), (arc.left, lane), (arc.right, lane), (arc.right, end.y)]
    match arc.into:
        case "point":
            return [*way, (arc.end - CIRCLE, end.y)]
        case "box":
            return [*way, (arc.end, end.y)]
    return way


def _onward(before: Box, box: Box, rows: tuple[Row, ...], *, dotted: bool) -> Points:
    """Return the points from an output to the next box; where there is no dot at the output, from the box before."""
    x, start, end = before.output, rows[before.output_row].y, rows[box.row].y
    begin = [(before.right, start)] if before.row == before.output_row and not dotted else []
    return [*begin, (x, start), (box.left, end)] if start == end else [*begin, (x, start), (x, end), (box.left, end)]


def _outward(box: Box, rows: tuple[Row, ...]) -> Points:
    """Return the points from a box to its output in another row."""
    y, end_y = rows[box.row].y, rows[box.output_row].y
    down = 1 if end_y > y else -1
    radius = CIRCLE if box.stage.concatenates else DOT
    return (box.output, y + down * box.height / 2), (box.output, end_y - down * radius)


def _box(box: Box, row: Row) -> str:
    stage = box.stage
    fill, edge = paint_of(stage.part)
    x, top = (box.left + box.right) / 2, row.y - box.height / 2
    frame = element(
        "rect", x=box.left, y=top, width=box.right - box.left, height=box.height, rx=4, fill=fill, stroke=edge
    )
    y = row.y - len(stage.words) * LINE / 2 + 0.35 * NAME_SIZE
    words = [text(x, y, stage.name, NAME_SIZE, fill=INK, font_weight="bold", text_anchor="middle")]
    for i, line in enumerate(stage.words, start=1):
        words.append(text(x, y + i * LINE, line, SMALL, fill=INK, text_anchor="middle"))
    marks = [mark(box.left + 16, top, stage.mark)] if stage.mark else []
    hint = [element("title", plain(stage.label))] if stage.label else []
    return group([*hint, frame, *words, *marks], class_="stage", data_stage=stage.name, data_side=stage.side)


def _output(box: Box, row: Row, ends: set[str]) -> str:
    """Draw where a stage's output stands, unless nothing meets or leaves the main path there."""
    stage = box.stage
    if stage.concatenates:
        return concatenation(box.output, row.y, data_stage=stage.name, data_channels=stage.output_channels)
    if box.row != box.output_row or stage.name in ends:
        return element("circle", cx=box.output, cy=row.y, r=DOT, fill=MAIN, class_="output", data_stage=stage.name)
    return ""


def _flag(flag: Flag, row: Row) -> str:
    y = row.flag(flag.level, above=flag.above)
    pole = path(((flag.pole, row.y), (flag.pole, y)), stroke=TAP, stroke_width=1.2)
    words = label((flag.left + flag.right) / 2, y, flag.text, TAP)
    tap = flag.tap
    return group([pole, words], class_="tap", data_tap=tap.name, data_stage=tap.node, data_channels=tap.channels)


def _channels(box: Box, row: Row, arcs: Sequence[Arc]) -> str:
    """Write the channels behind a concatenation, on the side of the row from which the transfer does not come."""
    (arc,) = (each for each in arcs if each.transfer.target == box.stage.name)
    words = str(box.stage.output_channels)
    below = arc.above and arc.right + 2 > box.output - output_label_width(box.stage)
    y = row.y + (SMALL + 5 if below else -8)
    return text(box.output - 8, y, words, SMALL, fill=INK, text_anchor="end", class_="channels")


def _change(vertical: Vertical, rows: tuple[Row, ...]) -> str:
    """Write how the resolution changes, between the rows."""
    end = rows[vertical.end]
    if vertical.end > vertical.start:
        x, y, anchor = vertical.x + 6, end.top - BETWEEN / 2, "start"
    else:
        x, y, anchor = vertical.x - 6, end.bottom + BETWEEN / 2, "end"
    return text(x, y + 0.35 * SMALL, vertical.words, SMALL, fill=QUIET, text_anchor=anchor, class_="change")
