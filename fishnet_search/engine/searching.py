"""Searches: which sampler suggests, what it is told of a trial, and which variants are the best in the end."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.trial import BaseTrial

from fishnet_search.engine.covariance import CovarianceAdaptation
from fishnet_search.engine.evolution import RegularisedEvolution
from fishnet_search.errors import StudyError
from fishnet_search.space.axes import Range, SpelledAxis, label_of
from fishnet_search.space.design import Level, Search
from fishnet_search.study.record import TrialRecord
from fishnet_search.task.figures import FIGURES

Values = Sequence[float]
"""What a trial came to by each objective, in their order."""

Losses = NDArray[np.float64]
"""The same, each turned so that less is better."""


def sampler_of(design: Search, number: int) -> BaseSampler:
    """Return the sampler of one suggestion.

    It is made anew for each, with a seed of its own, and keeps no state but in the storage: so a study that was killed
    goes on with the suggestions that it would have had.

    Args:
        design: the search.
        number: of the trial that is suggested.
    """
    seed = int(np.random.SeedSequence((design.seed, number)).generate_state(1)[0])
    return _SAMPLERS[design.kind](design.candidates, seed)


def _tpe(candidates: int, seed: int) -> TPESampler:
    with warnings.catch_warnings():  # all but the seed are experimental in some version, and the defaults differ
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(
            n_startup_trials=min(10, max(2, candidates // 4)),
            multivariate=True,
            group=True,  # of axes that are active together
            constant_liar=True,  # what is in flight is not suggested again
            seed=seed,
        )


def _nsga2(candidates: int, seed: int) -> NSGAIISampler:
    """Let the generations grow in size as in number: 6 in 3 of 20 candidates, 14 in 7 of 100, 31 in 16 of 500."""
    return NSGAIISampler(population_size=min(50, max(4, math.isqrt(2 * candidates))), seed=seed)


def _evolution(candidates: int, seed: int) -> RegularisedEvolution:
    """Draw a fifth of the candidates at random, and let half of the population compete.

    The paper has a population of 100 of 20,000 and lets a quarter compete; with tens of candidates that is too slow.
    """
    population = min(100, max(4, candidates // 5))
    return RegularisedEvolution(population=population, tournament=population // 2, seed=seed)


def _cmaes(candidates: int, seed: int) -> CovarianceAdaptation:
    return CovarianceAdaptation(seed=seed)


_SAMPLERS: Mapping[str, Callable[[int, int], BaseSampler]] = {
    "tpe": _tpe,
    "nsga2": _nsga2,
    "evolution": _evolution,
    "cmaes": _cmaes,
}


def suggested(trial: BaseTrial, axes: Mapping[str, SpelledAxis]) -> dict[str, Level]:
    """Return the levels that a trial of Optuna's has, or now gets, on the axes that are active."""
    levels: dict[str, Level] = {}
    for name, axis in axes.items():
        if axis.active(levels):
            levels[name] = _suggested(trial, axis)
    return levels


def _suggested(trial: BaseTrial, axis: SpelledAxis) -> Level:
    if axis.range is not None:
        number = _number(trial, axis.name, axis.range)
        return axis.baseline if number == axis.baseline else _as_written(number, axis.range)
    labels = axis.labels or ()
    label = trial.suggest_categorical(axis.name, labels)
    return (axis.levels or ())[labels.index(label)]


def _number(trial: BaseTrial, name: str, axis: Range) -> float:
    if axis.whole:
        return trial.suggest_int(name, int(axis.low), int(axis.high), step=int(axis.step or 1), log=axis.log)
    step = None if axis.step is None else float(axis.step)
    return trial.suggest_float(name, float(axis.low), float(axis.high), step=step, log=axis.log)


def _as_written(number: float, axis: Range) -> int | float:
    """Return a number without rounding errors, or of a continuous range with as many digits as other designs write."""
    if axis.size is not None:
        return axis.level(round((number - axis.low) / (axis.step or 1)))
    return min(max(float(f"{number:.6g}"), float(axis.low)), float(axis.high))


def params_of(levels: Mapping[str, Level], axes: Mapping[str, SpelledAxis]) -> dict[str, Any]:
    """Return levels as Optuna has them, from which `suggested` makes the same ones again."""
    return {name: level if axes[name].labels is None else label_of(level) for name, level in levels.items()}


def directions(objectives: Sequence[str]) -> list[str]:
    """Return which way each objective is better, in Optuna's words: figures the higher, costs the lower."""
    return ["maximize" if objective in FIGURES else "minimize" for objective in objectives]


def values_of(objectives: Sequence[str], record: TrialRecord) -> list[float]:
    """Return what a trial came to by each objective; figures are those on validation images, in the best epoch.

    Raises:
        StudyError: a record that says it is complete lacks a figure.
    """
    return [_value(objective, record) for objective in objectives]


def _value(objective: str, record: TrialRecord) -> float:
    if objective in FIGURES:
        value = None if record.best_validation is None else record.best_validation.get(objective)
    else:
        value = getattr(record, objective)
    if value is None:
        raise StudyError(
            f"trial {record.trial} is {record.state} but has no {objective}; delete its record and run again"
        )
    return float(value)


def finalists_of(values: Mapping[str, Values], objectives: Sequence[str], count: int) -> list[str]:
    """Return the best variants of a search, of several objectives those that spread along the front.

    Of several objectives, variants that no other one dominates come first, then those that only these dominate, and so
    on. Of a front that has more than are still wanted, that which is best by the first objective is taken, and then
    again and again that which is farthest from those taken; each objective's values on the front count as 0 to 1.

    Args:
        values: variant -> its figures by each objective.
        objectives: what the figures are.
        count: how many are wanted at most.

    Returns:
        Their names, the best first; of equals the first one.
    """
    signs = [-1 if direction == "maximize" else 1 for direction in directions(objectives)]
    losses = {variant: np.multiply(signs, figures) for variant, figures in values.items()}
    best: list[str] = []
    while len(best) < count and len(best) < len(losses):
        left = {variant: loss for variant, loss in losses.items() if variant not in best}
        front = [variant for variant, loss in left.items() if not any(map(_dominates(loss), left.values()))]
        best += _spread(front, losses, count - len(best))
    return best


def _dominates(loss: Losses) -> Callable[[Losses], bool]:
    """Return what tells of another variant's losses whether they are nowhere greater and somewhere smaller."""
    return lambda other: bool((other <= loss).all() and (other < loss).any())


def _spread(front: Sequence[str], losses: Mapping[str, Losses], count: int) -> list[str]:
    """Return so many of a front at most: the one of least first loss, then each as far as can be from those before."""
    if len(front) <= count:
        return sorted(front, key=lambda variant: losses[variant].tolist())
    points = np.array([losses[variant] for variant in front])
    widths = np.ptp(points, axis=0)
    points = points / np.where(widths > 0, widths, 1.0)
    taken = [min(range(len(front)), key=lambda one: points[one].tolist())]
    while len(taken) < count:
        distances = np.linalg.norm(points[:, None] - points[taken], axis=2).min(axis=1)
        distances[taken] = -1.0  # equal figures are no distance apart
        taken.append(int(distances.argmax()))
    return [front[one] for one in taken]
