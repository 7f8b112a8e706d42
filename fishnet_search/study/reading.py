"""All records of a study at once, in a tenth of the time that `read_trials` takes: what evidence is made of.

Most of a record are its epochs. Here msgspec makes them, as values that have the fields of `EpochRecord` and nothing
else. Specs, recipes, images and environments are read as what they are in `TrialRecord`, but those that are written
alike only once. What msgspec does not take, `read_trial` takes or refuses, so both ways refuse the same files.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import GenericAlias
from typing import Any, get_type_hints

import msgspec
from pydantic import BaseModel, TypeAdapter, ValidationError

from fishnet_search.spec.families import Spec
from fishnet_search.study.record import (
    DataRecord,
    Environment,
    EpochRecord,
    Evaluation,
    Failure,
    StudyRecord,
    TrialRecord,
)
from fishnet_search.study.store import read_study, read_trial, record_files
from fishnet_search.train.recipe import Recipe

_CHECKED: dict[str, TypeAdapter[Any]] = {
    "spec": TypeAdapter(Spec),
    "recipe": TypeAdapter(Recipe),
    "data": TypeAdapter(DataRecord),
    "test": TypeAdapter(Evaluation | None),
    "failure": TypeAdapter(Failure | None),
    "environment": TypeAdapter(Environment),
}
"""Fields of a trial that have rules of their own."""

_Known = dict[tuple[str, bytes], Any]
"""Values of these fields by how they are written."""


def study_and_evidence(folder: Path) -> tuple[StudyRecord, tuple[TrialRecord, ...]]:
    """Return a study's own record, and all of its trials as from `read_evidence`.

    Raises:
        StudyError: there is no such study, or a record is damaged, or of another version of fishnet-search.
    """
    with _no_collection():
        study = read_study(folder)
        return study, read_evidence(folder, study)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Look for no garbage: what is read stays, and going through it again and again takes an eighth of the time."""
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wanted:
            gc.enable()


def read_evidence(folder: Path, study: StudyRecord) -> tuple[TrialRecord, ...]:
    """Return all records of a study, sorted by name, to be looked at: their epochs are too plain to be written again.

    Args:
        folder: Of the study.
        study: Its own record, whose specs and recipes most trials have.

    Raises:
        StudyError: a record is damaged, or of another version of fishnet-search.
    """
    known: _Known = {}
    for variant in study.variants:
        known["spec", variant.spec.model_dump_json().encode()] = variant.spec
        known["recipe", variant.recipe.model_dump_json().encode()] = variant.recipe
    return tuple(_trial(path, known) for path in record_files(folder))


def _trial(path: Path, known: _Known) -> TrialRecord:
    try:
        plain = _DECODER.decode(path.read_bytes())
        checked = {name: _value(name, getattr(plain, name), known) for name in _CHECKED}
    except (msgspec.MsgspecError, ValidationError, RecursionError):
        return read_trial(path)  # which says what is wrong
    return TrialRecord.model_construct(**msgspec.structs.asdict(plain) | checked)


def _value(name: str, written: msgspec.Raw, known: _Known) -> Any:
    key = name, msgspec.json.format(written, indent=-1)
    if key not in known:
        known[key] = _CHECKED[name].validate_json(key[1])
    return known[key]


def _plain(model: type[BaseModel], **others: Any) -> Any:
    """Return a msgspec type with the fields of a model, some of them with another type."""
    types = get_type_hints(model) | others
    fields = [
        (name, types[name], *(() if field.is_required() else (field.get_default(),)))
        for name, field in model.model_fields.items()
    ]
    return msgspec.defstruct(model.__name__, fields, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True)


_FIGURES = _plain(Evaluation)
_EPOCH = _plain(EpochRecord, train=_FIGURES, validation=_FIGURES)
_TRIAL = _plain(TrialRecord, epochs=GenericAlias(tuple, (_EPOCH, ...)), **dict.fromkeys(_CHECKED, msgspec.Raw))
_DECODER = msgspec.json.Decoder(_TRIAL)
