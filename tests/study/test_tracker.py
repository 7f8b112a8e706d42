"""How far a study is, from what an observer is told."""

import json
import os

import pytest

from fishnet_search.errors import StudyError
from fishnet_search.study.progress import is_running, progress_file, read_progress
from fishnet_search.study.record import RefusedRecord
from fishnet_search.study.store import locked
from fishnet_search.study.tracker import ProgressFile, Tracker
from tests.terminal.fakes import failed, trial
from tests.terminal.test_live import Clock


def tracked(planned, done=()):
    clock = Clock()
    tracker = Tracker(clock)
    tracker.study_started(planned=planned, done=done)
    return tracker, clock


def test_trials_are_counted_by_their_state_and_interrupted_ones_are_not_over():
    tracker, _ = tracked(9, [trial("d", (0.4,), state="complete")])
    tracker.trial_started(trial("a"))
    tracker.trial_started(trial("b"))
    tracker.trial_ended(trial("a", (0.3,), state="pruned"))
    tracker.trial_ended(failed("c"))
    tracker.trial_ended(trial("b"))
    tracker.candidate_refused(RefusedRecord(name="x", levels={}, where="", reason=""))
    tracker.plan_changed(7)
    progress = tracker.progress()
    assert progress.ended == {"complete": 1, "pruned": 1, "failed": 1}
    assert (progress.planned, progress.over, progress.refused, progress.running) == (7, 3, 1, ())


def test_the_best_is_that_of_all_trials_but_those_that_failed():
    tracker, _ = tracked(3, [trial("d", (0.6, 0.4), state="complete")])
    assert tracker.progress().best.model_dump() == {"trial": "d", "metric": "top1", "value": 0.6}
    tracker.trial_started(trial("a", (0.7,)))
    tracker.epoch_ended(trial("a", (0.7, 0.2)))
    assert tracker.progress().best.model_dump() == {"trial": "a", "metric": "top1", "value": 0.7}
    tracker.trial_ended(failed("a", (0.7, 0.2)))
    assert tracker.progress().best.model_dump() == {"trial": "d", "metric": "top1", "value": 0.6}


def test_there_is_no_time_left_before_an_epoch_was_done_here():
    tracker, clock = tracked(2, [trial("d", (0.4,) * 4, state="complete")])
    tracker.trial_started(trial("a", (0.1, 0.2)))
    clock.now = 100.0
    assert tracker.progress().seconds_left is None


def test_the_time_left_is_that_of_the_epochs_left_at_the_speed_of_this_run():
    tracker, clock = tracked(3)
    tracker.trial_started(trial("a", epochs=4))
    clock.now = 10.0
    tracker.epoch_ended(trial("a", (0.1,), epochs=4))
    assert tracker.progress().seconds_left == pytest.approx((3 + 4 + 4) * 10.0)
    clock.now = 15.0
    assert tracker.progress().seconds_left == pytest.approx(105.0)
    clock.now = 1000.0  # an epoch that takes longer than others is not over before it is
    assert tracker.progress().seconds_left == pytest.approx(100.0)


def test_epochs_that_a_resumed_trial_had_do_not_count_for_the_speed():
    tracker, clock = tracked(1)
    tracker.trial_started(trial("a", (0.1,) * 6, epochs=10))
    clock.now = 10.0
    tracker.epoch_ended(trial("a", (0.1,) * 7, epochs=10))
    assert tracker.progress().seconds_left == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("record", "epochs_left"),
    [
        (trial("a", (0.1, 0.2), epochs=10, state="pruned"), 2),  # trials to come take as many as those so far
        (failed("a", (0.1, 0.2), epochs=10), None),
        (trial("a", (0.1,) * 10, epochs=10, state="complete"), 10),
    ],
)
def test_trials_that_end_early_leave_fewer_epochs(record, epochs_left):
    tracker, clock = tracked(2)
    tracker.trial_started(trial("a", epochs=10))
    clock.now = 10.0
    tracker.epoch_ended(trial("a", (0.1,), epochs=10))
    tracker.trial_ended(record)
    left = tracker.progress().seconds_left
    assert left == (None if epochs_left is None else pytest.approx(epochs_left * 10.0))


def test_a_duplicate_takes_its_epochs_from_those_left_but_says_nothing_of_the_others():
    tracker, clock = tracked(4)
    tracker.trial_started(trial("a", epochs=10))
    clock.now = 10.0
    tracker.epoch_ended(trial("a", (0.1,), epochs=10))
    assert tracker.progress().seconds_left == pytest.approx((9 + 30) * 10.0)
    tracker.trial_ended(trial("b", (0.1,) * 10, state="duplicate"))
    assert tracker.progress().seconds_left == pytest.approx((9 + 20) * 10.0)


def test_a_trial_whose_worker_was_lost_goes_on_from_what_it_has():
    tracker, _ = tracked(1)
    tracker.trial_started(trial("a"))
    tracker.epoch_ended(trial("a", (0.1,)))
    tracker.epoch_ended(trial("a", (0.1, 0.2)))
    tracker.trial_started(trial("a", (0.1,)))
    assert [(one.trial, one.epoch, one.epochs) for one in tracker.progress().running] == [("a", 1, 4)]


def test_the_progress_is_in_the_folder_from_the_start_to_the_end(tmp_path):
    with ProgressFile(tmp_path) as file:
        assert read_progress(tmp_path) is None  # the lock may be another process's
        file.study_started(planned=2, done=[trial("d", (0.4,), state="complete")])
        told = read_progress(tmp_path)
        assert (told.pid, told.progress.planned, told.progress.ended) == (os.getpid(), 2, {"complete": 1})
        file.trial_ended(trial("a", (0.5,), state="complete"))
    assert read_progress(tmp_path).progress.ended == {"complete": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]


def test_a_folder_that_cannot_be_written_does_not_end_the_study(tmp_path):
    with ProgressFile(tmp_path / "gone") as file:
        file.study_started(planned=2, done=[])
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("content", ["", "{", json.dumps({"format": 2}), "[]"])
def test_a_damaged_progress_file_is_told(tmp_path, content):
    progress_file(tmp_path).write_text(content)
    with pytest.raises(StudyError, match=r"progress\.json: is damaged or of another version"):
        read_progress(tmp_path)


def test_a_study_runs_as_long_as_its_lock_is_held(tmp_path):
    assert not is_running(tmp_path)
    with locked(tmp_path):
        assert is_running(tmp_path)
        assert is_running(tmp_path)  # looking does not let go of it
    assert not is_running(tmp_path)
    with locked(tmp_path):
        pass
