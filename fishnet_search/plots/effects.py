"""Differences to the baseline: each function takes data and axes and returns the axes.

Differences come as fractions and are drawn in points.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from fishnet_search.evidence.effects import LARGER
from fishnet_search.evidence.matched import AS_IT_IS, NO_WIDTH, REFUSED
from fishnet_search.evidence.naming import metric_of, rows_of
from fishnet_search.evidence.wording import points
from fishnet_search.plots.looks import BASELINE_COLOUR, QUIET, Look, seeds_told, wrapped
from fishnet_search.task.figures import MEANINGS, Figure

SEEDS_BELOW = 0.27
"""How far the single seeds are drawn below their mean, in rows."""

APART = 0.21
"""How far raw and matched are drawn above and below the middle of their row."""


_INSTEAD = {AS_IT_IS: "matched as it is", NO_WIDTH: "no width matches", REFUSED: "twin refused"}
"""What stands in a twin's place."""


def plot_effects(effects: pd.DataFrame, pairs: pd.DataFrame, look: Mapping[str, Look], *, ax: Axes) -> Axes:
    """Draw each variant's difference to the baseline with its interval above the paired difference of every seed.

    A filled marker is larger than the noise, a hollow one is not or has no interval. A mean over fewer pairs than there
    are seeds says so.

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
        _draw_effect(row, places[row.variant], look[row.variant], ax, most=_most(effects))
    return _with_rows([wrapped(variant) for variant in order], metric_of(effects), ax)


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
        _draw_effect(row, places[row.variant], look[row.variant], ax, most=_most(effects))
    for y, by in enumerate(matched["matched_by"]):
        if by in _INSTEAD:
            ax.annotate(_INSTEAD[by], (1.02, y + APART), xycoords=ax.get_yaxis_transform(), va="center", color=QUIET)
    return _with_rows([wrapped(variant) for variant in order], metric_of(effects), ax)


def _draw_seeds(pairs: pd.DataFrame, places: Mapping[str, float], ax: Axes) -> None:
    below = pairs["variant"].map(places)
    sns.scatterplot(x=100 * pairs["difference"], y=below, color=QUIET, alpha=0.7, s=20, linewidth=0, ax=ax)


def _most(effects: pd.DataFrame) -> int:
    """Return how many seeds differences should be means over."""
    return int(effects[["seeds", "seeds_planned"]].to_numpy().max(initial=0))


def _draw_effect(row: Any, y: float, look: Look, ax: Axes, *, most: int) -> None:
    larger = row.verdict == LARGER
    ax.errorbar(
        100 * row.difference_metric,
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
        points(row.difference_metric, row.difference_ci95) + seeds_told(row.pairs, most=most),
        (1.02, y),
        xycoords=ax.get_yaxis_transform(),
        va="center",
        fontweight="bold" if larger else "normal",
        color=BASELINE_COLOUR if larger else QUIET,
    )


def _with_rows(names: list[str], metric: Figure, ax: Axes) -> Axes:
    ax.axvline(0, color=BASELINE_COLOUR, linewidth=1.2, zorder=1)
    ax.set_yticks(range(len(names)), names)
    what = f"test {MEANINGS[metric].label} minus the baseline's (percentage points)"
    ax.set(xlabel=what, ylabel="", ylim=(len(names) - 0.5, -0.5))
    ax.grid(axis="y", visible=False)
    return ax
