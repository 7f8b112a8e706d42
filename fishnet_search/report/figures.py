"""Plots put on pages: each figure as PNG for Markdown and as SVG that can stand inside HTML."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fishnet_search.report.effects import paired_differences
from fishnet_search.report.plots import (
    COLOURS,
    Look,
    looks,
    plot_accuracy_against_macs,
    plot_effects,
    plot_learning_curve,
)
from fishnet_search.report.table import seed_count

WIDTH = 8.6
"""Inches of every figure, so that all have letters of one size on the page."""

LEGEND_WIDTH = 110
"""Letters that fit beside each other below a figure."""

NAMES = ("effects", "accuracy-against-macs", "learning-curves")


@dataclass(frozen=True)
class Picture:
    """A figure that is ready to be written."""

    name: str
    title: str
    caption: str
    svg: str
    png: bytes


def draw_figures(
    trials: pd.DataFrame, curves: pd.DataFrame, effects: pd.DataFrame, baseline: str
) -> tuple[Picture, ...]:
    """Draw those of `NAMES` that there is data for.

    Args:
        trials: As from `trial_frame`.
        curves: As from `curve_frame`.
        effects: As from `variant_effects`.
        baseline: Name of the variant that the others are compared with.
    """
    look = looks(effects["variant"].tolist(), baseline)
    complete = curves[curves["state"] == "complete"]
    seeds = _over(effects["seeds"])
    band = "; the band goes from the lowest to the highest seed" if len(look) <= COLOURS else ""
    pictures = []
    with _style():
        if effects["pairs"].any():
            compared = effects[effects["pairs"] > 0]
            figure = draw_effects(compared, paired_differences(trials, baseline), look)
            pictures.append(
                _picture(
                    figure,
                    "effects",
                    f"Differences to the baseline {baseline}",
                    "Mean of the differences paired by seed, with its 95 % interval. "
                    "The grey dots below are the single seeds. "
                    "Filled and bold: the interval excludes 0, the difference is larger than the noise. "
                    "Hollow: within the noise, or one seed only.",
                )
            )
        figure = draw_accuracy_against_macs(effects[effects["seeds"] > 0], look)
        pictures.append(
            _picture(
                figure,
                "accuracy-against-macs",
                "Accuracy against MACs",
                f"Mean test top-1 {seeds}, with its 95 % interval; one seed has none. "
                "Variants of equal MACs are drawn side by side. These intervals are not paired: judge differences by "
                "the table.",
            )
        )
        figure = draw_learning_curves(complete, look)
        pictures.append(
            _picture(
                figure,
                "learning-curves",
                "Learning curves",
                f"Mean of complete trials {seeds}{band}. "
                "The accuracy axis leaves out what only the first quarter of the epochs reaches. "
                "Training loss is measured while the weights move.",
            )
        )
    return tuple(pictures)


def draw_effects(compared: pd.DataFrame, pairs: pd.DataFrame, look: Mapping[str, Look]) -> Figure:
    """Return the figure that shows at a glance which differences are larger than the noise."""
    figure = Figure(figsize=(WIDTH, 1.1 + 0.36 * len(compared)), layout="constrained")
    plot_effects(compared, pairs, look, ax=figure.subplots())
    return figure


def draw_accuracy_against_macs(measured: pd.DataFrame, look: Mapping[str, Look]) -> Figure:
    """Return the figure of accuracy against cost, high enough for its labels."""
    figure = Figure(figsize=(WIDTH, max(4.0, 1.2 + 0.2 * len(measured))), layout="constrained")
    plot_accuracy_against_macs(measured, look, ax=figure.subplots())
    return figure


def draw_learning_curves(curves: pd.DataFrame, look: Mapping[str, Look]) -> Figure:
    """Return the figure of validation top-1 and training loss side by side with one legend below."""
    variants = curves["variant"].unique()
    columns = min(max(LEGEND_WIDTH // (max(map(len, variants)) + 14), 1), 4)
    rows = ceil(len(variants) / columns)
    figure = Figure(figsize=(WIDTH, 3.6 + 0.22 * rows), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_learning_curve(curves, look, column="validation_top1", ax=left)
    plot_learning_curve(curves, look, column="train_loss", ax=right)
    left.set_title("validation top-1 (%)")
    right.set_title("training loss (logarithmic)")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=columns, frameon=False)
    return figure


@contextmanager
def _style() -> Iterator[None]:
    """Set the look of all figures for as long as they are made and written.

    Names are never read as mathematics; SVG text stays text, and its ids depend on nothing but the drawing.
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
    }
    with mpl.rc_context(settings):
        yield


def _over(seeds: pd.Series[int]) -> str:
    fewer = "" if seeds.nunique() == 1 else " (n where a variant has fewer)"
    return f"over {seed_count(seeds.max())}{fewer}"


def _picture(figure: Figure, name: str, title: str, caption: str) -> Picture:
    return Picture(name, title, caption, svg=_svg(figure, prefix=name), png=_png(figure))


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=200, metadata={"Software": None})
    return file.getvalue()


def _svg(figure: Figure, *, prefix: str) -> str:
    """Return an `<svg>` element without prolog, size and metadata, whose ids no other figure of the page has."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = file.getvalue()
    svg = svg[svg.index("<svg ") :]
    return re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{prefix}-", svg)
