"""Whether variants keep their ranks from study to study: from images to regions, or from few images to many.

Studies need have nothing in common but names of variants; each is judged by a figure of its own. What is uncertain is
what other seeds would have given. A test figure is taken as variant + seed + noise, and the noise as normal and equally
large for all variants of a study, so that its size is known from all of them: three seeds of one variant tell too
little. What the means could be, given the figures, is then drawn at random with noise of that size, as in an analysis
of variance with a flat prior; ranks, Kendall's τ and what a choice loses are taken of every draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations

import numpy as np
import pandas as pd
from scipy import stats

from fishnet_search.errors import StudyError
from fishnet_search.evidence.frames import evidence, worth_of_an_image
from fishnet_search.evidence.naming import column, metric_of
from fishnet_search.evidence.paired import CONFIDENCE, FloatArray
from fishnet_search.evidence.wording import listed
from fishnet_search.task.figures import Figure

FEWEST = 3
"""Variants that ranks are spoken of."""

DRAWS = 2_000
"""Of what the means could be."""

_TAIL = (1 - CONFIDENCE) / 2
_AT_ONCE = 2**22  # pairs of variants in draws, which bounds memory


@dataclass(frozen=True, eq=False)
class Standing:
    """How the variants that studies share do in one of them."""

    study: str
    metric: Figure
    variants: tuple[str, ...]
    figures_VS: FloatArray  # noqa: N815  test figures of the seeds that all variants have completed
    rounding: float  # least standard deviation of a figure
    number: int  # among the studies, so that each has random numbers of its own

    @property
    def means(self) -> FloatArray:
        """Mean over seeds by variant."""
        means: FloatArray = self.figures_VS.mean(axis=1)
        return means

    @property
    def seeds(self) -> int:
        """How many the means are over."""
        return int(self.figures_VS.shape[1])

    @cached_property
    def draws_DV(self) -> FloatArray:  # noqa: N802
        """What the means could be: around those seen, by the noise of this study; none for a single seed."""
        variance, free = self.noise
        if not free:
            return np.empty((0, len(self.variants)))
        rng = np.random.default_rng(self.number)
        deviations_D1 = np.sqrt(variance * free / rng.chisquare(free, (DRAWS, 1)) / self.seeds)
        drawn: FloatArray = self.means + deviations_D1 * rng.standard_normal((DRAWS, len(self.variants)))
        return drawn

    @property
    def noise(self) -> tuple[float, int]:
        """Variance of a figure around variant and seed, at least that of rounding, and its degrees of freedom."""
        figures_VS = self.figures_VS
        rest_VS = figures_VS - figures_VS.mean(axis=1, keepdims=True) - figures_VS.mean(axis=0) + figures_VS.mean()
        free = (len(self.variants) - 1) * (self.seeds - 1)
        seen = float((rest_VS**2).sum()) / free if free else math.nan
        return max(seen, self.rounding**2), free

    @property
    def tau_again(self) -> float:
        """Kendall's τ to be expected between this study and itself with as many other seeds; NaN for a single seed.

        Source:
            The means correlate by 1 − noise / variance between variants, the intraclass correlation ICC(3,k) of Shrout
            and Fleiss, Intraclass Correlations (Psychological Bulletin 86, 1979); normal figures that correlate by ρ
            have τ = 2/π arcsin ρ.
        """
        between = self.seeds * float(self.means.var(ddof=1))
        if self.seeds < 2 or between == 0:
            return math.nan
        return 2 / math.pi * math.asin(max(1 - self.noise[0] / between, 0.0))


def standings(studies: Mapping[str, pd.DataFrame]) -> tuple[Standing, ...]:
    """Return how the variants that all of some studies share do in each.

    Args:
        studies: Name -> trials, as from `trial_frame`.

    Raises:
        StudyError: There are fewer than two studies; they share fewer than `FEWEST` variants with complete trials; or
            in one these have no seed in common.
    """
    if len(studies) < 2:
        raise StudyError("ranks are compared between studies: name two or more")
    complete = {name: evidence(trials).drop_duplicates("key") for name, trials in studies.items()}
    first, *others = ([str(one) for one in own["variant"].unique()] for own in complete.values())
    shared = tuple(variant for variant in first if all(variant in names for names in others))
    if len(shared) < FEWEST:
        told = f"only {listed(shared)}" if shared else "none"
        raise StudyError(
            f"{', '.join(studies)}: ranks are compared of variants that have complete trials in all the studies, at "
            f"least {FEWEST}, by their names; there are {told}: name studies of the same axes, or run them to their end"
        )
    return tuple(_standing(name, own, shared, number) for number, (name, own) in enumerate(complete.items()))


def _standing(study: str, trials: pd.DataFrame, variants: tuple[str, ...], number: int) -> Standing:
    test = column(trials, "test_metric")
    table = trials.pivot(index="variant", columns="seed", values=test).loc[list(variants)].dropna(axis="columns")
    if table.empty:
        raise StudyError(f"{study}: no seed is complete for all of {listed(variants)}; run the study to its end")
    rounding = worth_of_an_image(trials) / math.sqrt(12)
    return Standing(study, metric_of(trials), variants, table.to_numpy(np.float64), rounding, number)


def rank_frame(compared: Sequence[Standing]) -> pd.DataFrame:
    """Return one row a study and variant, with the columns that `RANK_COLUMNS` explains."""
    frame: pd.DataFrame = pd.concat([_ranks(one) for one in compared], ignore_index=True)
    return frame


def _ranks(standing: Standing) -> pd.DataFrame:
    low_high = np.full((4, len(standing.variants)), np.nan)
    best: float | FloatArray = np.nan
    if len(standing.draws_DV):
        ranks_DV = stats.rankdata(-standing.draws_DV, axis=1)
        low_high[0] = np.quantile(ranks_DV, _TAIL, axis=0, method="lower")
        low_high[1] = np.quantile(ranks_DV, 1 - _TAIL, axis=0, method="higher")
        low_high[2:] = np.quantile(standing.draws_DV, [_TAIL, 1 - _TAIL], axis=0)
        best = (ranks_DV == ranks_DV.min(axis=1, keepdims=True)).mean(axis=0)
    frame: pd.DataFrame = pd.DataFrame(
        {
            "study": standing.study,
            "metric": standing.metric,
            "variant": standing.variants,
            "seeds": standing.seeds,
            "mean": standing.means,
            "mean_low": low_high[2],
            "mean_high": low_high[3],
            "rank": stats.rankdata(-standing.means),
            "rank_low": low_high[0],
            "rank_high": low_high[1],
            "best": best,
        }
    )
    return frame


def agreement_frame(compared: Sequence[Standing]) -> pd.DataFrame:
    """Return one row a pair of studies, with the columns that `AGREEMENT_COLUMNS` explains."""
    frame: pd.DataFrame = pd.DataFrame([_agreement(one, other) for one, other in combinations(compared, 2)])
    return frame


def _agreement(one: Standing, other: Standing) -> dict[str, object]:
    found = stats.kendalltau(one.means, other.means)
    signs = _signs(one.means) * _signs(other.means)
    drawn = _taus(one.draws_DV, other.draws_DV)
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL]) if len(drawn) else (np.nan, np.nan)
    return {
        "study": one.study,
        "other": other.study,
        "variants": len(one.variants),
        "tau": found.statistic,
        "tau_low": low,
        "tau_high": high,
        "p": found.pvalue,
        "pairs": math.comb(len(one.variants), 2),
        "alike": int((signs > 0).sum() / 2),
        "opposite": int((signs < 0).sum() / 2),
        "tau_again": one.tau_again,
        "tau_again_other": other.tau_again,
    }


def _taus(one_DV: FloatArray, other_DV: FloatArray) -> FloatArray:
    """Return Kendall's τ of each draw of the one with the same draw of the other; none if one has none.

    Draws have ties only where there is no noise; those count for neither order.
    """
    if not (len(one_DV) and len(other_DV)):
        return np.empty(0)
    first_P, second_P = np.triu_indices(one_DV.shape[1], 1)
    runs = -(-DRAWS * len(first_P) // _AT_ONCE)
    taus = [
        (np.sign(one[:, first_P] - one[:, second_P]) * np.sign(other[:, first_P] - other[:, second_P])).mean(axis=1)
        for one, other in zip(np.array_split(one_DV, runs), np.array_split(other_DV, runs), strict=True)
    ]
    return np.concatenate(taus)


def _signs(values: FloatArray) -> FloatArray:
    signs: FloatArray = np.sign(np.subtract.outer(values, values))
    return signs


def choice_frame(compared: Sequence[Standing]) -> pd.DataFrame:
    """Return what the best of one study is worth in another: a row an ordered pair, as `CHOICE_COLUMNS` explains."""
    frame: pd.DataFrame = pd.DataFrame([_choice(one, other) for one, other in permutations(compared, 2)])
    return frame


def _choice(one: Standing, other: Standing) -> dict[str, object]:
    chosen = int(one.means.argmax())
    draws_DV = other.draws_DV
    lost = draws_DV.max(axis=1) - draws_DV[:, chosen] if len(draws_DV) else np.array([np.nan])
    return {
        "chosen_by": one.study,
        "variant": one.variants[chosen],
        "study": other.study,
        "metric": other.metric,
        "rank": float(stats.rankdata(-other.means)[chosen]),
        "best": other.variants[int(other.means.argmax())],
        "shortfall": float(other.means.max() - other.means[chosen]),
        "shortfall_high": float(np.quantile(lost, CONFIDENCE)),
    }


RANK_COLUMNS = {
    "study": "whose test images the variants are ranked by",
    "metric": "figure that the study is judged by",
    "variant": "name of the architecture, and of how it is trained",
    "seeds": "that all these variants have completed in this study; means are over them",
    "mean": "test figure, fraction from 0 to 1",
    "mean_low": "lower end of its 95 % interval beside the other variants, whose seeds are the same; NaN for one seed",
    "mean_high": "upper end of the same",
    "rank": "1 is the best; equals share theirs",
    "rank_low": "lower end of its 95 % interval",
    "rank_high": "upper end of the same",
    "best": "chance to be the best, as far as other seeds could tell",
}

AGREEMENT_COLUMNS = {
    "study": "one of two studies",
    "other": "the other one",
    "variants": "that are ranked",
    "tau": "Kendall's τ-b of the two orders: 1 for the same, −1 for the reverse; NaN if all variants of one are equal",
    "tau_low": "lower end of its 95 % interval over seeds; NaN for one seed",
    "tau_high": "upper end of the same",
    "p": "chance that two orders that have nothing to do with each other agree, or disagree, as much",
    "pairs": "of variants",
    "alike": "pairs that stand in the same order in both",
    "opposite": "pairs that stand in reverse orders",
    "tau_again": "τ to be expected between the one study and itself with as many other seeds; NaN for one seed",
    "tau_again_other": "the same of the other study",
}

CHOICE_COLUMNS = {
    "chosen_by": "study that chooses",
    "variant": "the best there by the mean test figure; the first of equals",
    "study": "study that it is taken to",
    "metric": "figure that this one is judged by",
    "rank": "of the chosen variant there",
    "best": "variant with the highest mean there",
    "shortfall": "by how much the chosen one is below that, fraction from 0 to 1",
    "shortfall_high": "upper end of its one-sided 95 % interval over seeds; NaN for one seed",
}
