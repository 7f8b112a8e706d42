"""Elements of SVG as strings. Everything from outside is escaped here, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

Points = Sequence[tuple[float, float]]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(name: str, *children: str, **attributes: object) -> str:
    """Return an element; underscores in names of attributes stand for hyphens, one at the end is dropped."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{plain(_written(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{told}>{''.join(children)}</{name}>" if children else f"<{name}{told}/>"


def plain(text: str) -> str:
    """Return text that an SVG or HTML document shows as it is, but for what no XML document can hold."""
    return escape(_NOT_XML.sub("�", text))


def text(x: float, y: float, words: str, size: float, **attributes: object) -> str:
    """Return a line of text whose baseline starts at (x, y), or has there what `text_anchor` says."""
    return element("text", plain(words), x=x, y=y, font_size=size, **attributes)


def path(points: Points, *, corner: float = 8.0, **attributes: object) -> str:
    """Return a line through the points, rounded where it turns."""
    way = [f"M{_point(points[0])}"]
    for before, here, behind in zip(points, points[1:], points[2:], strict=False):
        radius = min(corner, _distance(before, here) / 2, _distance(here, behind) / 2)
        way.append(f"L{_point(_towards(here, before, radius))}Q{_point(here)} {_point(_towards(here, behind, radius))}")
    way.append(f"L{_point(points[-1])}")
    return element("path", d="".join(way), fill="none", **attributes)


def arrow_head(points: Points, colour: str, size: float = 7.0) -> str:
    """Return the head of an arrow along the points: markers would need names, which must differ within a page."""
    (x, y) = points[-1]
    back_x, back_y = _towards(points[-1], points[-2], size)
    across_x, across_y = (y - back_y) * 0.45, (back_x - x) * 0.45
    corners = ((x, y), (back_x + across_x, back_y + across_y), (back_x - across_x, back_y - across_y))
    return element("polygon", points=" ".join(_point(corner) for corner in corners), fill=colour)


def group(children: Iterable[str], **attributes: object) -> str:
    """Return elements as one."""
    return element("g", *children, **attributes)


def _written(value: object) -> str:
    return f"{round(value, 2):g}" if isinstance(value, float) else str(value)


def _point(point: tuple[float, float]) -> str:
    return f"{_written(float(point[0]))},{_written(float(point[1]))}"


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(a: tuple[float, float], b: tuple[float, float], way: float) -> tuple[float, float]:
    """Return the point that lies `way` from a on the level or upright line to b."""
    share = way / (_distance(a, b) or 1.0)
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share
