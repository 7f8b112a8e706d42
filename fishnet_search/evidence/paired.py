"""Statistics of paired differences: one number a seed, on the last axis of an array.

Every function takes many sets of differences at once, so that what a table shows can be held against thousands of
studies whose truth is known (`tests/evidence/test_truth.py`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

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
"""Standard deviations below are rounding errors: figures of a million images are 1e-6 apart."""

FloatArray = NDArray[np.float64]


def half_width(values: ArrayLike) -> FloatArray:
    """Return half the width of the 95 % Student-t interval around the mean; NaN for fewer than two values."""
    data = np.asarray(values, dtype=np.float64)
    n = data.shape[-1]
    if n < 2:
        return np.full(data.shape[:-1], np.nan)
    half: FloatArray = t_quantile(n) * data.std(axis=-1, ddof=1) / math.sqrt(n)
    return half


def t_quantile(n: ArrayLike) -> FloatArray:
    """Return how many standard errors of a mean of n values the 95 % interval reaches to either side; NaN for one."""
    quantile: FloatArray = stats.t.ppf((1 + CONFIDENCE) / 2, np.asarray(n, dtype=np.float64) - 1)
    return quantile


def paired_p(differences: ArrayLike) -> FloatArray:
    """Return p of the paired t test, two-sided; NaN for fewer than two seeds.

    Without any spread it is 0, the limit, but for differences of 0, which are no evidence at all: 1.
    """
    data = np.asarray(differences, dtype=np.float64)
    if data.shape[-1] < 2:
        return np.full(data.shape[:-1], np.nan)
    varied = data.std(axis=-1, ddof=1) > NO_SPREAD
    p = np.where(np.abs(data.mean(axis=-1)) > NO_SPREAD, 0.0, 1.0)
    p[varied] = stats.ttest_1samp(data[varied], 0.0, axis=-1).pvalue
    return p


def effect_size(differences: ArrayLike) -> FloatArray:
    """Return Cohen's d_z, the mean of the differences over their standard deviation.

    Without any spread it is infinite, or NaN for differences of 0; NaN for fewer than two seeds.
    """
    data = np.asarray(differences, dtype=np.float64)
    if data.shape[-1] < 2:
        return np.full(data.shape[:-1], np.nan)
    mean, spread = data.mean(axis=-1), data.std(axis=-1, ddof=1)
    limit = np.where(np.abs(mean) > NO_SPREAD, np.copysign(np.inf, mean), np.nan)
    size: FloatArray = np.divide(mean, spread, out=limit, where=spread > NO_SPREAD)
    return size


def bootstrap_interval(differences: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return both ends of the 95 % bootstrap interval of the mean; NaN for fewer than `BOOTSTRAP_FROM` seeds.

    Percentiles of resampled means, further out than 2.5 % by what few values understate the spread. The same
    differences give the same interval.

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
    return interval.low, interval.high


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


def seeds_to_settle(size: float, level: float = LEVEL) -> float:
    """Return how many seeds find a difference in 80 of 100 studies.

    Args:
        size: Of the difference: its mean over its standard deviation from seed to seed, as from `effect_size`.
        level: Of the two-sided paired t test.

    Returns:
        At least 2; infinity if `MOST_SEEDS` do not suffice; NaN for a size that is NaN.
    """
    from statsmodels.stats.power import TTestPower

    if math.isnan(size) or math.isinf(size):
        return float("nan") if math.isnan(size) else 2.0
    power = TTestPower().power

    def short_of(seeds: int) -> bool:
        # The tail on the side of the difference: the other one adds to the power what is no finding, and is NaN where
        # it is tiny. A NaN on this side means a power next to 1.
        return bool(power(abs(size), seeds, level / 2, alternative="larger") < POWER)

    counts = range(2, MOST_SEEDS + 1)
    index = bisect_left(counts, True, key=lambda seeds: not short_of(seeds))
    return float(counts[index]) if index < len(counts) else float("inf")


def comparisons(differences: Mapping[Any, Sequence[float]]) -> pd.DataFrame:
    """Return what each set of paired differences says on its own, before any correction.

    Args:
        differences: Name -> one number a seed; none for what has no seed in common with the baseline.

    Returns:
        One row a name, which is the index, in the given order, with the columns `pairs`, `difference_top1`,
        `difference_ci95`, `boot_low`, `boot_high`, `p` and `effect_size`, as `EFFECT_COLUMNS` explains them.
    """
    by_count: dict[int, list[Hashable]] = {}
    for name, values in differences.items():
        by_count.setdefault(len(values), []).append(name)
    frames = [_block(n, names, np.array([differences[name] for name in names])) for n, names in by_count.items()]
    if not frames:
        return _block(0, [], np.empty((0, 0)))
    frame: pd.DataFrame = pd.concat(frames).loc[list(differences)]
    return frame


def _block(n: int, names: list[Hashable], data: FloatArray) -> pd.DataFrame:
    """Return the rows of names that have the same number of seeds."""
    low, high = bootstrap_interval(data)
    columns: dict[str, Any] = {
        "pairs": n,
        "difference_top1": data.mean(axis=-1) if n else np.nan,
        "difference_ci95": half_width(data),
        "boot_low": low,
        "boot_high": high,
        "p": paired_p(data),
        "effect_size": effect_size(data),
    }
    frame: pd.DataFrame = pd.DataFrame(columns, index=names)
    return frame
