"""What befalls trainings and those who run them: workers killed, memory gone, hangs, losses, Ctrl-C."""

import resource
import signal
from pathlib import Path

import pytest

from fishnet_search.study import training as study_training
from fishnet_search.study.store import read_trials, weights_file
from fishnet_search.train.loop import Training
from tests.engine.survival import (
    Mishap,
    assert_nothing_is_lost,
    command,
    holding_the_interpreter,
    killed,
    numbers,
    optuna_states,
    out_of_memory,
    poisoned,
    remains,
    sleeping,
    study,
)
from tests.engine.tiny import BASE, SPACE, plan, run

WORKERS = pytest.mark.parametrize("jobs", [1, 2], ids=["in process", "two workers"])
ALONE = SPACE.replace("[max-2x2, avg-2x2]", "[max-2x2]").replace("epochs: 2", "epochs: 4")
STEPS = 3  # an epoch: 40 images in batches of 16


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The records of the study that nothing happens to, by name."""
    home = tmp_path_factory.mktemp("undisturbed")
    return {record.trial: record for record in run(plan(home, ALONE), home / "study")}


def events(process):
    """All that a process tells, and its exit code."""
    return process.events(), process.await_end()


# Ctrl-C

LONG = ALONE.replace("epochs: 4", "epochs: 12")


def starting(process):
    """Wait until workers begin to start."""
    while not process.others():
        process.process.join(0.01)


def training(process):
    """Wait until a trial has two epochs behind it."""
    while (event := process.await_event())[0] != "epoch" or event[2] < 2:
        pass


@pytest.mark.parametrize(
    ("jobs", "moment", "number", "group"),
    [
        pytest.param(1, training, signal.SIGINT, True, id="Ctrl-C in process"),
        pytest.param(1, training, signal.SIGTERM, False, id="SIGTERM in process"),
        pytest.param(2, starting, signal.SIGINT, True, id="Ctrl-C while workers start", marks=pytest.mark.slow),
        pytest.param(2, starting, signal.SIGTERM, False, id="SIGTERM while workers start", marks=pytest.mark.slow),
        pytest.param(2, training, signal.SIGINT, True, id="Ctrl-C while workers train"),
        pytest.param(2, training, signal.SIGTERM, True, id="SIGTERM to all", marks=pytest.mark.slow),
        pytest.param(2, training, signal.SIGTERM, False, id="SIGTERM to one", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_and_sigterm_keep_what_is_reached_and_the_next_run_goes_on(
    tmp_path, processes, jobs, moment, number, group
):
    given = plan(tmp_path, LONG)
    words = ["run", "tiny.yaml", "--limit", 40, "--name", "study", "--studies", ".", "--jobs", jobs]
    process = processes(command, words)
    while process.await_event()[0] != "study started":
        pass
    moment(process)
    process.signal(number, group=group)
    assert (process.await_end(), process.errors) == (130, "")
    assert process.outlived_by() == set()
    assert "stopped; what is complete is kept in study. The same command goes on from there." in process.output
    reached = {record.trial: len(record.epochs) for record in read_trials(tmp_path / "study")}
    assert {record.state for record in read_trials(tmp_path / "study")} <= {"complete", "interrupted"}
    assert moment is starting or max(reached.values()) >= 2
    assert [name for name in remains(tmp_path / "study") if not name.endswith(".checkpoint")] == []

    told, code = events(processes(study, LONG, {"jobs": jobs}, {}))
    assert code == 0
    goes_on = {trial: epochs for kind, trial, epochs in reversed(told[1:]) if kind == "started"}
    if jobs == 1:  # workers have checkpoints only after a second
        assert all(goes_on[trial] >= 1 for trial, epochs in reached.items() if 2 <= epochs < 12)
    once = tmp_path / "once"
    once.mkdir()
    assert_nothing_is_lost(tmp_path / "study", run(given, once / "study"))


# Workers that are killed


def test_a_worker_killed_in_the_middle_of_an_epoch_goes_on_from_its_last_checkpoint(tmp_path, processes, undisturbed):
    fate = Mishap(killed, seed=0, step=2 * STEPS + 2)
    told, code = events(processes(study, ALONE, {"jobs": 2}, {}, fate))
    assert code == 0
    mine = [(kind, epochs) for kind, trial, epochs in told if trial == "max-2x2-seed0"]
    assert mine == [("started", 0), ("epoch", 1), ("epoch", 2), ("started", 2), ("epoch", 3), ("epoch", 4)]
    assert "max-2x2-seed0: its worker ended with SIGKILL; it goes on from its last checkpoint" in [
        sentence for kind, sentence, _ in told if kind == "noticed"
    ]
    assert_nothing_is_lost(tmp_path / "study", undisturbed.values())


def test_a_trial_whose_worker_is_lost_three_times_has_failed_and_the_study_goes_on(tmp_path, processes, undisturbed):
    fate = Mishap(killed, seed=0, step=2, times=3)
    _, code = events(processes(study, ALONE, {"jobs": 2}, {}, fate))
    assert code == 0
    failed, other = read_trials(tmp_path / "study")
    assert (failed.trial, failed.state, failed.failure.type) == ("max-2x2-seed0", "failed", "WorkerLost")
    assert failed.failure.message == "its worker ended with SIGKILL; that was 3 times"
    assert numbers(other) == numbers(undisturbed["max-2x2-seed1"])
    assert optuna_states(tmp_path / "study") == [("max-2x2-seed1", "COMPLETE")]
    events(processes(study, ALONE, {"jobs": 2}, {}))
    assert_nothing_is_lost(tmp_path / "study", undisturbed.values())


# Losses that are no numbers


@WORKERS
def test_a_loss_that_is_no_number_fails_its_trial_alone_and_the_epochs_before_it_are_kept(
    tmp_path, processes, undisturbed, jobs
):
    words = ["run", "tiny.yaml", "--limit", 40, "--name", "study", "--studies", ".", "--jobs", jobs]
    plan(tmp_path, ALONE)
    fate = Mishap(poisoned, seed=0, step=2 * STEPS + 2)
    process = processes(command, words, fate)
    assert process.await_end() == 1
    assert "Traceback" not in process.errors
    failed, other = read_trials(tmp_path / "study")
    assert (failed.state, failed.failure.type) == ("failed", "TrainingError")
    assert failed.failure.message.startswith("epoch 3, step 2: training loss is nan")
    assert numbers(failed)[2] == numbers(undisturbed["max-2x2-seed0"])[2][:2]
    assert numbers(other) == numbers(undisturbed["max-2x2-seed1"])
    assert not weights_file(tmp_path / "study", failed.trial).exists()
    assert remains(tmp_path / "study") == []
    assert "1 of 2 trials failed" in process.output


# Memory that runs out


@WORKERS
def test_a_trial_that_memory_does_not_suffice_for_is_trained_again_in_half_batches(tmp_path, processes, jobs):
    fate = Mishap(out_of_memory, seed=0, step=STEPS + 2)
    told, code = events(processes(study, ALONE, {"jobs": jobs}, {}, fate))
    assert code == 0
    mine = [(kind, epochs) for kind, trial, epochs in told if trial == "max-2x2-seed0"]
    assert mine == [("started", 0), ("epoch", 1), ("started", 0), *(("epoch", i) for i in (1, 2, 3, 4))]
    records = read_trials(tmp_path / "study")
    assert [(record.state, record.micro_batches) for record in records] == [("complete", 2), ("complete", 1)]
    assert remains(tmp_path / "study") == []


@WORKERS
def test_a_trial_that_half_batches_are_too_large_for_has_failed(tmp_path, processes, undisturbed, jobs):
    fate = Mishap(out_of_memory, seed=0, step=STEPS + 2, times=2)
    _, code = events(processes(study, ALONE, {"jobs": jobs}, {}, fate))
    assert code == 0
    failed, other = read_trials(tmp_path / "study")
    assert (failed.state, failed.failure.type, failed.micro_batches) == ("failed", "OutOfMemoryError", 2)
    assert numbers(other) == numbers(undisturbed["max-2x2-seed1"])
    assert remains(tmp_path / "study") == []


def test_batches_too_small_to_be_halved_fail_at_once(tmp_path, processes):
    fate = Mishap(out_of_memory, seed=0, step=2)
    told, _ = events(processes(study, ALONE.replace("batch_size: 16", "batch_size: 3"), {}, {"limit": 10}, fate))
    assert [kind for kind, trial, _ in told if trial == "max-2x2-seed0"] == ["started"]
    failed, other = read_trials(tmp_path / "study")
    assert (failed.state, failed.failure.type, failed.micro_batches) == ("failed", "OutOfMemoryError", 1)
    assert other.state == "complete"


def test_a_trial_killed_while_it_is_trained_in_half_batches_goes_on_with_these(tmp_path, processes):
    small = Mishap(out_of_memory, seed=0, step=STEPS + 2, times=100, micro_batches=1)
    once = tmp_path / "once"
    once.mkdir()
    processes(study, ALONE, {}, {}, small, home=once).await_end()
    expected = read_trials(once / "study")
    assert [record.micro_batches for record in expected] == [2, 1]

    fate = Mishap(killed, seed=0, step=2 * 2 * STEPS + 2, micro_batches=2)
    told, code = events(processes(study, ALONE, {}, {}, small, fate))
    assert (code, told[-1]) == (-signal.SIGKILL, ("epoch", "max-2x2-seed0", 2))
    told, code = events(processes(study, ALONE, {}, {}, small))
    assert told[1:3] == [("started", "max-2x2-seed0", 2), ("epoch", "max-2x2-seed0", 3)]
    assert_nothing_is_lost(tmp_path / "study", expected)


def measured(told, home, share):
    """Run a study of large images with so much of the memory that it takes, and tell how much it takes if that is all.

    The limit is set when a training begins, and holds for all that come after it.
    """
    seen = []

    class Bounded(Training):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            if not seen:
                seen.append(address_space("VmSize"))
                if share is not None:
                    resource.setrlimit(resource.RLIMIT_AS, (seen[0] + share, seen[0] + share))

    (home / "large.yaml").write_text(
        BASE.replace("image_size: 8", "image_size: 128").replace("width: 8}", "width: 16}")
    )
    study_training.Training = Bounded
    text = ALONE.replace("base.yaml", "large.yaml").replace("batch_size: 16", "batch_size: 64")
    run(plan(home, text, limit=64, seeds=1, epochs=1), home / "study")
    told.send(address_space("VmPeak") - seen[0])


def address_space(kind):
    """Bytes, as the system counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


@pytest.mark.slow
def test_memory_of_the_machine_that_runs_out_is_told_from_other_errors(tmp_path, processes):
    once = tmp_path / "once"
    once.mkdir()
    whole = processes(measured, None, home=once).await_event()
    process = processes(measured, int(0.9 * whole))
    process.await_event()
    (record,) = read_trials(tmp_path / "study")
    assert (record.state, record.micro_batches) == ("complete", 2), record.failure


# Workers that hang


@pytest.mark.parametrize(
    "jobs", [pytest.param(1, id="in process", marks=pytest.mark.slow), pytest.param(2, id="two workers")]
)
def test_a_trial_that_hangs_is_given_up_and_others_are_not_disturbed(tmp_path, processes, undisturbed, jobs):
    """In Python and in a library that lets nobody else run; one process alone then has a worker too."""
    fates = Mishap(sleeping, seed=0, step=2), Mishap(holding_the_interpreter, seed=1, step=STEPS + 2)
    settings = {"jobs": jobs, "time_limit": 6}
    _, code = events(processes(study, ALONE, settings, {"seeds": 3}, *fates))
    assert code == 0
    *hung, other = read_trials(tmp_path / "study")
    for record, place, epochs in zip(hung, ("in sleeping", "in holding_the_interpreter"), (0, 1), strict=True):
        assert (record.state, record.failure.type, len(record.epochs)) == ("failed", "TimeLimit", epochs)
        assert record.failure.message == "took longer than the 6 s that a trial may take"
        assert place in record.failure.traceback
    assert (other.trial, other.state) == ("max-2x2-seed2", "complete")
    assert remains(tmp_path / "study") == []
    events(processes(study, ALONE, settings, {"seeds": 2}))
    assert [numbers(one) for one in read_trials(tmp_path / "study")][:2] == [*map(numbers, undisturbed.values())]
