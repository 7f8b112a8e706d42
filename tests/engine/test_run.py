"""The local engine: every trial once, whatever happens in between."""

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from safetensors.torch import load_file

from fishnet_search.engine import local
from fishnet_search.engine.local import run_study
from fishnet_search.errors import StudyError
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import build_network
from fishnet_search.study import trial as trial_module
from fishnet_search.study.store import read_study, read_trials, trial_file, weights_file
from fishnet_search.study.trial import Interrupted
from tests.engine.tiny import TRIALS, Recorder, plan


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


def optuna_states(folder):
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    trials = optuna.load_study(study_name="tiny", storage=storage).get_trials()
    return sorted((str(trial.user_attrs.get("trial")), trial.state.name) for trial in trials)


def numbers(record):
    """What must not change when a trial is done again."""
    epochs = [epoch.model_copy(update={"seconds": 0}) for epoch in record.epochs]
    return record.trial, record.seed, epochs, record.best_epoch, record.test


def assert_every_trial_is_complete_exactly_once(folder):
    assert [(record.trial, record.state) for record in read_trials(folder)] == [(name, "complete") for name in TRIALS]
    complete = [name for name, state in optuna_states(folder) if state == "COMPLETE"]
    assert complete == TRIALS
    assert "RUNNING" not in {state for _, state in optuna_states(folder)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A finished study: its folder and the records that `run_study` returned."""
    home = tmp_path_factory.mktemp("undisturbed")
    study, images = plan(home)
    return home / "study", run_study(study, images, home / "study", Recorder())


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
    assert record.wall_seconds > 0


def test_seeds_are_blocks_every_variant_runs_with_one_before_the_next_begins(tmp_path):
    study, images = plan(tmp_path, epochs=1)
    recorder = Recorder()
    run_study(study, images, tmp_path / "study", recorder)
    assert recorder.started == ["max-2x2-seed0", "avg-2x2-seed0", "max-2x2-seed1", "avg-2x2-seed1"]
    assert recorder.ended == [(name, "complete") for name in recorder.started]


def test_the_weights_of_the_best_epoch_are_kept_and_fit_the_recorded_spec(undisturbed):
    folder, records = undisturbed
    for record in records:
        network = build_network(build_graph(record.spec))
        network.load_state_dict(load_file(weights_file(folder, record.trial)))


def test_the_same_study_somewhere_else_gives_the_same_numbers_to_the_bit(undisturbed, tmp_path):
    study, images = plan(tmp_path)
    again = run_study(study, images, tmp_path / "study", Recorder())
    assert [numbers(record) for record in again] == [numbers(record) for record in undisturbed[1]]
    assert len({record.test for record in again}) > 1  # seeds and variants do differ


def test_a_second_run_has_nothing_to_do(tmp_path):
    study, images = plan(tmp_path, epochs=1)
    first = run_study(study, images, tmp_path / "study", Recorder())
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "study" / "trials").iterdir()}
    recorder = Recorder()
    assert run_study(study, images, tmp_path / "study", recorder) == first
    assert (recorder.planned, recorder.done, recorder.started) == (4, 4, [])
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_more_seeds_run_only_what_is_new_and_fewer_forget_nothing(tmp_path):
    study, images = plan(tmp_path, epochs=1, seeds=1)
    run_study(study, images, tmp_path / "study", Recorder())
    study, images = plan(tmp_path, epochs=1, seeds=2)
    recorder = Recorder()
    run_study(study, images, tmp_path / "study", recorder)
    assert recorder.started == ["max-2x2-seed1", "avg-2x2-seed1"]
    study, images = plan(tmp_path, epochs=1, seeds=1)
    assert len(run_study(study, images, tmp_path / "study", Recorder())) == 2
    assert_every_trial_is_complete_exactly_once(tmp_path / "study")


def test_ctrl_c_keeps_what_was_reached_and_the_next_run_goes_on(undisturbed, tmp_path):
    def stop(trial, epoch):
        if (trial, epoch.epoch) == ("avg-2x2-seed0", 1):
            raise KeyboardInterrupt

    study, images = plan(tmp_path)
    recorder = Recorder(stop)
    with pytest.raises(Interrupted):
        run_study(study, images, tmp_path / "study", recorder)
    assert recorder.ended == [("max-2x2-seed0", "complete"), ("avg-2x2-seed0", "interrupted")]
    interrupted = read_trials(tmp_path / "study")[0]
    assert (interrupted.state, len(interrupted.epochs), interrupted.test) == ("interrupted", 1, None)

    recorder = Recorder()
    records = run_study(study, images, tmp_path / "study", recorder)
    assert (recorder.done, recorder.started[0]) == (1, "avg-2x2-seed0")
    assert_every_trial_is_complete_exactly_once(tmp_path / "study")
    assert [numbers(record) for record in records] == [numbers(record) for record in undisturbed[1]]


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize(
    ("module", "step"),
    [(local, "_ask"), (local, "run_trial"), (local, "write_whole"), (local, "write_record"), (local, "_tell")],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_before_or_after_any_step_loses_nothing_and_counts_nothing_twice(
    tmp_path, monkeypatch, module, step, moment, nth
):
    real, calls = getattr(module, step), []

    def deadly(*arguments, **keywords):
        calls.append(step)
        if moment == "before" and len(calls) == nth:
            raise Killed
        result = real(*arguments, **keywords)
        if len(calls) == nth:
            raise Killed
        return result

    study, images = plan(tmp_path, epochs=1, limit=10)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module, step, deadly)
        run_study(study, images, tmp_path / "study", Recorder())
    run_study(study, images, tmp_path / "study", Recorder())
    assert_every_trial_is_complete_exactly_once(tmp_path / "study")


def test_a_kill_between_asking_and_naming_leaves_no_trial_running(tmp_path, monkeypatch):
    def die(*_):
        raise Killed

    study, images = plan(tmp_path, epochs=1, limit=10)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(optuna.trial.Trial, "set_user_attr", die)
        run_study(study, images, tmp_path / "study", Recorder())
    run_study(study, images, tmp_path / "study", Recorder())
    assert_every_trial_is_complete_exactly_once(tmp_path / "study")


def test_optunas_file_may_be_cut_off_or_lost_or_left_locked(tmp_path):
    folder = tmp_path / "study"
    study, images = plan(tmp_path, epochs=1, limit=10)
    run_study(study, images, folder, Recorder())
    journal = folder / "journal.log"
    journal.write_bytes(journal.read_bytes()[:-20])
    (folder / "journal.log.lock").symlink_to(journal)
    run_study(study, images, folder, Recorder())
    assert_every_trial_is_complete_exactly_once(folder)
    journal.unlink()
    run_study(study, images, folder, Recorder())
    assert_every_trial_is_complete_exactly_once(folder)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], b"garbage\n", *lines[3:]]))
    run_study(study, images, folder, Recorder())
    assert_every_trial_is_complete_exactly_once(folder)


def test_optuna_forgets_a_value_that_no_record_bears_out(tmp_path):
    folder = tmp_path / "study"
    study, images = plan(tmp_path, epochs=1)
    run_study(study, images, folder, Recorder())
    for record in read_trials(folder):
        trial_file(folder, record.trial).unlink()
    study, images = plan(tmp_path, epochs=6)
    records = run_study(study, images, folder, Recorder())
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    values = {
        trial.user_attrs["trial"]: trial.value
        for trial in optuna.load_study(study_name="tiny", storage=storage).get_trials()
    }
    assert values == {record.trial: record.best_validation.top1 for record in records}


def test_a_record_that_is_deleted_is_made_again(tmp_path):
    folder = tmp_path / "study"
    study, images = plan(tmp_path, epochs=1, limit=10)
    run_study(study, images, folder, Recorder())
    trial_file(folder, "avg-2x2-seed1").unlink()
    recorder = Recorder()
    run_study(study, images, folder, recorder)
    assert recorder.started == ["avg-2x2-seed1"]
    assert_every_trial_is_complete_exactly_once(folder)


def test_a_trial_that_fails_is_recorded_with_its_reason_and_the_study_goes_on(tmp_path, monkeypatch):
    real = trial_module.train

    def train(network, images, recipe, *, seed, **keywords):
        if seed == 0:
            recipe = recipe.model_copy(update={"learning_rate": 1e30})
        return real(network, images, recipe, seed=seed, **keywords)

    folder = tmp_path / "study"
    study, images = plan(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(trial_module, "train", train)
        records = run_study(study, images, folder, Recorder())
    assert [record.state for record in records] == ["failed", "failed", "complete", "complete"]
    failure = records[0].failure
    assert failure.type == "TrainingError"
    assert "epoch 1, step" in failure.message
    assert "Traceback" in failure.traceback
    assert not weights_file(folder, records[0].trial).exists()

    recorder = Recorder()
    run_study(study, images, folder, recorder)
    assert recorder.started == ["max-2x2-seed0", "avg-2x2-seed0"]
    assert_every_trial_is_complete_exactly_once(folder)


def test_trials_that_failed_do_not_keep_a_study_from_another_recipe(tmp_path):
    folder = tmp_path / "study"
    study, images = plan(tmp_path, epochs=1)
    hopeless = study.model_copy(update={"recipe": study.recipe.model_copy(update={"learning_rate": 1e30})})
    assert {record.state for record in run_study(hopeless, images, folder, Recorder())} == {"failed"}
    run_study(study, images, folder, Recorder())
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
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    study, images = plan(tmp_path, **changes)
    with pytest.raises(StudyError, match=f"was made with {what}; give another --name"):
        run_study(study, images, folder, Recorder())
    assert {path: path.read_bytes() for path in before if path.name != ".lock"} == {
        path: content for path, content in before.items() if path.name != ".lock"
    }


def test_a_variant_that_means_another_architecture_now_is_refused(undisturbed, tmp_path):
    study, images = plan(tmp_path)
    other = study.variants[0].model_copy(update={"spec": study.variants[1].spec})
    study = study.model_copy(update={"variants": (other, study.variants[1])})
    with pytest.raises(StudyError, match="trial max-2x2-seed0 was made with another architecture"):
        run_study(study, images, undisturbed[0], Recorder())


def test_a_name_too_long_for_a_file_is_refused_before_anything_is_trained(tmp_path):
    study, images = plan(tmp_path)
    variant = study.variants[0].model_copy(update={"name": "x" * 300})
    recorder = Recorder()
    with pytest.raises(StudyError, match="has a name of 306 letters, more than the 200 that fit a file"):
        run_study(study.model_copy(update={"variants": (variant,)}), images, tmp_path / "study", recorder)
    assert recorder.started == []


def test_levels_that_would_share_a_file_are_refused(tmp_path):
    study, images = plan(tmp_path)
    variants = [study.variants[i].model_copy(update={"name": name}) for i, name in enumerate(("a b", "a_b"))]
    study = study.model_copy(update={"variants": tuple(variants)})
    with pytest.raises(StudyError, match="2 trials would share the file name a_b-seed0"):
        run_study(study, images, tmp_path / "study", Recorder())
