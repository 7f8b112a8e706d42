"""The signs that a drawing and its legend share, and their colours: quiet, and apart for those who see few of them."""

from __future__ import annotations

from typing import NamedTuple

from fishnet_search.drawing.anatomy import INPUT
from fishnet_search.drawing.columns import SMALL
from fishnet_search.drawing.lanes import label_width
from fishnet_search.drawing.svg import Points, arrow_head, element, group, path, text
from fishnet_search.drawing.text import text_width
from fishnet_search.graph.build import CLASSIFIER

INK = "#1f2328"
QUIET = "#57606a"
BAND = "#f4f5f7"
MAIN = "#3a3f47"
TRANSFER = "#8a3f72"
TAP = "#6e5600"
CIRCLE = 5.0
DOT = 3.0
MARK_SIZE = 8.5


class Paint(NamedTuple):
    """Of a box."""

    fill: str
    edge: str


_GREY = Paint("#e8eaed", "#6b7280")
_BLUE = Paint("#d3e5f5", "#2a6a9e")
_YELLOW = Paint("#f8edc1", "#8f740d")
PAINTS = {
    "tail": _BLUE,
    "stage": _BLUE,
    "bridge": _YELLOW,
    "transition": _YELLOW,
    "body": Paint("#cfeadd", "#1b7a58"),
    "head": Paint("#fadbc9", "#b14e18"),
    INPUT: Paint("#ffffff", "#6b7280"),
    "stem": _GREY,
    CLASSIFIER: _GREY,
}


def paint_of(part: str) -> Paint:
    """Return the colours of a part's boxes; what is no part of a network is grey."""
    return PAINTS.get(part, _GREY)


def main_path(points: Points, *, head: bool = True, **attributes: object) -> str:
    """Return a piece of the main path."""
    line = path(points, stroke=MAIN, stroke_width=1.5, stroke_linecap="round")
    return group([line, arrow_head(points, MAIN)] if head else [line], class_="main", **attributes)


def dashed(points: Points, *, head: bool = False, **attributes: object) -> str:
    """Return the way of a transfer."""
    line = path(points, stroke=TRANSFER, stroke_width=1.5, stroke_dasharray="5 3")
    return group([line, arrow_head(points, TRANSFER)] if head else [line], class_="transfer", **attributes)


def concatenation(x: float, y: float, **attributes: object) -> str:
    """Return the point where a transfer meets the main path."""
    circle = element("circle", cx=x, cy=y, r=CIRCLE, fill="#ffffff", stroke=MAIN, stroke_width=1.5)
    return group([circle], class_="concatenation", **attributes)


def label(x: float, y: float, words: str, colour: str) -> str:
    """Return words in a frame around (x, y) that covers the line below it."""
    width, height = label_width(words), SMALL + 4
    frame = element(
        "rect", x=x - width / 2, y=y - height / 2, width=width, height=height, rx=3, fill="#ffffff", stroke=colour
    )
    return frame + text(x, y + 0.35 * SMALL, words, SMALL, fill=colour, text_anchor="middle")


def mark(x: float, y: float, words: str) -> str:
    """Return a small frame around (x, y) that says what a stage's first shortcut is."""
    width, height = text_width(words, MARK_SIZE) + 7, MARK_SIZE + 3
    frame = element(
        "rect", x=x - width / 2, y=y - height / 2, width=width, height=height, rx=6, fill="#ffffff", stroke=MAIN
    )
    return frame + text(x, y + 0.35 * MARK_SIZE, words, MARK_SIZE, fill=INK, text_anchor="middle")


def swatch(part: str) -> str:
    """Return a small box of a part's colours around (0, 0)."""
    fill, edge = paint_of(part)
    return element("rect", x=-11, y=-6, width=22, height=12, rx=3, fill=fill, stroke=edge)
