"""What the samplers of this package share: trials in order of merit, and ranges as the way from 0 to 1."""

from __future__ import annotations

import math

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

Range = FloatDistribution | IntDistribution


def judged(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have figures, the oldest first; what failed or was never trained has none."""
    over = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return [trial for trial in over if trial.state == TrialState.COMPLETE or trial.intermediate_values]


def merit(trial: FrozenTrial) -> tuple[float, ...]:
    """Return what is greater for the better of two trials: complete ones first, then those that were stopped later."""
    if trial.state == TrialState.COMPLETE:
        return (math.inf, trial.values[0])
    last = max(trial.intermediate_values)
    return (last, trial.intermediate_values[last])


def is_range(axis: BaseDistribution) -> bool:
    """Tell whether an axis is a range of more than one level."""
    return isinstance(axis, (FloatDistribution, IntDistribution)) and not axis.single()


def stride(axis: Range) -> float:
    """Return how far apart the levels of a range lie, if there are finitely many at equal distances; else 0."""
    return 0.0 if axis.step is None or axis.log else axis.step / (axis.high - axis.low)


def position_of(level: float, axis: Range) -> float:
    """Return where a level of a range lies: 0 is the lowest, 1 the highest."""
    low, high = _ends(axis)
    return ((math.log(level) if axis.log else level) - low) / (high - low)


def level_at(position: float, axis: Range) -> int | float:
    """Return the level at a position or next to it; what is below 0 or above 1 counts as the end."""
    low, high = _ends(axis)
    way = low + min(max(position, 0.0), 1.0) * (high - low)
    level = math.exp(way) if axis.log else way
    if axis.step is not None and not axis.log:
        level = axis.low + round((level - axis.low) / axis.step) * axis.step
    within = min(max(level, axis.low), axis.high)
    return round(within) if isinstance(axis, IntDistribution) else float(within)


def _ends(axis: Range) -> tuple[float, float]:
    """Return both ends, as logarithms where these count; a whole number then reaches from half below to half above."""
    half = 0.5 if axis.log and isinstance(axis, IntDistribution) else 0.0
    return (math.log(axis.low - half), math.log(axis.high + half)) if axis.log else (axis.low, axis.high)
