"""Records as tidy frames: one row a trial, one row an epoch.

Accuracies stay fractions from 0 to 1, as in the records; only display turns them into per cent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fishnet_search.evidence.plan import all_trials, planned_trials, stopped_with
from fishnet_search.study.epochs import FIGURES, figures_of
from fishnet_search.study.record import EVIDENCE, StudyRecord, TrialRecord, VariantRecord

NOT_RUN = "not run"
MISSING = "missing"


def trial_frame(study: StudyRecord, trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return one row a trial: those planned, whether recorded or not, then those outside the plan.

    A planned trial without a record is `not run` if its variant was stopped early with an earlier seed, else `missing`.
    """
    recorded = {(trial.variant, trial.seed): trial for trial in trials}
    planned = set(planned_trials(study))
    variants = {variant.name: variant for variant in study.variants}
    stopped = stopped_with(study, trials)
    rows = []
    for variant, seed in all_trials(study, trials):
        key = {"variant": variant, "seed": seed, "planned": (variant, seed) in planned}
        trial = recorded.get((variant, seed))
        own = _trial_row(trial) if trial is not None else _unrecorded_row(variants[variant], seed, stopped, study)
        rows.append(key | own)
    frame: pd.DataFrame = (
        pd.DataFrame(rows, columns=list(TRIAL_COLUMNS))
        .astype({name: "float64" for name in TRIAL_COLUMNS if name.endswith(("_top1", "_top5", "_loss"))})
        .astype(dict.fromkeys(("epochs", "best_epoch", "test_images", "workers", "micro_batches"), "Int64"))
        .astype({"wall_seconds": "float64", "latency_ms": "float64"})
    )
    return frame


def evidence(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose figures count: trials that are complete, or have the figures of an equal one."""
    counted: pd.DataFrame = trials[trials["state"].isin(EVIDENCE)]
    return counted


def worth_of_an_image(trials: pd.DataFrame) -> float:
    """Return by how much one test image more or less changes a test figure: a fraction, 0 if no trial has figures."""
    images = evidence(trials)["test_images"].min()
    return 0.0 if pd.isna(images) else 1 / int(images)


def curve_frame(trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return one row an epoch of every trial, complete or not; a duplicate has the epochs of its equal."""
    none = np.empty((len(FIGURES), 0))
    figures = np.concatenate([none, *(figures_of(trial.epochs) for trial in trials)], axis=1)
    owners = np.repeat(np.arange(len(trials)), np.array([len(trial.epochs) for trial in trials], dtype=np.intp))
    of_trials = pd.DataFrame([(trial.variant, trial.seed, trial.state) for trial in trials], columns=_OF_TRIAL)
    columns = dict(of_trials.take(owners).reset_index(drop=True))
    columns |= {name: figures[FIGURES.index(field)] for name, field in _OF_EPOCH.items()}
    columns["epoch"] = columns["epoch"].astype("i8")
    frame: pd.DataFrame = pd.DataFrame(columns, copy=False)  # there may be a million rows
    return frame


def rows_of(frame: pd.DataFrame) -> list[Any]:
    """Return the rows as named tuples; their fields have the types of the columns, which type checkers cannot know."""
    return list(frame.itertuples(index=False))


def _trial_row(trial: TrialRecord) -> dict[str, Any]:
    best = _best_figures(trial)
    return {
        "state": trial.state,
        "params": trial.params,
        "macs": trial.macs,
        "activations": trial.activations,
        "latency_ms": trial.latency_ms,
        "epochs": len(trial.epochs),
        "best_epoch": trial.best_epoch,
        "validation_loss": best.get("validation.loss"),
        "validation_top1": best.get("validation.top1"),
        "validation_top5": best.get("validation.top5"),
        "test_loss": None if trial.test is None else trial.test.loss,
        "test_top1": None if trial.test is None else trial.test.top1,
        "test_top5": None if trial.test is None else trial.test.top5,
        "test_images": trial.data.test_images,
        "wall_seconds": trial.wall_seconds,
        "started": trial.started,
        "key": trial.key,
        "duplicate_of": trial.duplicate_of,
        "workers": trial.workers,
        "micro_batches": trial.micro_batches,
        "reason": None if trial.failure is None else f"{trial.failure.type}: {trial.failure.message}",
    }


def _best_figures(trial: TrialRecord) -> Mapping[str, float]:
    """Return the figures of the best epoch, none if there is no best."""
    if trial.best_epoch is None:
        return {}
    return dict(zip(FIGURES, figures_of(trial.epochs)[:, trial.best_epoch - 1].tolist(), strict=True))


def _unrecorded_row(
    variant: VariantRecord, seed: int, stopped: Mapping[str, int], study: StudyRecord
) -> dict[str, Any]:
    costs = {name: getattr(variant, name) for name in ("params", "macs", "activations", "latency_ms")}
    first = stopped.get(variant.name)
    if first is None or study.seeds.index(first) > study.seeds.index(seed):
        return {**costs, "state": MISSING}
    return {**costs, "state": NOT_RUN, "reason": f"its variant was stopped early with seed {first}"}


TRIAL_COLUMNS = {
    "variant": "name of the architecture, and of how it is trained",
    "seed": "of the trial's random numbers",
    "planned": "whether the study's present plan has this trial",
    "state": "complete, duplicate (has the figures of an equal trial), pruned (stopped early), failed, interrupted, "
    "not run (its variant was stopped early with an earlier seed) or missing",
    "params": "learned numbers",
    "macs": "multiply-accumulates of one image",
    "activations": "numbers that convolutions and linear layers put out for one image",
    "latency_ms": "measured with a batch of one image, where the study asks for it",
    "epochs": "passes over the training images that were made",
    "best_epoch": "chosen on validation top-1; the first is 1",
    "validation_loss": "of the best epoch",
    "validation_top1": "of the best epoch, fraction from 0 to 1",
    "validation_top5": "of the best epoch, fraction from 0 to 1",
    "test_loss": "of the best epoch's weights",
    "test_top1": "of the best epoch's weights, fraction from 0 to 1",
    "test_top5": "of the best epoch's weights, fraction from 0 to 1",
    "test_images": "that its study has: a test figure is a share of so many",
    "wall_seconds": "from start to end of the trial; of a duplicate, of the trial that was run",
    "started": "UTC, ISO 8601",
    "key": "SHA-256 over architecture, recipe, data, seed and workers: equal keys are one experiment",
    "duplicate_of": "the record that the figures are taken from, seen from the study's folder",
    "workers": "processes that trained it together",
    "micro_batches": "parts that each batch was split into after memory had run out; 1: it was not",
    "reason": "why there are no figures: type and message of a failure, or the seed the variant was stopped with",
}

_OF_TRIAL = ["variant", "seed", "state"]

_OF_EPOCH = {
    "epoch": "epoch",
    "learning_rate": "learning_rate",
    "train_loss": "train.loss",
    "train_top1": "train.top1",
    "train_top5": "train.top5",
    "validation_loss": "validation.loss",
    "validation_top1": "validation.top1",
    "validation_top5": "validation.top5",
    "seconds": "seconds",
}
"""Columns of curves -> fields of `EpochRecord`."""

CURVE_COLUMNS = {
    "variant": "name of the architecture, and of how it is trained",
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
