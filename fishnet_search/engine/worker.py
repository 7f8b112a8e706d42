"""A process that does one trial after the other, as it is told."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from fishnet_search.data.images import ImageSet
from fishnet_search.data.scenes import SceneSet
from fishnet_search.engine.overdue import within
from fishnet_search.study.record import StudyRecord
from fishnet_search.study.trial import RankLost, Trial


@dataclass(frozen=True, eq=False)
class Orders:
    """What a worker knows beside its trials."""

    study: StudyRecord
    images: ImageSet | SceneSet
    folder: Path
    time_limit: float | None  # seconds a trial


def overdue_file(folder: Path, number: int) -> Path:
    """Return where a worker that took too long for its trial says what it was doing."""
    return folder / f".overdue-{number}.partial"


def work(connection: Connection, orders: Orders, number: int) -> None:
    """Do each trial that comes, tell how far it is after every epoch, and go on or not as the answer says."""
    torch.set_num_threads(orders.study.threads)
    while True:
        try:
            trial = connection.recv()
        except EOFError:  # whoever gives the orders has gone
            return
        with within(orders.time_limit, overdue_file(orders.folder, number)):
            try:
                _do(trial, connection, orders)
            except (OSError, RankLost) as problem:
                connection.send(problem)


def _do(trial: Trial, connection: Connection, orders: Orders) -> None:
    # Whoever gives the orders imports this module too, and would wait seconds for what it takes to train.
    from fishnet_search.engine.team import team_of
    from fishnet_search.study import training

    team = team_of(orders.study, orders.images)
    steps = training.trial_steps(trial, orders.study, orders.images, orders.folder, team=team)
    record = next(steps)
    while record.state == "interrupted":
        connection.send(record)
        record = steps.send(connection.recv())
    steps.close()
    connection.send(record)
