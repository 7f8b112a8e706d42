"""What searches and large grids show: each function takes data and axes and returns the axes.

Accuracies and errors come as fractions and are drawn in per cent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fishnet_search.evidence.candidates import lowest_usual, pareto_front
from fishnet_search.evidence.frames import evidence
from fishnet_search.evidence.naming import column, metric_of, rows_of
from fishnet_search.evidence.search import Corner
from fishnet_search.plots.looks import BASELINE_COLOUR, QUIET, Look, in_legend, wrapped
from fishnet_search.plots.scatter import cost_unit
from fishnet_search.task.figures import MEANINGS, Figure

MOST_POINTS = 1_000
"""Candidates that are drawn as points; of more these are drawn at random."""

_STEPS = 300
"""Of a distribution that are drawn, evenly chosen; of fewer all."""

ACCENT = "#0173b2"  # the blue of seaborn's colour-blind palette
_STOPPED = "#d55e00"  # and its vermilion


def thinned(frame: pd.DataFrame, most: int, *, best_by: str | None = None) -> pd.DataFrame:
    """Return at most so many rows in their order, drawn at random, a third of them the best if they have an order."""
    if len(frame) <= most:
        return frame
    best = [] if best_by is None else frame[best_by].nlargest(most // 3).index.tolist()
    others = frame.index.difference(best, sort=False)
    drawn = np.random.default_rng(0).choice(others.to_numpy(), most - len(best), replace=False)
    chosen: pd.DataFrame = frame[frame.index.isin({*best, *drawn.tolist()})]
    return chosen


def plot_progress(progress: pd.DataFrame, *, against: str, baseline: str, ax: Axes) -> Axes:
    """Draw the best validation figure so far as a line over all trials as points.

    Args:
        progress: As from `progress_frame`, with one trial that counts or more.
        against: "trial" or "epochs_spent".
        baseline: Name of the variant whose accuracy is a dashed line.
        ax: To draw on.
    """
    counted = evidence(progress)
    validation, best = column(progress, "validation_metric"), column(progress, "best_metric")
    stopped = thinned(progress[progress["state"] == "pruned"], MOST_POINTS)
    shown = thinned(counted, MOST_POINTS)
    low, high = usual_range(counted[validation])
    ax.scatter(shown[against], 100 * shown[validation], s=16, color=QUIET, alpha=0.6, linewidth=0, label="complete")
    if len(stopped):
        ax.scatter(
            stopped[against],
            100 * np.maximum(stopped[validation], low),  # most had just begun: at the lower edge
            s=14,
            marker="x",
            color=_STOPPED,
            alpha=0.6,
            linewidth=0.9,
            clip_on=False,
            label="stopped early, when stopped",
        )
    rises = progress[progress[best].ne(progress[best].shift()) & progress[best].notna()]
    ends = pd.concat([rises, progress.iloc[[-1]]])
    ax.step(ends[against], 100 * ends[best], where="post", color=ACCENT, linewidth=1.8, label="best so far")
    own = counted.loc[counted["variant"] == baseline, validation]
    if len(own):
        ax.axhline(100 * own.iloc[0], color=BASELINE_COLOUR, linewidth=1, linestyle=(0, (4, 2)), label="baseline")
    names = {"trial": "trials begun", "epochs_spent": "epochs spent by all trials"}
    ax.set(xlabel=names[against], ylabel=f"validation {MEANINGS[metric_of(progress)].label} (%)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    ax.set_xlim(left=0)
    ax.set_ylim(100 * low, 100 * high)
    return ax


def plot_front(scores: pd.DataFrame, corner: Corner | None, metric: str, look: Mapping[str, Look], *, ax: Axes) -> Axes:
    """Draw accuracy against cost, the front as a line, and what it dominates of the rectangle in colour.

    Variants that are far out below are outside the axes, and so have no label for a legend.

    Args:
        scores: As from `score_frame`.
        corner: As from `corner_of`; without one there is no trade between accuracy and cost, and no line is drawn.
        metric: Which cost it is.
        look: As from `looks`, of the variants that are marked and labelled.
        ax: To draw on.
    """
    seen, validation = evidence(scores).dropna(subset=["cost"]), column(scores, "validation_metric")
    unit, label = cost_unit(metric, float(seen["cost"].max()))
    front = pareto_front(seen)
    shown = thinned(seen, MOST_POINTS)
    ax.scatter(shown["cost"] / unit, 100 * shown[validation], s=16, color=QUIET, alpha=0.6, linewidth=0)
    if corner is not None:
        _shade(front, corner, unit, ax)
    ax.scatter(front["cost"] / unit, 100 * front[validation], s=26, color=ACCENT, linewidth=0, zorder=3)
    low, high = usual_range(seen[validation])
    for row in rows_of(seen[seen["variant"].isin(look) & (seen[validation] >= low)]):
        own = look[row.variant]
        ax.plot(
            row.cost / unit,
            100 * row.validation_metric,
            marker=own.marker,
            markersize=9,
            markerfacecolor="none",
            markeredgewidth=1.6,
            color=own.colour,
            linestyle="",
            label=in_legend(wrapped(row.variant)),
            zorder=4,
        )
    ax.set_ylim(100 * low, 100 * high)
    ax.set(xlabel=label, ylabel=f"validation {MEANINGS[metric_of(scores)].label} (%)")
    return ax


def _shade(front: pd.DataFrame, corner: Corner, unit: float, ax: Axes) -> None:
    """Draw a front as a staircase to the highest cost, what it dominates, and the reference point."""
    validation = column(front, "validation_metric")
    edge_x = np.append(front["cost"], corner.highest_cost) / unit
    edge_y = 100 * np.append(front[validation], front[validation].iloc[-1])
    ax.fill_between(edge_x, edge_y, 100 * corner.lowest_figure, step="post", color=ACCENT, alpha=0.12, linewidth=0)
    ax.step(edge_x, edge_y, where="post", color=ACCENT, linewidth=1.6)
    point = corner.highest_cost / unit, 100 * corner.lowest_figure
    ax.scatter(*point, marker="X", s=46, color=BASELINE_COLOUR, linewidth=0, zorder=4, clip_on=False)


def plot_hypervolume(shares: pd.Series[float], *, ax: Axes) -> Axes:
    """Draw which share of the rectangle the front dominates after each trial.

    Args:
        shares: From 0 to 1, never falling, by the place of the trial, the first of which is 1.
        ax: To draw on.
    """
    turns = shares[(shares.diff() != 0) | (shares.index == shares.index[-1])]
    ax.step(turns.index, 100 * turns, where="post", color=ACCENT, linewidth=1.8)
    ax.set(xlabel="trials begun", ylabel="hypervolume (% of the rectangle)", ylim=(0, 102))
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    return ax


def plot_importance(importance: pd.DataFrame, figure: Figure = "top1", *, ax: Axes) -> Axes:
    """Draw what each axis explains as a bar, filled if it is more than a decoy does, with the decoys' most as a mark.

    Args:
        importance: As from `importance_frame`, one row or more.
        figure: That it is the importance for.
        ax: To draw on.
    """
    for y, row in enumerate(rows_of(importance)):
        fill = {"color": ACCENT} if row.beyond_chance else {"facecolor": "white", "edgecolor": QUIET, "linewidth": 1.2}
        ax.barh(y, 100 * row.share, height=0.6, zorder=2, **fill)
        ax.plot([100 * row.share_by_chance] * 2, [y - 0.4, y + 0.4], color=BASELINE_COLOUR, linewidth=1.4, zorder=3)
        weight = "bold" if row.beyond_chance else "normal"
        told, box = f"{100 * row.share:.0f} %", {"facecolor": "white", "linewidth": 0, "pad": 0.6}
        at: dict[str, Any] = {"va": "center", "fontweight": weight, "bbox": box, "zorder": 4}
        ax.annotate(told, (100 * row.share, y), (5, 0), textcoords="offset points", **at)
    ax.set_yticks(range(len(importance)), importance["axis"].tolist())
    what = f"share of the variance of validation {MEANINGS[figure].label} (%)"
    ax.set(xlabel=what, ylim=(len(importance) - 0.4, -0.6))
    ax.grid(axis="y", visible=False)
    ax.margins(x=0.1)
    ax.set_xlim(left=0)
    return ax


def plot_error_distribution(groups: Mapping[str, pd.DataFrame], *, ax: Axes) -> Axes:
    """Draw which share of the candidates has an error of at most so much, a line for each group.

    Args:
        groups: Name -> as from `error_distribution`; the first is drawn in black, broader than the others.
        ax: To draw on.
    """
    palette = [colour for i, colour in enumerate(sns.color_palette("colorblind").as_hex()) if i not in (7, 8)]
    dashes: Sequence[object] = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
    for i, (name, distribution) in enumerate(groups.items()):
        rows = np.unique(np.linspace(0, len(distribution) - 1, _STEPS).round().astype(int))
        own = distribution.iloc[rows]
        x, y = np.append(own["error"].iloc[0], own["error"]), np.append(0.0, own["share"])
        look = {"color": BASELINE_COLOUR, "linewidth": 1.8} if i == 0 else {"color": palette[i - 1], "linewidth": 1.4}
        ax.step(100 * x, 100 * y, where="post", linestyle=dashes[i % len(dashes)], label=in_legend(name), **look)
    everyone = next(iter(groups.values()))
    quarter, three = (
        everyone.loc[everyone["share"] >= part * everyone["share"].max(), "error"].min() for part in (0.25, 0.75)
    )
    near = everyone.loc[everyone["error"] <= three + 3 * (three - quarter), "error"]
    margin = 0.04 * np.ptp(near) or 0.005  # where all are equal
    ax.set_xlim(100 * (near.min() - margin), 100 * (near.max() + margin))
    ax.set(xlabel="error on validation images (%)", ylabel="candidates with at most this error (%)", ylim=(0, 102))
    return ax


def usual_range(accuracies: pd.Series[float], margin: float = 0.06) -> tuple[float, float]:
    """Return from where to where accuracies are shown, so that a few bad ones do not take the room of all others."""
    low, high = lowest_usual(accuracies), float(accuracies.max())
    room = margin * max(high - low, 0.01)
    return low - room, high + room
