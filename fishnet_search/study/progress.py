"""How far a study is: what the process that runs it tells others."""

from __future__ import annotations

import fcntl
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from fishnet_search.errors import StudyError
from fishnet_search.spec.value import Value
from fishnet_search.study.record import State
from fishnet_search.task.figures import Figure


class Best(Value):
    """The highest validation figure so far, and whose it is."""

    trial: str
    metric: Figure
    value: float


class Running(Value):
    """A trial under way."""

    trial: str
    epoch: int  # passes that are over
    epochs: int  # that its recipe asks for
    value: float | None  # validation, of the last pass, by the study's metric
    epoch_seconds: float | None  # of the last pass


class Progress(Value):
    """How far a study is at one moment."""

    planned: int
    ended: dict[State, int]  # trials that are over
    refused: int  # candidates that a search suggested in vain
    best: Best | None  # of all trials but those that failed
    seconds_left: float | None  # None as long as there is nothing to tell it from
    running: tuple[Running, ...]

    @property
    def over(self) -> int:
        """How many trials are over."""
        return sum(self.ended.values())


class ProgressRecord(Value):
    """What a process that runs a study tells others; the records are the truth once it has ended."""

    format: Literal[2] = 2
    pid: int
    host: str
    started: str
    updated: str
    progress: Progress

    def seconds_left_at(self, now: datetime) -> float | None:
        """Return the time left at a later moment."""
        left = self.progress.seconds_left
        return None if left is None else max(0.0, left - (now - datetime.fromisoformat(self.updated)).total_seconds())


def progress_file(folder: Path) -> Path:
    """Return where a study's progress is written."""
    return folder / "progress.json"


def live_progress(folder: Path) -> ProgressRecord | None:
    """Return what the process that runs a study has told; None if there is no such process or it has told nothing yet.

    Raises:
        StudyError: the file is damaged or of another version.
    """
    if not is_running(folder):
        return None
    told = read_progress(folder)
    owner = (folder / ".lock").read_text(encoding="utf-8").strip()
    return told if told is not None and str(told.pid) == owner else None  # else a process that was killed told it


def read_progress(folder: Path) -> ProgressRecord | None:
    """Return what the process that runs a study, or ran it last, has told; None if there is nothing.

    Raises:
        StudyError: the file is damaged or of another version.
    """
    path = progress_file(folder)
    try:
        return ProgressRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        raise StudyError(
            f"{path}: is damaged or of another version of fishnet-search: {first['msg']}; delete it"
        ) from problem


def is_running(folder: Path) -> bool:
    """Return whether a process runs this study, by the lock that it holds; the system drops it when it ends."""
    try:
        with (folder / ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
