"""All records of a study at once, in a tenth of the time that reading them one by one takes: what evidence is made of.

Here msgspec reads the records, most of which are epochs, kept as arrays. Specs, recipes, images and environments are
read as what they are in records, but those that are written alike only once, and of specs each stage that is written
alike only once. What msgspec does not take, `read_study` and `read_trial` take or refuse, so both ways refuse the same
files.
"""

from __future__ import annotations

import gc
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from math import nan
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from fishnet_search.spec.families import FAMILIES, Spec
from fishnet_search.study.epochs import Epochs, rows_of, train_figures, validation_figures
from fishnet_search.study.record import (
    LOSS,
    DataRecord,
    Environment,
    EpochRecord,
    Evaluation,
    Failure,
    PublishedRecord,
    RefusedRecord,
    StudyRecord,
    TrialRecord,
    VariantRecord,
    needed_figures,
)
from fishnet_search.study.store import read_study, read_trial, record_files
from fishnet_search.task.figures import TaskName
from fishnet_search.task.settings import Task
from fishnet_search.train.recipe import Recipe

_Known = dict[tuple[str | bytes, ...], Any]
"""Values that have rules of their own, by what they are and how they are written."""

_REFUSED = msgspec.MsgspecError, ValidationError, RecursionError


def study_and_evidence(folder: Path) -> tuple[StudyRecord, tuple[TrialRecord, ...]]:
    """Return a study's own record, and all of its trials sorted by name, their epochs as `Epochs`.

    Raises:
        StudyError: there is no such study, or a record is damaged, or of another version of fishnet-search.
    """
    known: _Known = {}
    with _no_collection():
        study = _study(folder, known)
        decoder = _trial_decoder(study.task.kind)
        return study, tuple(_trial(path, study, decoder, known) for path in record_files(folder))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Never look for garbage in what is read: it has no cycles, and going through it takes a fifth of the time."""
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if wanted:
            gc.enable()


def _study(folder: Path, known: _Known) -> StudyRecord:
    path = folder / "study.json"
    if not path.is_file():
        return read_study(folder)  # which says so
    try:
        plain = _STUDY.decode(path.read_bytes())
        variants = tuple(VariantRecord.model_construct(**_checked(variant, known)) for variant in plain.variants)
        return StudyRecord.model_construct(**_checked(plain, known) | {"variants": variants})
    except _REFUSED:
        return read_study(folder)  # which says what is wrong


def _trial(path: Path, study: StudyRecord, decoder: msgspec.json.Decoder[Any], known: _Known) -> TrialRecord:
    try:
        with path.open("rb", buffering=0) as file:
            plain = decoder.decode(file.read())
        fields = _checked(plain, known) | {"epochs": _epochs(plain.epochs, study.task.kind)}
        record = TrialRecord.model_construct(**fields)
    except _REFUSED:
        return read_trial(path)  # which says what is wrong
    return record if _is_sound(record, study) else read_trial(path)


def _is_sound(record: TrialRecord, study: StudyRecord) -> bool:
    """Tell whether a record is of the study's task and has what it is judged by, in every epoch and in the test."""
    if (record.task, record.metric) != (study.task, study.metric):
        return False
    needed = needed_figures(record.task, record.metric)
    rows = [rows_of(record.task.kind).index(f"validation.{name}") for name in needed]
    of_epochs = record.epochs.figures[rows] if isinstance(record.epochs, Epochs) else np.empty(0)
    test = record.test
    of_test = test is None or needed <= test.keys() <= {LOSS, *record.task.figures}
    return of_test and not np.isnan(of_epochs).any()


def _epochs(plain: Sequence[msgspec.Struct], task: TaskName) -> Epochs:
    """Keep epochs as an array, by way of bytes: the quickest of the ways that were tried."""
    names = rows_of(task)
    if not plain:
        return Epochs(np.empty((len(names), 0)), task)
    epoch, learning_rate, train, validation, *others, peaks = zip(*map(msgspec.structs.astuple, plain), strict=True)
    parts = (zip(*map(msgspec.structs.astuple, part), strict=True) for part in (train, validation))
    numbers = [nan if peak is None else peak for peak in peaks]
    columns = chain([epoch, learning_rate], *parts, others, [numbers])
    figures = struct.pack(f"{len(names) * len(plain)}d", *chain.from_iterable(columns))
    return Epochs(np.frombuffer(figures).reshape(len(names), len(plain)), task)


def _checked(plain: msgspec.Struct, known: _Known) -> dict[str, Any]:
    """Return the fields of a record, those that have rules of their own as the values that they are."""
    fields = msgspec.structs.asdict(plain)
    for name, written in fields.items():
        if type(written) is msgspec.Raw:
            key = name, msgspec.json.format(written, indent=-1) if name in _TWICE else bytes(written)
            if key not in known:
                known[key] = _spec(key[1], known) if name == "spec" else _RULES[name].validate_json(key[1])
            fields[name] = known[key]
    return fields


def _spec(written: bytes, known: _Known) -> Any:
    """Return an architecture whose stages are one object wherever they are written alike."""
    fields = _FIELDS.decode(written)
    family = msgspec.json.decode(fields.get("family", b"null"), type=str)
    values = {name: _part(family, name, value, known) for name, value in fields.items() if (family, name) in _PARTS}
    if len(values) < len(fields):
        return _RULES["spec"].validate_json(written)  # which says what is wrong
    return FAMILIES[family].model_validate(values)


def _part(family: str, name: str, written: msgspec.Raw, known: _Known) -> Any:
    """Return the value of a spec's field; of a tuple of stages, each stage by itself."""
    rules, are_many = _PARTS[family, name]
    values = []
    for one in _LIST.decode(written) if are_many else [written]:
        key = family, name, bytes(one)
        if key not in known:
            known[key] = rules.validate_json(key[2])
        values.append(known[key])
    return tuple(values) if are_many else values[0]


def _parts(model: type[BaseModel]) -> Iterator[tuple[str, tuple[TypeAdapter[Any], bool]]]:
    """Yield the rules of each field, and whether they are those of each of its values, of which it has many."""
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) is tuple:
            yield name, (TypeAdapter(get_args(field.annotation)[0]), True)
        else:
            rules: Any = Annotated[field.annotation, field]
            yield name, (TypeAdapter(rules), False)


def _plain(model: type[BaseModel], **others: Any) -> Any:
    """Return a msgspec type with the fields of a model, some of them with another type."""
    types = get_type_hints(model) | others
    fields = [
        (name, types[name], *(() if field.is_required() else (field.get_default(),)))
        for name, field in model.model_fields.items()
    ]
    return msgspec.defstruct(model.__name__, fields, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True)


def _many(each: Any) -> Any:
    return GenericAlias(tuple, (each, ...))


_RULES: dict[str, TypeAdapter[Any]] = {
    "spec": TypeAdapter(Spec),
    "recipe": TypeAdapter(Recipe),
    "data": TypeAdapter(DataRecord),
    "test": TypeAdapter(Evaluation | None),
    "task": TypeAdapter(Task),
    "failure": TypeAdapter(Failure | None),
    "environment": TypeAdapter(Environment),
    "refused": TypeAdapter(tuple[RefusedRecord, ...]),
    "published": TypeAdapter(tuple[PublishedRecord, ...]),
}
"""Of the fields of records that have any."""

_TWICE = {"spec", "recipe", "data"}
"""Those that are in a study's record and in its trials', further in on the line."""

_PARTS = {(family, name): rules for family, model in FAMILIES.items() for name, rules in _parts(model)}
"""Rules of the fields of specs."""

_RAW = dict.fromkeys(_RULES, msgspec.Raw)
_EXACT = msgspec.Meta(ge=-(2**53), le=2**53)  # as a number of 64 bits
_VARIANT = _plain(VariantRecord, **_RAW)
_STUDY = msgspec.json.Decoder(_plain(StudyRecord, **_RAW | {"variants": _many(_VARIANT)}))
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


@cache
def _trial_decoder(task: TaskName) -> msgspec.json.Decoder[Any]:
    """Return what reads the trials of a task. Of classification every epoch has all figures, of others as may be."""
    train = _evaluation([(name, float) for name in train_figures(task)])
    if task == "classification":
        validation = train
    else:
        validation = _evaluation([(name, float, nan) for name in validation_figures(task)])
    epoch = _plain(EpochRecord, epoch=Annotated[int, _EXACT], train=train, validation=validation)
    return msgspec.json.Decoder(_plain(TrialRecord, **_RAW | {"epochs": _many(epoch)}))


def _evaluation(fields: Sequence[tuple[str, type[float]] | tuple[str, type[float], float]]) -> Any:
    return msgspec.defstruct("Evaluation", fields, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True)
