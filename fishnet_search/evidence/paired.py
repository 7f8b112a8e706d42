"""Statistics of paired differences: one number a seed, on the last axis of an array.

Every function takes many sets of differences at once, so that what a table shows can be held against thousands of
studies whose truth is known (`tests/evidence/test_truth.py`).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fishnet_search.task.figures import Figure

CONFIDENCE = 0.95
LEVEL = 0.05
"""Chance that a table in which nothing differs shows a difference larger than the noise."""

POWER = 0.80
"""Chance to find a difference that is there, by which further seeds are counted."""

MOST_SEEDS = 1_000
"""More are not searched for; no study has as many."""

BOOTSTRAP_FROM = 10
"""Fewer seeds get no bootstrap interval: from here on it covers 95 ± 1 % of the means of normal differences."""

RESAMPLES = 9_999
NO_SPREAD = 1e-9
"""Standard deviations below are rounding errors of arithmetic: figures of a million images are 1e-6 apart."""

FloatArray = NDArray[np.float64]


def spread(differences: ArrayLike, step: ArrayLike = 0.0) -> FloatArray:
    """Return the standard deviation of the differences, at least that of rounding; NaN for fewer than two seeds.

    A figure is a share of whole images, so that few images may give every seed the same difference by chance. The
    rounding errors of its two figures, each even over one step, give a difference a standard deviation of step/√6; how
    much less than that the seeds differ cannot be known.

    Args:
        differences: One a seed.
        step: What one test image is worth, for all sets of differences or for each; 0 if nothing is rounded.
    """
    data = np.asarray(differences, dtype=np.float64)
    if data.shape[-1] < 2:
        return np.full(data.shape[:-1], np.nan)
    rounding = np.asarray(step, dtype=np.float64) / math.sqrt(6)
    found: FloatArray = np.maximum(data.std(axis=-1, ddof=1), np.maximum(rounding, NO_SPREAD))
    return found


def half_width(values: ArrayLike, step: ArrayLike = 0.0) -> FloatArray:
    """Return half the width of the 95 % Student-t interval around the mean; NaN for fewer than two values.

    Args:
        values: One a seed.
        step: As of `spread`.
    """
    n = np.shape(values)[-1]
    half: FloatArray = t_quantile(n) * spread(values, step) / math.sqrt(max(n, 1))
    return half


def t_quantile(n: ArrayLike) -> FloatArray:
    """Return how many standard errors of a mean of n values the 95 % interval reaches to either side; NaN for one."""
    quantile: FloatArray = stats.t.ppf((1 + CONFIDENCE) / 2, np.asarray(n, dtype=np.float64) - 1)
    return quantile


def paired_p(differences: ArrayLike, step: ArrayLike = 0.0) -> FloatArray:
    """Return p of the paired t test, two-sided; NaN for fewer than two seeds.

    Args:
        differences: One a seed.
        step: As of `spread`.
    """
    n = np.shape(differences)[-1]
    p: FloatArray = 2 * stats.t.sf(np.abs(effect_size(differences, step)) * math.sqrt(n), n - 1)
    return p


def effect_size(differences: ArrayLike, step: ArrayLike = 0.0) -> FloatArray:
    """Return Cohen's d_z, the mean of the differences over their spread; NaN for fewer than two seeds.

    Args:
        differences: One a seed.
        step: As of `spread`.
    """
    data = np.asarray(differences, dtype=np.float64)
    if data.shape[-1] < 2:
        return np.full(data.shape[:-1], np.nan)
    size: FloatArray = data.mean(axis=-1) / spread(data, step)
    return size


def bootstrap_interval(differences: ArrayLike, step: ArrayLike = 0.0) -> tuple[FloatArray, FloatArray]:
    """Return both ends of the 95 % bootstrap interval of the mean; NaN for fewer than `BOOTSTRAP_FROM` seeds.

    Percentiles of resampled means, further out than 2.5 % by what few values understate the spread. The same
    differences give the same interval. Where they vary less than rounding lets one see, there is none: NaN.

    Args:
        differences: One a seed.
        step: As of `spread`.

    Source:
        The expanded percentile interval of Hesterberg, What Teachers Should Know about the Bootstrap (The American
        Statistician 69, 2015), by `scipy.stats.bootstrap`. Plain percentiles and BCa cover less: `docs/statistics.md`
        has by how much.
    """
    data = np.asarray(differences, dtype=np.float64)
    n = data.shape[-1]
    if n < BOOTSTRAP_FROM or not data.size:
        return np.full(data.shape[:-1], np.nan), np.full(data.shape[:-1], np.nan)
    tail = float(stats.norm.cdf(-t_quantile(n) * math.sqrt(n / (n - 1))))
    interval = stats.bootstrap(
        (data,),
        np.mean,
        axis=-1,
        n_resamples=RESAMPLES,
        batch=max(2**22 // data.size, 1),  # bounds memory
        confidence_level=1 - 2 * tail,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    seen = data.std(axis=-1, ddof=1) >= spread(data, step)
    return np.where(seen, interval.low, np.nan), np.where(seen, interval.high, np.nan)


def holm(p: ArrayLike) -> FloatArray:
    """Return p values corrected by Holm's method for standing in one table; NaN, which is no comparison, stays NaN."""
    from statsmodels.stats.multitest import multipletests

    own = np.asarray(p, dtype=np.float64)
    judged = ~np.isnan(own)
    corrected = np.full(own.shape, np.nan)
    if judged.any():
        corrected[judged] = multipletests(own[judged], method="holm")[1]
    return corrected


def next_level(corrected: ArrayLike) -> float:
    """Return the level that a further comparison of a table has to meet, if the others stay as they are.

    Holm's method holds the smallest p against `LEVEL` over all comparisons, the next one against `LEVEL` over one
    fewer, and so on: a comparison that is within the noise comes after those that are not.

    Args:
        corrected: As from `holm`.
    """
    values = np.asarray(corrected, dtype=np.float64)
    left = int((values >= LEVEL).sum())
    return LEVEL / max(left, 1)


def seeds_to_settle(size: ArrayLike, level: float = LEVEL) -> FloatArray:
    """Return how many seeds find a difference in 80 of 100 studies.

    Args:
        size: Of the difference, or of many: its mean over its standard deviation from seed to seed, as from
            `effect_size`.
        level: Of the two-sided paired t test.

    Returns:
        At least 2; infinity if `MOST_SEEDS` do not suffice; NaN for a size that is NaN.
    """
    from statsmodels.stats.power import TTestPower

    sizes = np.abs(np.asarray(size, dtype=np.float64))
    short = np.ones(sizes.shape)  # as many seeds do not suffice
    for more in 2 ** np.arange(MOST_SEEDS.bit_length())[::-1]:
        # The tail on the side of the difference: the other one adds to the power what is no finding, and is NaN where
        # it is tiny. A NaN on this side means a power next to 1.
        with np.errstate(all="ignore"):
            power = TTestPower().power(sizes, short + more, level / 2, alternative="larger")
        short = short + more * (power < POWER)
    needed: FloatArray = np.where(short < MOST_SEEDS, short + 1, np.inf)
    return np.where(np.isnan(sizes), np.nan, needed)


def comparisons(
    differences: Mapping[Any, Sequence[float]], steps: Mapping[Any, float], metric: Figure = "top1"
) -> pd.DataFrame:
    """Return what each set of paired differences says on its own, before any correction.

    Args:
        differences: Name -> one number a seed; none for what has no seed in common with the baseline.
        steps: Name -> step, as of `spread`.
        metric: What they are differences of.

    Returns:
        One row a name, which is the index, in the given order, with the columns `pairs`, `difference_METRIC`,
        `difference_ci95`, `boot_low`, `boot_high`, `p` and `effect_size`, as `EFFECT_COLUMNS` explains them.
    """
    by_count: dict[int, list[Hashable]] = {}
    for name, values in differences.items():
        by_count.setdefault(len(values), []).append(name)
    frames = [
        _block(
            n, names, np.array([differences[name] for name in names]), np.array([steps[name] for name in names]), metric
        )
        for n, names in by_count.items()
    ]
    if not frames:
        return _block(0, [], np.empty((0, 0)), np.empty(0), metric)
    frame: pd.DataFrame = pd.concat(frames).loc[list(differences)]
    return frame


def _block(n: int, names: list[Hashable], data: FloatArray, steps: FloatArray, metric: Figure) -> pd.DataFrame:
    """Return the rows of names that have the same number of seeds."""
    low, high = bootstrap_interval(data, steps)
    columns: dict[str, Any] = {
        "pairs": n,
        f"difference_{metric}": data.mean(axis=-1) if n else np.nan,
        "difference_ci95": half_width(data, steps),
        "boot_low": low,
        "boot_high": high,
        "p": paired_p(data, steps),
        "effect_size": effect_size(data, steps),
    }
    frame: pd.DataFrame = pd.DataFrame(columns, index=names)
    return frame
