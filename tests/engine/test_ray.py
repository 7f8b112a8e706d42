"""The ray engine gives the same study as the local one, whatever happens to its processes."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fishnet_search.engine.ray import set_up
from fishnet_search.errors import StudyError
from fishnet_search.study.store import read_trials, weights_file
from tests.engine.test_run import STOPPING, assert_every_trial_is_complete_exactly_once, numbers, optuna_states
from tests.engine.tiny import SPACE, TRIALS, Recorder, plan, run

pytestmark = pytest.mark.usefixtures("one_thread")

ONE = SPACE.replace("[max-2x2, avg-2x2]", "[max-2x2]").replace("seeds: 2", "seeds: 1")
LONG = ONE.replace("epochs: 2", "epochs: 8")


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster of one node with two cores."""
    set_up()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def on_ray(cluster, tmp_path):
    """Run a study of a space on the cluster, in the folder `study`."""

    def run_there(text=SPACE, observer=None, *, time_limit=None, **changes):
        given = plan(tmp_path, text, **changes)
        settings = {"engine": "ray", "ray_address": cluster, "time_limit": time_limit}
        return run(given, tmp_path / "study", observer, **settings)

    return run_there


def processes(word):
    """The processes of Ray under this one whose title has this word."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, line = (folder / "stat").read_text(), (folder / "cmdline").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
        if line.startswith("ray::") and word in line:
            found.append(int(folder.name))

    def is_below(process):
        return process == os.getpid() or (process in parents and is_below(parents[process]))

    return [process for process in found if is_below(process)]


class Killer(Recorder):
    """Kills a process of the first trial a moment after its second epoch has begun."""

    def __init__(self, word):
        super().__init__(self.kill)
        self.word, self.epochs = word, []

    def kill(self, snapshot):
        self.epochs.append(len(snapshot.epochs))
        if self.epochs == [1]:
            threading.Timer(
                0.05, lambda: [os.kill(process, signal.SIGKILL) for process in processes(self.word)]
            ).start()


def test_a_study_has_the_same_numbers_as_on_the_local_engine(on_ray, tmp_path, capfd):
    trials = [name for name in TRIALS if name.endswith("seed0")]
    local = run(plan(tmp_path, seeds=1), tmp_path / "local")
    recorder = Recorder()
    records = on_ray(observer=recorder, seeds=1)
    assert [numbers(record) for record in records] == [numbers(record) for record in local]
    assert_every_trial_is_complete_exactly_once(tmp_path / "study", trials)
    assert {record.environment.threads for record in records} == {1}
    assert sorted(recorder.ended) == [(name, "complete") for name in trials]
    assert all(weights_file(tmp_path / "study", name).is_file() for name in trials)
    assert capfd.readouterr() == ("", ""), "Ray says nothing, not even the file descriptors"

    recorder = Recorder()
    assert on_ray(observer=recorder, seeds=1) == records
    assert (sorted(recorder.done), recorder.started) == (trials, [])


@pytest.mark.slow
def test_a_worker_that_is_killed_in_an_epoch_is_replaced_and_goes_on_to_the_same_numbers(on_ray, tmp_path):
    killer = Killer(".train")
    local = run(plan(tmp_path, LONG, limit=200), tmp_path / "local")
    records = on_ray(LONG, killer, limit=200)
    assert killer.notices == ["max-2x2-seed0: its worker is gone; it goes on from its last checkpoint"]
    assert [numbers(record) for record in records] == [numbers(record) for record in local]


@pytest.mark.slow
def test_trials_of_several_processes_that_are_stopped_early_make_room_and_are_as_on_the_local_engine(on_ray, tmp_path):
    text = STOPPING + "workers: 2\n"
    local = run(plan(tmp_path, text, limit=200, seeds=1), tmp_path / "local")
    records = on_ray(text, limit=200, seeds=1)
    assert [(record.state, record.workers, numbers(record)) for record in records] == [
        (record.state, record.workers, numbers(record)) for record in local
    ]
    pruned = [record.trial for record in records if record.state == "pruned"]
    assert (len(records), records[0].workers, len(pruned) > 0) == (3, 2, True)
    assert [name for name, state in optuna_states(tmp_path / "study") if state == "PRUNED"] == sorted(pruned)


@pytest.mark.slow
def test_a_rank_that_is_killed_is_replaced_with_the_whole_trial(on_ray, tmp_path):
    killer = Killer(".follow")
    text = LONG + "workers: 2\n"
    local = run(plan(tmp_path, text, limit=200), tmp_path / "local")
    records = on_ray(text, killer, limit=200)
    assert len(killer.notices) == 1
    assert [numbers(record) for record in records] == [numbers(record) for record in local]


@pytest.mark.slow
def test_trials_that_fail_or_take_too_long_are_recorded_with_their_reason_and_the_study_goes_on(on_ray):
    axes = (
        "rate: {path: recipe.learning_rate, values: [0.05, 1.0e+15]}, epochs: {path: recipe.epochs, values: [1, 9999]}"
    )
    text = f"base: base.yaml\naxes: {{{axes}}}\nseeds: 1\nrecipe: {{batch_size: 16}}\n"
    records = {record.variant: record for record in on_ray(text, time_limit=6)}
    states = {name: record.failure.type if record.failure else record.state for name, record in records.items()}
    assert states == {
        "rate=0.05,epochs=1": "complete",
        "rate=0.05,epochs=9999": "TimeLimit",
        "rate=1000000000000000.0,epochs=1": "TrainingError",
        "rate=1000000000000000.0,epochs=9999": "TrainingError",
    }
    overdue = records["rate=0.05,epochs=9999"]
    assert overdue.epochs
    assert overdue.failure.message == "took longer than the 6 s that a trial may take"
    assert "in _advance" in overdue.failure.traceback  # wherever within it the limit was met


@pytest.mark.slow
def test_ctrl_c_reaches_the_caller_and_the_next_run_goes_on(on_ray, tmp_path):
    def stop(snapshot):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        on_ray(observer=Recorder(stop))
    assert "interrupted" in {record.state for record in read_trials(tmp_path / "study")}
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    on_ray()
    assert_every_trial_is_complete_exactly_once(tmp_path / "study")


@pytest.mark.slow
def test_a_full_disk_stops_the_study(on_ray, monkeypatch):
    def full(path, record):
        if path.parent.name == "trials":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("fishnet_search.engine.conductor.write_record", full)
    with pytest.raises(OSError, match="No space left"):
        on_ray(ONE)


def test_a_full_disk_on_a_node_stops_the_study():
    from fishnet_search.engine.ray_tune import Desk

    desk = Desk(conductor=None, orders=None)
    with pytest.raises(OSError, match="No space left"):
        desk.hear("trial", {"problem": OSError(28, "No space left on device")})


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("The actor is dead because its worker process has died.", "its worker is gone"),
        ("The actor died because its node has died. Node Id: 1", "its worker is gone"),
        ("Worker exit type: NODE_OUT_OF_MEMORY Worker exit detail: Task was killed", "the memory of the node ran out"),
        (
            "The actor died because of an error raised in its creation task,\nImportError: x",
            "ended with ImportError: x",
        ),
    ],
)
def test_it_is_told_why_a_worker_is_gone(told, reason):
    from fishnet_search.engine.ray_tune import reason_of

    assert reason_of(told).endswith(reason)


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        ("{cpu: 3}", "cpu: 3} for 1 workers a trial: Ray has room for 0 of them (node "),
        ("{cpu: 1, gpu: 0.5}", "gpu: 0.5} for 1 workers a trial: Ray has room for 0"),
        ("{cpu: 1}\nworkers: 3", "cpu: 1} for 3 workers a trial: Ray has room for 2"),
    ],
)
def test_resources_that_no_node_has_are_refused(on_ray, resources, reason):
    with pytest.raises(StudyError) as refusal:
        on_ray(f"{ONE}resources: {resources}\n")
    assert reason in str(refusal.value)
    assert "ask for less in the space" in str(refusal.value)


def test_an_address_that_ray_tune_cannot_use_is_refused(tmp_path):
    given = plan(tmp_path, ONE)
    with pytest.raises(StudyError, match="ray://there:10001: Ray Tune does not run through Ray Client"):
        run(given, tmp_path / "study", engine="ray", ray_address="ray://there:10001")
    with pytest.raises(StudyError, match=r"127.0.0.1:1: .*refused; start Ray by `ray start --head`"):
        run(given, tmp_path / "study", engine="ray", ray_address="127.0.0.1:1")


def test_without_ray_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(StudyError, match=r"pip install 'ray\[tune\]'"):
        run(plan(tmp_path, ONE), tmp_path / "study", engine="ray")


DRIVER = """
from pathlib import Path
from tests.engine.tiny import Recorder, plan, run
home = Path({home!r})
told = Recorder(lambda snapshot: print("epoch", flush=True))
run(plan(home, {text!r}, limit=200), home / "study", told, engine="ray", ray_address={address!r})
"""


@pytest.mark.slow
def test_a_driver_that_is_killed_twenty_times_takes_its_workers_along_and_nothing_is_lost(cluster, on_ray, tmp_path):
    text = SPACE.replace("epochs: 2", "epochs: 8")
    source = DRIVER.format(home=str(tmp_path), text=text, address=cluster)
    chance, epochs = random.Random(0), 0
    for _ in range(20):
        driver = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
        for _ in range(chance.randrange(1, 5)):
            epochs += driver.stdout.readline() == "epoch\n"
        time.sleep(chance.uniform(0, 0.2))
        driver.kill()
        driver.communicate()
        for _ in range(100):
            if not processes("RayTrial") and not processes(".train"):
                break
            time.sleep(0.1)
        else:
            pytest.fail("the workers train on")
        read_trials(tmp_path / "study")
    assert epochs > 20, "kills that met no training prove nothing"
    records = on_ray(text, limit=200)
    local = run(plan(tmp_path, text, limit=200), tmp_path / "local")
    assert [numbers(record) for record in records] == [numbers(record) for record in local]
    assert_every_trial_is_complete_exactly_once(tmp_path / "study")


@pytest.mark.slow
def test_trials_run_on_all_nodes_and_a_node_that_does_not_see_the_study_is_named(tmp_path, monkeypatch):
    set_up()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        node = cluster.add_node(num_cpus=1)
        settings = {"engine": "ray", "ray_address": cluster.address}
        run(plan(tmp_path, SPACE), tmp_path / "study", **settings)
        assert_every_trial_is_complete_exactly_once(tmp_path / "study")
        monkeypatch.setattr("fishnet_search.engine.ray._sees", lambda token: False)
        with pytest.raises(StudyError, match=f"node {node.node_ip_address}: does not see {tmp_path}"):
            run(plan(tmp_path, SPACE), tmp_path / "other", **settings)
    finally:
        cluster.shutdown()
