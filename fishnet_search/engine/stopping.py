"""Early stopping: a trial whose validation figure lags behind that of others at the same epoch ends there.

Sources: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning, arXiv 1810.05934 (ASHA), and Li et al.
2018, Hyperband, arXiv 1603.06560, as Optuna has them: a trial that is stopped does not go on later.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import optuna
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import RandomSampler

from fishnet_search.space.design import Stop
from fishnet_search.study.record import TrialRecord


@dataclass(frozen=True)
class _Runner:
    """A trial among those that it is compared with."""

    trial: optuna.Trial
    verdicts: list[bool]  # of each epoch so far: whether the trial goes on after it


class Stopping:
    """Decides after every epoch whether a trial goes on.

    After `first`, `first` × `keep`, `first` × `keep`² ... epochs a trial goes on if its validation figure is in the
    best one of `keep` parts of those that have come as far, itself included; while these are fewer than `keep`, if none
    is better. Hyperband lets some variants, chosen by their names, skip the first of these hurdles. After its last
    epoch no trial is stopped.

    Trials are compared only with those that have the same seed, and the same number of epochs before them: a learning
    rate that falls faster makes a trial look better early on. So one that is alone in this runs to its end.

    The state is no more than what records have, and is read off them. All figures count, whatever became of the trial.
    What was decided stands, also if a trial comes to the same epoch again because its worker was lost.
    """

    def __init__(self, rule: Stop | None, records: Iterable[TrialRecord]) -> None:
        """Begin, or go on, with the records that a study has; without a rule no trial is stopped."""
        self._rule = rule
        self._races: dict[tuple[int, int, int], optuna.Study] = {}
        self._runners: dict[str, _Runner] = {}
        for record in sorted(records, key=lambda record: record.state in {"failed", "interrupted"}):
            self.ended(record)  # what is over is there before what will be judged again

    def goes_on(self, snapshot: TrialRecord) -> bool:
        """Tell whether a trial goes on after the epochs that it has so far."""
        if self._rule is None or not 0 < len(snapshot.epochs) < snapshot.recipe.epochs:
            return True
        return self._judged(snapshot, self._rule)[len(snapshot.epochs) - 1]

    def ended(self, record: TrialRecord) -> None:
        """Take note of what a trial has come to."""
        if self._rule is not None:
            self._judged(record, self._rule)

    def _judged(self, record: TrialRecord, rule: Stop) -> list[bool]:
        """Return the verdicts on all epochs but the last; new is only that on epochs that are new."""
        if record.trial not in self._runners:
            self._runners[record.trial] = _Runner(self._race(record, rule).ask(), [])
        trial, verdicts = self._runners[record.trial].trial, self._runners[record.trial].verdicts
        for epoch in record.epochs[len(verdicts) : record.recipe.epochs - 1]:
            trial.report(epoch.validation[record.metric], epoch.epoch)
            verdicts.append(not trial.should_prune())
        return verdicts

    def _race(self, record: TrialRecord, rule: Stop) -> optuna.Study:
        """Return those whom a trial is compared with, as a study of Optuna's in memory."""
        bracket = 0 if rule.kind == "asha" else bracket_of(record.variant, rule, record.recipe.epochs)
        race = (record.seed, record.recipe.epochs, bracket)
        if race not in self._races:
            pruner = SuccessiveHalvingPruner(
                min_resource=_first(rule, record.recipe.epochs),
                reduction_factor=rule.keep,
                min_early_stopping_rate=bracket,
            )
            self._races[race] = optuna.create_study(direction="maximize", pruner=pruner, sampler=RandomSampler(seed=0))
        return self._races[race]


def bracket_of(variant: str, rule: Stop, epochs: int) -> int:
    """Return how many hurdles a variant skips: by its name, so that it is the same in every run.

    Optuna's own Hyperband goes by the number of a trial, which depends on the order of arrival. The brackets have the
    sizes that the paper gives them: n = ⌈(s_max + 1) / (s + 1) × keep^s⌉ trials for s hurdles.
    """
    most = 0
    while _first(rule, epochs) * rule.keep ** (most + 1) <= epochs:
        most += 1
    sizes = [math.ceil((most + 1) / (hurdles + 1) * rule.keep**hurdles) for hurdles in range(most, -1, -1)]
    place = zlib.crc32(variant.encode()) % sum(sizes)
    return next(bracket for bracket in range(len(sizes)) if place < sum(sizes[: bracket + 1]))


def _first(rule: Stop, epochs: int) -> int:
    """Return the epochs before the first hurdle."""
    return rule.first or max(1, epochs // 9)
