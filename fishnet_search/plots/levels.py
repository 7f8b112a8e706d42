"""Main effects of levels: a function that takes data and axes and returns the axes.

Differences come as fractions and are drawn in points.
"""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from fishnet_search.evidence.effects import LARGER
from fishnet_search.evidence.naming import metric_of, rows_of
from fishnet_search.evidence.wording import points
from fishnet_search.plots.looks import BASELINE_COLOUR, QUIET
from fishnet_search.task.figures import MEANINGS

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""One a part, for those who do not see its colour."""


def plot_levels(levels: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw each level's main effect with its interval, below a line that names axis, part and the baseline's level.

    Colours and markers are of parts. A filled marker is larger than the noise, a hollow one is not.

    Args:
        levels: Rows of `level_effects` that have a difference.
        ax: To draw on.
    """
    palette = sns.color_palette("colorblind").as_hex()
    parts = levels["part"].unique().tolist()
    looks = {part: (palette[i % len(palette)], MARKERS[i % len(MARKERS)]) for i, part in enumerate(parts)}
    names: list[str] = []
    heads: list[int] = []
    for axis, rows in levels.groupby("axis", sort=False):
        first = rows_of(rows)[0]
        heads.append(len(names))
        told = f"{first.part}, against {first.baseline_level}"
        ax.annotate(
            told,
            (0.01, len(names)),
            xycoords=ax.get_yaxis_transform(),
            va="center",
            color=BASELINE_COLOUR,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        names.append(str(axis))
        for row in rows_of(rows):
            colour, marker = looks[row.part]
            larger = row.verdict == LARGER
            ax.errorbar(
                100 * row.difference_metric,
                len(names),
                xerr=100 * row.difference_ci95,
                fmt=marker,
                color=colour,
                markerfacecolor=colour if larger else "white",
                markersize=8,
                markeredgewidth=1.6,
                elinewidth=1.8,
                capsize=4,
                zorder=3,
            )
            ax.annotate(
                points(row.difference_metric, row.difference_ci95),
                (1.02, len(names)),
                xycoords=ax.get_yaxis_transform(),
                va="center",
                fontweight="bold" if larger else "normal",
                color=BASELINE_COLOUR if larger else QUIET,
            )
            names.append(str(row.level))
    ax.axvline(0, color=BASELINE_COLOUR, linewidth=1.2, zorder=1)
    ax.set_yticks(range(len(names)), names)
    for head in heads:
        ax.get_yticklabels()[head].set_fontweight("bold")
    label = MEANINGS[metric_of(levels)].label
    ax.set(xlabel=f"test {label} minus that at the baseline's level (percentage points)", ylabel="")
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    return ax
