"""Records as tidy frames: one row a trial, one row an epoch.

Accuracies stay fractions from 0 to 1, as in the records; only display turns them into per cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

import pandas as pd

from fishnet_search.errors import StudyError
from fishnet_search.study.record import StudyRecord, TrialRecord


def in_order_of_plan(study: StudyRecord, trials: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Return the trials variant by variant and seed by seed as planned, those outside the plan last, by name."""
    rank = {key: i for i, key in enumerate(_keys(study, trials))}
    return tuple(sorted(trials, key=lambda trial: rank[trial.variant, trial.seed]))


def check_comparable(study: StudyRecord, trials: Sequence[TrialRecord]) -> None:
    """Refuse trials whose figures must not stand beside each other.

    Raises:
        StudyError: If no trial is complete, a complete one lacks its figures, one is there twice, or the trials differ
            in recipe, images or, within a variant, in architecture.
    """
    where = f"study {study.name!r}"
    twice = [key for key, n in Counter((trial.variant, trial.seed) for trial in trials).items() if n > 1]
    if twice:
        variant, seed = twice[0]
        raise StudyError(
            f"{where}: a variant has one trial a seed, but {variant!r} has more with seed {seed}; remove all but one"
        )
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        planned = len(study.variants) * len(study.seeds)
        raise StudyError(
            f"{where}: a report needs at least one complete trial, but of {planned} planned and {len(trials)} recorded "
            "ones there is none; run the study again"
        )
    specs = {trial.variant: trial.spec for trial in reversed(complete)}
    for trial in complete:
        rules = {
            "has the figures of its test images": trial.test is not None and trial.best_epoch is not None,
            "has the recipe of its study": trial.recipe == study.recipe,
            "has the images of its study": trial.data.fingerprint == study.data.fingerprint,
            "has the architecture of its variant's other trials": trial.spec == specs[trial.variant],
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise StudyError(
                f"{where}: a complete trial {broken[0]}, but {trial.trial!r} does not; remove its record and run the "
                "study again, or keep it in a study of its own"
            )


def trial_frame(study: StudyRecord, trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return one row a trial: those planned, whether recorded or not (state `missing`), then those outside the plan."""
    recorded = {(trial.variant, trial.seed): trial for trial in trials}
    planned = set(product((variant.name for variant in study.variants), study.seeds))
    costs = {variant.name: (variant.params, variant.macs) for variant in study.variants}
    rows = []
    for variant, seed in _keys(study, trials):
        key = {"variant": variant, "seed": seed, "planned": (variant, seed) in planned}
        trial = recorded.get((variant, seed))
        if trial is None:
            params, macs = costs[variant]
            rows.append({**key, "state": "missing", "params": params, "macs": macs})
        else:
            rows.append({**key, **_trial_row(trial)})
    frame: pd.DataFrame = (
        pd.DataFrame(rows, columns=list(TRIAL_COLUMNS))
        .astype({name: "float64" for name in TRIAL_COLUMNS if name.endswith(("_top1", "_top5", "_loss"))})
        .astype({"best_epoch": "Int64", "wall_seconds": "float64"})
    )
    return frame


def curve_frame(trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return one row an epoch of every trial, complete or not."""
    rows = [
        {
            "variant": trial.variant,
            "seed": trial.seed,
            "state": trial.state,
            "epoch": epoch.epoch,
            "learning_rate": epoch.learning_rate,
            "train_loss": epoch.train.loss,
            "train_top1": epoch.train.top1,
            "train_top5": epoch.train.top5,
            "validation_loss": epoch.validation.loss,
            "validation_top1": epoch.validation.top1,
            "validation_top5": epoch.validation.top5,
            "seconds": epoch.seconds,
        }
        for trial in trials
        for epoch in trial.epochs
    ]
    frame: pd.DataFrame = pd.DataFrame(rows, columns=list(CURVE_COLUMNS))
    return frame


def rows_of(frame: pd.DataFrame) -> list[Any]:
    """Return the rows as named tuples; their fields have the types of the columns, which type checkers cannot know."""
    return list(frame.itertuples(index=False))


def _keys(study: StudyRecord, trials: Sequence[TrialRecord]) -> list[tuple[str, int]]:
    """Return variant and seed of all trials: first the plan in its order, then the others in alphabetical order."""
    planned = list(product((variant.name for variant in study.variants), study.seeds))
    return planned + sorted({(trial.variant, trial.seed) for trial in trials} - set(planned))


def _trial_row(trial: TrialRecord) -> dict[str, Any]:
    validation = trial.best_validation
    return {
        "state": trial.state,
        "params": trial.params,
        "macs": trial.macs,
        "best_epoch": trial.best_epoch,
        "validation_loss": None if validation is None else validation.loss,
        "validation_top1": None if validation is None else validation.top1,
        "validation_top5": None if validation is None else validation.top5,
        "test_loss": None if trial.test is None else trial.test.loss,
        "test_top1": None if trial.test is None else trial.test.top1,
        "test_top5": None if trial.test is None else trial.test.top5,
        "wall_seconds": trial.wall_seconds,
        "started": trial.started,
        "error": None if trial.failure is None else f"{trial.failure.type}: {trial.failure.message}",
    }


TRIAL_COLUMNS = {
    "variant": "name of the architecture",
    "seed": "of the trial's random numbers",
    "planned": "whether the study's present plan has this trial",
    "state": "complete, failed, interrupted or missing",
    "params": "learned numbers",
    "macs": "multiply-accumulates of one image",
    "best_epoch": "chosen on validation top-1; the first is 1",
    "validation_loss": "of the best epoch",
    "validation_top1": "of the best epoch, fraction from 0 to 1",
    "validation_top5": "of the best epoch, fraction from 0 to 1",
    "test_loss": "of the best epoch's weights",
    "test_top1": "of the best epoch's weights, fraction from 0 to 1",
    "test_top5": "of the best epoch's weights, fraction from 0 to 1",
    "wall_seconds": "from start to end of the trial",
    "started": "UTC, ISO 8601",
    "error": "type and message of a failure",
}

CURVE_COLUMNS = {
    "variant": "name of the architecture",
    "seed": "of the trial's random numbers",
    "state": "of the trial",
    "epoch": "the first is 1",
    "learning_rate": "of this epoch",
    "train_loss": "mean while the weights move",
    "train_top1": "while the weights move, fraction from 0 to 1",
    "train_top5": "while the weights move, fraction from 0 to 1",
    "validation_loss": "after the epoch",
    "validation_top1": "after the epoch, fraction from 0 to 1",
    "validation_top5": "after the epoch, fraction from 0 to 1",
    "seconds": "wall time of the epoch",
}
