"""A study is run: every trial once, whatever happens in between."""

from dataclasses import replace

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from safetensors.torch import load_file

from fishnet_search.engine import local
from fishnet_search.engine.conductor import Conductor
from fishnet_search.engine.mirror import Mirror
from fishnet_search.engine.workers import Worker
from fishnet_search.errors import StudyError
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import build_network
from fishnet_search.study.record import StudyRecord
from fishnet_search.study.store import read_study, read_trials, trial_file, weights_file
from tests.engine.tiny import SPACE, TRIALS, UNTIMED, Killed, Recorder, deadly, plan, run

pytestmark = pytest.mark.usefixtures("one_thread")

WORKERS = pytest.mark.parametrize("jobs", [1, 2], ids=["in process", "two workers"])
WIDER = SPACE.replace(
    "values: [max-2x2, avg-2x2]}", "values: [max-2x2, avg-2x2]}\n  depth: {path: tail.depth, values: [1, 2]}"
)


def optuna_states(folder):
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    trials = optuna.load_study(study_name=folder.name, storage=storage).get_trials()
    return sorted((str(trial.user_attrs.get("trial")), trial.state.name) for trial in trials)


def numbers(record):
    """What must not change when a trial is done again."""
    epochs = [epoch.model_copy(update=UNTIMED) for epoch in record.epochs]
    return record.trial, record.seed, epochs, record.best_epoch, record.test


def assert_every_trial_is_complete_exactly_once(folder, trials=TRIALS):
    assert [(record.trial, record.state) for record in read_trials(folder)] == [(name, "complete") for name in trials]
    complete = [name for name, state in optuna_states(folder) if state == "COMPLETE"]
    assert complete == trials
    assert "RUNNING" not in {state for _, state in optuna_states(folder)}
    assert [path.name for path in folder.rglob("*") if path.name.endswith((".partial", ".checkpoint"))] == []


def with_study(given, **fields):
    """The plan with some fields of its study set otherwise."""
    return replace(given, study=StudyRecord.model_validate(given.study.model_dump() | fields))


def with_recipe(given, **fields):
    """The plan with another recipe for all."""
    variants = [
        variant.model_dump() | {"recipe": variant.recipe.model_dump() | fields} for variant in given.study.variants
    ]
    return with_study(given, variants=variants)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A finished study: its folder and the records that came back."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("undisturbed")
    records = run(plan(home), home / "study")
    torch.set_num_threads(threads)
    return home / "study", records


# What a study leaves


def test_a_study_leaves_one_record_a_trial_with_all_that_is_needed_to_do_it_again(undisturbed):
    folder, records = undisturbed
    assert_every_trial_is_complete_exactly_once(folder)
    assert sorted(records, key=lambda record: record.trial) == list(read_trials(folder))
    record = records[0]
    assert (record.trial, record.variant, record.seed) == ("max-2x2-seed0", "max-2x2", 0)
    assert record.spec == read_study(folder).variants[0].spec
    assert record.params == sum(p.numel() for p in build_network(build_graph(record.spec)).parameters())
    assert [epoch.epoch for epoch in record.epochs] == [1, 2]
    assert record.recipe.epochs == 2
    assert record.best_validation == record.epochs[record.best_epoch - 1].validation
    assert record.data.source == "digits"
    assert (record.data.train_images, record.data.validation_images, record.data.test_images) == (40, 40, 40)
    assert len(record.data.fingerprint) == 64
    assert {"torch", "optuna", "fishnet-search"} <= set(record.environment.packages)
    assert record.environment.git_commit is None or len(record.environment.git_commit) == 40
    assert record.environment.threads == 1
    assert record.wall_seconds > 0


def test_seeds_are_blocks_every_variant_runs_with_one_before_the_next_begins(tmp_path):
    recorder = Recorder()
    run(plan(tmp_path, epochs=1), tmp_path / "study", recorder)
    assert recorder.started == ["max-2x2-seed0", "avg-2x2-seed0", "max-2x2-seed1", "avg-2x2-seed1"]
    assert recorder.ended == [(name, "complete") for name in recorder.started]


def test_the_weights_of_the_best_epoch_are_kept_and_fit_the_recorded_spec(undisturbed):
    folder, records = undisturbed
    for record in records:
        network = build_network(build_graph(record.spec))
        network.load_state_dict(load_file(weights_file(folder, record.trial)))


@WORKERS
def test_the_same_study_somewhere_else_gives_the_same_numbers_to_the_bit(undisturbed, tmp_path, jobs):
    again = run(plan(tmp_path), tmp_path / "study", jobs=jobs)
    assert [numbers(record) for record in again] == [numbers(record) for record in undisturbed[1]]
    assert len({tuple(record.test.values()) for record in again}) > 1  # seeds and variants do differ
    assert_every_trial_is_complete_exactly_once(tmp_path / "study")


def test_two_jobs_are_two_workers(tmp_path, monkeypatch):
    begun, begin = [], Worker.begin
    monkeypatch.setattr(Worker, "begin", lambda self, trial: begun.append(self.number) or begin(self, trial))
    run(plan(tmp_path, epochs=1), tmp_path / "study", jobs=2)
    assert (len(begun), set(begun[:2])) == (4, {0, 1})


def test_several_processes_train_one_trial_together(tmp_path):
    text = SPACE.replace("[max-2x2, avg-2x2]", "[max-2x2]") + "workers: 2\n"
    (record,) = run(plan(tmp_path, text, seeds=1), tmp_path / "study")
    assert (record.state, record.workers, len(record.epochs)) == ("complete", 2, 2)


# Going on


def test_a_second_run_has_nothing_to_do(tmp_path):
    first = run(plan(tmp_path, epochs=1), tmp_path / "study")
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "study" / "trials").iterdir()}
    recorder = Recorder()
    assert run(plan(tmp_path, epochs=1), tmp_path / "study", recorder) == first
    assert (recorder.planned, sorted(recorder.done), recorder.started) == (4, TRIALS, [])
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_more_seeds_run_only_what_is_new_and_fewer_forget_nothing(tmp_path):
    run(plan(tmp_path, epochs=1, seeds=1), tmp_path / "study")
    recorder = Recorder()
    run(plan(tmp_path, epochs=1, seeds=2), tmp_path / "study", recorder)
    assert recorder.started == ["max-2x2-seed1", "avg-2x2-seed1"]
    assert len(run(plan(tmp_path, epochs=1, seeds=1), tmp_path / "study")) == 2
    assert_every_trial_is_complete_exactly_once(tmp_path / "study")


def test_another_axis_trains_only_the_new_cells_and_gives_the_old_ones_their_figures(undisturbed, tmp_path):
    folder = tmp_path / "study"
    old = run(plan(tmp_path), folder)
    recorder = Recorder()
    records = run(plan(tmp_path, WIDER), folder, recorder)
    assert recorder.started == [f"downsample={way},depth=2-seed{i}" for i in (0, 1) for way in ("max-2x2", "avg-2x2")]
    reused = [record for record in records if record.state == "duplicate"]
    assert [record.trial for record in reused] == [
        f"downsample={way},depth=1-seed{i}" for i in (0, 1) for way in ("max-2x2", "avg-2x2")
    ]
    assert [(one.duplicate_of, one.epochs, one.test) for one in reused] == [
        (f"trials/{one.trial}.json", one.epochs, one.test) for one in old
    ]
    assert all(weights_file(folder, one.trial).read_bytes() for one in reused)


def test_trials_of_other_studies_are_reused_on_request(undisturbed, tmp_path):
    recorder = Recorder()
    records = run(plan(tmp_path), tmp_path / "study", recorder, reuse=(undisturbed[0], tmp_path / "nothing"))
    assert recorder.started == []
    assert {record.state for record in records} == {"duplicate"}
    assert [record.test for record in records] == [record.test for record in undisturbed[1]]
    assert (tmp_path / "study" / records[0].duplicate_of).resolve() == trial_file(undisturbed[0], records[0].trial)
    assert [name for name, state in optuna_states(tmp_path / "study") if state == "COMPLETE"] == TRIALS


def test_trials_of_other_data_are_not_reused(undisturbed, tmp_path):
    recorder = Recorder()
    run(plan(tmp_path, epochs=1, seeds=1), tmp_path / "study", recorder, reuse=(undisturbed[0],))
    assert recorder.started == ["max-2x2-seed0", "avg-2x2-seed0"]


def test_ctrl_c_keeps_what_was_reached_and_the_next_run_goes_on(undisturbed, tmp_path):
    def stop(snapshot):
        if (snapshot.trial, len(snapshot.epochs)) == ("avg-2x2-seed0", 1):
            raise KeyboardInterrupt

    recorder = Recorder(stop)
    with pytest.raises(KeyboardInterrupt):
        run(plan(tmp_path), tmp_path / "study", recorder)
    assert recorder.ended == [("max-2x2-seed0", "complete"), ("avg-2x2-seed0", "interrupted")]
    interrupted = read_trials(tmp_path / "study")[0]
    assert (interrupted.state, len(interrupted.epochs), interrupted.test) == ("interrupted", 1, None)

    recorder = Recorder()
    records = run(plan(tmp_path), tmp_path / "study", recorder)
    assert (recorder.done, recorder.started[0]) == (["max-2x2-seed0"], "avg-2x2-seed0")
    assert_every_trial_is_complete_exactly_once(tmp_path / "study")
    assert [numbers(record) for record in records] == [numbers(record) for record in undisturbed[1]]


@pytest.mark.parametrize("nth", [1, pytest.param(2, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (Mirror, "claim"),
        (local, "trial_steps"),
        (Conductor, "snapshot"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_before_or_after_any_step_loses_nothing_and_counts_nothing_twice(
    tmp_path, monkeypatch, owner, step, moment, nth
):
    given = plan(tmp_path, epochs=1, limit=10)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        deadly(patch, owner, step, moment, nth)
        run(given, tmp_path / "study")
    run(given, tmp_path / "study")
    assert_every_trial_is_complete_exactly_once(tmp_path / "study")


def test_optunas_file_may_be_cut_off_or_lost_or_left_locked(tmp_path):
    folder = tmp_path / "study"
    given = plan(tmp_path, epochs=1, limit=10)
    run(given, folder)
    journal = folder / "journal.log"
    journal.write_bytes(journal.read_bytes()[:-20])
    (folder / "journal.log.lock").symlink_to(journal)
    run(given, folder)
    assert_every_trial_is_complete_exactly_once(folder)
    journal.unlink()
    run(given, folder)
    assert_every_trial_is_complete_exactly_once(folder)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], b"garbage\n", *lines[3:]]))
    run(given, folder)
    assert_every_trial_is_complete_exactly_once(folder)


def test_optuna_forgets_a_value_that_no_record_bears_out(tmp_path):
    folder = tmp_path / "study"
    run(plan(tmp_path, epochs=1), folder)
    for record in read_trials(folder):
        trial_file(folder, record.trial).unlink()
    records = run(plan(tmp_path, epochs=6), folder)
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    values = {
        trial.user_attrs["trial"]: trial.value
        for trial in optuna.load_study(study_name="study", storage=storage).get_trials()
    }
    assert values == {record.trial: record.best_validation["top1"] for record in records}


def test_a_record_that_is_deleted_is_made_again(tmp_path):
    folder = tmp_path / "study"
    given = plan(tmp_path, epochs=1, limit=10)
    run(given, folder)
    trial_file(folder, "avg-2x2-seed1").unlink()
    recorder = Recorder()
    run(given, folder, recorder)
    assert recorder.started == ["avg-2x2-seed1"]
    assert_every_trial_is_complete_exactly_once(folder)


# What fails, and what is refused


@WORKERS
def test_a_trial_that_fails_is_recorded_with_its_reason_and_the_study_goes_on(tmp_path, jobs):
    folder = tmp_path / "study"
    text = SPACE.replace(
        "downsample: {path: [tail.downsample, head.downsample], values: [max-2x2, avg-2x2]}",
        "rate: {path: recipe.learning_rate, values: [0.05, 1.0e+15]}",
    )
    records = run(plan(tmp_path, text), folder, jobs=jobs)
    assert [(one.variant, one.state) for one in records] == [("0.05", "complete"), ("1000000000000000.0", "failed")] * 2
    failure = records[1].failure
    assert failure.type == "TrainingError"
    assert "epoch 1, step" in failure.message
    assert "Traceback" in failure.traceback
    assert not weights_file(folder, records[1].trial).exists()

    recorder = Recorder()
    run(plan(tmp_path, text), folder, recorder)
    assert recorder.started == ["1000000000000000.0-seed0", "1000000000000000.0-seed1"]  # what failed is tried again


def test_trials_that_failed_do_not_keep_a_study_from_another_recipe(tmp_path):
    folder = tmp_path / "study"
    given = plan(tmp_path, epochs=1)
    assert {record.state for record in run(with_recipe(given, learning_rate=1e30), folder)} == {"failed"}
    run(given, folder)
    assert_every_trial_is_complete_exactly_once(folder)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"epochs": 1}, r"epochs 2 \(now 1\)"),
        ({"limit": 30}, "other images or another --limit"),
        ({"epochs": 1, "limit": 30}, r"epochs 2 \(now 1\), other images or another --limit"),
    ],
)
def test_a_folder_is_not_mixed_with_other_settings(undisturbed, tmp_path, changes, what):
    folder, _ = undisturbed
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    with pytest.raises(StudyError, match=f"was made with {what}; give another --name"):
        run(plan(tmp_path, **changes), folder)
    assert {path: path.read_bytes() for path in before} == before


def test_a_variant_that_means_another_architecture_now_is_refused(undisturbed, tmp_path):
    given = plan(tmp_path)
    first, second = given.study.variants
    given = with_study(given, variants=[first.model_dump() | {"spec": second.spec}, second])
    with pytest.raises(StudyError, match="trial max-2x2-seed0 was made with another architecture"):
        run(given, undisturbed[0])


def test_a_name_too_long_for_a_file_is_refused_before_anything_is_trained(tmp_path):
    given = plan(tmp_path)
    recorder = Recorder()
    with pytest.raises(StudyError, match="has a name of 306 letters, more than the 200 that fit a file"):
        run(
            with_study(given, variants=[given.study.variants[0].model_dump() | {"name": "x" * 300}]),
            tmp_path / "study",
            recorder,
        )
    assert recorder.started == []


def test_levels_that_would_share_a_file_are_refused(tmp_path):
    given = plan(tmp_path)
    named = zip(given.study.variants, ("a b", "a_b"), strict=True)
    given = with_study(given, variants=[variant.model_dump() | {"name": name} for variant, name in named])
    with pytest.raises(StudyError, match="2 trials would share the file name a_b-seed0"):
        run(given, tmp_path / "study")


# Early stopping

STOPPING = """\
base: base.yaml
axes: {rate: {path: recipe.learning_rate, values: [0.1, 0.00001, 0.000001]}}
stop: {kind: asha, first: 2, keep: 2}
seeds: 2
recipe: {epochs: 4, batch_size: 8}
"""


@pytest.mark.parametrize(
    "jobs", [pytest.param(1, id="in process"), pytest.param(2, id="two workers", marks=pytest.mark.slow)]
)
def test_what_lags_behind_is_stopped_recorded_as_pruned_and_not_run_with_the_next_seed(tmp_path, jobs):
    folder = tmp_path / "study"
    given = plan(tmp_path, STOPPING, limit=150)
    run(given, folder, jobs=jobs)
    states = {record.trial: record.state for record in read_trials(folder)}
    assert (states["0.1-seed0"], states["0.1-seed1"]) == ("complete", "complete")
    assert set(states.values()) == {"complete", "pruned"}
    pruned = [record for record in read_trials(folder) if record.state == "pruned"]
    assert {len(record.epochs) for record in pruned} == {2}
    assert {record.test for record in pruned} == {None}
    assert not any(record.variant + "-seed1" in states for record in pruned if record.seed == 0)
    told = dict(optuna_states(folder))
    assert {name for name, state in told.items() if state == "PRUNED"} == {record.trial for record in pruned}

    recorder = Recorder()
    run(given, folder, recorder)
    assert recorder.started == []
    recorder = Recorder()
    everything = plan(tmp_path, STOPPING.replace("stop:", "# stop:"), limit=150)
    run(everything, folder, recorder)
    assert {record.state for record in read_trials(folder)} == {"complete"}  # without the rule there is more to do


# Searches

SEARCH = """\
base: base.yaml
axes:
  downsample: {path: [tail.downsample, head.downsample], values: [max-2x2, avg-2x2]}
  width: {path: bridge.width, range: {from: 8, to: 32, step: 8}}
  rate: {path: recipe.learning_rate, range: {from: 0.01, to: 0.5, log: true}}
constraints: {params: {max: 1.2x base}}
design: {kind: KIND, candidates: 6, finalists: 2}
seeds: 2
recipe: {epochs: 1, batch_size: 16, learning_rate: 0.05}
"""


def search(folder, kind):
    objectives = ", objectives: [top1, macs]" if kind == "nsga2" else ""
    text = SEARCH.replace("KIND, candidates: 6", f"{kind}, candidates: 6{objectives}")
    if kind == "cmaes":
        text = text.replace(
            "  downsample: {path: [tail.downsample, head.downsample], values: [max-2x2, avg-2x2]}\n", ""
        )
    return plan(folder, text)


@pytest.mark.parametrize("kind", ["tpe", "nsga2", "evolution", "cmaes"])
def test_a_search_tries_candidates_with_the_first_seed_and_its_finalists_with_all(tmp_path, kind):
    folder = tmp_path / "study"
    recorder = Recorder()
    records = run(search(tmp_path, kind), folder, recorder)
    study = read_study(folder)
    assert (len(study.variants), study.variants[0].name, len(study.finalists)) == (6, "baseline", 2)
    assert [record.seed for record in records] == [0] * 6 + [1] * 3
    assert {record.variant for record in records if record.seed == 1} == {"baseline", *study.finalists}
    assert {record.state for record in records} <= {"complete", "duplicate"}
    limit = 1.2 * study.variants[0].params
    assert all(variant.params <= limit for variant in study.variants)
    assert recorder.refused == [refused.name for refused in study.refused]
    best = max((one for one in records if one.seed == 0 and one.variant != "baseline"), key=_validation)
    if kind != "nsga2":
        assert _validation(best) == max(_validation(one) for one in records if one.variant in study.finalists)

    recorder = Recorder()
    assert run(search(tmp_path, kind), folder, recorder) == records
    assert (recorder.started, recorder.planned, len(recorder.done)) == ([], 9, 9)


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    def stop(snapshot):
        if snapshot.variant == "c0003":
            raise KeyboardInterrupt

    undisturbed = run(search(tmp_path, "tpe"), tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        run(search(tmp_path, "tpe"), tmp_path / "study", Recorder(stop))
    records = run(search(tmp_path, "tpe"), tmp_path / "study")
    assert list(map(numbers, records)) == list(map(numbers, undisturbed))
    assert [record.levels for record in records] == [record.levels for record in undisturbed]


def test_a_search_is_not_lost_with_optunas_file(tmp_path):
    folder = tmp_path / "study"
    run(search(tmp_path, "tpe"), folder)
    (folder / "journal.log").unlink()
    more = search(tmp_path, "tpe")
    design = more.space.space.design.model_copy(update={"candidates": 8})
    more = replace(more, space=replace(more.space, space=more.space.space.model_copy(update={"design": design})))
    recorder = Recorder()
    run(more, folder, recorder)
    assert len(read_study(folder).variants) == 8
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    trials = optuna.load_study(study_name="study", storage=storage).get_trials()
    told = [set(trial.params) for trial in trials if trial.state.name == "COMPLETE"]
    assert told == [{"downsample", "width", "rate"}] * 8


def test_a_search_does_not_go_on_in_another_space(tmp_path):
    run(search(tmp_path, "tpe"), tmp_path / "study")
    text = SEARCH.replace("KIND", "tpe").replace("from: 8, to: 32", "from: 16, to: 32")
    tried = {record.levels["width"] for record in read_trials(tmp_path / "study")}
    if 8 not in tried:
        text = text.replace("from: 16, to: 32", "from: 16, to: 16")
    with pytest.raises(StudyError, match="was tried in a space that has it no longer"):
        run(plan(tmp_path, text), tmp_path / "study")


# Machines that share a study


def test_machines_that_share_a_storage_share_the_trials_and_each_has_all_records(undisturbed, tmp_path):
    """One machine stands still in a trial; the other one does the rest, and waits for it."""
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    here, there = tmp_path / "here" / "study", tmp_path / "there" / "study"
    elsewhere = []

    def meanwhile(snapshot):
        if snapshot.trial == "avg-2x2-seed0" and not elsewhere:
            elsewhere.append(Recorder())
            with pytest.raises(Waited):
                run(plan(tmp_path), there, elsewhere[0], storage=storage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local.time, "sleep", _waited)
        records = run(plan(tmp_path), here, Recorder(meanwhile), storage=storage)
    assert elsewhere[0].started == ["max-2x2-seed1", "avg-2x2-seed1"]
    assert ("max-2x2-seed0", "complete") in elsewhere[0].ended  # it came by way of the storage
    assert list(map(numbers, records)) == list(map(numbers, undisturbed[1]))
    assert list(map(numbers, run(plan(tmp_path), there, storage=storage))) == list(map(numbers, records))
    assert {path.name for path in (here / "trials").glob("*.json")} == {f"{name}.json" for name in TRIALS}
    trials = optuna.load_study(study_name="study", storage=storage).get_trials()
    assert sorted(trial.user_attrs["trial"] for trial in trials) == TRIALS
    assert {trial.state.name for trial in trials} == {"COMPLETE"}


def test_a_storage_that_cannot_be_opened_is_refused_without_its_password(tmp_path):
    with pytest.raises(StudyError, match=r"--storage nobase://me@host/db: .*") as refusal:
        run(plan(tmp_path), tmp_path / "study", storage="nobase://me:secret@host/db")
    assert "secret" not in str(refusal.value)


class Waited(Exception):  # noqa: N818
    """There is nothing to do before another machine has ended its trial."""


def _waited(seconds):
    raise Waited


def _validation(record):
    return record.best_validation["top1"]
