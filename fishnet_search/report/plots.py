"""What is drawn: each function takes data and axes and returns the axes.

Accuracies come as fractions and are drawn in per cent or points. Every variant keeps its look in all figures; the
baseline is black.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from fishnet_search.report.effects import LARGER
from fishnet_search.report.frames import rows_of
from fishnet_search.report.table import points

BASELINE_COLOUR = "#111111"
QUIET = "#8a8f98"
COLOURS = 8
"""Of seaborn's colour-blind palette; further variants repeat them with other dashes and markers."""

_DASHES = ((), (4, 1.5), (1.2, 1.2))
_MARKERS = ("o", "s", "D")
_LABEL_HEIGHT = 13.0
"""Points (1/72 inch) that a label needs so that the next one does not touch it."""


@dataclass(frozen=True)
class Look:
    """How a variant is drawn."""

    colour: str
    dashes: tuple[float, ...]
    marker: str
    width: float


def looks(variants: Sequence[str], baseline: str) -> dict[str, Look]:
    """Give every variant a look of its own (24 differ), the baseline a thick black line."""
    palette = sns.color_palette("colorblind").as_hex()
    del palette[7:9]  # grey is for what matters less, yellow is too faint on white
    others = [variant for variant in variants if variant != baseline]
    given = {
        variant: Look(
            palette[i % COLOURS],
            _DASHES[i // COLOURS % len(_DASHES)],
            _MARKERS[i // COLOURS % len(_MARKERS)],
            width=1.4,
        )
        for i, variant in enumerate(others)
    }
    return given | {baseline: Look(BASELINE_COLOUR, (), "o", width=2.2)}


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
    ax.axvline(0, color=BASELINE_COLOUR, linewidth=1.2, zorder=1)
    below = pairs["variant"].map({variant: y + 0.27 for y, variant in enumerate(order)})
    sns.scatterplot(x=100 * pairs["difference"], y=below, color=QUIET, alpha=0.7, s=20, linewidth=0, ax=ax)
    for y, row in enumerate(rows_of(effects)):
        seen = look[str(row.variant)]
        larger = row.verdict == LARGER
        ax.errorbar(
            100 * row.difference_top1,
            y,
            xerr=100 * row.difference_ci95,
            fmt=seen.marker,
            color=seen.colour,
            markerfacecolor=seen.colour if larger else "white",
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
    ax.set_yticks(range(len(order)), order)
    ax.set(xlabel="test top-1 minus the baseline's (percentage points)", ylabel="", ylim=(len(order) - 0.5, -0.5))
    ax.grid(axis="y", visible=False)
    return ax


def plot_accuracy_against_macs(effects: pd.DataFrame, look: Mapping[str, Look], *, ax: Axes) -> Axes:
    """Draw mean test top-1 with its interval against MACs, every point labelled.

    Variants of equal MACs stand side by side, so that their intervals can be told apart. Draw this on axes that have
    their final size: labels are spread by it.

    Args:
        effects: Rows of `variant_effects` that have a mean.
        look: As from `looks`.
        ax: To draw on.
    """
    unit, name = (1e9, "billion") if effects["macs"].max() >= 1e9 else (1e6, "million")
    x = _side_by_side(effects["macs"].to_numpy() / unit)
    y = 100 * effects["test_top1_mean"].to_numpy()
    for xi, row in zip(x, rows_of(effects), strict=True):
        seen = look[str(row.variant)]
        ax.errorbar(
            xi,
            100 * row.test_top1_mean,
            yerr=100 * row.test_top1_ci95,
            fmt=seen.marker,
            color=seen.colour,
            markersize=7,
            elinewidth=1.4,
            capsize=3,
        )
    ax.margins(x=0.08, y=0.08)
    ax.autoscale_view()
    low, high = ax.get_ylim()
    height = (high - low) * _LABEL_HEIGHT / (ax.get_window_extent().height * 72 / ax.figure.dpi)
    for row, xi, yi, at in zip(rows_of(effects), x, y, _spread(y, height, low, high), strict=True):
        ax.annotate(
            _label(str(row.variant), int(row.seeds), most=int(effects["seeds"].max())),
            xy=(xi, yi),
            xytext=(1.04, at),
            textcoords=ax.get_yaxis_transform(),
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "relpos": (0, 0.5),
                "color": look[str(row.variant)].colour,
                "linewidth": 0.8,
                "alpha": 0.5,
                "shrinkB": 5,
            },
        )
    ax.set(ylim=(low, high), xlabel=f"MACs of one image ({name} multiply-accumulates)", ylabel="test top-1 (%)")
    return ax


def plot_learning_curve(curves: pd.DataFrame, look: Mapping[str, Look], *, column: str, ax: Axes) -> Axes:
    """Draw one figure of the epochs: the mean over seeds as a line, the lowest to the highest seed as a band.

    With more than `COLOURS` variants the bands would hide each other and are left out.

    A loss has a logarithmic axis. That of an accuracy leaves out what only the first quarter of the epochs reaches.

    Args:
        curves: As from `curve_frame`, of complete trials.
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
            label=_label(str(variant), own["seed"].nunique(), most=most),
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


def _label(variant: str, n: int, *, most: int) -> str:
    """Name a variant, and its seeds where they are fewer than those of others."""
    return variant if n == most else f"{variant} (n = {n})"


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
