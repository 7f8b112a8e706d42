"""Accuracy against cost: each function takes data and axes and returns the axes.

Accuracies come as fractions and are drawn in per cent. Draw on axes that have their final size: labels are spread by
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fishnet_search.evidence.candidates import lowest_usual, pareto_front
from fishnet_search.evidence.frames import evidence
from fishnet_search.evidence.naming import column, metric_of, rows_of
from fishnet_search.plots.looks import QUIET, Look, seeds_label, wrapped
from fishnet_search.task.figures import MEANINGS

_LABEL_HEIGHT = 13.0
"""Points (1/72 inch) that a line of a label needs so that the next one does not touch it."""

_COSTS = {
    "macs": "MACs of one image ({}multiply-accumulates)",
    "params": "parameters ({}learned numbers)",
    "activations": "activations of one image ({}numbers)",
    "latency_ms": "latency (ms for a batch of one image)",
}


def plot_accuracy_against_macs(effects: pd.DataFrame, look: Mapping[str, Look], *, ax: Axes) -> Axes:
    """Draw the mean test figure with its interval against MACs, every point labelled.

    Variants of equal MACs stand side by side, so that their intervals can be told apart.

    Args:
        effects: Rows of `variant_effects` that have a mean.
        look: As from `looks`.
        ax: To draw on.
    """
    unit, label = cost_unit("macs", effects["macs"].max())
    x = _side_by_side(effects["macs"].to_numpy() / unit)
    for xi, row in zip(x, rows_of(effects), strict=True):
        seen = look[str(row.variant)]
        ax.errorbar(
            xi,
            100 * row.test_metric_mean,
            yerr=100 * row.test_metric_ci95,
            fmt=seen.marker,
            color=seen.colour,
            markersize=7,
            elinewidth=1.4,
            capsize=3,
        )
    ax.margins(x=0.08, y=0.08)
    most = int(effects["seeds"].max())
    labels = [seeds_label(str(row.variant), int(row.seeds), most=most) for row in rows_of(effects)]
    colours = [look[str(variant)].colour for variant in effects["variant"]]
    _label_beside(x, 100 * effects[column(effects, "test_metric_mean")].to_numpy(), labels, colours, ax)
    ax.set(xlabel=label, ylabel=f"test {MEANINGS[metric_of(effects)].label} (%)")
    return ax


def plot_candidates(candidates: pd.DataFrame, look: Mapping[str, Look], metric: str, *, ax: Axes) -> Axes:
    """Draw the validation figure of a search's candidates against their cost, with the front that none is better than.

    Args:
        candidates: As from `candidate_frame`; those whose figures do not count are left out.
        look: As from `looks`, of the variants that are marked and named.
        metric: Which cost it is.
        ax: To draw on.
    """
    unit, label = cost_unit(metric, candidates["cost"].max())
    seen, validation = evidence(candidates).dropna(subset="cost"), column(candidates, "validation_metric")
    front = pareto_front(seen)
    ax.scatter(seen["cost"] / unit, 100 * seen[validation], color=QUIET, alpha=0.55, s=22, linewidth=0)
    step = front["cost"] / unit, 100 * front[validation]
    ax.plot(*step, color=QUIET, linewidth=1.2, drawstyle="steps-post", zorder=1)
    marked = seen[seen["variant"].isin(look)]
    for row in rows_of(marked):
        own = look[row.variant]
        ax.plot(row.cost / unit, 100 * row.validation_metric, own.marker, color=own.colour, markersize=8, zorder=3)
    ax.margins(x=0.06)
    low, high = 100 * lowest_shown(candidates, list(look)), 100 * seen[validation].max()
    margin = 0.08 * max(high - low, 1)
    ax.set_ylim(low - margin, high + margin)
    colours = [look[variant].colour for variant in marked["variant"]]
    names = [wrapped(variant) for variant in marked["variant"]]
    _label_beside(marked["cost"].to_numpy() / unit, 100 * marked[validation].to_numpy(), names, colours, ax)
    ax.set(xlabel=label, ylabel=f"validation {MEANINGS[metric_of(candidates)].label} (%)")
    return ax


def lowest_shown(candidates: pd.DataFrame, marked: Sequence[str]) -> float:
    """Return the accuracy below which candidates are left out, lest a few bad ones take the room of all others."""
    seen, validation = evidence(candidates), column(candidates, "validation_metric")
    named = seen.loc[seen["variant"].isin(marked), validation]
    lowest: float = min([lowest_usual(seen[validation]), *named.tolist()])
    return lowest


def cost_unit(metric: str, most: float) -> tuple[float, str]:
    """Return what a cost is divided by, and what the axis says then."""
    unit, name = next(
        ((u, n) for u, n in ((1e9, "billion "), (1e6, "million "), (1e3, "thousand ")) if most >= u), (1.0, "")
    )
    return (1.0, _COSTS[metric]) if metric == "latency_ms" else (unit, _COSTS[metric].format(name))


def cost_name(metric: str, most: float) -> str:
    """Return what a cost is called where there is little room: 'MACs (M)'."""
    letter = {1e9: " (G)", 1e6: " (M)", 1e3: " (k)", 1.0: ""}[cost_unit(metric, most)[0]]
    names = {"macs": "MACs", "params": "parameters", "activations": "activations", "latency_ms": "latency (ms)"}
    return names[metric] + letter


def _label_beside(x: np.ndarray, y: np.ndarray, labels: Sequence[str], colours: Sequence[str], ax: Axes) -> None:
    """Write names right of the axes, each joined to its point by a line, none over another."""
    if not labels:
        return
    ax.autoscale_view()
    low, high = ax.get_ylim()
    ax.set_ylim(low, high)
    lines = max(label.count("\n") + 1 for label in labels)
    height = (high - low) * _LABEL_HEIGHT * lines / (ax.get_window_extent().height * 72 / ax.figure.dpi)
    for label, colour, xi, yi, at in zip(labels, colours, x, y, _spread(y, height, low, high), strict=True):
        ax.annotate(
            label,
            xy=(xi, yi),
            xytext=(1.04, at),
            textcoords=ax.get_yaxis_transform(),
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "relpos": (0, 0.5),
                "color": colour,
                "linewidth": 0.8,
                "alpha": 0.5,
                "shrinkB": 5,
            },
        )


def _side_by_side(x: np.ndarray) -> np.ndarray:
    """Move points apart that would hide each other, by a fiftieth of the range, around where they belong."""
    step = 0.02 * (float(np.ptp(x)) or float(x.max()))
    order = np.argsort(x, kind="stable")
    splits = [i + 1 for i, (left, right) in enumerate(pairwise(order)) if x[right] - x[left] > step / 2]
    moved = x.astype(float)
    for group in np.split(order, splits):
        moved[group] += step * (np.arange(len(group)) - (len(group) - 1) / 2)
    return moved


def _spread(y: np.ndarray, height: float, low: float, high: float) -> np.ndarray:
    """Return label positions near `y`, in its order, `height` apart, from `low` to `high` as far as they fit."""
    order = np.argsort(y, kind="stable")
    ranks = height * np.arange(len(y))
    wished = y[order] - ranks  # labels are `height` apart where this does not fall
    pushed_up = np.maximum.accumulate(wished)
    pushed_down = np.minimum.accumulate(wished[::-1])[::-1]
    bottom, top = low + height / 2, high - height / 2 - ranks[-1]
    placed = np.empty(len(y))
    placed[order] = np.maximum(np.minimum((pushed_up + pushed_down) / 2, top), bottom) + ranks
    return placed
