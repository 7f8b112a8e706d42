"""The candidates of a search: how they did with the first seed, and which are worth a row in the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fishnet_search.evidence.frames import evidence
from fishnet_search.evidence.naming import column, rows_of
from fishnet_search.evidence.plan import is_search
from fishnet_search.study.record import StudyRecord
from fishnet_search.task.figures import FIGURES

PROVISIONAL = 5
"""Candidates in the table of a search that is not over."""


def candidate_frame(study: StudyRecord, trials: pd.DataFrame) -> pd.DataFrame:
    """Return one row a candidate of a search, the baseline included, of its trial with the first seed; else none.

    Args:
        study: What was planned.
        trials: As from `trial_frame`.

    Returns:
        Columns `variant`, `state`, `epochs`, `validation_METRIC` and `cost`, by the metric of `cost_metric`.
    """
    first = trials["planned"] & (trials["seed"] == study.seeds[0]) & is_search(study)
    found = trials.loc[first, ["variant", "state", "epochs", column(trials, "validation_metric")]].reset_index(
        drop=True
    )
    costs = costs_of(study)
    candidates: pd.DataFrame = found.assign(cost=found["variant"].map(costs).astype("float64"))
    return candidates


def cost_metric(study: StudyRecord) -> str:
    """Return what the figure of candidates is weighed against: the first cost that is sought to be low, or MACs."""
    return next((objective for objective in study.objectives if objective not in FIGURES), "macs")


def costs_of(study: StudyRecord) -> dict[str, float | None]:
    """Return variant -> cost by the metric of `cost_metric`, without the twins at the baseline's cost."""
    metric = cost_metric(study)
    return {variant.name: getattr(variant, metric) for variant in study.variants if variant.matches is None}


def compared_variants(study: StudyRecord, trials: pd.DataFrame) -> list[str]:
    """Return the variants that the report is about, the baseline first if it is a search.

    Of a search these are its finalists, or the best so far on validation images with the first seed.
    """
    if not is_search(study):
        return list(dict.fromkeys(trials["variant"]))
    if study.finalists is not None:
        return list(dict.fromkeys((study.baseline, *study.finalists)))
    best = ranked(candidate_frame(study, trials))["variant"].tolist()
    return [study.baseline, *[variant for variant in best if variant != study.baseline][:PROVISIONAL]]


def ranked(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates that were not stopped early, the best on validation images first, of equals the cheaper."""
    best: pd.DataFrame = evidence(candidates).sort_values(
        [column(candidates, "validation_metric"), "cost"], ascending=[False, True], kind="stable"
    )
    return best


def best_variant(effects: pd.DataFrame) -> Any:
    """Return the best on validation images of the variants with the most seeds, of equals the one with fewer MACs.

    Test images have no say: what they judge must not be chosen by them.

    Args:
        effects: As from `variant_effects`.

    Returns:
        Its row as a named tuple; the baseline may be the best.
    """
    most = effects[effects["seeds"] == effects["seeds"].max()]
    order = most.sort_values(
        [column(effects, "validation_metric_mean"), "macs"], ascending=[False, True], kind="stable"
    )
    return rows_of(order)[0]


def pareto_front(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates that no other is more accurate than at the same cost or less, the cheapest first."""
    validation = column(candidates, "validation_metric")
    rising = evidence(candidates).dropna(subset="cost")
    rising = rising.sort_values(["cost", validation], ascending=[True, False], kind="stable")
    best_before = rising[validation].cummax().shift(fill_value=-np.inf)
    front: pd.DataFrame = rising[rising[validation] > best_before]
    return front


def lowest_usual(accuracies: pd.Series[float]) -> float:
    """Return the lowest accuracy that is not far out: three times the range of the middle half below that half.

    Where the middle half is all alike it tells no range, and nothing is far out.
    """
    low, high = accuracies.quantile([0.25, 0.75])
    usual = accuracies if low == high else accuracies[accuracies >= low - 3 * (high - low)]
    return float(usual.min())
