"""How variants stand in several studies: each function takes data and axes and returns the axes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fishnet_search.plots.looks import Look, in_legend, wrapped
from fishnet_search.task.figures import MEANINGS, Figure

_SPREAD = 0.3
"""Part of the distance of two studies that the whiskers of all variants take side by side."""

_MEANS = ["mean", "mean_low", "mean_high"]


def plot_ranks(ranks: pd.DataFrame, look: Mapping[str, Look], *, ax: Axes) -> Axes:
    """Draw the rank of each variant in each study, the best on top, with intervals, a line a variant.

    Args:
        ranks: As from `rank_frame`.
        look: As from `looks`.
        ax: To draw on.
    """
    studies, variants = ranks["study"].unique().tolist(), ranks["variant"].unique().tolist()
    aside = np.linspace(-_SPREAD / 2, _SPREAD / 2, len(variants))
    for variant, shift in zip(variants, aside, strict=True):
        own = ranks[ranks["variant"] == variant]
        seen, at = look[variant], np.arange(len(own)) + shift
        ax.plot(at, own["rank"], color=seen.colour, dashes=seen.dashes or (None, None), linewidth=seen.width)
        ax.vlines(at, own["rank_low"], own["rank_high"], color=seen.colour, linewidth=1.4, alpha=0.55)
        ax.plot(at, own["rank"], color=seen.colour, marker=seen.marker, markersize=7, linestyle="")
        ax.annotate(
            in_legend(wrapped(variant)),
            (at[-1], own["rank"].iloc[-1]),
            (len(studies) - 1 + _SPREAD, own["rank"].iloc[-1]),
            color=seen.colour,
            va="center",
            annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},  # hides the line of the grid
        )
    figures = ranks.drop_duplicates("study")["metric"]
    labels = [f"{study}\nby {MEANINGS[figure].label}" for study, figure in zip(studies, figures, strict=True)]
    ax.set_xticks(range(len(studies)), labels)
    ax.set_yticks(range(1, len(variants) + 1))
    ax.set(ylabel="rank (1 is the best)", ylim=(len(variants) + 0.4, 0.6), xlim=(-0.5, len(studies) - 0.5))
    ax.grid(visible=False, axis="x")
    return ax


def plot_two_studies(ranks: pd.DataFrame, one: str, other: str, look: Mapping[str, Look], *, ax: Axes) -> Axes:
    """Draw the mean of each variant in one study against that in another, with intervals of both.

    Args:
        ranks: As from `rank_frame`.
        one: Study along the horizontal axis.
        other: Study along the vertical axis.
        look: As from `looks`.
        ax: To draw on.
    """
    x, y = (ranks[ranks["study"] == study].set_index("variant") for study in (one, other))
    for variant in x.index:
        seen, across, up = look[variant], 100 * x.loc[variant, _MEANS], 100 * y.loc[variant, _MEANS]
        ax.errorbar(
            across["mean"],
            up["mean"],
            xerr=_beyond(across),
            yerr=_beyond(up),
            fmt=seen.marker,
            color=seen.colour,
            markersize=6,
            elinewidth=1.2,
            label=in_legend(wrapped(variant)),
        )
    ax.set(xlabel=_axis_label(one, x["metric"].iloc[0]), ylabel=_axis_label(other, y["metric"].iloc[0]))
    ax.margins(0.08)
    return ax


def _beyond(row: pd.Series) -> list[list[float]] | None:
    """Return how far an interval reaches below and above its mean; None: there is none."""
    low, high = row["mean"] - row["mean_low"], row["mean_high"] - row["mean"]
    return None if np.isnan(low) else [[max(low, 0.0)], [max(high, 0.0)]]


def _axis_label(study: str, figure: Figure) -> str:
    return f"{study}: test {MEANINGS[figure].label} (%)"
