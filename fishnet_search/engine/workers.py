"""Runs the trials of a study in worker processes, each of which does one trial after the other."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from fishnet_search.engine.conductor import Conductor
from fishnet_search.engine.overdue import told_in
from fishnet_search.engine.plan import Plan
from fishnet_search.engine.processes import begin
from fishnet_search.engine.worker import Orders, overdue_file, work
from fishnet_search.study.trial import RankLost, Trial

SECONDS_TO_WAIT = 1.0
"""Between two looks for trials that can be run now, such as those that another machine gave up."""


def run_in_workers(conductor: Conductor, plan: Plan, folder: Path, *, jobs: int, time_limit: float | None) -> None:
    """Run what the conductor asks for, so many trials at a time, until nothing is left.

    A worker that is killed, or takes longer than `time_limit` seconds for its trial, is replaced.
    """
    orders = Orders(plan.study, plan.images, folder, time_limit)
    with _crew(orders, jobs) as crew:
        while not conductor.done:
            for worker in crew:
                if worker.trial is None and (trial := conductor.next()) is not None:
                    worker.begin(trial)
            busy = {worker.connection: worker for worker in crew if worker.trial is not None}
            for connection in wait(list(busy), SECONDS_TO_WAIT):
                busy[connection].hear(conductor)  # type: ignore[index]


class Worker:
    """A process that trains, seen from the one that decides."""

    def __init__(self, orders: Orders, number: int, *, alone: bool) -> None:
        self.orders, self.number, self.alone = orders, number, alone
        self.trial: Trial | None = None
        self.process: BaseProcess | None = None
        self.connection: Connection

    def begin(self, trial: Trial) -> None:
        """Have a trial run; a process that is gone by then is replaced when `hear` notices."""
        self.trial = trial
        if self.process is None or not self.process.is_alive():
            self._hire()
        with suppress(OSError):
            self.connection.send(trial)

    def hear(self, conductor: Conductor) -> None:
        """Pass on what the process tells: how far its trial is, how it ended, or nothing because it is gone."""
        trial = self.trial
        assert trial is not None
        try:
            told = self.connection.recv()
        except (EOFError, OSError):
            self.trial = None
            self._bury(trial, conductor)
            return
        if isinstance(told, RankLost):
            self.trial = None
            conductor.lost(trial, str(told))
        elif isinstance(told, BaseException):
            raise told
        elif told.state != "interrupted":
            self.trial = None
            conductor.ended(trial, told)
        else:
            goes_on = conductor.snapshot(trial, told)
            with suppress(OSError):
                self.connection.send(goes_on)

    def dismiss(self) -> None:
        """End the process at once: what it has reached is in the conductor's hands or in a checkpoint."""
        if self.process is not None and self.process.pid is not None:  # Ctrl-C may have come before it was started
            self.process.kill()
            self.process.join()
            self.connection.close()
            overdue_file(self.orders.folder, self.number).unlink(missing_ok=True)

    def _hire(self) -> None:
        each = self.orders.study.workers
        gpus = None if self.alone else range(self.number * each, (self.number + 1) * each)
        self.process, self.connection = begin(work, self.orders, self.number, gpus=gpus)

    def _bury(self, trial: Trial, conductor: Conductor) -> None:
        assert self.process is not None
        self.process.join()
        told = told_in(overdue_file(self.orders.folder, self.number))
        self.connection.close()
        if told and self.orders.time_limit is not None:
            conductor.overdue(trial, self.orders.time_limit, told)
        else:
            conductor.lost(trial, f"its worker ended with {_exit(self.process.exitcode)}")


@contextmanager
def _crew(orders: Orders, jobs: int) -> Iterator[list[Worker]]:
    crew = [Worker(orders, number, alone=jobs == 1) for number in range(jobs)]
    try:
        yield crew
    finally:
        for worker in crew:
            worker.dismiss()


def _exit(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
