"""Who is told how a study goes on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from fishnet_search.study.record import RefusedRecord, TrialRecord


class Observer(Protocol):
    """Is told how a study goes on, in the process that runs it."""

    def study_started(self, *, planned: int, done: Iterable[TrialRecord]) -> None:
        """Some of the planned trials may be over already; a search that is not over plans as many as it may need."""

    def plan_changed(self, planned: int) -> None:
        """There are more or fewer trials than planned, such as when a search tries no more candidates."""

    def trial_started(self, snapshot: TrialRecord) -> None:
        """A trial begins, or goes on from the epochs that it has; also once more after its worker was lost."""

    def epoch_ended(self, snapshot: TrialRecord) -> None:
        """A trial has passed over its training images once more."""

    def trial_ended(self, record: TrialRecord) -> None:
        """A trial is over, or is interrupted; its record is written."""

    def candidate_refused(self, refusal: RefusedRecord) -> None:
        """A search suggested what is infeasible; it counts as no trial."""

    def noticed(self, sentence: str) -> None:
        """Something that a person may want to know, such as a worker that was lost."""
