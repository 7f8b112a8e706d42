"""What one variant does, in words: a report in which nothing is compared."""

from __future__ import annotations

from statistics import median
from typing import Any

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.frames import evidence
from fishnet_search.evidence.naming import figures_in, rows_of
from fishnet_search.evidence.paired import LEVEL
from fishnet_search.evidence.wording import duration, listed, percent, points, seed_count
from fishnet_search.study.record import EVIDENCE, TrialRecord
from fishnet_search.task.figures import MEANINGS


def single_variant(analysis: Analysis) -> list[str]:
    """Tell figures, epochs, the way from training to test images, speed, and what the seeds cannot say."""
    effect = rows_of(analysis.effects)[0]
    trials = [one for one in analysis.records if one.variant == effect.variant and one.state in EVIDENCE]
    return [
        _figures(analysis.effects, trials),
        *_choice_of_images(analysis, effect),
        _epochs(effect, trials, _label(analysis)),
        _train_to_test(analysis, effect),
        _speed(trials),
        *(_ONE_SEED if len(trials) == 1 else ()),
    ]


_ONE_SEED = (
    "One seed cannot say how much of this is chance: another would give other figures, and it takes two or more to "
    "tell by how much.",
)


def _label(analysis: Analysis) -> str:
    return MEANINGS[analysis.study.metric].label


def _figures(effects: pd.DataFrame, trials: list[TrialRecord]) -> str:
    alone, told = len(trials) == 1, []
    for figure in figures_in(effects):
        half = None if alone else effects[f"test_{figure}_ci95"].iloc[0]
        told.append(f"{percent(effects[f'test_{figure}_mean'].iloc[0], half)} % {MEANINGS[figure].label}")
    told[0] = told[0].replace(" % ", " % test ", 1)
    over = f" with seed {trials[0].seed}" if alone else f", means over {seed_count(len(trials))}"
    said = f"{', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else told[0]
    return f"{effects['variant'].iloc[0]} has {said}{over}."


def _choice_of_images(analysis: Analysis, effect: Any) -> list[str]:
    """Tell how far other images may lead; only of classification a figure is a share of so many."""
    if analysis.study.task.kind != "classification":
        return []
    images = analysis.study.data.test_images
    low, high = proportion_confint(effect.test_metric_mean * images, images, alpha=LEVEL, method="wilson")
    return [
        f"With other test images, as many ({images:,}) of the same kind, the same weights may have from "
        f"{percent(low)} to {percent(high)} % (95 % Wilson interval)."
    ]


def _epochs(effect: Any, trials: list[TrialRecord], label: str) -> str:
    best = [trial.best_epoch for trial in trials]
    made = [len(trial.epochs) for trial in trials]
    above = f"{points(effect.gap_best_last).lstrip('+')} points above the last"
    if len(trials) > 1:
        told = listed([f"{one} of {n}" for one, n in zip(best, made, strict=True)])
        return f"The best epochs by validation {label} are {told}, on average {above}."
    if best == made:
        return f"The best epoch by validation {label} is the last, {best[0]}, with {_validation(effect)} %."
    return f"The best epoch by validation {label} is {best[0]} of {made[0]}, with {_validation(effect)} %, {above}."


def _validation(effect: Any) -> str:
    return percent(effect.validation_metric_mean)


def _train_to_test(analysis: Analysis, effect: Any) -> str:
    """Tell the gaps between the parts of the images at the best epochs."""
    complete = evidence(analysis.compared)[["variant", "seed", "best_epoch"]]
    of_best = ["variant", "seed", "best_epoch"]
    best = analysis.curves.merge(complete, left_on=["variant", "seed", "epoch"], right_on=of_best)
    validation, test = effect.validation_metric_mean, effect.test_metric_mean
    if f"train_{analysis.study.metric}" not in best:
        return (
            f"There {_label(analysis)} is {percent(validation)} % on validation and {percent(test)} % on test images: "
            f"{points(test - validation)} points."
        )
    train = best[f"train_{analysis.study.metric}"].mean()
    return (
        f"There {_label(analysis)} is {percent(train)} % on training images (as they are augmented, while the weights "
        f"move), {percent(validation)} % on validation and {percent(test)} % on test images: "
        f"{points(validation - train)} and {points(test - validation)} points."
    )


def _speed(trials: list[TrialRecord]) -> str:
    speed = median(epoch.images_per_second for trial in trials for epoch in trial.epochs)
    times = [duration(bound([trial.wall_seconds for trial in trials])) for bound in (min, max)]
    took = f"The trial took {times[0]}" if len(trials) == 1 else f"The trials took {times[0]} to {times[1]}"
    return f"{took} on {trials[0].environment.device}, training {speed:,.0f} images a second (median over epochs)."
