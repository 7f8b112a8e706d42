"""Figures of the size that suits what is on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fishnet_search.evidence.naming import column, metric_of
from fishnet_search.plots.curves import plot_learning_curve
from fishnet_search.plots.effects import plot_effects, plot_matched_effects
from fishnet_search.plots.looks import QUIET, Look, line_count, wrapped
from fishnet_search.plots.scatter import plot_accuracy_against_macs
from fishnet_search.task.figures import MEANINGS

WIDTH = 8.6
"""Inches of every figure, so that all have letters of one size on the page."""

LINE_HEIGHT = 0.2
"""Inches that a line of text takes."""

LEGEND_WIDTH = 110
"""Letters that fit beside each other below a figure."""


def draw_effects(compared: pd.DataFrame, pairs: pd.DataFrame, look: Mapping[str, Look]) -> Figure:
    """Return the figure that shows at a glance which differences are larger than the noise."""
    row = max(0.36, LINE_HEIGHT * line_count(compared["variant"].tolist()))
    figure = Figure(figsize=(WIDTH, 1.1 + row * len(compared)), layout="constrained")
    plot_effects(compared, pairs, look, ax=figure.subplots())
    return figure


def draw_matched_effects(
    compared: pd.DataFrame, matched: pd.DataFrame, pairs: pd.DataFrame, look: Mapping[str, Look], metric: str
) -> Figure:
    """Return the figure that shows what remains of each difference at the baseline's cost, with a legend below."""
    row = max(0.72, LINE_HEIGHT * line_count(matched["variant"].tolist()))
    figure = Figure(figsize=(WIDTH, 1.3 + row * len(matched)), layout="constrained")
    plot_matched_effects(compared, matched, pairs, look, ax=figure.subplots())
    legend = [
        Line2D([], [], color=QUIET, marker="o", linestyle="", label="as it is"),
        Line2D([], [], color=QUIET, marker="D", linestyle="", label=f"at the baseline's {metric}"),
    ]
    figure.legend(handles=legend, loc="outside lower left", ncols=2, frameon=False)
    return figure


def draw_accuracy_against_macs(measured: pd.DataFrame, look: Mapping[str, Look]) -> Figure:
    """Return the figure of accuracy against cost, high enough for its labels."""
    lines = line_count(measured["variant"].tolist()) * len(measured)
    figure = Figure(figsize=(WIDTH, max(4.0, 1.2 + LINE_HEIGHT * lines)), layout="constrained")
    plot_accuracy_against_macs(measured, look, ax=figure.subplots())
    return figure


def draw_learning_curves(curves: pd.DataFrame, look: Mapping[str, Look]) -> Figure:
    """Return the picture of the validation figure and training loss side by side with one legend below."""
    variants = curves["variant"].unique().tolist()
    columns, height = legend_size(variants)
    figure = Figure(figsize=(WIDTH, 3.6 + height), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_learning_curve(curves, look, column=column(curves, "validation_metric"), ax=left)
    plot_learning_curve(curves, look, column="train_loss", ax=right)
    left.set_title(f"validation {MEANINGS[metric_of(curves)].label} (%)")
    right.set_title("training loss (logarithmic)" if right.get_yscale() == "log" else "training loss")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=columns, frameon=False)
    return figure


def legend_size(names: Sequence[str]) -> tuple[int, float]:
    """Return in how many columns names stand below a figure, and how many inches that takes."""
    longest = max(len(line) for name in names for line in wrapped(name).splitlines())
    columns = min(max(LEGEND_WIDTH // (longest + 14), 1), 4)
    return columns, 0.22 * ceil(len(names) / columns) * line_count(names)
