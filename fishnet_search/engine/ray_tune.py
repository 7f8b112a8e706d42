"""The driver's side of the ray engine: asks the conductor on Ray Tune's behalf. Imported when Ray is set up."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from fishnet_search.engine.conductor import Conductor
from fishnet_search.engine.overdue import told_in
from fishnet_search.engine.plan import Plan
from fishnet_search.engine.ray import Bundle, places_for
from fishnet_search.engine.ray_trial import Orders, RayTrial, config_of, overdue_file, parcel_of
from fishnet_search.study.record import TrialRecord
from fishnet_search.study.trial import RankLost, Trial, draft_of, pruned

SECONDS_BETWEEN_COUNTS = 2
"""Of the cluster's nodes, some of which may have come or gone."""


def run_trials(
    conductor: Conductor, plan: Plan, folder: Path, *, bundle: Bundle, time_limit: float | None, scratch: Path
) -> None:
    """Run what the conductor asks for until nothing is left; Ray is connected."""
    study = plan.study.model_copy(update={"variants": (), "refused": ()})  # a trial brings its own
    orders = Orders(study, folder, ray.put(parcel_of(plan.images)), bundle, time_limit, Path.cwd())
    desk = Desk(conductor, orders)
    with suppress(Over):
        tune.run(
            tune.with_parameters(RayTrial, orders=orders),
            search_alg=Suggestions(desk),
            scheduler=Verdicts(desk),
            callbacks=[Beginnings(desk)],
            num_samples=-1,
            resources_per_trial=tune.PlacementGroupFactory([dict(bundle)] * study.workers),
            reuse_actors=True,
            storage_path=str(scratch / "tune"),
            trial_name_creator=_id_of,
            trial_dirname_creator=_id_of,
            verbose=0,
        )
    if desk.problem is not None:
        raise desk.problem


class Over(BaseException):
    """Ends Ray Tune at once: it would wait five to fifteen seconds for its actors, which end with the connection."""


class Desk:
    """Where Ray Tune's searcher and scheduler meet the conductor."""

    def __init__(self, conductor: Conductor, orders: Orders) -> None:
        self.conductor, self.orders = conductor, orders
        self.running: dict[str, Trial] = {}  # by Ray Tune's name
        self.problem: Exception | None = None  # that ends the study
        self._room, self._counted = 1, -float("inf")

    @property
    def full(self) -> bool:
        """Whether the cluster has no room for another trial: a search is asked when it has learnt from what ended."""
        if time.monotonic() - self._counted > SECONDS_BETWEEN_COUNTS:
            self._room = max(1, places_for(self.orders.bundle) // self.orders.study.workers)
            self._counted = time.monotonic()
        return len(self.running) >= self._room

    def close_when_over(self) -> None:
        """End Ray Tune when the study is over, or cannot go on."""
        if self.problem is not None or self.conductor.done:
            raise Over

    def begin(self, name: str) -> None:
        """Tell that the process of a trial is there."""
        trial = self.running[name]
        self.conductor.snapshot(trial, draft_of(trial, self.orders.study))

    def hear(self, name: str, told: Mapping[str, Any]) -> bool:
        """Pass on what a trial tells, and return whether it goes on."""
        if isinstance(problem := told.get("problem"), RankLost):
            self.conductor.lost(self.running.pop(name), str(problem))
            return False
        if problem is not None:
            raise problem
        trial = self.running[name]
        for record in map(TrialRecord.model_validate_json, told["records"]):
            if record.state == "interrupted" and self.conductor.snapshot(trial, record):
                continue
            del self.running[name]
            self.conductor.ended(trial, pruned(record) if record.state == "interrupted" else record)
            return False
        return True

    def bury(self, name: str, error: str) -> None:
        """Tell that the process of a trial is gone, with what Ray says of it."""
        trial, limit = self.running.pop(name), self.orders.time_limit
        told = told_in(overdue_file(self.orders.folder, trial))
        if told and limit is not None:
            self.conductor.overdue(trial, limit, told)
        else:
            self.conductor.lost(trial, reason_of(error), error)


class Suggestions(Searcher):
    """Gives Ray Tune the trials that the conductor wants to run."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def suggest(self, trial_id: str) -> dict[str, str] | None:
        """Return a trial to run now, or None if there is none."""
        desk = self._desk
        trial = None if desk.full or desk.problem is not None else desk.conductor.next()
        if trial is None:
            desk.close_when_over()
            return None
        desk.running[trial_id] = trial
        return config_of(trial)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The scheduler has told it."""

    def save(self, checkpoint_path: str) -> None:
        """What there is to keep is in the records."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing is ever restored."""


class Verdicts(FIFOScheduler):
    """Ends the trials that the conductor ends. What it raises waits: Ray Tune would make another error of it."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._desk = desk

    def on_trial_result(self, controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Pass on a trial's record."""
        try:
            return TrialScheduler.CONTINUE if self._desk.hear(trial.trial_id, result) else TrialScheduler.STOP
        except Exception as problem:  # noqa: BLE001 - raised again by run_trials
            self._desk.problem = problem
            return TrialScheduler.STOP

    def on_trial_error(self, controller: Any, trial: TuneTrial) -> None:
        """Pass on that a trial's process is gone."""
        try:
            self._desk.bury(trial.trial_id, Path(trial.error_file).read_text(encoding="utf-8"))
        except Exception as problem:  # noqa: BLE001 - raised again by run_trials
            self._desk.problem = problem

    def choose_trial_to_run(self, controller: Any) -> None:
        """Leave the order to Ray Tune, which asks before every step: that all waiting ones start as they came."""
        self._desk.close_when_over()


class Beginnings(tune.Callback):
    """Tells of trials that begin, and takes records, which are written down by then, out of Ray Tune's memory."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """See `tune.Callback`."""
        try:
            self._desk.begin(trial.trial_id)
        except Exception as problem:  # noqa: BLE001 - raised again by run_trials
            self._desk.problem = problem

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        """See `tune.Callback`."""
        result.pop("records", None)


def _id_of(trial: TuneTrial) -> str:
    return str(trial.trial_id)


def reason_of(told: str) -> str:
    """Return in a few words what Ray tells of the end of a trial's process."""
    if "OUT_OF_MEMORY" in told or "OutOfMemoryError" in told:
        return "its worker was ended by Ray because the memory of the node ran out"
    if ("The actor is dead" in told or "The actor died" in told) and "creation task" not in told:
        return "its worker is gone"
    return f"its worker ended with {told.strip().splitlines()[-1]}"
