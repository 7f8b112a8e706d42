"""What a page shows of single trials: the network, how it was trained, and its curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pandas as pd

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.naming import rows_of
from fishnet_search.evidence.wording import percent
from fishnet_search.report.curve import curve_svg
from fishnet_search.report.provenance import Facts
from fishnet_search.space.axes import label_of
from fishnet_search.spec.resolving import as_yaml
from fishnet_search.study.record import EVIDENCE, TrialRecord
from fishnet_search.task.figures import MEANINGS
from fishnet_search.train.recipe import Recipe

MOST_TRIALS = 200
"""Trials that a page shows one by one; the files with numbers have all."""


@dataclass(frozen=True)
class TrialDetail:
    """A trial as it is unfolded on a page."""

    anchor: str  # id on the page
    variant: str
    seed: int
    outcome: str  # in a few words
    facts: Facts
    curve: str | None  # an `<svg>` element without ids; None before the first epoch
    spec: str  # YAML


def trial_details(analysis: Analysis) -> tuple[TrialDetail, ...]:
    """Return the first `MOST_TRIALS` trials that have a record, those of compared variants first."""
    rank = {variant: i for i, variant in enumerate(analysis.effects["variant"])}
    ordered = sorted(analysis.records, key=lambda trial: rank.get(trial.variant, len(rank)))
    written = cache(as_yaml)  # seeds share their network
    shared = analysis.study.recipe
    return tuple(
        _detail(f"trial-{i}", trial, shared, written(trial.spec)) for i, trial in enumerate(ordered[:MOST_TRIALS], 1)
    )


def anchors(details: Sequence[TrialDetail], trials: pd.DataFrame) -> tuple[str | None, ...]:
    """Return where each row of `trial_frame` has its details on the page, if they are there."""
    found = {(detail.variant, detail.seed): detail.anchor for detail in details}
    return tuple(found.get((row.variant, row.seed)) for row in rows_of(trials))


def _detail(anchor: str, trial: TrialRecord, shared: Recipe, spec: str) -> TrialDetail:
    usual = dict(shared)
    other = {name: value for name, value in dict(trial.recipe).items() if value != usual[name]}
    told = {
        "levels": ", ".join(f"{axis} {label_of(level)}" for axis, level in trial.levels.items()),
        "best epoch": "" if trial.best_epoch is None else f"{trial.best_epoch} of {len(trial.epochs)}",
        "recipe": ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in other.items()) or "the study's",
        "figures of": trial.duplicate_of or "",
        "key": trial.key,
    }
    return TrialDetail(
        anchor=anchor,
        variant=trial.variant,
        seed=trial.seed,
        outcome=_outcome(trial),
        facts=tuple((what, value) for what, value in told.items() if value),
        curve=curve_svg(trial) if trial.epochs else None,
        spec=spec,
    )


def _outcome(trial: TrialRecord) -> str:
    if trial.state in EVIDENCE and trial.test is not None:
        return f"{trial.state}, {percent(trial.test[trial.metric])} % test {MEANINGS[trial.metric].label}"
    return f"{trial.state} after epoch {len(trial.epochs)}" if trial.epochs else trial.state
