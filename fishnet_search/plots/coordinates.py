"""Candidates as lines across the axes of a space: takes data and axes and returns the axes."""

from __future__ import annotations

from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from fishnet_search.evidence.axes import places, scale_of
from fishnet_search.evidence.frames import evidence
from fishnet_search.evidence.naming import column, metric_of
from fishnet_search.plots.looks import BASELINE_COLOUR
from fishnet_search.plots.scatter import cost_name, cost_unit
from fishnet_search.plots.search import thinned, usual_range
from fishnet_search.task.figures import MEANINGS

MOST_LINES = 300
"""Candidates that are drawn; of more the best third of so many, and others at random."""

_INACTIVE = -0.15
"""Where lines run that an axis does not count for, below its lowest level."""

_FEW = 8
"""Levels of an axis that are all written, and spread."""

_TITLES = 90
"""Letters that fit side by side above the axes, as long as the longest name for each of them."""

_SHORT = 13
"""Letters of a level that fit between two axes."""


def plot_parallel_coordinates(axes: pd.DataFrame, scores: pd.DataFrame, metric: str, *, ax: Axes) -> Axes:
    """Draw each complete candidate as a line across the axes, its cost and its accuracy, coloured by the latter.

    Lines of one level are spread a little, the more accurate higher, so that they can be followed. A line runs below an
    axis that its candidate does not have.

    Args:
        axes: Columns of `axis_frame` that are to be drawn, at most about ten.
        scores: As from `score_frame`; of more than `MOST_LINES` the best third and others at random are drawn.
        metric: Which cost it is.
        ax: To draw on.
    """
    seen, validation = evidence(scores), column(scores, "validation_metric")
    seen = thinned(seen[seen["variant"].isin(axes.index)], MOST_LINES, best_by=validation)
    seen = seen.sort_values(validation, kind="stable")  # the best is drawn last, and so on top
    own = axes.loc[seen["variant"]]
    figures = seen[validation].to_numpy()
    cost = seen["cost"].to_numpy() / cost_unit(metric, float(seen["cost"].max()))[0]
    low, high = usual_range(seen[validation], margin=0)
    heights = [*(_spread(own[name], axes[name]) for name in own), _share(cost), _share(np.maximum(figures, low))]
    points = np.stack(heights, axis=1)  # [candidates, axes]
    x = np.arange(points.shape[1], dtype=float)
    shade = colormaps["viridis_r"](Normalize(low, high, clip=True)(figures))  # dark is accurate
    lines = np.stack([np.broadcast_to(x, points.shape), points], axis=2)
    width = float(np.clip(60 / len(lines), 0.6, 1.6))
    ax.add_collection(LineCollection(list(lines), colors=shade, linewidths=width, alpha=0.8))
    ax.vlines(x, 0, 1, color=BASELINE_COLOUR, linewidth=0.8, zorder=3)
    for place, name in enumerate(own):
        _draw_levels(axes[name], place, ax)
    _write(f"{np.nanmin(cost):.3g}", len(own.columns), 0, ax)
    _write(f"{np.nanmax(cost):.3g}", len(own.columns), 1, ax)
    _write(f"{'≤ ' if figures.min() < low else ''}{100 * low:.1f}", len(own.columns) + 1, 0, ax)
    _write(f"{100 * high:.1f}", len(own.columns) + 1, 1, ax)
    logs = [f"{name} (log)" if scale_of(axes[name]) == "log" else str(name) for name in own]
    names = [*logs, cost_name(metric, float(seen["cost"].max())), f"{MEANINGS[metric_of(scores)].label} (%)"]
    turned = {"rotation": 20, "ha": "left"} if max(map(len, names)) * len(names) > _TITLES else {"ha": "center"}
    for place, name in enumerate(names):
        ax.annotate(name, (place, 1.06), annotation_clip=False, va="bottom", **turned)
    lowest = _INACTIVE - 0.07 if own.isna().any(axis=None) else -0.07
    ax.set(xlim=(-0.1, len(names) - 0.4), ylim=(lowest, 1.05), xticks=[], yticks=[])
    ax.spines["bottom"].set_visible(False)
    return ax


def _spread(own: pd.Series, column: pd.Series) -> NDArray[np.float64]:
    """Return the heights of lines at an axis, those of one level side by side in the order in which they come."""
    heights = places(column)[own.index].to_numpy()
    found = np.where(np.isnan(heights), _INACTIVE, heights)
    levels, group = np.unique(found, return_inverse=True)
    if len(levels) > _FEW:
        return found
    room = min(0.09, 0.6 / len(levels))
    for level in range(len(levels)):
        members = np.flatnonzero(group == level)
        found[members] += room * np.linspace(-0.5, 0.5, len(members)) if len(members) > 1 else 0.0
    return found


def _share(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.nanmin(values), np.nanmax(values)
    shares: NDArray[np.float64] = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    return np.where(np.isnan(shares), _INACTIVE, shares)


def _draw_levels(column: pd.Series, place: int, ax: Axes) -> None:
    """Write the levels of an axis beside it: all if they are few, else the lowest and the highest."""
    heights = places(column)
    found = pd.DataFrame({"level": column, "height": heights}).dropna().drop_duplicates("level").sort_values("height")
    if len(found) > _FEW:
        found = found.iloc[[0, -1]]
    for level, height in zip(found["level"], found["height"], strict=True):
        _write(level if isinstance(level, str) else f"{level:.3g}", place, height, ax)
    if column.isna().any():
        _write("none", place, _INACTIVE, ax)


def _write(level: str, place: int, height: float, ax: Axes) -> None:
    lines = wrap(level, _SHORT)
    text = "\n".join(lines[:2]) + ("…" if len(lines) > 2 else "")
    box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.8}
    ax.annotate(
        text, (place, height), xytext=(4, 0), textcoords="offset points", fontsize=7.5, va="center", bbox=box, zorder=4
    )
