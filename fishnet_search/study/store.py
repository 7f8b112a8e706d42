"""A study's folder: one file a record, each written whole or not at all.

studies/NAME/study.json              what was asked
studies/NAME/trials/TRIAL.json       one record a trial
studies/NAME/trials/TRIAL.safetensors  the weights of its best epoch
studies/NAME/trials/TRIAL.checkpoint   where a trial that is not over goes on
studies/NAME/journal.log             Optuna's storage

Nothing in it is ever unpickled: whoever can write to a folder could otherwise run code in the process that reads it.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import IO, TypeVar

from pydantic import BaseModel, ValidationError

from fishnet_search.errors import StudyError
from fishnet_search.spec.naming import nearest
from fishnet_search.study.record import StudyRecord, TrialRecord
from fishnet_search.task.findings import Findings

Model = TypeVar("Model", bound=BaseModel)


class DamagedRecordError(StudyError):
    """A file of a study that is not what was written."""


def study_folder(root: Path, name: str) -> Path:
    """Return the folder of a study, which never lies outside `root`.

    Raises:
        StudyError: the name is no plain file name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise StudyError(
            f"study name {name!r}: must be up to 100 letters, digits, '.', '_' or '-' and begin with a letter or digit"
        )
    return root / name


def find_study(root: Path, study: str | Path) -> Path:
    """Return where a study is.

    Args:
        root: The folder in which names are looked up.
        study: Its name, or the path of its folder: whatever has a slash in it is a path.

    Raises:
        StudyError: no study has this name.
    """
    if isinstance(study, Path) or "/" in study:
        return Path(study)
    if study and (root / study).is_dir():
        return root / study
    names = sorted(path.parent.name for path in root.glob("*/study.json"))
    if names:
        raise StudyError(f"{root}: holds no study {study!r}{nearest(study, names)}")
    raise StudyError(
        f"{root}: holds no study; run one by `fishnet-search run`, or give the path of a study's folder, with a '/'"
    )


def trial_name(variant: str, seed: int) -> str:
    """Return the name of a trial, fit for a file: other characters than letters, digits and . _ = , - become '_'.

    So does a '.' that it begins with, by which a file would be hidden.
    """
    return re.sub(r"[^A-Za-z0-9._=,-]|^\.", "_", variant) + f"-seed{seed}"


def trial_file(folder: Path, trial: str) -> Path:
    """Return where the record of a trial is kept."""
    return folder / "trials" / f"{trial}.json"


def weights_file(folder: Path, trial: str) -> Path:
    """Return where the weights of a trial's best epoch are kept."""
    return folder / "trials" / f"{trial}.safetensors"


def findings_file(folder: Path, trial: str) -> Path:
    """Return where a trial's findings are, in tasks that have any."""
    return folder / "findings" / f"{trial}.json"


def checkpoint_file(folder: Path, trial: str) -> Path:
    """Return where a trial that is not over keeps what it needs to go on."""
    return folder / "trials" / f"{trial}.checkpoint"


def read_study(folder: Path) -> StudyRecord:
    """Return what the study was asked to do.

    Raises:
        StudyError: there is no such study, or its file is damaged.
    """
    path = folder / "study.json"
    if not folder.is_dir():
        raise StudyError(f"{folder}: there is no such folder; `fishnet-search list` shows which studies there are")
    if not path.is_file():
        raise StudyError(f"{folder}: is not a study, or it has only begun; `fishnet-search list` shows which there are")
    return _read(StudyRecord, path, "run the study again to write it anew")


def read_trials(folder: Path) -> tuple[TrialRecord, ...]:
    """Return all records of a study, sorted by name.

    Raises:
        StudyError: a record is damaged.
    """
    return tuple(map(read_trial, record_files(folder)))


def read_trial(path: Path) -> TrialRecord:
    """Return one record.

    Raises:
        StudyError: it is damaged, or of another version of fishnet-search.
    """
    return _read(TrialRecord, path, "run the study again to do that trial anew")


def read_findings(folder: Path, trials: Iterable[TrialRecord]) -> dict[str, Findings]:
    """Return what the networks of trials found, by the trial's name, of those that have any.

    Raises:
        StudyError: a file is damaged.
    """
    files = {trial.trial: findings_file(folder, trial.trial) for trial in trials}
    remedy = "remove the file, and the report leaves it out"
    return {name: _read(Findings, file, remedy) for name, file in files.items() if file.is_file()}


def mended_trials(folder: Path) -> tuple[tuple[TrialRecord, ...], tuple[str, ...]]:
    """Return all whole records of a study and a sentence for each damaged one, which is set aside under another name.

    Raises:
        StudyError: a record is of another version of fishnet-search.
    """
    records, sentences = [], []
    for path in record_files(folder):
        try:
            records.append(_read(TrialRecord, path, "its trial is run anew"))
        except DamagedRecordError as damage:
            path.replace(path.with_name(f"{path.name}.damaged"))
            sentences.append(f"{damage}; the file is kept as {path.name}.damaged")
    return tuple(records), tuple(sentences)


def record_files(folder: Path) -> list[Path]:
    """Return where the records of a study's trials are, sorted by name."""
    found = sorted((folder / "trials").glob("*.json"), key=attrgetter("name"))
    return [path for path in found if not path.name.startswith(".")]


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record as JSON, whole or not at all."""
    write_whole(path, record.model_dump_json(indent=1).encode() + b"\n")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a crash at any moment leaves either the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")  # a process that is given up may still write
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException as problem:  # a full disk, which the part that was written would keep full; or Ctrl-C
        beside.unlink(missing_ok=True)
        if isinstance(problem, OSError):
            problem.filename = str(path)  # which the system does not tell of a write
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a study to one process at a time; the system lets go of the lock however the process ends.

    Raises:
        StudyError: another process is running this study.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as file:
        try:
            _lock(file)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip()
            raise StudyError(
                f"{folder}: is being run by process {owner}; wait for it, or give another --name"
            ) from None
        try:
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
        except OSError as problem:
            problem.filename = file.name
            raise
        for partial in folder.rglob(".*.partial"):  # of a process that was killed
            partial.unlink(missing_ok=True)
        yield


def _lock(file: IO[str]) -> None:
    """Lock a file, at the second try where somebody only looked whether it was locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(0.1)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def refuse_if_locked(folder: Path) -> None:
    """Say early that another process runs a study, before anything is prepared for it.

    Raises:
        StudyError: another process is running this study.
    """
    if folder.is_dir():
        with locked(folder):
            pass


def _read(model: type[Model], path: Path, remedy: str) -> Model:
    content = path.read_bytes()
    try:
        return model.model_validate_json(content)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        if first["loc"] == ("format",):
            raise StudyError(
                f"{path}: has the record format {first['input']!r} of another version of fishnet-search; "
                "report it with that version, or run the study under another --name"
            ) from problem
        where = ".".join(map(str, first["loc"]))
        at = f" at {where}" if where else ""
        raise DamagedRecordError(f"{path}: is damaged{at}: {first['msg']}; {remedy}") from problem
