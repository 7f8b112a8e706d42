"""What the first epochs tell of the last: each function takes data and axes and returns the axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fishnet_search.plots.looks import BASELINE_COLOUR, QUIET
from fishnet_search.plots.search import ACCENT

_OTHER = "#d55e00"  # the vermilion of seaborn's colour-blind palette


def plot_rank_agreement(fidelity: pd.DataFrame, hurdles: Sequence[int], *, ax: Axes) -> Axes:
    """Draw Kendall's τ of the ranks after each epoch and in the end, with its interval as a band.

    Args:
        fidelity: As from `fidelity_frame`.
        hurdles: Epochs at which a dotted line stands.
        ax: To draw on.
    """
    ax.fill_between(fidelity["epoch"], fidelity["tau_low"], fidelity["tau_high"], color=ACCENT, alpha=0.15, linewidth=0)
    ax.plot(fidelity["epoch"], fidelity["tau"], color=ACCENT, linewidth=1.8, marker=_marker(fidelity), markersize=4)
    ax.axhline(0, color=BASELINE_COLOUR, linewidth=0.8)
    lowest = fidelity[["tau_low", "tau"]].min(axis=None, skipna=True)
    lowest = min(lowest, 0.0) if pd.notna(lowest) else 0.0
    ax.set(ylabel="Kendall's τ with the ranks in the end", ylim=(lowest - 0.05, 1.02))
    return _with_epochs(fidelity, hurdles, ax)


def plot_best_lost(fidelity: pd.DataFrame, hurdles: Sequence[int], keep: int, *, ax: Axes) -> Axes:
    """Draw which share of the best in the end would be lost if all but the best half, or one in `keep`, stopped there.

    Args:
        fidelity: As from `fidelity_frame` with this `keep`.
        hurdles: Epochs at which a dotted line stands.
        keep: One trial in so many goes on.
        ax: To draw on.
    """
    marker = _marker(fidelity)
    lines: dict[str, tuple[str, str, Any]] = {f"if 1 in {keep} goes on": ("best_lost", _OTHER, "-")}
    if keep > 2:
        lines["if half go on"] = ("best_lost_of_half", ACCENT, (0, (4, 1.5)))
    for label, (column, colour, dashes) in lines.items():
        own = 100 * fidelity[column]
        ax.plot(
            fidelity["epoch"],
            own,
            color=colour,
            linestyle=dashes,
            marker=marker,
            markersize=4,
            linewidth=1.8,
            label=label,
        )
    ax.set(ylabel="share of the best that is lost (%)", ylim=(-2, 102))
    return _with_epochs(fidelity, hurdles, ax)


def _with_epochs(fidelity: pd.DataFrame, hurdles: Sequence[int], ax: Axes) -> Axes:
    for hurdle in hurdles:
        ax.axvline(hurdle, color=QUIET, linewidth=1, linestyle=(0, (1.2, 1.6)), zorder=1)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set(xlabel="epoch at which trials would be judged", xlim=(0.5, fidelity["epoch"].max() + 0.5))
    return ax


def _marker(fidelity: pd.DataFrame) -> str | None:
    return "o" if len(fidelity) <= 12 else None  # so that a single epoch is seen, and many are not hidden
