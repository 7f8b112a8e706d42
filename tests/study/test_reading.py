"""Records read quickly for evidence are what they are when they are read one by one, and are refused alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fishnet_search.errors import StudyError
from fishnet_search.spec.loading import load_spec
from fishnet_search.study.reading import study_and_evidence
from fishnet_search.study.record import PublishedRecord, RefusedRecord, StudyRecord, TrialRecord
from fishnet_search.study.store import read_study, read_trials, trial_file, write_record
from tests.records import SPEC, complete, duplicate, failed, pruned, study_of, variant

STUDY = study_of(["base", "other"])
WHOLE = study_of(
    ["base"],
    refused=(RefusedRecord(name="wide", levels={"width": 64}, where="here:1", reason="too many"),),
    published=(PublishedRecord(variant="base", metric="top1", value=0.7, setting="", source="a paper"),),
    finalists=("base",),
)


def folder_with(folder, *trials, study=STUDY):
    write_record(folder / "study.json", study)
    for trial in trials:
        write_record(trial_file(folder, trial.trial), trial)
    return folder


def trials_of(folder):
    return study_and_evidence(folder)[1]


def assert_alike(quick, slow):
    assert quick.model_copy(update={"epochs": tuple(quick.epochs)}) == slow


def test_every_field_is_what_it_is_when_records_are_read_one_by_one(tmp_path, monkeypatch):
    first = complete("base", 1, 0.9, levels={"pooling": "max", "width": 16}, spec=load_spec("resnet50"))
    trials = first, pruned("other", 1), failed("other", 2), duplicate("other", of=complete("base", 3, 0.9))
    folder = folder_with(tmp_path, *trials)
    monkeypatch.setattr("fishnet_search.study.reading.read_trial", None)  # none of them may need the slow way
    for quick, slow in zip(trials_of(folder), read_trials(folder), strict=True):
        assert_alike(quick, slow)


def test_the_figures_of_the_best_epoch_are_found(tmp_path):
    epochs = complete("base", 1, 0.9).epochs
    better = epochs[0].model_copy(update={"validation": {"loss": 0.2, "top1": 0.75, "top5": 0.875}})
    folder = folder_with(tmp_path, complete("base", 1, 0.9, epochs=(better, epochs[1]), best_epoch=1))
    (trial,) = trials_of(folder)
    assert (trial.best_validation["loss"], trial.best_validation["top1"], trial.best_validation["top5"]) == (
        0.2,
        0.75,
        0.875,
    )


def test_a_spec_that_many_trials_have_is_read_once(tmp_path):
    folder = folder_with(tmp_path, complete("base", 1, 0.9), complete("base", 2, 0.9), complete("gone", 1, 0.9))
    study, trials = study_and_evidence(folder)
    assert len({id(one.spec) for one in (*study.variants, *trials)}) == 1
    assert len({id(one.recipe) for one in (study, *study.variants, *trials)}) == 1


def test_a_stage_that_several_specs_have_is_read_once(tmp_path):
    other = SPEC.model_copy(update={"stem": SPEC.stem.model_copy(update={"width": 32})})
    folder = folder_with(tmp_path, study=study_with(variant("base"), variant("other", spec=other)))
    one, two = (each.spec for each in study_and_evidence(folder)[0].variants)
    assert (one, two) == (SPEC, other)
    assert [id(stage) for stage in (*one.tail, one.bridge)] == [id(stage) for stage in (*two.tail, two.bridge)]


@pytest.mark.parametrize("preset", ["fishnet150", "resnext50-32x4d", "densenet161", "detnet59"])
def test_specs_of_every_family_are_what_they_were(tmp_path, preset):
    written = study_with(variant("base", spec=load_spec(preset)))
    read, _ = study_and_evidence(folder_with(tmp_path, study=written))
    assert read == written
    assert type(read.variants[0].spec.taps) is type(written.variants[0].spec.taps)


def test_a_field_that_only_newer_records_have_may_be_left_out(tmp_path):
    folder = folder_with(tmp_path, complete("base", 1, 0.9))
    path = trial_file(folder, "base-seed1")
    told = json.loads(path.read_text())
    del told["micro_batches"], told["precision"]
    path.write_text(json.dumps(told))
    (trial,) = trials_of(folder)
    assert (trial.micro_batches, trial.precision) == (1, None)


def test_a_record_with_numbers_as_text_is_read_as_it_is_one_by_one(tmp_path):
    folder = folder_with(tmp_path, complete("base", 1, 0.9))
    path = trial_file(folder, "base-seed1")
    path.write_text(path.read_text().replace('"seed": 1', '"seed": "1"'))
    assert trials_of(folder) == read_trials(folder)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"format": 4', '"format": 3', r"has the record format 3 of another version of fishnet-search"),
        ('"depth": 1', '"depth": -1', r"is damaged at spec\.fish\.tail\.0\.depth"),
        ('"batch_size": 64', '"batch_size": 1', r"is damaged at recipe\.batch_size"),
        ('"seconds": 1.5', '"seconds": "long"', r"is damaged at epochs\.0\.seconds"),
        ('"seconds": 1.5', '"minutes": 1.5', r"is damaged at epochs\.0\.seconds"),
        ('"state": "complete"', '"state": "done"', r"is damaged at state"),
        ('"python": "3.11.9"', '"python": 3', r"is damaged at environment\.python"),
        ('"seed": 1', '"seed": 1, "sea": 2', r"is damaged at sea"),
        ("{", "", r"is damaged"),
    ],
)
def test_what_is_damaged_or_of_another_version_is_refused_as_it_is_one_by_one(tmp_path, old, new, sentence):
    folder = folder_with(tmp_path, complete("base", 1, 0.9))
    path = trial_file(folder, "base-seed1")
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(StudyError, match=sentence) as slow:
        read_trials(folder)
    with pytest.raises(StudyError) as quick:
        trials_of(folder)
    assert str(quick.value) == str(slow.value)


def test_brackets_that_nest_without_end_are_damage(tmp_path):
    folder = folder_with(tmp_path)
    path = trial_file(folder, "base-seed1")
    path.parent.mkdir()
    path.write_text('{"levels": ' + "[" * 100_000)
    with pytest.raises(StudyError, match="is damaged"):
        trials_of(folder)


def study_with(*variants):
    return STUDY.model_copy(update={"variants": variants})


def test_a_whole_study_is_what_it_is_otherwise(tmp_path, monkeypatch):
    folder = folder_with(tmp_path, study=WHOLE)
    monkeypatch.setattr("fishnet_search.study.reading.read_study", None)  # which it must not need
    assert study_and_evidence(folder) == (WHOLE, ())


def test_a_study_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StudyError, match="is not a study, or it has only begun"):
        study_and_evidence(tmp_path)


RECORD = json.loads(complete("base", 1, 0.9).model_dump_json())
VALUES = st.sampled_from(
    [None, True, 0, 1, -1, 4, 10**30, 0.5, 1e400, float("nan"), "", "1", "complete", "\ud800", [], [1], {}, {"a": 1}]
)


def paths(value, at=()):
    yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from paths(one, (*at, key))


def changed(record, path, value):
    if not path:
        return value
    copy = dict(record) if isinstance(record, dict) else list(record)
    copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(list(paths(RECORD))), value=VALUES)
def test_both_ways_of_reading_take_and_refuse_the_same_records(tmp_path, path, value):
    folder = folder_with(tmp_path)
    file = trial_file(folder, "base-seed1")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(changed(RECORD, path, value)))
    try:
        (slow,) = read_trials(folder)
    except StudyError as problem:
        with pytest.raises(StudyError) as quick:
            trials_of(folder)
        assert str(quick.value) == str(problem)
    else:
        assert_alike(trials_of(folder)[0], slow)


ASKED = json.loads(WHOLE.model_dump_json())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(list(paths(ASKED))), value=VALUES)
def test_both_ways_of_reading_take_and_refuse_the_same_studies(tmp_path, path, value):
    (tmp_path / "study.json").write_text(json.dumps(changed(ASKED, path, value)))
    try:
        slow = read_study(tmp_path)
    except StudyError as problem:
        with pytest.raises(StudyError) as quick:
            study_and_evidence(tmp_path)
        assert str(quick.value) == str(problem)
    else:
        assert repr(study_and_evidence(tmp_path)[0]) == repr(slow)  # a level may be NaN, which equals nothing


KEPT = Path(__file__).parents[2] / "studies" / "reference"


@pytest.mark.parametrize("file", sorted(KEPT.glob("*/trials/*.json")), ids=lambda file: file.stem)
def test_trials_of_kept_studies_are_written_as_they_were(file):
    written = file.read_text("utf-8")
    assert TrialRecord.model_validate_json(written).model_dump_json(indent=1) + "\n" == written


@pytest.mark.parametrize("file", sorted(KEPT.glob("*/study.json")), ids=lambda file: file.parent.name)
def test_kept_studies_are_written_with_no_word_more_on_tasks(file):
    written = json.loads(file.read_text("utf-8"))
    again = StudyRecord.model_validate(written).model_dump(mode="json")
    assert again == written | {"small": False, "published": []}
