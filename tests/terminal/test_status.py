"""A study as it is seen from another shell."""

import pytest

from fishnet_search.study.progress import progress_file
from fishnet_search.study.store import locked, trial_file, write_record
from fishnet_search.study.tracker import ProgressFile
from tests.terminal.fakes import failed, study, trial
from tests.test_imports import imported_by


def written(folder, records=(), **changes):
    write_record(folder / "study.json", study(**changes))
    for record in records:
        write_record(trial_file(folder, record.trial), record)


def test_a_study_that_no_process_runs_is_told_by_its_records(call, tmp_path):
    records = [
        trial("max-2x2-seed0", (0.5, 0.7, 0.6, 0.6), state="complete"),
        failed("max-2x2-seed1", (0.9,)),
        trial("avg-2x2-seed0", (0.3,)),
    ]
    written(tmp_path / "studies" / "tiny", records)
    code, out, _ = call("status", "tiny")
    assert code == 0
    assert out.splitlines() == [
        "study tiny: not running",
        "2 of 4 trials done · 1 complete · 1 failed · 1 interrupted · best validation top-1 70.0%: max-2x2-seed0",
        "to do: 1 missing, 1 interrupted, 1 failed; the same command goes on:",
        "  fishnet-search run spaces/tiny.yaml",
        "1 trial failed; studies/tiny/trials has the records:",
        "  max-2x2-seed1: TrainingError: epoch 2, step 1: training loss is nan",
    ]


def test_without_a_name_it_is_the_study_that_ran_last(call, tmp_path):
    written(tmp_path / "studies" / "tiny")
    assert call("status")[1].startswith("study tiny: not running\n0 of 4 trials done")


def test_a_study_that_is_over_has_nothing_left_to_do(call, tmp_path):
    written(tmp_path / "studies" / "tiny", [trial("a-seed0", (0.5,), state="complete")], variants=("a",), seeds=(0,))
    out = call("status", "tiny")[1]
    assert "1 of 1 trial done · 1 complete" in out
    assert "nothing is left to do; made by:\n  fishnet-search run spaces/tiny.yaml" in out


def test_records_of_trials_that_are_no_longer_asked_for_do_not_count(call, tmp_path):
    written(tmp_path / "studies" / "tiny", [trial("old-seed0", (0.9,), state="complete")])
    assert "0 of 4 trials done" in call("status", "tiny")[1]


def test_a_search_that_is_not_over_does_not_know_how_many_trials_it_plans(call, tmp_path):
    written(tmp_path / "studies" / "tiny", [trial("avg-2x2-seed0", (0.5,), state="complete")], design="tpe")
    out = call("status", "tiny")[1]
    assert "1 trial done" in out
    assert "the search is not over; the same command goes on:" in out


def test_a_search_that_is_over_trains_only_its_finalists_and_the_baseline_with_all_seeds(call, tmp_path):
    written(tmp_path / "studies" / "tiny", variants=("a", "b", "c"), seeds=(0, 1, 2), design="tpe", finalists=("c",))
    assert "0 of 7 trials done" in call("status", "tiny")[1]


def test_a_study_that_runs_is_told_by_its_process(call, tmp_path):
    folder = tmp_path / "studies" / "tiny"
    written(folder, [failed("max-2x2-seed1")])
    with locked(folder), ProgressFile(folder) as file:
        file.trial_started(trial("avg-2x2-seed0", (0.3,)))
        file.study_started(planned=4, done=[trial("max-2x2-seed0", (0.7,), state="complete")])
        out = call("status", "tiny")[1]
    first, second, third, *rest = out.splitlines()
    assert first.startswith("study tiny: running for 0 s, process ")
    assert second == "1 of 4 trials done · 1 complete · 1 running · best validation top-1 70.0%: max-2x2-seed0"
    assert third.startswith("avg-2x2-seed0  ")
    assert third.rstrip().endswith("epoch 1/4  validation 30.0%  2.0 s/epoch")
    assert rest[-1] == "  max-2x2-seed1: TrainingError: epoch 2, step 1: training loss is nan"


@pytest.mark.parametrize("left_behind", [False, True], ids=["nothing told", "what a dead process told"])
def test_a_process_that_has_told_nothing_yet_is_told_by_the_records(call, tmp_path, left_behind):
    folder = tmp_path / "studies" / "tiny"
    written(folder, [trial("max-2x2-seed0", (0.7,), state="complete")])
    if left_behind:
        with ProgressFile(folder) as file:
            file.study_started(planned=9, done=[])
        text = progress_file(folder).read_text()
        progress_file(folder).write_text(text.replace('"pid": ', '"pid": 1'))
    with locked(folder):
        out = call("status", "tiny")[1]
    assert out.splitlines() == [
        "study tiny: running, has told nothing yet",
        "1 of 4 trials done · 1 complete · best validation top-1 70.0%: max-2x2-seed0",
    ]


def test_of_many_failures_the_first_are_named(call, tmp_path):
    records = [failed(f"max-2x2-seed{i}", message=f"[red]no {i}") for i in range(12)]
    written(tmp_path / "studies" / "tiny", records, seeds=tuple(range(12)))
    out = call("status", "tiny")[1]
    assert "12 trials failed; studies/tiny/trials has the records:" in out
    assert "  max-2x2-seed0: TrainingError: [red]no 0" in out
    assert out.endswith("  and 2 more\n")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "studies: holds no study; run one by `fishnet-search run`"),
        ({"study.json": "{"}, "studies/tiny/study.json: is damaged: "),
        ({"study.json": '{"format": 2}'}, "studies/tiny/study.json: has the record format 2, not 4"),
        ({"study.json": None, "trials/max-2x2-seed0.json": '{"format": 4, "tri'}, "max-2x2-seed0.json: is damaged: "),
    ],
)
def test_a_study_that_is_missing_or_damaged_is_told_with_exit_code_2(call, tmp_path, files, sentence):
    folder = tmp_path / "studies" / "tiny"
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(study().model_dump_json() if content is None else content)
    code, out, err = call("status", "tiny")
    assert (code, out) == (2, "")
    assert sentence in err


def test_looking_at_a_study_needs_none_of_the_heavy_libraries():
    assert imported_by("import fishnet_search.terminal.status") == set()
