"""A study's trials as TensorBoard shows them: one run a trial, with its figures an epoch, its levels and its test."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fishnet_search.study.record import LOSS, EpochRecord, RefusedRecord, TrialRecord

if TYPE_CHECKING:
    from tensorboardX.event_file_writer import EventsWriter

_ENDED = b"_hparams_/session_end_info"
"""The tag of the event that is written last."""


class TensorBoardLog:
    """An `Observer` that writes TENSORBOARD/TRIAL/events.out.tfevents.*.

    What the records have is written again whenever a trial begins or goes on, so that no step is there twice and none
    is missing, wherever the last run was cut off.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, EventsWriter] = {}

    def study_started(self, *, planned: int, done: Iterable[TrialRecord]) -> None:
        """See `Observer`."""
        for record in done:
            if not any(_ENDED in file.read_bytes() for file in _files(self._folder / record.trial)):
                self.trial_ended(record)

    def plan_changed(self, planned: int) -> None:
        """See `Observer`."""

    def trial_started(self, snapshot: TrialRecord) -> None:
        """See `Observer`."""
        self._begin(snapshot).flush()

    def epoch_ended(self, snapshot: TrialRecord) -> None:
        """See `Observer`."""
        writer = self._writers[snapshot.trial]
        _write_epochs(writer, snapshot, snapshot.epochs[-1:])
        writer.flush()

    def trial_ended(self, record: TrialRecord) -> None:
        """See `Observer`."""
        writer = self._writers[record.trial] if record.trial in self._writers else self._begin(record)
        if record.state != "interrupted":
            _write_end(writer, record)
        writer.close()
        self._writers.pop(record.trial, None)

    def candidate_refused(self, refusal: RefusedRecord) -> None:
        """See `Observer`."""

    def noticed(self, sentence: str) -> None:
        """See `Observer`."""

    def _begin(self, record: TrialRecord) -> EventsWriter:
        """Start the log of a trial anew with the epochs that it has."""
        from tensorboardX.event_file_writer import EventsWriter

        folder = self._folder / record.trial
        if record.trial in self._writers:  # its worker was lost
            self._writers[record.trial].close()
        for file in _files(folder):
            file.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        writer = self._writers[record.trial] = EventsWriter(str(folder / "events"))
        _write_epochs(writer, record, record.epochs)
        return writer


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.tfevents.*"))


def _write_epochs(writer: EventsWriter, record: TrialRecord, epochs: Iterable[EpochRecord]) -> None:
    for epoch in epochs:
        parts = {"train": epoch.train, "validation": epoch.validation}
        figures = {
            f"{name}/{part}": measured[name]
            for name in (LOSS, record.metric)
            for part, measured in parts.items()
            if name in measured
        } | {"learning_rate": epoch.learning_rate}
        _write(writer, _scalars(figures), step=epoch.epoch, at=_time_of(record, epoch.epoch))


def _write_end(writer: EventsWriter, record: TrialRecord) -> None:
    """Write the levels, the test figures of the best epoch, and that it is over."""
    from tensorboardX.summary import hparams

    best, test = record.best_validation, record.test
    figures = {f"test/{name}": figure for name, figure in (test or {}).items()}
    if best is not None:
        figures[f"best/validation_{record.metric}"] = best[record.metric]
    levels = {axis: _simple(level) for axis, level in record.levels.items()}
    about = levels | {"seed": record.seed, "params": record.params, "macs": record.macs, "state": record.state}
    step, at = record.best_epoch or 0, _time_of(record, len(record.epochs))
    for summary in (_scalars(figures), *hparams(about, figures)):
        _write(writer, summary, step=step, at=at)


def _write(writer: EventsWriter, summary: Any, *, step: int, at: float) -> None:
    from tensorboardX.proto.event_pb2 import Event

    writer.write_event(Event(wall_time=at, step=step, summary=summary))


def _scalars(figures: dict[str, float]) -> Any:
    from tensorboardX.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=figure) for tag, figure in figures.items()])


def _time_of(record: TrialRecord, epoch: int) -> float:
    """Return when an epoch was over, in seconds since 1970: the same whenever it is written."""
    seconds = sum(each.seconds for each in record.epochs[:epoch])
    return datetime.fromisoformat(record.started).timestamp() + seconds


def _simple(level: Any) -> str | int | float | bool:
    """Return a level as TensorBoard takes it: a list as its text."""
    return level if isinstance(level, (str, int, float, bool)) else str(level)
