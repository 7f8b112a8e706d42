"""Sections put on pages: each figure as PNG, SVG and PDF to be kept, and as SVG that can stand inside HTML."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.collections import Collection
from matplotlib.figure import Figure

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.report.section import Section

Told = TypeVar("Told")

Provider = Callable[[Analysis], Section | None]
"""Makes a part of a report, or says that there is no data for it."""

MOST_SHAPES = 2_000
"""Points or lines of one plot that are drawn as shapes; more become pixels, lest a page takes megabytes."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A section with its figure drawn."""

    section: Section
    svg: str | None  # an element that can stand in HTML; None: there is no figure
    files: Mapping[str, bytes]  # suffix -> the figure in this format


def show(told: Told, providers: Sequence[Callable[[Told], Section | None]]) -> tuple[Shown, ...]:
    """Return those sections that there is data for, drawn in the style of all figures."""
    with style():
        sections = [provider(told) for provider in providers]
        return tuple(_shown(section) for section in sections if section is not None)


def _shown(section: Section) -> Shown:
    if section.figure is None:
        return Shown(section, None, {})
    _paint_crowds(section.figure)
    svg = _file(section.figure, "svg", dict.fromkeys(("Creator", "Date", "Format", "Type")))
    files = {
        "png": _file(section.figure, "png", {"Software": None}),
        "svg": svg,
        "pdf": _file(section.figure, "pdf", dict.fromkeys(("Creator", "Producer", "CreationDate"))),
    }
    return Shown(section, _inline(svg.decode(), prefix=section.name), files)


@contextmanager
def style() -> Iterator[None]:
    """Set the look of all figures for as long as they are made and written.

    Names are never read as mathematics; text of SVG and PDF stays text, and ids depend on nothing but the drawing.
    """
    settings = {
        **sns.axes_style("whitegrid"),
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib: the same everywhere
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "grid.color": "#e6e8eb",
        "text.parse_math": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "fishnet-search",
        "pdf.fonttype": 42,  # TrueType, which journals ask for
    }
    with mpl.rc_context(settings):
        yield


def _file(figure: Figure, suffix: str, metadata: dict[str, None]) -> bytes:
    """Return a figure as a file that is the same whenever it is made: it says neither when nor by what."""
    file = io.BytesIO()
    figure.savefig(file, format=suffix, dpi=200, metadata=metadata)
    return file.getvalue()


def _paint_crowds(figure: Figure) -> None:
    for axes in figure.axes:
        crowds = [one for one in axes.collections if _shapes(one) > MOST_SHAPES]
        for artist in (*crowds, *(axes.lines if len(axes.lines) > MOST_SHAPES else ())):
            artist.set_rasterized(True)


def _shapes(collection: Collection) -> int:
    return max(len(np.asarray(collection.get_offsets())), len(collection.get_paths()))


def _inline(svg: str, *, prefix: str) -> str:
    """Return an `<svg>` element without prolog and metadata, whose ids no other figure of the page has."""
    svg = svg[svg.index("<svg ") :]
    return re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{prefix}-", svg)
