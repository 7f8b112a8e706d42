"""Runs the trials of a study one after the other in this process."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import torch

from fishnet_search.engine.conductor import Conductor
from fishnet_search.engine.plan import Plan
from fishnet_search.engine.team import team_of
from fishnet_search.study.training import trial_steps
from fishnet_search.study.trial import RankLost, Trial

SECONDS_TO_WAIT = 1.0
"""Between two looks whether another machine has ended a trial that this one waits for."""


def run_here(conductor: Conductor, plan: Plan, folder: Path) -> None:
    """Run what the conductor asks for until nothing is left."""
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.study.threads)
    try:
        _run_all(conductor, plan, folder)
    finally:
        torch.set_num_threads(threads)


def _run_all(conductor: Conductor, plan: Plan, folder: Path) -> None:
    while not conductor.done:
        trial = conductor.next()
        if trial is not None:
            _run(trial, conductor, plan, folder)
        elif not conductor.done:
            time.sleep(SECONDS_TO_WAIT)


def _run(trial: Trial, conductor: Conductor, plan: Plan, folder: Path) -> None:
    team = team_of(plan.study, plan.images)
    try:
        with closing(trial_steps(trial, plan.study, plan.images, folder, team=team)) as steps:
            record = next(steps)
            while record.state == "interrupted":
                record = steps.send(conductor.snapshot(trial, record))
    except RankLost as problem:
        conductor.lost(trial, str(problem))
    else:
        conductor.ended(trial, record)
