"""Records as tidy frames: one row a trial, one row an epoch.

Figures stay fractions from 0 to 1, as in the records; only display turns them into per cent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fishnet_search.evidence.naming import measured, metric_of, names_of
from fishnet_search.evidence.plan import all_trials, planned_trials, stopped_with
from fishnet_search.study.epochs import figures_of
from fishnet_search.study.epochs import rows_of as fields_of
from fishnet_search.study.record import EVIDENCE, LOSS, StudyRecord, TrialRecord, VariantRecord
from fishnet_search.task.figures import OF_TASK, Figure, task_of

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
    figures, rows = measured(study, trials), []
    for variant, seed in all_trials(study, trials):
        key = {"variant": variant, "seed": seed, "planned": (variant, seed) in planned}
        trial = recorded.get((variant, seed))
        own = _trial_row(trial) if trial is not None else _unrecorded_row(variants[variant], seed, stopped, study)
        rows.append(key | own)
    parts = [f"{part}_{name}" for part in ("validation", "test") for name in (LOSS, *figures)]
    whole = pd.DataFrame(rows, columns=names_of(TRIAL_COLUMNS, figures)).astype(dict.fromkeys(parts, "float64"))
    frame: pd.DataFrame = (
        _without_losses(whole, study)
        .astype(dict.fromkeys(("epochs", "best_epoch", "test_images", "workers", "micro_batches"), "Int64"))
        .astype({"wall_seconds": "float64", "latency_ms": "float64"})
    )
    return frame


def evidence(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose figures count: trials that are complete, or have the figures of an equal one."""
    counted: pd.DataFrame = trials[trials["state"].isin(EVIDENCE)]
    return counted


def worth_of_an_image(trials: pd.DataFrame) -> float:
    """Return by how much one test image more or less changes a test figure: a fraction, 0 if no trial has figures.

    Only classification counts whole images; of other tasks it is 0 as well.
    """
    if metric_of(trials) not in OF_TASK["classification"]:
        return 0.0
    images = evidence(trials)["test_images"].min()
    return 0.0 if pd.isna(images) else 1 / int(images)


def curve_frame(trials: Sequence[TrialRecord], figures: Sequence[Figure] = OF_TASK["classification"]) -> pd.DataFrame:
    """Return one row an epoch of every trial, complete or not; a duplicate has the epochs of its equal.

    Args:
        trials: Of one task.
        figures: As from `measured`.
    """
    task = task_of(figures[0]) if not trials else trials[0].task.kind
    fields = fields_of(task)
    none = np.empty((len(fields), 0))
    numbers = np.concatenate([none, *(figures_of(trial.epochs, task) for trial in trials)], axis=1)
    owners = np.repeat(np.arange(len(trials)), np.array([len(trial.epochs) for trial in trials], dtype=np.intp))
    of_trials = pd.DataFrame([(trial.variant, trial.seed, trial.state) for trial in trials], columns=_OF_TRIAL)
    columns = dict(of_trials.take(owners).reset_index(drop=True))
    columns |= {name: numbers[fields.index(field)] for name, field in _of_epoch(figures).items() if field in fields}
    if task != "classification" and np.isnan(columns["validation_loss"]).all():
        del columns["validation_loss"]
    columns["epoch"] = columns["epoch"].astype("i8")
    frame: pd.DataFrame = pd.DataFrame(columns, copy=False)  # there may be a million rows
    return frame


def _without_losses(trials: pd.DataFrame, study: StudyRecord) -> pd.DataFrame:
    """Leave out the losses that a task has not."""
    losses = [f"validation_{LOSS}", f"test_{LOSS}"] if study.task.kind != "classification" else []
    kept: pd.DataFrame = trials.drop(columns=[name for name in losses if trials[name].isna().all()])
    return kept


def _trial_row(trial: TrialRecord) -> dict[str, Any]:
    parts = {"validation": _best_figures(trial), "test": trial.test or {}}
    return {
        "state": trial.state,
        "params": trial.params,
        "macs": trial.macs,
        "activations": trial.activations,
        "latency_ms": trial.latency_ms,
        "epochs": len(trial.epochs),
        "best_epoch": trial.best_epoch,
        **{f"{part}_{name}": figure for part, figures in parts.items() for name, figure in figures.items()},
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
    task, prefix = trial.task.kind, "validation."
    best = figures_of(trial.epochs, task)[:, trial.best_epoch - 1].tolist()
    fields = zip(fields_of(task), best, strict=True)
    return {name.removeprefix(prefix): figure for name, figure in fields if name.startswith(prefix)}


def _unrecorded_row(
    variant: VariantRecord, seed: int, stopped: Mapping[str, int], study: StudyRecord
) -> dict[str, Any]:
    costs = {name: getattr(variant, name) for name in ("params", "macs", "activations", "latency_ms")}
    first = stopped.get(variant.name)
    if first is None or study.seeds.index(first) > study.seeds.index(seed):
        return {**costs, "state": MISSING}
    return {**costs, "state": NOT_RUN, "reason": f"its variant was stopped early with seed {first}"}


TRIAL_COLUMNS = {  # for `explained`
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
    "best_epoch": "chosen on validation {label}; the first is 1",
    "validation_loss": "of the best epoch",
    "validation_{metric}": "of the best epoch, fraction from 0 to 1",
    "validation_{other}": "of the best epoch, fraction from 0 to 1",
    "test_loss": "of the best epoch's weights",
    "test_{metric}": "of the best epoch's weights, fraction from 0 to 1",
    "test_{other}": "of the best epoch's weights, fraction from 0 to 1",
    "test_images": "that its study has{share}",
    "wall_seconds": "from start to end of the trial; of a duplicate, of the trial that was run",
    "started": "UTC, ISO 8601",
    "key": "SHA-256 over architecture, recipe, data, seed and workers: equal keys are one experiment",
    "duplicate_of": "the record that the figures are taken from, seen from the study's folder",
    "workers": "processes that trained it together",
    "micro_batches": "parts that each batch was split into after memory had run out; 1: it was not",
    "reason": "why there are no figures: type and message of a failure, or the seed the variant was stopped with",
}

_OF_TRIAL = ["variant", "seed", "state"]


def _of_epoch(figures: Sequence[Figure]) -> dict[str, str]:
    """Return columns of curves -> fields of `EpochRecord`."""
    names = (LOSS, *figures)
    parts = {f"{part}_{name}": f"{part}.{name}" for part in ("train", "validation") for name in names}
    return {"epoch": "epoch", "learning_rate": "learning_rate", **parts, "seconds": "seconds"}


CURVE_COLUMNS = {  # for `explained`
    "variant": "name of the architecture, and of how it is trained",
    "seed": "of the trial's random numbers",
    "state": "of the trial",
    "epoch": "the first is 1",
    "learning_rate": "of this epoch",
    "train_loss": "mean while the weights move",
    "train_{metric}": "while the weights move, fraction from 0 to 1",
    "train_{other}": "while the weights move, fraction from 0 to 1",
    "validation_loss": "after the epoch",
    "validation_{metric}": "after the epoch, fraction from 0 to 1",
    "validation_{other}": "after the epoch, fraction from 0 to 1",
    "seconds": "wall time of the epoch",
}
