"""Learning curves: takes data and axes and returns the axes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from fishnet_search.plots.looks import COLOURS, Look, seeds_label
from fishnet_search.task.figures import FIGURES


def plot_learning_curve(curves: pd.DataFrame, look: Mapping[str, Look], *, column: str, ax: Axes) -> Axes:
    """Draw one figure of the epochs: the mean over seeds as a line, the lowest to the highest seed as a band.

    With more than `COLOURS` variants the bands would hide each other and are left out.

    A loss has a logarithmic axis. That of an accuracy leaves out what only the first quarter of the epochs reaches.

    Args:
        curves: As from `curve_frame`, of trials whose figures count.
        look: As from `looks`.
        column: Of `curves`; accuracies are drawn in per cent.
        ax: To draw on.
    """
    scale = 100 if is_accuracy(column) else 1
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
            errorbar=("pi", 100) if has_bands(look) else None,
            err_kws={"alpha": 0.12, "linewidth": 0},
            ax=ax,
        )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set(xlabel="epoch", ylabel="", xlim=(0.5, curves["epoch"].max() + 0.5))
    if is_accuracy(column):
        ax.set_ylim(_late_range(curves, column))
    elif column.endswith("loss") and curves[column].min() > 0:
        _count_by_ratios(curves[column], ax)
    return ax


def is_accuracy(column: str) -> bool:
    """Tell whether a column of curves is a fraction that is drawn in per cent."""
    return column.partition("_")[2] in FIGURES


def has_bands(look: Mapping[str, Look]) -> bool:
    """Tell whether the variants are so few that their seeds are shown as bands."""
    return len(look) <= COLOURS


def leaves_out(curves: pd.DataFrame, look: Mapping[str, Look], *, column: str) -> bool:
    """Tell whether the axis of an accuracy is too short for some mean over seeds, or for some seed of a band."""
    low, high = _late_range(curves, column)
    drawn = curves[column] if has_bands(look) else curves.groupby(["variant", "epoch"])[column].mean()
    return bool(100 * drawn.min() < low or 100 * drawn.max() > high)


def _late_range(curves: pd.DataFrame, column: str) -> tuple[float, float]:
    """Return the range of all but the first quarter, whose steep start would leave no room for the differences later.

    It is in per cent, with a margin.
    """
    late = 100 * curves.loc[curves["epoch"] > curves["epoch"].max() / 4, column]
    margin = max(0.05 * float(np.ptp(late)), 0.5)
    return float(late.min() - margin), float(late.max() + margin)


def _count_by_ratios(losses: pd.Series[float], ax: Axes) -> None:
    """Give a logarithmic axis some ticks, be its range ever so small."""
    ax.set_yscale("log")
    wide = losses.max() > 10 * losses.min()  # else there would be a tick or none
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if wide else MaxNLocator(5))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
