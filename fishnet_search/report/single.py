"""What one variant does, in words: a report in which nothing is compared."""

from __future__ import annotations

from statistics import median
from typing import Any

from statsmodels.stats.proportion import proportion_confint

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.frames import evidence, rows_of
from fishnet_search.evidence.paired import LEVEL
from fishnet_search.evidence.wording import duration, listed, percent, points, seed_count
from fishnet_search.study.record import EVIDENCE, TrialRecord


def single_variant(analysis: Analysis) -> list[str]:
    """Tell figures, epochs, the way from training to test images, speed, and what the seeds cannot say."""
    effect = rows_of(analysis.effects)[0]
    trials = [one for one in analysis.records if one.variant == effect.variant and one.state in EVIDENCE]
    return [
        _figures(effect, trials),
        _choice_of_images(effect, analysis.study.data.test_images),
        _epochs(effect, trials),
        _train_to_test(analysis, effect),
        _speed(trials),
        *(_ONE_SEED if len(trials) == 1 else ()),
    ]


_ONE_SEED = (
    "One seed cannot say how much of this is chance: another would give other figures, and it takes two or more to "
    "tell by how much.",
)


def _figures(effect: Any, trials: list[TrialRecord]) -> str:
    if len(trials) == 1:
        top1, top5 = percent(effect.test_top1_mean), percent(effect.test_top5_mean)
        return f"{effect.variant} has {top1} % test top-1 and {top5} % top-5 with seed {trials[0].seed}."
    top1 = percent(effect.test_top1_mean, effect.test_top1_ci95)
    top5 = percent(effect.test_top5_mean, effect.test_top5_ci95)
    return f"{effect.variant} has {top1} % test top-1 and {top5} % top-5, means over {seed_count(len(trials))}."


def _choice_of_images(effect: Any, images: int) -> str:
    low, high = proportion_confint(effect.test_top1_mean * images, images, alpha=LEVEL, method="wilson")
    return (
        f"With other test images, as many ({images:,}) of the same kind, the same weights may have from "
        f"{percent(low)} to {percent(high)} % (95 % Wilson interval)."
    )


def _epochs(effect: Any, trials: list[TrialRecord]) -> str:
    best = [trial.best_epoch for trial in trials]
    made = [len(trial.epochs) for trial in trials]
    above = f"{points(effect.gap_best_last).lstrip('+')} points above the last"
    if len(trials) > 1:
        told = listed([f"{one} of {n}" for one, n in zip(best, made, strict=True)])
        return f"The best epochs by validation top-1 are {told}, on average {above}."
    if best == made:
        return f"The best epoch by validation top-1 is the last, {best[0]}, with {_validation(effect)} %."
    return f"The best epoch by validation top-1 is {best[0]} of {made[0]}, with {_validation(effect)} %, {above}."


def _validation(effect: Any) -> str:
    return percent(effect.validation_top1_mean)


def _train_to_test(analysis: Analysis, effect: Any) -> str:
    """Tell the gaps between the parts of the images at the best epochs."""
    complete = evidence(analysis.compared)[["variant", "seed", "best_epoch"]]
    of_best = ["variant", "seed", "best_epoch"]
    best = analysis.curves.merge(complete, left_on=["variant", "seed", "epoch"], right_on=of_best)
    train, validation, test = best["train_top1"].mean(), effect.validation_top1_mean, effect.test_top1_mean
    return (
        f"There top-1 is {percent(train)} % on training images (as they are augmented, while the weights move), "
        f"{percent(validation)} % on validation and {percent(test)} % on test images: "
        f"{points(validation - train)} and {points(test - validation)} points."
    )


def _speed(trials: list[TrialRecord]) -> str:
    speed = median(epoch.images_per_second for trial in trials for epoch in trial.epochs)
    times = [duration(bound([trial.wall_seconds for trial in trials])) for bound in (min, max)]
    took = f"The trial took {times[0]}" if len(trials) == 1 else f"The trials took {times[0]} to {times[1]}"
    return f"{took} on {trials[0].environment.device}, training {speed:,.0f} images a second (median over epochs)."
