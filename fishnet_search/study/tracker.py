"""Keeping up with a study: sums up what an observer is told, and writes it for other processes to read."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from fishnet_search.study.progress import Best, Progress, ProgressRecord, Running, progress_file
from fishnet_search.study.record import RefusedRecord, State, TrialRecord

WRITE_SECONDS = 1.0
"""From one writing of the file to the next."""


class Tracker:
    """Sums up what an `Observer` is told.

    The time left is that of the epochs that are left, at the speed of the epochs that were done in this run. Trials
    that have not begun are expected to take as many epochs as those that have, of which some were pruned.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()  # what shows the progress does so from a thread of its own
        self._planned = 0
        self._ended: Counter[State] = Counter()
        self._refused = 0
        self._running: dict[str, TrialRecord] = {}
        self._bests: dict[str, Best] = {}  # of running trials
        self._best: Best | None = None  # of those that are over
        self._lengths = [0, 0]  # epochs and trials that trained them to the end, whoever set it
        self._epochs_here = 0
        self._began: float | None = None
        self._last_epoch = 0.0

    def study_started(self, *, planned: int, done: Iterable[TrialRecord]) -> None:
        """See `Observer`."""
        with self._lock:
            self._planned = planned
            for record in done:
                self._count(record)

    def plan_changed(self, planned: int) -> None:
        """See `Observer`."""
        with self._lock:
            self._planned = planned

    def trial_started(self, snapshot: TrialRecord) -> None:
        """See `Observer`."""
        with self._lock:
            self._began = self._clock() if self._began is None else self._began
            self._running[snapshot.trial] = snapshot
            if snapshot.epochs:
                self._bests[snapshot.trial] = _best(snapshot)

    def epoch_ended(self, snapshot: TrialRecord) -> None:
        """See `Observer`."""
        with self._lock:
            self._running[snapshot.trial] = snapshot
            self._bests[snapshot.trial] = _best(snapshot, self._bests.get(snapshot.trial))
            self._epochs_here += 1
            self._last_epoch = self._clock()

    def trial_ended(self, record: TrialRecord) -> None:
        """See `Observer`."""
        with self._lock:
            self._running.pop(record.trial, None)
            self._bests.pop(record.trial, None)
            if record.state != "interrupted":
                self._count(record)

    def candidate_refused(self, refusal: RefusedRecord) -> None:
        """See `Observer`."""
        with self._lock:
            self._refused += 1

    def noticed(self, sentence: str) -> None:
        """See `Observer`."""

    def progress(self) -> Progress:
        """Return how far the study is now."""
        with self._lock:
            return Progress(
                planned=self._planned,
                ended=dict(self._ended),
                refused=self._refused,
                best=self._best_so_far(),
                seconds_left=self._seconds_left(),
                running=tuple(map(_running, self._running.values())),
            )

    def _count(self, record: TrialRecord) -> None:
        self._ended[record.state] += 1
        if record.state in ("complete", "pruned"):  # what failed or cost nothing says nothing of those to come
            self._lengths[0] += len(record.epochs)
            self._lengths[1] += 1
        if record.state != "failed" and record.epochs:
            best = _best(record)
            if self._best is None or best.value > self._best.value:
                self._best = best

    def _best_so_far(self) -> Best | None:
        bests = [*([] if self._best is None else [self._best]), *self._bests.values()]
        return max(bests, key=lambda best: best.value, default=None)

    def _seconds_left(self) -> float | None:
        recipes = [snapshot.recipe.epochs for snapshot in self._running.values()]
        trials = self._lengths[1] + len(recipes)
        if self._began is None or self._last_epoch <= self._began or not trials:
            return None
        unbegun = max(0, self._planned - self._ended.total() - len(recipes))
        left = unbegun * (self._lengths[0] + sum(recipes)) / trials
        left += sum(recipes) - sum(len(snapshot.epochs) for snapshot in self._running.values())
        speed = self._epochs_here / (self._last_epoch - self._began)
        under_way = min(1.0, left, speed * (self._clock() - self._last_epoch))
        return (left - under_way) / speed


class ProgressFile(Tracker):
    """Writes the progress to a study's folder: at the start, at the end, and once a second between them.

    Only the process that holds the study's lock is told of its start, so no other one writes.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._started = _now()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="progress", daemon=True)

    def __enter__(self) -> ProgressFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.ident is not None:
            self._stop.set()
            self._thread.join()
            self._write()

    def study_started(self, *, planned: int, done: Iterable[TrialRecord]) -> None:
        """See `Observer`."""
        super().study_started(planned=planned, done=done)
        self._write()
        self._thread.start()

    def _write_on(self) -> None:
        while not self._stop.wait(WRITE_SECONDS):
            self._write()

    def _write(self) -> None:
        """Write the file whole; unlike a record it need not outlive a power cut, nor end a study on a full disk."""
        record = ProgressRecord(
            pid=os.getpid(), host=platform.node(), started=self._started, updated=_now(), progress=self.progress()
        )
        path = progress_file(self._folder)
        beside = path.with_name(f".{path.name}.partial")
        try:
            beside.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)


def _running(snapshot: TrialRecord) -> Running:
    last = snapshot.epochs[-1] if snapshot.epochs else None
    return Running(
        trial=snapshot.trial,
        epoch=len(snapshot.epochs),
        epochs=snapshot.recipe.epochs,
        value=None if last is None else last.validation[snapshot.metric],
        epoch_seconds=None if last is None else last.seconds,
    )


def _best(record: TrialRecord, before: Best | None = None) -> Best:
    """Return the best of a trial; of all its epochs, or of the last one and what was the best before it."""
    epochs = record.epochs if before is None else record.epochs[-1:]
    value = max(epoch.validation[record.metric] for epoch in epochs)
    if before is not None and before.value >= value:
        return before
    return Best(trial=record.trial, metric=record.metric, value=value)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
