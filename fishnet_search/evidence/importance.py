"""Which axes the accuracy of candidates hangs on: functional analysis of variance, as Optuna computes it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.samplers import RandomSampler
from optuna.trial import create_trial

from fishnet_search.evidence.axes import places, scale_of, varying
from fishnet_search.evidence.candidates import lowest_usual
from fishnet_search.evidence.naming import column
from fishnet_search.evidence.search import FEWEST

MOST = 100
"""Candidates that are drawn at random of more: a forest of all would take minutes and say little else."""

TREES = 8
"""Of one forest; there is a forest for each set of decoys, and the shares are means over these."""

DECOYS = 19
"""At least so many decoys: to explain more than all of them happens to at most about 1 axis in 20 by chance."""

_BINS = 10
"""Parts of equal width that a range is cut into, so that all parts of it count the same."""


def importance_frame(axes: pd.DataFrame, scores: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Return which share of the variance of the validation figure each axis explains by itself.

    A random forest is fitted to the candidates and taken apart by fANOVA; what the shares lack to 1 is what axes do
    together, and noise. Beside the axes the forest gets decoys, which are levels shuffled among the candidates (as
    Kursa and Rudnicki have it): what an axis explains only counts if no decoy explains as much. That is needed, since a
    forest finds something to explain in noise, too, the more the fewer candidates there are, and the more levels an
    axis has. So all decoys have the levels of the axis that has the most.

    An axis that not all candidates have is judged among those that have it, beside the axes that these all have.

    Accuracies that are far out below count as the lowest that is not.

    Args:
        axes: As from `axis_frame`.
        scores: As from `score_frame`; only complete candidates count.
        seed: Of the forests, the decoys and the candidates that are drawn.

    Returns:
        One row an axis that can be judged, with the columns that `IMPORTANCE_COLUMNS` explains, the greatest share
        first. No rows if candidates are too few or all equally accurate.

    Source: Hutter, Hoos and Leyton-Brown 2014, An Efficient Approach for Assessing Hyperparameter Importance (fANOVA);
    Kursa and Rudnicki 2010, Feature Selection with the Boruta Package (shadow attributes).
    """
    complete = scores.loc[scores["state"] == "complete"].set_index("variant")
    known = axes.loc[axes.index.intersection(complete.index, sort=False)]
    again = known.assign(key=complete["key"]).astype(str).duplicated()  # a candidate that was proposed twice
    known = known[~again.to_numpy()]
    active = known.notna()
    groups: dict[tuple[bool, ...], list[str]] = {}
    for name in varying(known):
        groups.setdefault(tuple(active[name]), []).append(name)
    rows: list[dict[str, Any]] = []
    for mask, names in groups.items():
        having = known[list(mask)]
        always = [name for name in varying(having) if having[name].notna().all()]
        accuracies = complete.loc[having.index, column(scores, "validation_metric")]
        accuracies = accuracies.clip(lower=lowest_usual(accuracies))  # else what learned nothing is all the variance
        judged = [name for name in names if name in always]
        if judged and len(having) >= FEWEST and accuracies.nunique() > 1:
            rows += _judged(having[always], accuracies, judged, np.random.default_rng(seed))
    frame: pd.DataFrame = pd.DataFrame(rows, columns=list(IMPORTANCE_COLUMNS))
    ranked: pd.DataFrame = frame.sort_values("share", ascending=False, kind="stable", ignore_index=True)
    return ranked


def _judged(
    axes: pd.DataFrame, accuracies: pd.Series[float], names: list[str], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Judge axes that all of these candidates have."""
    if len(axes) > MOST:
        drawn = np.sort(rng.choice(len(axes), MOST, replace=False))
        axes, accuracies = axes.iloc[drawn], accuracies.iloc[drawn]
    levels = {name: _levels(axes[name]) for name in varying(axes)}
    if not levels or accuracies.nunique() < 2:
        return []
    times = ceil(DECOYS / len(levels))
    shares = [_shares(levels, accuracies.tolist(), rng) for _ in range(times)]
    decoys = max(one[name] for one in shares for name in one if name not in levels)
    return [
        {
            "axis": name,
            "share": (share := float(np.mean([one[name] for one in shares]))),
            "share_by_chance": decoys,
            "beyond_chance": share > decoys,
            "candidates": len(axes),
            "levels": int(axes[name].nunique()),
        }
        for name in names
        if name in levels
    ]


def _levels(column: pd.Series) -> list[float]:
    """Return each level as its number, words in alphabetical order; of a range of many numbers, as that of its part.

    fANOVA integrates over a range evenly. So levels count the same however far apart they are. Words are not given to
    Optuna as words: it would make a column of each, which weighs a level as much as all others together, and take 2ᵏ
    steps for k of them.
    """
    if scale_of(column) == "words" or column.nunique() <= _BINS:
        return [float(code) for code in column.astype("category").cat.codes]
    return [float(place) for place in (places(column) * _BINS).astype(int).clip(upper=_BINS - 1)]


def _shares(levels: Mapping[str, list[float]], accuracies: list[float], rng: np.random.Generator) -> dict[str, float]:
    """Fit one forest to the axes and as many decoys, and return the shares of both; a decoy's name ends in '*'."""
    widest = max(levels.values(), key=lambda own: len(set(own)))
    columns = dict(levels)
    for name in levels:
        columns[f"{name}*"] = [widest[i] for i in rng.permutation(len(widest))]
    # half a step beyond the ends, so that these count as much as those between
    distributions: dict[str, BaseDistribution] = {
        name: FloatDistribution(min(own) - 0.5, max(own) + 0.5) for name, own in columns.items()
    }
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    trials = [
        create_trial(params=row, distributions=distributions, value=value)
        for row, value in zip(rows, accuracies, strict=True)
    ]
    forest = FanovaImportanceEvaluator(n_trees=TREES, seed=int(rng.integers(2**31)))
    with _quiet():
        study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))
        study.add_trials(trials)
        try:
            found = get_param_importances(study, evaluator=forest, normalize=False)
        except RuntimeError as problem:
            if "zero total variance" not in str(problem):
                raise
            return dict.fromkeys(columns, 0.0)  # no tree has drawn one of the few candidates that differ
    return {name: float(share) for name, share in found.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from telling of the study that is made in memory, and of what it calls experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


IMPORTANCE_COLUMNS = {  # `{label}` is what the metric is called
    "axis": "its name",
    "share": "of the variance of validation {label} that the axis explains by itself, from 0 to 1",
    "share_by_chance": "the most that a decoy explains: the levels of the axis with the most, shuffled among the "
    "candidates",
    "beyond_chance": "whether the axis explains more than every decoy",
    "candidates": "complete candidates that it was judged by: those that have the axis, of many some drawn at random",
    "levels": "different ones among these",
}
