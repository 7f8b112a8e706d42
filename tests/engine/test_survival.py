"""Nothing is ever lost: what a study comes to whatever ends it, fills its disk or damages its files."""

import functools
import json
import os
import pickle
import random
import re
import resource
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fishnet_search.engine import conductor, local, proposals
from fishnet_search.engine import plan as planning
from fishnet_search.engine.conductor import Conductor
from fishnet_search.engine.mirror import Mirror
from fishnet_search.engine.proposals import Proposals
from fishnet_search.errors import StudyError
from fishnet_search.study.record import StudyRecord
from fishnet_search.study.store import checkpoint_file, read_study, read_trials, trial_file, weights_file
from tests.engine import survival
from tests.engine.survival import (
    Endless,
    assert_nothing_is_lost,
    befall,
    command,
    numbers,
    optuna_states,
    remains,
    study,
)
from tests.engine.tiny import SPACE, Killed, Recorder, deadly, plan, run, write_space

pytestmark = pytest.mark.usefixtures("plain_figures")

SMALL = {"epochs": 2, "limit": 10}
RUN = ["run", "tiny.yaml", "--name", "study", "--studies", "."]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Run a study that nothing happens to, once for each of its kind, and return its records."""
    known = {}

    def records(text=SPACE, **changes):
        asked = (text, *changes.items())
        if asked not in known:
            home = tmp_path_factory.mktemp("undisturbed")
            run(plan(home, text, **changes), home / "study")
            known[asked] = read_trials(home / "study")
        return known[asked]

    return records


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# The process that runs a study is killed

SIX_EPOCHS = SPACE.replace("epochs: 2", "epochs: 6")


def doomed(told, home, jobs, real_workers):
    """Run a study up to its last epoch, and there for ever."""
    if not real_workers:
        befall([], home)
    told.send("loading")
    run(plan(home, SIX_EPOCHS), home / "study", Endless(told, last="avg-2x2-seed1"), jobs=jobs)


@pytest.mark.parametrize(
    ("jobs", "kills", "real_workers"),
    [
        pytest.param(1, 3, False, id="in process", marks=pytest.mark.slow),
        pytest.param(2, 2, False, id="two workers"),
        pytest.param(1, 20, False, id="in process, twenty times", marks=pytest.mark.slow),
        pytest.param(2, 20, True, id="two workers, twenty times", marks=pytest.mark.slow),
    ],
)
def test_a_study_killed_at_random_moments_again_and_again_loses_nothing(
    tmp_path, processes, undisturbed, jobs, kills, real_workers
):
    chance = random.Random(jobs)
    for _ in range(kills):
        process = processes(doomed, jobs, real_workers)
        for _ in range(chance.randrange(1, 12)):
            if process.await_event() == "stays":
                break
        process.process.join(chance.uniform(0, 0.1))
        process.kill()
        assert process.outlived_by() == set()
        read_trials(tmp_path / "study")
    process = processes(study, SIX_EPOCHS, {"jobs": jobs}, {})
    assert process.await_end() == 0, process.errors
    assert_nothing_is_lost(tmp_path / "study", undisturbed(SIX_EPOCHS))


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["write_record", "write_whole", "tell", "unlink"])
def test_a_kill_beside_any_write_leaves_no_checkpoint_of_a_trial_that_is_over(
    tmp_path, monkeypatch, undisturbed, step, moment, nth
):
    given = plan(tmp_path, **SMALL, seeds=1)
    owner = {"tell": Mirror, "write_whole": survival.training, "unlink": type(tmp_path)}.get(step, conductor)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        deadly(patch, owner, step, moment, nth)
        run(given, tmp_path / "study")
    run(given, tmp_path / "study")
    assert_nothing_is_lost(tmp_path / "study", undisturbed(**SMALL, seeds=1))


def test_a_study_that_is_moved_after_a_kill_goes_on(tmp_path, monkeypatch, undisturbed):
    (tmp_path / "here").mkdir()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        deadly(patch, Conductor, "snapshot", "after", 4)
        run(plan(tmp_path / "here", **SMALL), tmp_path / "here" / "study")
    (tmp_path / "here").rename(tmp_path / "there")
    monkeypatch.setattr("platform.node", lambda: "another machine")
    run(plan(tmp_path / "there", **SMALL), tmp_path / "there" / "study")
    assert_nothing_is_lost(tmp_path / "there" / "study", undisturbed(**SMALL))


def test_ctrl_c_while_a_complete_trial_is_noted_does_not_undo_it(tmp_path, monkeypatch, undisturbed):
    given = plan(tmp_path, **SMALL)

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Mirror, "tell", stopped)
        run(given, tmp_path / "study")
    recorder = Recorder()
    run(given, tmp_path / "study", recorder)
    assert recorder.done == ["max-2x2-seed0"]
    assert_nothing_is_lost(tmp_path / "study", undisturbed(**SMALL))


# The disk is full


def crammed(told, home, jobs):
    """Run the command line again and again on a full disk that grows by a page each time, until it comes to its end."""
    befall([], home)
    disk = home / "disk"
    disk.mkdir()
    survival.mount_a_small_disk(disk)
    ballast = survival.fill(disk)
    planning.images_for = functools.cache(planning.images_for)
    code = None
    while code != 0:
        ballast.make_room(pages=jobs * jobs)
        try:
            command(told, home, [*RUN[:-1], "disk", "--limit", 10, "--seeds", 1, "--jobs", jobs])
            code = 0
        except SystemExit as end:
            code = end.code
        told.send((code, remains(disk), bool(read_trials(disk / "study"))))
    told.send((read_trials(disk / "study"), optuna_states(disk / "study"), remains(disk)))


@pytest.mark.parametrize(
    "jobs", [pytest.param(1, id="in process"), pytest.param(2, id="two workers", marks=pytest.mark.slow)]
)
def test_a_full_disk_ends_a_study_with_the_file_that_did_not_fit_and_it_goes_on_when_there_is_room(
    tmp_path, processes, undisturbed, jobs
):
    write_space(tmp_path)
    process = processes(crammed, jobs)
    told = [event for event in process.events() if isinstance(event, tuple) and len(event) == 3]
    *refusals, (code, _, _), (records, states, left) = [one for one in told if not isinstance(one[0], str)]
    assert ({code for code, _, _ in refusals}, code) == ({2}, 0)
    # the other of two workers may be ended in the middle of a file; the next run takes that away
    remaining = (".checkpoint", ".partial") if jobs == 2 else ".checkpoint"
    assert [name for _, names, _ in refusals for name in names if not name.endswith(remaining)] == []
    lines = process.errors.splitlines()
    assert len(lines) == len(refusals)
    full = [re.fullmatch(r"error: disk/study/(.+): No space left on device", line) for line in lines]
    assert None not in full
    kinds = {Path(one[1]).suffix or one[1] for one in full}
    # with two workers the disk grows by larger steps, and what fills it is a matter of time
    assert kinds >= ({".checkpoint"} if jobs == 2 else {".checkpoint", ".safetensors", ".json", ".log"})
    assert [numbers(record) for record in records] == [numbers(record) for record in undisturbed(limit=10, seeds=1)]
    assert states == [(record.trial, "COMPLETE") for record in records]
    assert left == []


def bounded(told, home, size):
    """Run the command line where no file may have more bytes than that."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    command(told, home, [*RUN, "--limit", 10, "--epochs", 2, "--jobs", 1])


@pytest.mark.parametrize(
    ("size", "file"),
    [(100, "journal.log"), (2_000, "study.json"), (20_000, "max-2x2-seed0.checkpoint")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_quota_is_told_in_one_sentence_with_exit_code_2(tmp_path, processes, undisturbed, size, file):
    write_space(tmp_path)
    process = processes(bounded, size)
    assert process.await_end() == 2
    assert re.fullmatch(rf"error: study/(trials/)?{file}: File too large\n", process.errors)
    run(plan(tmp_path, **SMALL), tmp_path / "study")
    assert_nothing_is_lost(tmp_path / "study", undisturbed(**SMALL))


# Files are damaged


def test_a_record_cut_off_anywhere_is_set_aside_and_its_trial_is_done_anew(tmp_path, undisturbed):
    small = SPACE.replace("[max-2x2, avg-2x2]", "[max-2x2]")
    changes = {"epochs": 1, "limit": 10, "seeds": 2}
    given, folder = plan(tmp_path, small, **changes), tmp_path / "study"
    run(given, folder)
    path = trial_file(folder, "max-2x2-seed0")
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 389):
        path.write_bytes(whole[:length])
        recorder = Recorder()
        run(given, folder, recorder)
        assert recorder.started == ["max-2x2-seed0"]
        assert [f"{path}: is damaged" in one and "max-2x2-seed0.json.damaged" in one for one in recorder.notices] == [
            True
        ]
        assert path.with_name("max-2x2-seed0.json.damaged").read_bytes() == whole[:length]
        assert_nothing_is_lost(folder, undisturbed(small, **changes))


def test_records_of_another_format_are_refused_and_stay_where_they_are(tmp_path):
    given, folder = plan(tmp_path, **SMALL), tmp_path / "study"
    run(given, folder)
    path = trial_file(folder, "max-2x2-seed0")
    path.write_text(path.read_text().replace('"format": 4', '"format": 5'))
    before = contents(folder)
    with pytest.raises(StudyError, match=r"max-2x2-seed0.json: has the record format 5 of another version"):
        run(given, folder)
    assert {path: content for path, content in contents(folder).items() if path.name != ".lock"} == {
        path: content for path, content in before.items() if path.name != ".lock"
    }


def test_a_study_file_cut_off_is_told_in_a_sentence_and_written_anew_by_the_next_run(tmp_path, call, undisturbed):
    given, folder = plan(tmp_path, **SMALL), tmp_path / "study"
    run(given, folder)
    whole = (folder / "study.json").read_bytes()
    (folder / "study.json").write_bytes(whole[: len(whole) // 2])
    for words in (["status", "study"], ["report", "study"]):
        code, _, errors = call(*words, "--studies", ".")
        assert (code, errors.count("\n"), "study.json: is damaged" in errors) == (2, 1, True)
    run(given, folder)
    assert (folder / "study.json").read_bytes() == whole
    assert_nothing_is_lost(folder, undisturbed(**SMALL))


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGES = {
    "a bit flipped in the first byte": lambda content, _: flipped(content, 0),
    "a bit flipped in the digest": lambda content, _: flipped(content, 40),
    "a bit flipped in the figures": lambda content, _: flipped(content, 200),
    "a bit flipped in the weights": lambda content, _: flipped(content, len(content) // 2),
    "a bit flipped in the last byte": lambda content, _: flipped(content, len(content) - 1),
    "empty": lambda content, _: b"",
    "cut off": lambda content, _: content[: len(content) // 3],
    "of another trial": lambda _, other: other,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_checkpoint_is_as_good_as_none(tmp_path, monkeypatch, undisturbed, damage):
    monkeypatch.setattr(local, "trial_steps", survival.with_checkpoints)
    few = {"epochs": 3, "limit": 10, "seeds": 1}
    given, folder = plan(tmp_path, **few), tmp_path / "study"
    found = {}
    for trial, other in (("max-2x2-seed0", None), ("avg-2x2-seed0", "max-2x2-seed0")):

        def stop(snapshot, trial=trial):
            if (snapshot.trial, len(snapshot.epochs)) == (trial, 2):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(given, folder, Recorder(stop))
        found[trial] = checkpoint_file(folder, trial).read_bytes()
        checkpoint_file(folder, trial).write_bytes(damage(found[trial], found.get(other, b"none")))
    seen = []
    run(given, folder, Recorder(lambda snapshot: seen.append((snapshot.trial, len(snapshot.epochs)))))
    assert seen[:3] == [("avg-2x2-seed0", 1), ("avg-2x2-seed0", 2), ("avg-2x2-seed0", 3)]
    assert_nothing_is_lost(folder, undisturbed(**few))


# Two processes


def test_a_study_that_another_process_runs_is_refused_and_not_touched(tmp_path, call, undisturbed):
    folder = tmp_path / "study"
    refused = []

    def second(snapshot):
        before = contents(folder)
        refused.append((call(*RUN, "--limit", 10), contents(folder) == before))

    run(plan(tmp_path, **SMALL), folder, Recorder(second))
    assert len(refused) == 8
    for (code, _, errors), untouched in refused:
        assert (code, untouched) == (2, True)
        assert errors.startswith("error: study: is being run by process ")
    assert_nothing_is_lost(folder, undisturbed(**SMALL))


def slow_to_load(told, home, go):
    """Run the command line, and wait for a file before the images are there."""
    real = planning.images_for

    def images_for(*arguments, **keywords):
        told.send("loading")
        while not (home / go).exists():
            time.sleep(0.01)
        return real(*arguments, **keywords)

    planning.images_for = images_for
    command(told, home, [*RUN, "--limit", 10, "--epochs", 2, "--jobs", 1])


def endless(told, home):
    """Run a study up to its last epoch, and there for ever."""
    run(plan(home, **SMALL), home / "study", Endless(told, last="avg-2x2-seed1"))


def test_of_two_processes_that_load_their_images_the_one_that_is_ready_first_runs_the_study(
    tmp_path, processes, undisturbed
):
    write_space(tmp_path)
    slow = processes(slow_to_load, "go")
    assert slow.await_event() == "loading"
    fast = processes(endless)
    while fast.await_event() != ("epoch", "avg-2x2-seed1", 2):
        pass
    before = contents(tmp_path / "study")
    (tmp_path / "go").touch()
    assert slow.await_end() == 2
    assert slow.errors == (
        f"error: study: is being run by process {fast.process.pid}; wait for it, or give another --name\n"
    )
    assert contents(tmp_path / "study") == before
    fast.kill()
    run(plan(tmp_path, **SMALL), tmp_path / "study")
    assert_nothing_is_lost(tmp_path / "study", undisturbed(**SMALL))


def test_of_two_processes_that_begin_at_once_one_runs_the_study_and_the_other_is_refused(
    tmp_path, processes, undisturbed
):
    write_space(tmp_path)
    words = [*RUN, "--limit", 10, "--epochs", 2, "--jobs", 1]
    both = [processes(command, words) for _ in range(2)]
    codes = sorted(process.await_end() for process in both)
    assert codes in ([0, 2], [0, 0])  # the second may have come when the first was done
    assert_nothing_is_lost(tmp_path / "study", undisturbed(**SMALL))


# Names and files of others


def test_variants_cannot_leave_the_studys_folder_nor_hide_in_it(tmp_path):
    home = tmp_path / "a" / "b"
    home.mkdir(parents=True)
    given = plan(home, epochs=1, limit=10, seeds=1)
    names = zip(given.study.variants, ("../../outside", ".hidden"), strict=True)
    variants = [variant.model_dump() | {"name": name} for variant, name in names]
    given = replace(given, study=StudyRecord.model_validate(given.study.model_dump() | {"variants": variants}))
    records = run(given, home / "study")
    assert [record.variant for record in records] == ["../../outside", ".hidden"]
    assert {path.parent for path in contents(tmp_path)} == {home, home / "study", home / "study" / "trials"}
    recorder = Recorder()
    assert list(run(given, home / "study", recorder)) == list(records)
    assert recorder.started == []


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


SEARCH = """\
base: base.yaml
axes:
  downsample: {path: [tail.downsample, head.downsample], values: [max-2x2, avg-2x2]}
  width: {path: bridge.width, range: {from: 8, to: 32, step: 8}}
  rate: {path: recipe.learning_rate, range: {from: 0.01, to: 0.5, log: true}}
constraints: {params: {max: 1.2x base}}
design: {kind: tpe, candidates: 6, finalists: 2}
seeds: 2
recipe: {epochs: 1, batch_size: 16, learning_rate: 0.05}
"""
FEW = {"limit": 10}


@pytest.mark.parametrize(
    "names", [["study.json", "trials/*.json"], ["journal.log", "latency.json", "progress.json", ".lock", "trials/*s"]]
)
def test_nothing_in_a_studys_folder_is_unpickled(tmp_path, call, names):
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    small = SEARCH.replace("candidates: 6, finalists: 2", "candidates: 3, finalists: 1").replace("seeds: 2", "seeds: 1")
    given, folder = plan(tmp_path, small, **FEW), tmp_path / "study"
    run(given, folder)
    places = [place for name in names for place in list(folder.glob(name)) or [folder / name]]
    places += [checkpoint_file(folder, "baseline-seed0"), weights_file(folder, "baseline-seed0")]
    for place in places:
        place.write_bytes(bomb)
    for words in (["status"], ["report"], ["list"], [*RUN, "--limit", 10, "--jobs", 1]):  # which reports too
        call(*words, *(() if words[0] in ("run", "list") else ("study", "--studies", ".")))
    assert not (tmp_path / "exploded").exists()
    with pytest.raises(FileNotFoundError):
        (tmp_path / "exploded").rmdir()
    pickle.loads(bomb)
    (tmp_path / "exploded").rmdir()  # it would have


# Searches and early stopping


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("nth", [2, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (Proposals, "ask"),
        (proposals, "suggested"),
        (Mirror, "name"),
        (Mirror, "tell"),
        (conductor, "write_record"),
        (Conductor, "snapshot"),
        (local, "trial_steps"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_search_that_is_killed_tries_exactly_as_many_candidates(tmp_path, monkeypatch, owner, step, nth, moment):
    given, folder = plan(tmp_path, SEARCH, **FEW), tmp_path / "study"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        deadly(patch, owner, step, moment, nth)
        run(given, folder)
    records = run(given, folder)
    assert_a_search_is_whole(folder, records)


def assert_a_search_is_whole(folder, records, candidates=6):
    over = read_study(folder)
    assert (len(over.variants), len(over.finalists)) == (candidates, 2)
    assert [record.seed for record in records] == [0] * candidates + [1] * 3
    assert {record.state for record in records} <= {"complete", "duplicate"}
    assert {record.trial for record in read_trials(folder)} == {record.trial for record in records}
    assert len({json.dumps(record.levels, sort_keys=True) for record in records if record.seed == 0}) > 2
    told = [name for name, state in optuna_states(folder) if state != "PRUNED" or name]
    assert sorted(name for name in told if name) == sorted(record.trial for record in records)
    assert "RUNNING" not in {state for _, state in optuna_states(folder)}
    assert remains(folder) == []


def test_a_search_killed_between_any_two_epochs_tries_the_candidates_of_an_undisturbed_one(
    tmp_path, monkeypatch, undisturbed
):
    """What a kill burns is no number of a candidate: each is in the journal before it is trained."""
    given, folder = plan(tmp_path, SEARCH, **FEW), tmp_path / "study"
    for nth in (2, 4, 3, 2):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            deadly(patch, Conductor, "snapshot", "before", nth)
            run(given, folder)
    run(given, folder)
    expected = undisturbed(SEARCH, **FEW)
    assert [numbers(record) for record in read_trials(folder)] == [numbers(record) for record in expected]
    assert [record.levels for record in read_trials(folder)] == [record.levels for record in expected]


@pytest.mark.parametrize("damage", ["lost", "cut off"])
def test_a_search_whose_journal_is_gone_goes_on_without_trying_anything_twice(tmp_path, monkeypatch, damage):
    text = SEARCH.replace("1.2x base", "1.0x base")  # refuses much, so that numbers have gaps
    given, folder = plan(tmp_path, text, **FEW), tmp_path / "study"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        deadly(patch, Conductor, "snapshot", "before", 9)
        run(given, folder)
    before = {record.trial: numbers(record) for record in read_trials(folder)}
    assert len(before) >= 4
    journal = folder / "journal.log"
    journal.write_bytes(journal.read_bytes()[:-20])
    if damage == "lost":
        journal.unlink()
    records = run(given, folder)
    assert_a_search_is_whole(folder, records)
    assert before.items() <= {record.trial: numbers(record) for record in records}.items()


STOPPING = """\
base: base.yaml
axes:
  rate: {path: recipe.learning_rate, values: [0.1, 0.0001, 0.00001]}
stop: {kind: asha, first: 1, keep: 2}
seeds: 2
recipe: {epochs: 3, batch_size: 4}
"""
"""Small batches, so that the first rate is far ahead after one epoch, whatever the last digits of a processor."""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("nth", [4, pytest.param(7, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("owner", "step"),
    [(Mirror, "tell"), (conductor, "write_record"), (Conductor, "snapshot")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_was_stopped_early_stays_so_whatever_kills_the_study(
    tmp_path, monkeypatch, undisturbed, owner, step, nth, moment
):
    given, folder = plan(tmp_path, STOPPING, limit=160), tmp_path / "study"
    try:
        with monkeypatch.context() as patch:
            deadly(patch, owner, step, moment, nth)
            run(given, folder)
    except Killed:
        pass
    over = {record.trial for record in read_trials(folder) if record.state in ("complete", "pruned")}
    recorder = Recorder()
    records = run(given, folder, recorder)
    assert over.isdisjoint(recorder.started)
    expected = undisturbed(STOPPING, limit=160)
    assert [(one.state, numbers(one)) for one in read_trials(folder)] == [(one.state, numbers(one)) for one in expected]
    assert {record.state for record in records} == {"complete", "pruned"}
    assert "RUNNING" not in {state for _, state in optuna_states(folder)}
    assert remains(folder) == []
