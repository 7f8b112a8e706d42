"""Means over seeds and differences to the baseline, with their intervals, and what the table as a whole bears out.

Differences are paired by seed: two networks of one seed share what the seed decides, so that their difference varies
less than the two alone, and only seeds that both have are used. Verdicts are corrected for the number of comparisons.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from fishnet_search.evidence.frames import evidence, worth_of_an_image
from fishnet_search.evidence.naming import column, explained, figures_in, metric_of
from fishnet_search.evidence.paired import (
    BOOTSTRAP_FROM,
    LEVEL,
    MOST_SEEDS,
    FloatArray,
    comparisons,
    holm,
    next_level,
    seeds_to_settle,
    t_quantile,
)

BASELINE = "baseline"
LARGER = "larger than the noise"
WITHIN = "within the noise"
ONE_SEED = "one seed: no interval"
NOT_COMPARED = "not compared"
SAME = "same network"


def paired_differences(trials: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return the test figure minus the baseline's with the same seed, for every seed that both have completed.

    Args:
        trials: As from `trial_frame`.
        baseline: Name of a variant.

    Returns:
        Columns `variant`, `seed`, `difference` (a fraction); no rows if the baseline has no complete trial.
    """
    test = column(trials, "test_metric")
    complete = evidence(trials)[["variant", "seed", test]]
    of_baseline = complete[complete["variant"] == baseline]
    others = complete[complete["variant"] != baseline]
    pairs = others.merge(of_baseline, on="seed", suffixes=("", "_baseline"), validate="many_to_one")
    pairs["difference"] = pairs[test] - pairs[f"{test}_baseline"]
    differences: pd.DataFrame = pairs[["variant", "seed", "difference"]]
    return differences


def variant_effects(trials: pd.DataFrame, baseline: str, curves: pd.DataFrame) -> pd.DataFrame:
    """Return one row a variant, in the order of the trials: cost, means over seeds, difference and verdict.

    The comparisons that are corrected for each other are all those of the table: every variant that is another
    experiment than the baseline and those before it, and has two seeds or more in common with the baseline. Variants
    that are rescaled to the baseline's cost are among them.

    Args:
        trials: As from `trial_frame`.
        baseline: Name of the variant that the others are compared with.
        curves: As from `curve_frame`.

    Returns:
        The columns that `EFFECT_COLUMNS` explains; NaN where there is no number.
    """
    variants = trials.groupby("variant", sort=False).agg(
        params=("params", "first"), macs=("macs", "first"), seeds_planned=("planned", "sum")
    )
    pairs = paired_differences(trials, baseline)
    found = {str(variant): group.tolist() for variant, group in pairs.groupby("variant")["difference"]}
    compared = comparisons(
        {variant: found.get(variant, []) for variant in variants.index},
        dict.fromkeys(variants.index, worth_of_an_image(trials)),
        metric_of(trials),
    )
    same = pd.Series(_same_experiments(trials, baseline, compared["pairs"]), dtype=object)
    effects = variants.join(_means(trials)).join(_last_epochs(trials, curves)).join(compared)
    effects["seeds"] = effects["seeds"].fillna(0).astype(int)
    effects["same_as"] = same.reindex(effects.index).astype(object)
    # the baseline under another name differs by 0 by what it is, which no test is asked
    effects.loc[effects["same_as"] == baseline, ["difference_ci95", "p", "effect_size"]] = [0.0, np.nan, np.nan]
    effects["p_holm"] = _corrected(effects)
    effects["verdict"] = [_verdict(row, baseline) for row in effects.itertuples()]
    effects["more_seeds"] = more_seeds(effects, next_level(effects.loc[effects["same_as"].isna(), "p_holm"]))
    effects = effects.rename_axis("variant").reset_index()
    ordered: pd.DataFrame = effects[list(explained(EFFECT_COLUMNS, effects))]
    return ordered


def judged(pairs: int, p_holm: float) -> str:
    """Return the verdict on a comparison."""
    if pairs < 2:
        return ONE_SEED if pairs else NOT_COMPARED
    return LARGER if p_holm < LEVEL else WITHIN


def more_seeds(compared: pd.DataFrame, level: float) -> FloatArray:
    """Return how many seeds beyond those there are would settle a difference as large as the one seen.

    Args:
        compared: Columns `pairs`, `effect_size` and `verdict`, as of `variant_effects`.
        level: That a test has to meet.

    Returns:
        For each row: 0 if the difference is larger than the noise already, else 1 or more; infinity if `MOST_SEEDS` in
        all would not do, as they never do for a difference of 0; NaN if there is no verdict.
    """
    needed = seeds_to_settle(compared["effect_size"].where(compared["verdict"] == WITHIN).to_numpy(), level)
    more = np.maximum(needed - compared["pairs"].to_numpy(), 1)
    settled: FloatArray = np.where(compared["verdict"] == LARGER, 0.0, more)
    return settled


def _means(trials: pd.DataFrame) -> pd.DataFrame:
    """Return means over complete trials by variant, with half the widths of their intervals."""
    groups = evidence(trials).groupby("variant")
    columns = {"seeds": groups.size()}
    rounding = worth_of_an_image(trials) / math.sqrt(12)  # standard deviation of an error that is even over one image
    for figure in figures_in(trials):
        test, having = groups[f"test_{figure}"], groups[f"test_{figure}"].count()
        columns[f"test_{figure}_mean"] = test.mean()
        error = test.std().clip(lower=rounding) / having**0.5
        columns[f"test_{figure}_ci95"] = error * t_quantile(having)
    validation = column(trials, "validation_metric")
    columns[f"{validation}_mean"] = groups[validation].mean()
    means: pd.DataFrame = pd.DataFrame(columns)
    return means


def _last_epochs(trials: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Return by variant what the last epochs of complete trials reached, and how far that is below the best ones."""
    ends = curves.sort_values("epoch", kind="stable").drop_duplicates(["variant", "seed"], keep="last")
    validation = column(trials, "validation_metric")
    last = ends[["variant", "seed", validation]].rename(columns={validation: f"{validation}_last"})
    complete = evidence(trials)[["variant", "seed", validation]].merge(last, on=["variant", "seed"])
    complete["gap_best_last"] = complete[validation] - complete[f"{validation}_last"]
    means: pd.DataFrame = complete.groupby("variant")[[f"{validation}_last", "gap_best_last"]].mean()
    return means


def _same_experiments(trials: pd.DataFrame, baseline: str, pairs: pd.Series[int]) -> dict[str, str]:
    """Return variant -> another that is the same network trained by the same recipe, and is tested for both.

    A key that two trials share says so: it stands for architecture, recipe and seed. Of equals the baseline is kept,
    else the one with the most pairs, so that what can be compared is.
    """
    groups = evidence(trials).groupby("variant", sort=False)["key"]
    keys: dict[str, list[str]] = {str(variant): group.tolist() for variant, group in groups}
    counts = pairs.to_dict()
    owners: dict[str, str] = {}
    same: dict[str, str] = {}
    for variant in sorted(keys, key=lambda name: (name != baseline, -counts[name])):
        for key in keys[variant]:
            owner = owners.setdefault(key, variant)
            if owner != variant:
                same[variant] = same.get(owner, owner)
    return same


def _corrected(effects: pd.DataFrame) -> pd.Series[float]:
    """Return p corrected for the table. A variant that is the same as another is judged in its place."""
    family = effects["p"].where(effects["same_as"].isna())
    corrected = pd.Series(holm(family), index=effects.index)
    for row in effects[effects["same_as"].notna() & effects["p"].notna()].itertuples():
        instead = family.copy()
        instead[row.same_as] = row.p  # it may have other seeds
        unequal = row.p != family[row.same_as]
        corrected[row.Index] = holm(instead)[family.index.get_loc(row.same_as)] if unequal else corrected[row.same_as]
    return corrected


def _verdict(row: Any, baseline: str) -> str:
    if row.Index == baseline:
        return BASELINE
    return SAME if row.same_as == baseline else judged(row.pairs, row.p_holm)


EFFECT_COLUMNS = {  # for `explained`
    "variant": "name of the architecture, and of how it is trained",
    "params": "learned numbers",
    "macs": "multiply-accumulates of one image",
    "seeds": "complete trials, duplicates included, over which the means are taken",
    "seeds_planned": "trials that the study's present plan has",
    "test_{metric}_mean": "fraction from 0 to 1",
    "test_{metric}_ci95": "half the width of the 95 % Student-t interval over seeds, fraction",
    "test_{other}_mean": "fraction from 0 to 1",
    "test_{other}_ci95": "half the width of the 95 % Student-t interval over seeds, fraction",
    "validation_{metric}_mean": "of the best epochs, fraction from 0 to 1",
    "validation_{metric}_last": "of the last epochs, mean over the same seeds, fraction from 0 to 1",
    "gap_best_last": "mean over seeds of validation {label} of the best epoch minus that of the last, fraction",
    "pairs": "seeds that this variant and the baseline have both completed",
    "difference_{metric}": "mean over pairs of test {label} minus the baseline's with the same seed, fraction",
    "difference_ci95": "half the width of the 95 % paired Student-t interval of this one comparison, not corrected, "
    "fraction",
    "boot_low": f"lower end of the 95 % bootstrap interval of the difference, fraction; from {BOOTSTRAP_FROM} pairs on",
    "boot_high": "upper end of it",
    "p": "of the paired t test, two-sided, of this one comparison",
    "p_holm": "p corrected by Holm's method for all comparisons of the table",
    "effect_size": "Cohen's d_z: the mean of the paired differences over their standard deviation{floor}",
    "more_seeds": "seeds beyond the pairs there are that would settle a difference as large as the one seen, in 80 of "
    f"100 studies, at the corrected level; 0: it is settled; inf: more than {MOST_SEEDS:,} in all",
    "verdict": f"larger than the noise: p_holm is below {LEVEL}; within the noise: it is not; same network: it is the "
    "baseline under another name",
    "same_as": "another variant that is the same network trained by the same recipe; the two count as one comparison",
}
