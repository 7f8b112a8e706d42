"""Several observers of one study."""

from __future__ import annotations

from collections.abc import Iterable

from fishnet_search.engine.observer import Observer
from fishnet_search.study.record import RefusedRecord, TrialRecord


class Together:
    """Tells several observers, in their order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def study_started(self, *, planned: int, done: Iterable[TrialRecord]) -> None:
        """See `Observer`."""
        records = tuple(done)
        for observer in self._observers:
            observer.study_started(planned=planned, done=records)

    def plan_changed(self, planned: int) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.plan_changed(planned)

    def trial_started(self, snapshot: TrialRecord) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.trial_started(snapshot)

    def epoch_ended(self, snapshot: TrialRecord) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.epoch_ended(snapshot)

    def trial_ended(self, record: TrialRecord) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.trial_ended(record)

    def candidate_refused(self, refusal: RefusedRecord) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.candidate_refused(refusal)

    def noticed(self, sentence: str) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.noticed(sentence)
