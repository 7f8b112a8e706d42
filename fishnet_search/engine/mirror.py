"""The trials of a study in Optuna's storage: what its samplers learn from, its dashboard shows and machines share.

The records are the truth and the storage follows them. At every start both are brought together, whatever ended the
last run. Machines that share a storage share a study: a trial is claimed by adding it, and of several claims of one
trial the one with the lowest number holds, which all machines see alike. What ends is added with its record, so that
every machine has all records without sharing a folder.
"""

from __future__ import annotations

import base64
import json
import platform
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from fishnet_search.errors import StudyError
from fishnet_search.study.record import EVIDENCE, TrialRecord

HEARTBEAT_SECONDS = 30
"""A machine that has not been heard of for five of these is taken for dead, and its trials are run elsewhere."""

SECONDS_TO_TRY_AGAIN = 2.0

_DIRECTIONS = {"maximize": StudyDirection.MAXIMIZE, "minimize": StudyDirection.MINIMIZE}
_STATES = {"complete": TrialState.COMPLETE, "duplicate": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
_OVER = (TrialState.COMPLETE, TrialState.PRUNED)

Values = Callable[[TrialRecord], Sequence[float]]
"""The objectives of a trial that has its figures."""


class Mirror:
    """One Optuna study, whose trials go by the names that the records give them."""

    def __init__(self, storage: BaseStorage, name: str, directions: Sequence[str], owner: str) -> None:
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=[*map(_DIRECTIONS.__getitem__, directions)],
            load_if_exists=True,
        )
        had = [direction.name.lower() for direction in self.study.directions]
        if had != list(directions):
            raise StudyError(f"study {name}: was begun with objectives to {had}, now {directions}; give another --name")
        self.storage = storage
        self.owner = owner
        self.shared = isinstance(storage, RDBStorage)
        self.here: dict[str, int] = {}  # the trials that run here: name -> Optuna's id

    def fits(self, axes: str) -> bool:
        """Tell whether the study is of these axes, which it is from the first time on; others cannot be its trials'."""
        if "axes" not in self.study.user_attrs:
            self.study.set_user_attr("axes", axes)
        return bool(self.study.user_attrs["axes"] == axes)

    def trials(self) -> dict[str, FrozenTrial]:
        """Return the trials that run or are over, by name; of several of one name, that which counts."""
        found: dict[str, FrozenTrial] = {}
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING, *_OVER)):
            name = trial.user_attrs.get("trial")
            if name is not None and (name not in found or (found[name].state not in _OVER and trial.state in _OVER)):
                found[name] = trial
        return found

    def claim(self, name: str) -> bool:
        """Tell whether this process is to run a trial, and see to it that no other one does."""
        if name in self.here:
            return True
        if self.shared:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                optuna.storages.fail_stale_trials(self.study)
            if name in self.trials():
                return False
        attributes = {"trial": name, "owner": self.owner}
        self.study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=attributes))
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        claims = [trial for trial in running if trial.user_attrs.get("trial") == name]
        if claims[0].user_attrs["owner"] == self.owner:
            self.here[name] = claims[0]._trial_id
            self.beat()
            return True
        for trial in claims:  # another machine was faster
            if trial.user_attrs["owner"] == self.owner:
                self.study.tell(trial.number, state=TrialState.FAIL)
        return False

    def name(self, trial: optuna.Trial, name: str) -> None:
        """Give a trial that the sampler suggested its name; this process runs it."""
        trial.set_user_attr("owner", self.owner)
        trial.set_user_attr("trial", name)
        self.here[name] = trial._trial_id
        self.beat()

    def report(self, snapshot: TrialRecord) -> None:
        """Tell the epochs' validation figures, which Optuna holds for studies of one objective."""
        if len(self.study.directions) == 1 and snapshot.trial in self.here:
            trial = optuna.Trial(self.study, self.here[snapshot.trial])
            told = self.storage.get_trial(self.here[snapshot.trial]).intermediate_values
            for epoch in snapshot.epochs:
                if epoch.epoch not in told:
                    trial.report(epoch.validation[snapshot.metric], epoch.epoch)

    def tell(self, record: TrialRecord, values: Values) -> None:
        """Tell how a trial ended."""
        state = _STATES.get(record.state, TrialState.FAIL)
        figures = list(values(record)) if state == TrialState.COMPLETE else None
        attributes = {"trial": record.trial, "owner": self.owner} | ({"record": _packed(record)} if self.shared else {})
        if record.trial not in self.here:
            epochs = {epoch.epoch: epoch.validation[record.metric] for epoch in record.epochs}
            alone = len(self.study.directions) == 1
            last = [epochs[max(epochs)]] if epochs and alone and state == TrialState.PRUNED else None
            self.study.add_trial(
                create_trial(
                    state=state,
                    values=figures or last,
                    user_attrs=attributes,
                    intermediate_values=epochs if alone else None,
                )
            )
            return
        self.report(record)
        trial = optuna.Trial(self.study, self.here.pop(record.trial))
        if self.shared:  # it has its name and owner since it was claimed
            trial.set_user_attr("record", attributes["record"])
        self.study.tell(trial.number, figures, state=state, skip_if_finished=True)

    def records_elsewhere(self, records: Mapping[str, TrialRecord]) -> list[TrialRecord]:
        """Return the records of trials that other machines have done and `records` lacks."""
        if not self.shared:
            return []
        packed = [
            trial.user_attrs["record"]
            for name, trial in self.trials().items()
            if trial.state in _OVER and "record" in trial.user_attrs and not _over(records.get(name))
        ]
        return [TrialRecord.model_validate_json(zlib.decompress(base64.b64decode(one))) for one in packed]

    def take_up(self) -> None:
        """Take up the trials that ran here when the last run ended."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if "trial" in trial.user_attrs:
                if not self.shared or trial.user_attrs.get("owner") == self.owner:  # a folder may have been moved
                    self.here[trial.user_attrs["trial"]] = trial._trial_id
            elif not self.shared:  # killed between asking and naming
                self.study.tell(trial.number, state=TrialState.FAIL)

    def missing(self, records: Mapping[str, TrialRecord]) -> list[TrialRecord]:
        """Return the records of trials that are over and that Optuna does not know as such."""
        known = self.trials()
        over = (record for record in records.values() if _over(record))
        return [one for one in over if one.trial not in known or known[one.trial].state != _STATES[one.state]]

    def reconcile(self, records: Mapping[str, TrialRecord], values: Values) -> None:
        """Make Optuna agree with the records."""
        self.take_up()
        for record in self.missing(records):
            self.tell(record, values)

    def beat(self) -> None:
        """Let other machines know that the trials of this process are alive."""
        if isinstance(self.storage, RDBStorage):
            for trial in list(self.here.values()):
                self.storage.record_heartbeat(trial)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beat in the background: a trial's epoch may take longer than others wait."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT_SECONDS):
                self.beat()

        thread = threading.Thread(target=beat, daemon=True)
        if self.shared:
            thread.start()
        try:
            yield
        finally:
            over.set()


def open_storage(folder: Path, url: str | None) -> BaseStorage:
    """Open the storage of a study: a database that machines share, or a file in its folder.

    A file that cannot be read is set aside and made anew: nothing in it is not in the records. The study's lock makes
    it safe to mend what a killed process left.

    Raises:
        StudyError: the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if url is not None:
        return _database(url)
    path = folder / "journal.log"
    path.with_name("journal.log.lock").unlink(missing_ok=True)
    if path.exists():
        if path.read_bytes().endswith(b"\n"):  # else the last line is cut off, and Optuna would write on behind it
            try:
                return JournalStorage(_Journal(str(path)))
            except OSError:  # a full disk or a folder without access is no damage
                raise
            except Exception:  # noqa: BLE001 - Optuna fails in as many ways as a journal can be damaged
                pass
        set_aside(folder)
    return JournalStorage(_Journal(str(path)))


class _Journal(JournalFileBackend):
    """Optuna's file, written by the one process that has the study's lock, without waiting for the disk.

    Records wait for it. A journal that a power cut leaves behind is made anew from them.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        try:
            with Path(self._path).open("ab") as file:
                file.write(b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs))
        except OSError as problem:  # which names no file
            problem.filename = self._path
            raise


def set_aside(folder: Path) -> None:
    """Keep a journal under another name, so that the next one is made anew from the records."""
    (folder / "journal.log").replace(folder / "journal.log.aside")


def owner_of(folder: Path) -> str:
    """Return what tells this folder on this machine from all others."""
    return f"{platform.node()}:{folder.resolve()}"


def bears_out(records: Mapping[str, TrialRecord], storage: BaseStorage, values: Values) -> bool:
    """Tell whether each complete trial of a storage has a record with the same figures."""
    for study in storage.get_all_studies():
        for trial in storage.get_all_trials(study._study_id, deepcopy=False, states=(TrialState.COMPLETE,)):
            record = records.get(trial.user_attrs.get("trial", ""))
            if record is None or record.state not in EVIDENCE or trial.values != list(values(record)):
                return False
    return True


def _database(url: str) -> RDBStorage:
    try:
        return _connected(url)
    except ImportError as problem:
        raise StudyError(f"--storage {_without_password(url)}: {problem}") from problem
    except Exception as problem:
        reason = str(problem).partition("\n")[0]
        raise StudyError(f"--storage {_without_password(url)}: cannot be opened: {reason}; check the URL") from problem


def _connected(url: str) -> RDBStorage:
    """Open a database, at the second try where another machine made its tables at the same moment."""

    def connect() -> RDBStorage:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # which heartbeats have been for years
            return RDBStorage(url, heartbeat_interval=HEARTBEAT_SECONDS, grace_period=5 * HEARTBEAT_SECONDS)

    try:
        return connect()
    except SQLAlchemyError:
        time.sleep(SECONDS_TO_TRY_AGAIN)
        return connect()


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.rpartition(':')[0] if head.count(':') > 1 else head}{at}{tail}"


def _over(record: TrialRecord | None) -> bool:
    return record is not None and record.state in _STATES


def _packed(record: TrialRecord) -> str:
    """Write a record small: MySQL takes 64 KiB."""
    return base64.b64encode(zlib.compress(record.model_dump_json().encode(), 9)).decode()
