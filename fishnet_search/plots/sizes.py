"""Precision by the size of objects: takes data and axes and returns the axes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fishnet_search.plots.looks import Look, in_legend, wrapped
from fishnet_search.task.figures import MEANINGS, Figure

SIZES: tuple[Figure, ...] = ("ap", "ap_small", "ap_medium", "ap_large")


def plot_sizes(trials: pd.DataFrame, columns: Mapping[Figure, str], look: Mapping[str, Look], *, ax: Axes) -> Axes:
    """Draw figures of each size, a row a size: a point a seed, and a bar at the mean of a variant.

    Args:
        trials: one row a trial, with `variant` and the columns.
        columns: figure -> its column.
        look: of the variants, in the order in which they stand below one another.
        ax: to draw on.
    """
    variants = [variant for variant in look if (trials["variant"] == variant).any()]
    for row, column in enumerate(columns.values()):
        for place, variant in enumerate(variants):
            values = 100 * trials.loc[trials["variant"] == variant, column].dropna().to_numpy()
            height = row + 0.7 * ((place + 0.5) / len(variants) - 0.5)
            seen, label = look[variant], in_legend(wrapped(variant)) if row == 0 else None
            ax.scatter(values, np.full(len(values), height), s=14, color=seen.colour, alpha=0.5, lw=0)
            if len(values):
                ax.scatter(
                    values.mean(), height, s=52, color=seen.colour, marker=seen.marker, label=label, ec="white", lw=0.5
                )
    ax.set_yticks(range(len(columns)), [MEANINGS[name].label for name in columns])
    ax.set(ylim=(len(columns) - 0.5, -0.5), xlabel="test (%)")
    ax.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
