"""Studies in processes of their own, which may be killed, and mishaps that befall their trainings.

Each process is forked off one that has imported everything, which takes seconds: so it is there in a moment.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import forkserver
from pathlib import Path

import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from torch import nn

from fishnet_search import cli
from fishnet_search.engine import local, processes, together
from fishnet_search.engine.together import Together
from fishnet_search.report import write  # noqa: F401 - so that it is there when a command ends with a report
from fishnet_search.study import training
from fishnet_search.study.store import read_trials
from fishnet_search.study.training import trial_steps
from fishnet_search.train.loop import Training
from tests.engine.tiny import UNTIMED, Recorder, plan, run
from tests.figures import plain_figures

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload([__name__])

PATIENCE = 120
"""Seconds to wait for what comes at once on an idle machine."""


# What a study must have come to


def numbers(record):
    """What must not change when a trial is done again."""
    epochs = [epoch.model_copy(update=UNTIMED) for epoch in record.epochs]
    return record.trial, record.micro_batches, epochs, record.best_epoch, record.test


def optuna_states(folder):
    """The trials in Optuna's journal that count: their names and states."""
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    trials = [trial for study in optuna.get_all_study_names(storage)
              for trial in optuna.load_study(study_name=study, storage=storage).get_trials()]  # fmt: skip
    told = [(trial.user_attrs.get("trial"), trial.state.name) for trial in trials if trial.state.name != "FAIL"]
    return sorted(one for one in told if one[0] is not None or one[1] == "RUNNING")


def remains(folder):
    """Files that have no place in a study that is over."""
    ends = (".partial", ".checkpoint", ".lock.lock")
    return [path.name for path in folder.rglob("*") if path.name.endswith(ends) or path.name.startswith(".overdue")]


def assert_nothing_is_lost(folder, undisturbed):
    """Every trial is complete exactly once, with the numbers of a study that nothing happened to."""
    records = read_trials(folder)
    assert [record.state for record in records] == ["complete"] * len(records)
    assert [numbers(record) for record in records] == [numbers(record) for record in undisturbed]
    assert optuna_states(folder) == [(record.trial, "COMPLETE") for record in records]
    assert remains(folder) == []


# Processes


class Process:
    """A function that runs in a process of its own, which leads a session; what it prints goes to files."""

    def __init__(self, home, function, *arguments):
        self.output_file, self.errors_file = home / f"output-{next(_NUMBERS)}", home / f"errors-{next(_NUMBERS)}"
        self.told, theirs = FORKED.Pipe(duplex=False)
        self.process = FORKED.Process(
            target=_begin, args=(home, theirs, function, arguments, self.output_file, self.errors_file)
        )
        self.process.start()
        theirs.close()
        self.await_event()

    def await_event(self):
        """What the process tells next; None if it has ended."""
        if not self.told.poll(PATIENCE):
            raise TimeoutError(self.errors)
        try:
            return self.told.recv()
        except EOFError:
            return None

    def events(self):
        """All that the process tells to its end."""
        return list(iter(self.await_event, None))

    def await_end(self):
        """Its exit code."""
        self.process.join(PATIENCE)
        return self.process.exitcode

    def kill(self):
        self.process.kill()
        self.process.join()

    def signal(self, number, *, group):
        (os.killpg if group else os.kill)(self.process.pid, number)

    def end_all(self):
        """End what is left of it, for tests that failed."""
        for pid in self.others() | {self.process.pid}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.join()

    def others(self):
        """The processes that it has started and that still live, whoever is their parent now."""
        return {pid for pid, session in _sessions() if session == self.process.pid and pid != session}

    def outlived_by(self):
        """The processes that still live after some seconds."""
        deadline = time.monotonic() + PATIENCE / 4
        while self.others() and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.others()

    @property
    def output(self):
        return self.output_file.read_text()

    @property
    def errors(self):
        return self.errors_file.read_text()


def _sessions():
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if fields[0] != "Z":
            yield int(path.parent.name), int(fields[3])


_NUMBERS = count(1)


def _begin(home, told, function, arguments, output, errors):
    os.setsid()
    os.fsync = lambda descriptor: None  # as in the tests
    plain_figures().__enter__()  # for as long as this process lives
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))  # if a study here began the server
    forkserver._forkserver.__init__()  # workers are forked off a server of this session, not off that of the tests
    processes.CONTEXT.set_forkserver_preload(["fishnet_search.engine.worker", "fishnet_search.engine.team"])
    os.chdir(home)
    for number, file in ((1, output), (2, errors)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    told.send("begun")
    function(told, *arguments)


class Telling(Recorder):
    """Tells the process that waits what happens."""

    def __init__(self, told):
        super().__init__()
        self.told = told

    def study_started(self, *, planned, done):
        self.told.send(("study started", planned, 0))

    def trial_started(self, snapshot):
        self.told.send(("started", snapshot.trial, len(snapshot.epochs)))

    def epoch_ended(self, snapshot):
        self.told.send(("epoch", snapshot.trial, len(snapshot.epochs)))

    def noticed(self, sentence):
        self.told.send(("noticed", sentence, 0))


class Endless(Telling):
    """Never comes to the end of the last trial."""

    def __init__(self, told, last):
        super().__init__(told)
        self.last = last

    def epoch_ended(self, snapshot):
        super().epoch_ended(snapshot)
        if snapshot.trial == self.last and len(snapshot.epochs) == snapshot.recipe.epochs:
            self.told.send("stays")
            signal.pause()


def study(told, home, text, settings, changes, *mishaps):
    """Run a study to its end."""
    befall(mishaps, home)
    run(plan(home, text, **changes), home / "study", Telling(told), **settings)


def command(told, home, words, *mishaps):
    """Run the command line, with real workers if there are no mishaps."""
    local.trial_steps = with_checkpoints
    if mishaps:
        befall(mishaps, home)
    together.Together = lambda *observers: Together(*observers, Telling(told))
    sys.argv = ["fishnet-search", *map(str, words)]
    cli.main()


# Mishaps


@dataclass(frozen=True)
class Mishap:
    """What befalls the trainings with one seed in the middle of a step, so many times in all processes together."""

    act: Callable[[nn.Module], None]
    seed: int
    step: int  # forward passes of this training in this process, the fateful one included
    times: int = 1
    micro_batches: int | None = None  # of the trainings that it befalls; None: all

    def watch(self, network, flags):
        """Wait for the moment; `flags` is where all processes can see how often it came."""
        steps = count(1)

        def before(module, _):
            if module.training and next(steps) == self.step and self._is_left(flags):
                self.act(module)

        network.register_forward_pre_hook(before)

    def _is_left(self, flags):
        for time_ in range(self.times):
            try:
                (flags / f"mishap-{self.seed}-{self.step}-{self.act.__name__}-{time_}").touch(exist_ok=False)
                return True
            except FileExistsError:
                pass
        return False


with_checkpoints = partial(trial_steps, checkpoint_share=1e9)
"""Training with a checkpoint after each epoch."""


def befall(mishaps, flags):
    """Have mishaps happen in this process and in the workers that are forked off it; each epoch has a checkpoint."""

    class Unlucky(Training):
        def __init__(self, network, *arguments, seed, micro_batches, **keywords):
            super().__init__(network, *arguments, seed=seed, micro_batches=micro_batches, **keywords)
            for mishap in mishaps:
                if mishap.seed == seed and mishap.micro_batches in (None, micro_batches):
                    mishap.watch(network, flags)

    training.Training = Unlucky
    local.trial_steps = training.trial_steps = with_checkpoints
    processes.CONTEXT = multiprocessing.get_context("fork")


def killed(_):
    os.kill(os.getpid(), signal.SIGKILL)


def sleeping(_):
    time.sleep(1000)


def holding_the_interpreter(_):
    ctypes.PyDLL(None).sleep(1000)


def out_of_memory(_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def poisoned(network):
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))


# Disks


def mount_a_small_disk(folder, size=2_000_000):
    """Have a folder on a disk of its own, for this process and those that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _check(libc.unshare(CLONE_NEWNS))
    else:
        _check(libc.unshare(CLONE_NEWNS | CLONE_NEWUSER))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    _check(libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={size}".encode()))


CLONE_NEWNS, CLONE_NEWUSER, MS_REC, MS_PRIVATE = 0x20000, 0x10000000, 0x4000, 0x40000


def _check(result):
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class fill:  # noqa: N801 - reads as a verb
    """Leave no room on a disk, and then some pages more at a time."""

    def __init__(self, folder):
        self.file = folder / "ballast"
        disk = os.statvfs(folder)
        self.page = disk.f_bsize
        self.size = disk.f_bavail * self.page
        with self.file.open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, self.size)

    def make_room(self, pages):
        self.size -= pages * self.page
        os.truncate(self.file, self.size)
