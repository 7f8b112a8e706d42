"""Regularised evolution: the fittest of a few has a child that differs in one axis; the oldest die, not the worst.

Source: Real et al. 2019, Regularized Evolution for Image Classifier Architecture Search, arXiv 1802.01548, Algorithm 1.
There all levels are names, and a mutation draws any other one; here a level of a range moves by a random part of it.
A trial that was stopped early counts as one that is worse than all complete ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from fishnet_search.engine.sampling import Range, judged, level_at, merit, position_of, stride

SPREAD = 0.2
"""Standard deviation of a mutation along a range, as a part of it."""


class RegularisedEvolution(BaseSampler):
    """Suggests the child of one of the last trials; until there are enough of them, draws at random.

    Nothing is kept between suggestions or written to the storage: the population is read off the trials. An axis that
    a mutation makes active is drawn at random.
    """

    def __init__(self, *, population: int, tournament: int, seed: int) -> None:
        """Make the sampler of one suggestion.

        Args:
            population: number of the last trials, any of which may be a parent (P in the paper).
            tournament: how many of them are drawn, the fittest of which is the parent (S in the paper).
            seed: of all draws.
        """
        self._population = population
        self._tournament = tournament
        self._rng = np.random.default_rng(seed)
        self._random = RandomSampler(seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return every axis that a parent has."""
        return {name: axis for parent in self._parents(study) for name, axis in parent.distributions.items()}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the levels of a parent with one of them mutated; none while there are too few parents."""
        parents = self._parents(study)
        if not parents:
            return {}
        drawn = [parents[i] for i in self._rng.integers(len(parents), size=self._tournament)]
        parent = max(drawn, key=lambda each: (merit(each), each.number))
        return _mutated(parent.params, parent.distributions, self._rng)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw a level of an axis that the parent does not have."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _parents(self, study: optuna.Study) -> Sequence[FrozenTrial]:
        alive = judged(study)[-self._population :]
        return alive if len(alive) == self._population else ()


def _mutated(
    params: Mapping[str, Any], axes: Mapping[str, BaseDistribution], rng: np.random.Generator
) -> dict[str, Any]:
    """Return the levels with one of them changed, if any axis has another level to offer."""
    free = sorted(name for name, axis in axes.items() if not axis.single())
    if not free:
        return dict(params)
    name = free[rng.integers(len(free))]
    axis = axes[name]
    if isinstance(axis, CategoricalDistribution):
        others = [choice for choice in axis.choices if choice != params[name]]
        return {**params, name: others[rng.integers(len(others))]}
    assert isinstance(axis, (FloatDistribution, IntDistribution))
    return {**params, name: _moved(params[name], axis, rng)}


def _moved(level: float, axis: Range, rng: np.random.Generator) -> int | float:
    """Return another level of a range, near rather than far."""
    at = position_of(level, axis)
    for _ in range(100):  # a level that is not the same is soon found, but for a range that is all but one number
        moved = level_at(_folded(rng.normal(at, max(SPREAD, stride(axis)))), axis)
        if moved != level:
            return moved
    return level


def _folded(position: float) -> float:
    """Return a position between 0 and 1, to which what lies outside is thrown back from the end that it passed."""
    return 1 - abs(1 - position % 2)
