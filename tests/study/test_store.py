"""Records are written whole, read strictly, and never outside the studies folder."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from fishnet_search.errors import StudyError
from fishnet_search.spec.loading import load_spec
from fishnet_search.study.store import (
    locked,
    read_study,
    read_trials,
    study_folder,
    trial_name,
    write_record,
    write_whole,
)
from tests.fishes import minnow


@pytest.mark.parametrize("name", ["../mine", "a/b", "/tmp/x", "", ".", "..", ".hidden", "a b", "a\n", "x" * 101, "-f"])
def test_a_name_that_could_lead_elsewhere_is_refused(name):
    with pytest.raises(StudyError, match="must be up to 100 letters, digits"):
        study_folder(Path("studies"), name)


@pytest.mark.parametrize("name", ["downsample", "cifar-smoke", "A.1_b", "0"])
def test_a_plain_name_is_a_folder_among_the_studies(name):
    assert study_folder(Path("studies"), name) == Path("studies") / name


def test_trial_names_are_plain_file_names():
    assert trial_name("max-2x2", 3) == "max-2x2-seed3"
    assert trial_name("pool=../a b,depth=1", 0) == "pool=.._a_b,depth=1-seed0"


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    write_record(path, minnow())
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_record(path, load_spec("fishnet-cifar"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b'{"format": 1, "tri', b"[]", b'{"format": 4}', b"\xff"])
def test_a_damaged_record_is_named_with_what_to_do(tmp_path, content):
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "max-2x2-seed0.json").write_bytes(content)
    with pytest.raises(StudyError, match=r"max-2x2-seed0.json: is damaged.*run the study again to do that trial anew"):
        read_trials(tmp_path)


def test_files_that_a_killed_process_left_half_written_are_no_records(tmp_path):
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / ".max-2x2-seed0.json.partial").write_bytes(b'{"for')
    assert read_trials(tmp_path) == ()


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(
        StudyError, match="is not a study, or it has only begun; `fishnet-search list` shows which there are"
    ):
        read_study(tmp_path)


def hold(folder, ready):
    with locked(folder):
        ready.set()
        time.sleep(60)


def test_a_study_belongs_to_one_process_and_is_free_again_when_that_is_killed(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    owner = context.Process(target=hold, args=(tmp_path, ready))
    owner.start()
    assert ready.wait(60)
    with pytest.raises(StudyError, match=f"is being run by process {owner.pid}; wait for it"), locked(tmp_path):
        pass
    owner.kill()
    owner.join()
    with locked(tmp_path):
        pass


def test_ctrl_c_in_a_write_leaves_the_old_file_and_no_part_of_the_new_one(tmp_path, monkeypatch):
    write_whole(tmp_path / "file", b"old")

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old"}
