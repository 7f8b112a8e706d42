"""Processes of this machine: how they are started, and how several train one trial together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import torch
from torch.multiprocessing import get_context

from fishnet_search.data.images import ImageSet
from fishnet_search.study.record import StudyRecord
from fishnet_search.study.trial import RankLost, RankWork, Team, alone, follow_trial
from fishnet_search.train.device import choose_device
from fishnet_search.train.memory import out_of_memory
from fishnet_search.train.ranks import Ranks, free_address, joined

SPAWN = get_context("spawn")
"""A fork would share locks, and a CUDA context, with this process. Tensors that are handed over share their memory."""

SECONDS_TO_EXPLAIN = 10
"""Between the end of a process and what it has to say of it."""


def team_of(study: StudyRecord, images: ImageSet) -> Team:
    """Return how the trials of a study find those who train them together with this process."""
    if study.workers == 1:
        return alone

    @contextmanager
    def team(work: RankWork) -> Iterator[Ranks]:
        address = free_address()
        followers = [_Follower(work, images, rank, study.workers, address) for rank in range(1, study.workers)]
        try:
            with joined(0, study.workers, address, choose_device()) as ranks:
                yield ranks
        except Exception as problem:
            raise _reason(followers, problem) from problem
        finally:
            for follower in followers:
                follower.process.kill()

    return team


class _Follower:
    """A process with a rank other than 0, on a GPU of its own where there are several."""

    def __init__(self, work: RankWork, images: ImageSet, rank: int, world: int, address: str) -> None:
        self.connection, theirs = SPAWN.Pipe()
        arguments = (theirs, work, images, rank, world, address, torch.get_num_threads())
        self.process: BaseProcess = SPAWN.Process(target=_follow, args=arguments)
        with for_a_child(gpus=[rank]):
            self.process.start()
        theirs.close()


def _follow(
    connection: Connection, work: RankWork, images: ImageSet, rank: int, world: int, address: str, threads: int
) -> None:
    end_with_parent()
    torch.set_num_threads(threads)
    try:
        with joined(rank, world, address, choose_device()) as ranks:
            follow_trial(work, images, ranks)
    except Exception as problem:  # noqa: BLE001 - rank 0 says it
        connection.send(problem)


def _reason(followers: Sequence[_Follower], problem: Exception) -> Exception:
    """Return why a training together ended: where a rank is gone, all others only find that their connection is."""
    if not isinstance(problem, RuntimeError) or out_of_memory(problem):
        return problem
    for follower in followers:
        follower.process.join(SECONDS_TO_EXPLAIN)
    codes = [follower.process.exitcode for follower in followers]
    for code in codes:
        if code is not None and code < 0:
            return RankLost(f"a process that trained it ended with {signal.Signals(-code).name}")
    told: list[Exception] = [one.connection.recv() for one in followers if one.connection.poll()]
    return next((one for one in told if out_of_memory(one)), told[0] if told else problem)


def end_with_parent() -> None:
    """End this process when the one that started it does: an orphan would train on beside its successor."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def for_a_child(*, gpus: Sequence[int] | None) -> Iterator[None]:
    """Have a process that starts now leave Ctrl-C to this one, and of several GPUs see those with these numbers.

    It never sees the signals that are held back here; this process sees them as soon as the other one is there.
    """
    with _held_back(signal.SIGINT, signal.SIGTERM), _seeing(gpus):
        yield


@contextmanager
def _held_back(*numbers: int) -> Iterator[None]:
    """Let signals wait: a process that starts meanwhile has them blocked, and is not left half started."""
    resource_tracker.ensure_running()  # which else is started with the other process, and lets signals through
    came: list[int] = []
    former = {}
    if threading.current_thread() is threading.main_thread():  # blocking alone leaves them to other threads
        former = {number: signal.signal(number, lambda number, _: came.append(number)) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in former.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@contextmanager
def _seeing(gpus: Sequence[int] | None) -> Iterator[None]:
    """Have a process that starts meanwhile see those of several GPUs that have these numbers, if any are given."""
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = 0 if gpus is None else torch.cuda.device_count()
    try:
        if gpus is not None and count > 1:
            names = before.split(",") if before else [str(one) for one in range(count)]
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(dict.fromkeys(names[gpu % count] for gpu in gpus))
        yield
    finally:
        if count > 1:
            os.environ.pop("CUDA_VISIBLE_DEVICES")
            os.environ.update({} if before is None else {"CUDA_VISIBLE_DEVICES": before})
