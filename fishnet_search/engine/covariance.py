"""CMA-ES over the ranges of a space, whose state is read off the trials.

Optuna has a sampler for this, which keeps its state pickled in the storage. What is unpickled can run any code, and a
study folder or a database may have been written by someone else: so nothing is kept there at all. Every suggestion
replays the generations from the figures of the trials, which takes 0.4 ms a trial.

Source: Hansen 2016, The CMA Evolution Strategy: A Tutorial, arXiv 1604.00772, and for whole numbers and steps Hamano et
al. 2022, CMA-ES with Margin, arXiv 2205.13482, both as in the library `cmaes`. Unlike there, the strategy is told the
levels that trials had rather than the points that were rounded to them, so that any trial can be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from cmaes import CMAwM
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from fishnet_search.engine.sampling import Range, is_range, judged, level_at, merit, position_of, stride

STEP_SIZE = 0.2
"""Standard deviation of the first generation around the middle of each range, as a part of it."""


class CovarianceAdaptation(BaseSampler):
    """Suggests a draw from the distribution that the trials so far lead to.

    Trials in the order of their numbers make the generations; of several in flight, one may belong to a generation
    after that which it was drawn from, and counts like the others there. Only their order of merit matters, so that
    trials that were stopped early count too. Failed and infeasible ones do not. Axes that are lists, or that are not
    active in all trials, are drawn at random.
    """

    def __init__(self, *, seed: int) -> None:
        """Make the sampler of one suggestion, with the seed of its draws."""
        self._seed = seed
        self._random = RandomSampler(seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the ranges that all trials so far have; the first of them, the baseline, may still run."""
        begun = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
        spaces = [other.distributions for other in study.get_trials(deepcopy=False, states=begun) if other.params]
        shared = set(spaces[0]).intersection(*spaces) if spaces else ()
        return {name: spaces[-1][name] for name in sorted(shared) if is_range(spaces[-1][name])}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a level of each range."""
        ranges: dict[str, Any] = search_space
        if not ranges:
            return {}
        position, _ = _replayed(judged(study), ranges, self._seed).ask()
        return {name: level_at(at, axis) for (name, axis), at in zip(ranges.items(), position.tolist(), strict=True)}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw a level of an axis that the strategy does not know."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def _replayed(trials: list[FrozenTrial], ranges: Mapping[str, Range], seed: int) -> CMAwM:
    """Return the strategy after all generations that the trials fill."""
    strategy = CMAwM(
        mean=np.full(len(ranges), 0.5),
        sigma=STEP_SIZE,
        bounds=np.tile([0.0, 1.0], (len(ranges), 1)),
        steps=np.array([stride(axis) for axis in ranges.values()]),
        seed=seed,
    )
    size = strategy.population_size
    for first in range(0, len(trials) - size + 1, size):
        ranked = sorted(trials[first : first + size], key=merit, reverse=True)
        points = (
            np.array([position_of(trial.params[name], axis) for name, axis in ranges.items()]) for trial in ranked
        )
        strategy.tell([(point, float(rank)) for rank, point in enumerate(points)])
    return strategy
