"""The candidates that a search asks Optuna for, and how they come back after a run has ended in whatever way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from fishnet_search.engine.mirror import Mirror, Values
from fishnet_search.engine.plan import Plan
from fishnet_search.engine.searching import params_of, sampler_of, suggested
from fishnet_search.errors import SpaceError, StudyError
from fishnet_search.space.design import Search
from fishnet_search.study.record import RefusedRecord, TrialRecord, VariantRecord
from fishnet_search.study.store import trial_name
from fishnet_search.study.trial import Trial

MOST_REFUSED = 20
"""Infeasible suggestions for each candidate that is asked for, after which a search gives up."""


class Proposals:
    """Suggests candidates and keeps those that are tried in an Optuna study of their own."""

    def __init__(self, plan: Plan, design: Search, mirror: Mirror) -> None:
        self.design, self.mirror = design, mirror
        self._plan = plan

    def wants_more(self, tried: int, refused: int) -> bool:
        """Tell whether the search goes on after so many candidates."""
        known = max(tried, len(self.mirror.trials())) if self.mirror.shared else tried
        return known < self.design.candidates and refused < MOST_REFUSED * self.design.candidates

    def goes_on_elsewhere(self) -> bool:
        """Tell whether another machine still tries a candidate."""
        return self.mirror.shared and any(trial.state == TrialState.RUNNING for trial in self.mirror.trials().values())

    def ask(self) -> VariantRecord | RefusedRecord:
        """Return what the sampler suggests next; this process runs its first trial."""
        trial, levels = self._ask()
        name = f"c{trial.number:04d}"
        found = self._plan.variant(self._plan.space.candidate(levels, name))
        if isinstance(found, RefusedRecord):  # the sampler learns that it is bad
            trial.set_user_attr("refused", found.reason)
            self.mirror.study.tell(trial.number, state=TrialState.PRUNED)
        else:
            self.mirror.name(trial, Trial(found, self._plan.study.seeds[0]).name)
        return found

    def claim(self, trial: Trial) -> bool:
        """Tell whether this process is to run the first trial of a candidate that is known by its levels."""
        if trial.name in self.mirror.here:
            return True
        if self.mirror.shared and trial.name in self.mirror.trials():
            return False
        self._insert(trial.name, trial.variant.levels)
        return True

    def reconcile(self, records: Mapping[str, TrialRecord], values: Values) -> None:
        """Make Optuna agree with the records of first trials, with all that its samplers learn from."""
        for record in records.values():  # before Optuna wonders at levels that are none any longer
            self.variant(record.variant, record.levels)
        self.mirror.take_up()
        study = self.mirror.study
        while not self.mirror.shared and study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.tell(study.ask().number, state=TrialState.FAIL)  # a run was killed before it took what it had queued
        for record in self.mirror.missing(records):
            if record.trial not in self.mirror.here:
                self._insert(record.trial, record.levels)
            self.mirror.tell(record, values)
        numbers = [int(name[1]) for record in records.values() if (name := re.fullmatch(r"c(\d+)", record.variant))]
        while len(study.get_trials(deepcopy=False)) <= max(numbers, default=-1):
            study.add_trial(create_trial(state=TrialState.FAIL))  # no number, and so no name, is given twice

    def variant(self, name: str, levels: Mapping[str, Any]) -> VariantRecord:
        """Return a candidate that was tried before.

        Raises:
            StudyError: the space has no such candidate any longer.
        """
        try:
            found = self._plan.variant(self._plan.space.candidate(levels, name))
        except SpaceError as problem:
            raise self._other_space(name, str(problem)) from problem
        if isinstance(found, RefusedRecord):
            raise self._other_space(name, f"{found.where}: {found.reason}")
        return found

    def unrecorded(self, records: Mapping[str, TrialRecord]) -> list[VariantRecord]:
        """Return the candidates beside the baseline whose first trial was under way here and has left no record."""
        baseline = trial_name(self._plan.study.baseline, self._plan.study.seeds[0])
        return [
            self.variant(name.rpartition("-seed")[0], self._levels(trial))
            for name, trial in self.mirror.trials().items()
            if name in self.mirror.here and name not in records and name != baseline
        ]

    def _other_space(self, name: str, why: str) -> StudyError:
        return StudyError(
            f"study {self._plan.study.name}: {name} was tried in a space that has it no longer: {why}; "
            "give another --name, or change the space back"
        )

    def _levels(self, trial: FrozenTrial) -> dict[str, Any]:
        return dict(suggested(FixedTrial(trial.params), self._plan.space.axes))

    def _insert(self, name: str, levels: Mapping[str, Any]) -> None:
        self.mirror.study.enqueue_trial(params_of(levels, self._plan.space.axes))
        trial, _ = self._ask()
        self.mirror.name(trial, name)

    def _ask(self) -> tuple[optuna.Trial, dict[str, Any]]:
        study = self.mirror.study
        study.sampler = sampler_of(self.design, len(study.get_trials(deepcopy=False)))
        trial = study.ask()
        return trial, suggested(trial, self._plan.space.axes)
