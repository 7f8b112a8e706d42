"""Trials as TensorBoard reads them."""

import struct

import pytest
from tensorboardX.proto.event_pb2 import Event

from fishnet_search.engine.tensorboard import TensorBoardLog
from tests.terminal.fakes import failed, trial

FIGURES = {"loss/train", "loss/validation", "top1/train", "top1/validation", "learning_rate"}


def events(folder):
    """Read the records of a folder's one event file: length, its checksum, an event, its checksum."""
    (file,) = folder.glob("events.out.tfevents.*")
    content, found = file.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        found.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    return found


def scalars(folder):
    """Return tag -> [(step, figure)], as rounded as float32 has them."""
    found = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                found.setdefault(value.tag, []).append((event.step, pytest.approx(value.simple_value)))
    return found


def test_a_trial_has_its_figures_of_each_epoch_and_in_the_end_those_of_the_test(tmp_path):
    log = TensorBoardLog(tmp_path)
    log.study_started(planned=1, done=[])
    log.trial_started(trial("a"))
    log.epoch_ended(trial("a", (0.2,)))
    assert scalars(tmp_path / "a")["top1/validation"] == [(1, 0.2)]  # while it runs
    log.epoch_ended(trial("a", (0.2, 0.5)))
    log.trial_ended(trial("a", (0.2, 0.5), state="complete", levels={"dilation": [1, 2], "rate": 0.1}))
    found = scalars(tmp_path / "a")
    assert found["top1/validation"] == [(1, 0.2), (2, 0.5)]
    assert found["loss/train"] == [(1, 0.9), (2, 0.75)]
    assert found["learning_rate"] == [(1, 0.1), (2, 0.1)]
    assert found["test/top1"] == [(2, 0.4)]
    tags = [value.tag for event in events(tmp_path / "a") for value in event.summary.value]
    assert tags[-3:] == ["_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"]


def test_a_trial_that_goes_on_has_each_step_once_wherever_it_was_cut_off(tmp_path):
    first = TensorBoardLog(tmp_path)
    first.trial_started(trial("a"))
    for count in (1, 2, 3):
        first.epoch_ended(trial("a", (0.1, 0.2, 0.3)[:count]))
    second = TensorBoardLog(tmp_path)
    second.study_started(planned=1, done=[])
    second.trial_started(trial("a", (0.1,)))  # its checkpoint was older than its log
    second.epoch_ended(trial("a", (0.1, 0.2)))
    assert scalars(tmp_path / "a")["top1/validation"] == [(1, 0.1), (2, 0.2)]


def test_a_trial_whose_worker_was_lost_has_each_step_once(tmp_path):
    log = TensorBoardLog(tmp_path)
    log.trial_started(trial("a"))
    log.epoch_ended(trial("a", (0.1,)))
    log.epoch_ended(trial("a", (0.1, 0.2)))
    log.trial_started(trial("a", (0.1,)))
    log.epoch_ended(trial("a", (0.1, 0.2)))
    assert scalars(tmp_path / "a")["top1/validation"] == [(1, 0.1), (2, 0.2)]


def test_trials_that_were_over_before_are_there_too_and_are_written_once(tmp_path):
    done = [trial("a", (0.1, 0.2), state="complete"), failed("b", (0.1,)), trial("c", (0.3,), state="pruned")]
    TensorBoardLog(tmp_path).study_started(planned=3, done=done)
    assert scalars(tmp_path / "b")["top1/validation"] == [(1, 0.1)]
    before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*/*")}
    TensorBoardLog(tmp_path).study_started(planned=3, done=done)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.glob("*/*")} == before


def test_a_trial_that_was_killed_before_its_end_was_logged_gets_it_with_the_next_run(tmp_path):
    log = TensorBoardLog(tmp_path)
    log.trial_started(trial("a"))
    log.epoch_ended(trial("a", (0.1,)))
    TensorBoardLog(tmp_path).study_started(planned=1, done=[trial("a", (0.1,), state="complete")])
    assert set(scalars(tmp_path / "a")) == FIGURES | {"test/loss", "test/top1", "test/top5", "best/validation_top1"}


def test_an_interrupted_trial_has_no_end_yet(tmp_path):
    log = TensorBoardLog(tmp_path)
    log.trial_started(trial("a"))
    log.epoch_ended(trial("a", (0.1,)))
    log.trial_ended(trial("a", (0.1,)))
    assert set(scalars(tmp_path / "a")) == FIGURES
