"""Differences and learning curves: each function takes data and axes and returns the axes.

Accuracies come as fractions and are drawn in per cent or points.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from fishnet_search.report.effects import LARGER
from fishnet_search.report.frames import rows_of
from fishnet_search.report.looks import BASELINE_COLOUR, COLOURS, QUIET, Look, seeds_label, wrapped
from fishnet_search.report.matched import AS_IT_IS, NO_WIDTH, REFUSED
from fishnet_search.report.table import points

SEEDS_BELOW = 0.27
"""How far the single seeds are drawn below their mean, in rows."""

APART = 0.21
"""How far raw and matched are drawn above and below the middle of their row."""


_INSTEAD = {AS_IT_IS: "matched as it is", NO_WIDTH: "no width matches", REFUSED: "twin refused"}
"""What stands in a twin's place."""


def plot_effects(effects: pd.DataFrame, pairs: pd.DataFrame, look: Mapping[str, Look], *, ax: Axes) -> Axes:
    """Draw each variant's difference to the baseline with its interval above the paired difference of every seed.

    A filled marker is larger than the noise, a hollow one is not or has no interval.

    Args:
        effects: Rows of `variant_effects` that have a difference.
        pairs: As from `paired_differences`.
        look: As from `looks`.
        ax: To draw on.
    """
    order = effects["variant"].tolist()
    places = {variant: float(y) for y, variant in enumerate(order)}
    _draw_seeds(pairs, {variant: y + SEEDS_BELOW for variant, y in places.items()}, ax)
    for row in rows_of(effects):
        _draw_effect(row, places[row.variant], look[row.variant], ax)
    return _with_rows([wrapped(variant) for variant in order], ax)


def plot_matched_effects(
    effects: pd.DataFrame, matched: pd.DataFrame, pairs: pd.DataFrame, look: Mapping[str, Look], *, ax: Axes
) -> Axes:
    """Draw in each row a variant's difference as it is and, below it, that of its twin at the baseline's cost.

    Filled and hollow mean what they do in `plot_effects`. Where there is no twin, a few words stand in its place.

    Args:
        effects: As from `variant_effects`.
        matched: Rows of `matched_effects`, one a row of the figure.
        pairs: As from `paired_differences`.
        look: As from `looks`.
        ax: To draw on.
    """
    order = matched["variant"].tolist()
    places = {variant: y - APART for y, variant in enumerate(order)}
    places |= {twin: y + APART for y, twin in enumerate(matched["matched_by"]) if twin in look}
    _draw_seeds(pairs, {variant: y + SEEDS_BELOW / 2 for variant, y in places.items()}, ax)
    for row in rows_of(effects[effects["variant"].isin(places) & (effects["pairs"] > 0)]):
        _draw_effect(row, places[row.variant], look[row.variant], ax)
    for y, by in enumerate(matched["matched_by"]):
        if by in _INSTEAD:
            ax.annotate(_INSTEAD[by], (1.02, y + APART), xycoords=ax.get_yaxis_transform(), va="center", color=QUIET)
    return _with_rows([wrapped(variant) for variant in order], ax)


def _draw_seeds(pairs: pd.DataFrame, places: Mapping[str, float], ax: Axes) -> None:
    below = pairs["variant"].map(places)
    sns.scatterplot(x=100 * pairs["difference"], y=below, color=QUIET, alpha=0.7, s=20, linewidth=0, ax=ax)


def _draw_effect(row: Any, y: float, look: Look, ax: Axes) -> None:
    larger = row.verdict == LARGER
    ax.errorbar(
        100 * row.difference_top1,
        y,
        xerr=100 * row.difference_ci95,
        fmt=look.marker,
        color=look.colour,
        markerfacecolor=look.colour if larger else "white",
        markersize=8,
        markeredgewidth=1.6,
        elinewidth=1.8,
        capsize=4,
        zorder=3,
    )
    ax.annotate(
        points(row.difference_top1, row.difference_ci95),
        (1.02, y),
        xycoords=ax.get_yaxis_transform(),
        va="center",
        fontweight="bold" if larger else "normal",
        color=BASELINE_COLOUR if larger else QUIET,
    )


def _with_rows(names: list[str], ax: Axes) -> Axes:
    ax.axvline(0, color=BASELINE_COLOUR, linewidth=1.2, zorder=1)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="test top-1 minus the baseline's (percentage points)", ylabel="", ylim=(len(names) - 0.5, -0.5))
    ax.grid(axis="y", visible=False)
    return ax


def plot_learning_curve(curves: pd.DataFrame, look: Mapping[str, Look], *, column: str, ax: Axes) -> Axes:
    """Draw one figure of the epochs: the mean over seeds as a line, the lowest to the highest seed as a band.

    With more than `COLOURS` variants the bands would hide each other and are left out.

    A loss has a logarithmic axis. That of an accuracy leaves out what only the first quarter of the epochs reaches.

    Args:
        curves: As from `curve_frame`, of trials whose figures count.
        look: As from `looks`.
        column: Of `curves`; top-1 is drawn in per cent.
        ax: To draw on.
    """
    scale = 100 if column.endswith("top1") else 1
    most = curves.groupby("variant")["seed"].nunique().max()
    few = curves["epoch"].max() <= 12  # so that a single epoch is seen, and many are not hidden
    for variant, own in curves.groupby("variant", sort=False):
        seen = look[str(variant)]
        sns.lineplot(
            x=own["epoch"],
            y=scale * own[column],
            color=seen.colour,
            linestyle=(0, seen.dashes) if seen.dashes else "-",
            linewidth=seen.width,
            marker=seen.marker if few else None,
            markersize=5,
            label=seeds_label(str(variant), own["seed"].nunique(), most=most),
            legend=False,
            errorbar=("pi", 100) if len(look) <= COLOURS else None,
            err_kws={"alpha": 0.12, "linewidth": 0},
            ax=ax,
        )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set(xlabel="epoch", ylabel="", xlim=(0.5, curves["epoch"].max() + 0.5))
    if column.endswith("loss"):
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:  # the steep start would leave no room for the differences at the end
        late = scale * curves.loc[curves["epoch"] > curves["epoch"].max() / 4, column]
        margin = max(0.05 * float(np.ptp(late)), 0.5)
        ax.set_ylim(late.min() - margin, late.max() + margin)
    return ax
