"""Runs the trials of a study one after the other in this process.

The records are the truth: a trial is done when its record says `complete`. Optuna's storage follows them, so that its
dashboard and samplers see the same trials; both are brought together at every start, whatever ended the last run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from safetensors.torch import save as to_safetensors

from fishnet_search.data.images import ImageSet
from fishnet_search.errors import StudyError
from fishnet_search.study.record import EpochRecord, StudyRecord, TrialRecord
from fishnet_search.study.store import locked, read_trials, trial_file, weights_file, write_record, write_whole
from fishnet_search.study.trial import Interrupted, Trial, run_trial
from fishnet_search.train.recipe import Recipe

LONGEST_NAME = 200
"""Letters of a trial's name; file systems take 255 with endings and all."""


class Observer(Protocol):
    """Is told how a study goes on."""

    def study_started(self, *, planned: int, done: int) -> None:
        """Some of the planned trials may be done already."""

    def trial_started(self, trial: str) -> None:
        """A trial begins."""

    def epoch_ended(self, trial: str, epoch: EpochRecord) -> None:
        """A trial has passed over its training images once more."""

    def trial_ended(self, record: TrialRecord) -> None:
        """A trial is over, whatever its state; its record is written."""


def run_study(study: StudyRecord, images: ImageSet, folder: Path, observer: Observer) -> tuple[TrialRecord, ...]:
    """Run the trials that have no complete record yet, and return the records of all that were asked for.

    Trials run seed by seed, so that every variant has seen the same seeds whenever a study is cut short. Trials that
    failed or were interrupted before are run again.

    Raises:
        StudyError: another process runs this study, a record is damaged, or the folder holds trials of another
            recipe, other data, or another architecture of the same name.
        Interrupted: by Ctrl-C or SIGTERM; the next call goes on.
    """
    with locked(folder):
        records = {record.trial: record for record in read_trials(folder)}
        _refuse_other_settings(study, records.values(), folder)
        write_record(folder / "study.json", study)
        trials = [Trial(variant, seed) for seed in study.seeds for variant in study.variants]
        _refuse_unfit_names(trials, folder)
        storage = _open_storage(folder, study.name, records)
        numbers = _reconcile(storage, records)
        missing = [trial for trial in trials if not _is_complete(records.get(trial.name))]
        observer.study_started(planned=len(trials), done=len(trials) - len(missing))
        for trial in missing:
            number = numbers[trial.name] if trial.name in numbers else _ask(storage, trial.name)
            observer.trial_started(trial.name)
            records[trial.name] = _run_and_write(trial, study, images, folder, observer)
            _tell(storage, number, records[trial.name])
            observer.trial_ended(records[trial.name])
        return tuple(records[trial.name] for trial in trials)


def _run_and_write(trial: Trial, study: StudyRecord, images: ImageSet, folder: Path, observer: Observer) -> TrialRecord:
    """Run one trial; its weights are written first, so that a record of state `complete` always has them."""
    try:
        record, weights = run_trial(trial, study, images, lambda epoch: observer.epoch_ended(trial.name, epoch))
    except Interrupted as interruption:
        write_record(trial_file(folder, trial.name), interruption.record)
        observer.trial_ended(interruption.record)
        raise
    if weights:
        write_whole(weights_file(folder, trial.name), to_safetensors(dict(weights)))
    write_record(trial_file(folder, trial.name), record)
    return record


def _refuse_other_settings(study: StudyRecord, records: Iterable[TrialRecord], folder: Path) -> None:
    """A study compares like with like: what is complete in its folder was trained in the way that is asked for now."""
    specs = {variant.name: variant.spec for variant in study.variants}
    for record in filter(_is_complete, records):
        differs = [
            *_recipe_differences(record.recipe, study.recipe),
            *(["other images or another --limit"] if record.data.fingerprint != study.data.fingerprint else []),
            *(["another architecture"] if record.spec != specs.get(record.variant, record.spec) else []),
        ]
        if differs:
            raise StudyError(
                f"{folder}: trial {record.trial} was made with {', '.join(differs)}; "
                "give another --name, or delete the folder to start over"
            )


def _recipe_differences(had: Recipe, asked: Recipe) -> list[str]:
    now = asked.model_dump()
    return [f"{field} {value} (now {now[field]})" for field, value in had.model_dump().items() if value != now[field]]


def _refuse_unfit_names(trials: Sequence[Trial], folder: Path) -> None:
    """Refuse names that would cost a training before the file system refuses them."""
    names = Counter(trial.name for trial in trials)
    name, count = names.most_common(1)[0]
    if count > 1:
        raise StudyError(f"{folder}: {count} trials would share the file name {name}; name the levels differently")
    longest = max(names, key=len)
    if len(longest) > LONGEST_NAME:
        raise StudyError(
            f"{folder}: trial {longest} has a name of {len(longest)} letters, more than the {LONGEST_NAME} that fit a "
            "file; give the axes shorter names"
        )


def _open_storage(folder: Path, name: str, records: Mapping[str, TrialRecord]) -> optuna.Study:
    """Open Optuna's journal; the study's lock makes it safe to mend what a killed process left.

    A journal that cannot be read, or that has a complete trial which its record does not bear out, is set aside and
    made anew: nothing in it is not in the records.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / "journal.log"
    path.with_name("journal.log.lock").unlink(missing_ok=True)
    if not path.exists():
        return _load_storage(path, name)
    if path.read_bytes().endswith(b"\n"):  # else the last line is cut off, and Optuna would write on behind it
        try:
            storage = _load_storage(path, name)
            if all(_borne_out(trial, records) for trial in storage.get_trials(deepcopy=False)):
                return storage
        except OSError:  # a full disk or a folder without access is no damage
            raise
        except Exception as damage:  # noqa: BLE001 - Optuna fails in as many ways as a journal can be damaged
            optuna.logging.get_logger("optuna").warning(f"{path} is damaged ({damage}); it is made anew")
    path.replace(path.with_name("journal.log.aside"))
    return _load_storage(path, name)


def _load_storage(path: Path, name: str) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


def _borne_out(trial: optuna.trial.FrozenTrial, records: Mapping[str, TrialRecord]) -> bool:
    record = records.get(trial.user_attrs.get("trial", ""))
    if trial.state != TrialState.COMPLETE:
        return True
    return record is not None and _is_complete(record) and trial.value == _objective(record)


def _reconcile(storage: optuna.Study, records: Mapping[str, TrialRecord]) -> dict[str, int]:
    """Make Optuna agree with the records; return the numbers of trials that it knows as begun or done, by name."""
    numbers: dict[str, int] = {}
    for trial in storage.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.COMPLETE)):
        if "trial" in trial.user_attrs:
            numbers[trial.user_attrs["trial"]] = trial.number
        else:  # killed between asking and naming
            storage.tell(trial.number, state=TrialState.FAIL)
    for name, record in records.items():
        if _is_complete(record) and name in numbers:
            _tell(storage, numbers[name], record)
        elif _is_complete(record):
            storage.add_trial(optuna.trial.create_trial(value=_objective(record), user_attrs={"trial": name}))
    return numbers


def _ask(storage: optuna.Study, name: str) -> int:
    trial = storage.ask()
    trial.set_user_attr("trial", name)
    return trial.number


def _tell(storage: optuna.Study, number: int, record: TrialRecord) -> None:
    """Tell Optuna how a trial ended, unless it knows already."""
    if _is_complete(record):
        storage.tell(number, _objective(record), skip_if_finished=True)
    else:
        storage.tell(number, state=TrialState.FAIL, skip_if_finished=True)


def _objective(record: TrialRecord) -> float:
    """Selection sees validation figures only."""
    best = record.best_validation
    if best is None:
        raise StudyError(f"trial {record.trial} is complete but has no best epoch; delete its record and run again")
    return best.top1


def _is_complete(record: TrialRecord | None) -> bool:
    return record is not None and record.state == "complete"
