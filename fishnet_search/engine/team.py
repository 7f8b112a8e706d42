"""Several processes of this machine that train one trial together."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

import torch

from fishnet_search.data.images import ImageSet
from fishnet_search.data.scenes import SceneSet
from fishnet_search.engine.processes import begin
from fishnet_search.study.record import StudyRecord
from fishnet_search.study.training import RankWork, Team, alone, follow_trial
from fishnet_search.study.trial import RankLost
from fishnet_search.train.device import choose_device
from fishnet_search.train.memory import out_of_memory
from fishnet_search.train.ranks import Ranks, free_address, joined

SECONDS_TO_EXPLAIN = 10
"""Between the end of a process and what it has to say of it."""


def team_of(study: StudyRecord, images: ImageSet | SceneSet) -> Team:
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

    def __init__(self, work: RankWork, images: ImageSet | SceneSet, rank: int, world: int, address: str) -> None:
        threads = torch.get_num_threads()
        self.process, self.connection = begin(_follow, work, images, rank, world, address, threads, gpus=[rank])


def _follow(
    connection: Connection,
    work: RankWork,
    images: ImageSet | SceneSet,
    rank: int,
    world: int,
    address: str,
    threads: int,
) -> None:
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
