"""Means over seeds and differences to the baseline, each with its 95 % interval.

Intervals are Student's t over seeds. Differences are paired by seed: two networks of one seed share what the seed
decides, so that their difference varies less than the two alone, and only seeds that both have are used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from fishnet_search.evidence.frames import evidence, rows_of

CONFIDENCE = 0.95

BASELINE = "baseline"
LARGER = "larger than the noise"
WITHIN = "within the noise"
ONE_SEED = "one seed: no interval"
NOT_COMPARED = "not compared"
SAME = "same network"


def half_width(values: Sequence[float]) -> float:
    """Return half the width of the 95 % Student-t interval around the mean; NaN for fewer than two values."""
    n = len(values)
    if n < 2:
        return float("nan")
    spread = float(np.std(values, ddof=1))
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * spread / math.sqrt(n)


def paired_differences(trials: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return test top-1 minus the baseline's with the same seed, for every seed that both have completed.

    Args:
        trials: As from `trial_frame`.
        baseline: Name of a variant.

    Returns:
        Columns `variant`, `seed`, `difference` (a fraction); no rows if the baseline has no complete trial.
    """
    complete = evidence(trials)[["variant", "seed", "test_top1"]]
    of_baseline = complete[complete["variant"] == baseline]
    others = complete[complete["variant"] != baseline]
    pairs = others.merge(of_baseline, on="seed", suffixes=("", "_baseline"), validate="many_to_one")
    pairs["difference"] = pairs["test_top1"] - pairs["test_top1_baseline"]
    differences: pd.DataFrame = pairs[["variant", "seed", "difference"]]
    return differences


def variant_effects(trials: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return one row a variant, in the order of the trials: cost, means over seeds, difference and verdict.

    Args:
        trials: As from `trial_frame`.
        baseline: Name of the variant that the others are compared with.

    Returns:
        The columns that `EFFECT_COLUMNS` explains; NaN where there is no number.
    """
    pairs = paired_differences(trials, baseline)
    same = _same_experiments(trials, baseline)
    rows = []
    for variant, group in trials.groupby("variant", sort=False):
        differences = pairs.loc[pairs["variant"] == variant, "difference"].tolist()
        rows.append(_effect(str(variant), group, differences, baseline, same.get(str(variant))))
    effects: pd.DataFrame = pd.DataFrame(rows, columns=list(EFFECT_COLUMNS))
    return effects


def _same_experiments(trials: pd.DataFrame, baseline: str) -> dict[str, str]:
    """Return variant -> the baseline, or else the first variant, that is the same network trained by the same recipe.

    A key that two trials share says so: it stands for architecture and recipe.
    """
    rows = sorted(rows_of(evidence(trials)), key=lambda row: row.variant != baseline)
    owners: dict[str, str] = {}
    for row in rows:
        owners.setdefault(row.key, row.variant)
    return {row.variant: owners[row.key] for row in rows if owners[row.key] != row.variant}


def _effect(
    variant: str, trials: pd.DataFrame, differences: list[float], baseline: str, same_as: str | None
) -> dict[str, Any]:
    complete = evidence(trials)
    difference = float(np.mean(differences)) if differences else float("nan")
    return {
        "variant": variant,
        "params": trials["params"].iloc[0],
        "macs": trials["macs"].iloc[0],
        "seeds": len(complete),
        "seeds_planned": int(trials["planned"].sum()),
        "test_top1_mean": complete["test_top1"].mean(),
        "test_top1_ci95": half_width(complete["test_top1"].tolist()),
        "test_top5_mean": complete["test_top5"].mean(),
        "test_top5_ci95": half_width(complete["test_top5"].tolist()),
        "validation_top1_mean": complete["validation_top1"].mean(),
        "pairs": len(differences),
        "difference_top1": difference,
        "difference_ci95": half_width(differences),
        "verdict": _verdict(variant, differences, baseline, same_as),
        "same_as": same_as,
    }


def _verdict(variant: str, differences: list[float], baseline: str, same_as: str | None) -> str:
    if variant == baseline:
        return BASELINE
    if same_as == baseline:
        return SAME
    if not differences:
        return NOT_COMPARED
    if len(differences) == 1:
        return ONE_SEED
    # An interval that just touches 0 includes it. So does one of no width around 0.
    return LARGER if abs(np.mean(differences)) > half_width(differences) else WITHIN


EFFECT_COLUMNS = {
    "variant": "name of the architecture, and of how it is trained",
    "params": "learned numbers",
    "macs": "multiply-accumulates of one image",
    "seeds": "complete trials, duplicates included, over which the means are taken",
    "seeds_planned": "trials that the study's present plan has",
    "test_top1_mean": "fraction from 0 to 1",
    "test_top1_ci95": "half the width of the 95 % Student-t interval over seeds, fraction",
    "test_top5_mean": "fraction from 0 to 1",
    "test_top5_ci95": "half the width of the 95 % Student-t interval over seeds, fraction",
    "validation_top1_mean": "of the best epochs, fraction from 0 to 1",
    "pairs": "seeds that this variant and the baseline have both completed",
    "difference_top1": "mean over pairs of test top-1 minus the baseline's with the same seed, fraction",
    "difference_ci95": "half the width of the 95 % paired Student-t interval, fraction",
    "verdict": "whether the interval of the difference excludes 0 (larger than the noise) or not (within the noise); "
    "same network: it is the baseline under another name",
    "same_as": "an earlier variant that is the same network trained by the same recipe, whose figures it has",
}
