"""A trial on a node of a Ray cluster, trained by the actor that Ray Tune gives it, alone or with others."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.tune import Trainable
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from fishnet_search.data.images import ImageSet, Part
from fishnet_search.data.pictures import Pictures
from fishnet_search.data.scenes import SceneSet
from fishnet_search.engine.overdue import within
from fishnet_search.study.record import StudyRecord, TrialRecord, VariantRecord
from fishnet_search.study.training import RankWork, Steps, alone, follow_trial, trial_steps
from fishnet_search.study.trial import RankLost, Trial
from fishnet_search.train.device import choose_device
from fishnet_search.train.memory import out_of_memory
from fishnet_search.train.ranks import Ranks, free_address, joined

SECONDS_TO_EXPLAIN = 10
"""Between the end of a training together and what each rank has to say of it."""


@dataclass(frozen=True, eq=False)
class Parcel:
    """Images in numpy's arrays, which all processes of a node read in one place of its memory."""

    images: ImageSet | SceneSet  # those of a pack, whose file all nodes see, and scenes are whole; else parts are empty
    arrays: tuple[tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]], ...]  # bytes, sides, labels a part


_EMPTY = Part(
    Pictures(torch.empty(0, dtype=torch.uint8), torch.empty(0, 2, dtype=torch.int64)), torch.empty(0, dtype=torch.int64)
)


def parcel_of(images: ImageSet | SceneSet) -> Parcel:
    """Pack images."""
    if isinstance(images, SceneSet) or images.train.pictures.file is not None:
        return Parcel(images, ())
    arrays = tuple(
        (part.pictures.bytes_B.numpy(), part.pictures.sides_N2.numpy(), part.labels_N.numpy())
        for part in (images.train, images.validation, images.test)
    )
    return Parcel(replace(images, train=_EMPTY, validation=_EMPTY, test=_EMPTY), arrays)


def images_of(parcel: Parcel) -> ImageSet | SceneSet:
    """Unpack images. They can only be read."""
    if isinstance(parcel.images, SceneSet) or not parcel.arrays:
        return parcel.images
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has no tensors that can only be read
        train, validation, test = (
            Part(Pictures(torch.from_numpy(bytes_B), torch.from_numpy(sides_N2)), torch.from_numpy(labels_N))
            for bytes_B, sides_N2, labels_N in parcel.arrays
        )
    return replace(parcel.images, train=train, validation=validation, test=test)


@dataclass(frozen=True, eq=False)
class Orders:
    """What all trials of a study have in common."""

    study: StudyRecord
    folder: Path
    images: Any  # where Ray keeps the Parcel
    bundle: Mapping[str, float]  # what each process has to itself
    time_limit: float | None  # seconds a trial
    home: Path  # where the command was given: a record tells its commit

    @property
    def threads(self) -> int:
        """Threads of each process."""
        return self.study.threads or max(1, int(self.bundle["CPU"]))


def config_of(trial: Trial) -> dict[str, str]:
    """Return what Ray Tune hands over to a trial's process."""
    return {"trial": json.dumps({"variant": trial.variant.model_dump_json(), "seed": trial.seed})}


def trial_of(config: Mapping[str, str]) -> Trial:
    """Return what `config_of` was given."""
    told = json.loads(config["trial"])
    return Trial(VariantRecord.model_validate_json(told["variant"]), told["seed"])


def overdue_file(folder: Path, trial: Trial) -> Path:
    """Return where the process of a trial that took too long says what it was doing."""
    return folder / f".overdue-{trial.name}"


class RayTrial(Trainable):
    """Trains one trial after the other; each step brings what `trial_steps` yields in an epoch."""

    def setup(self, config: dict[str, str], orders: Orders) -> None:  # type: ignore[override] # by with_parameters
        """Begin with the first trial."""
        torch.set_num_threads(orders.threads)
        with suppress(OSError):  # another node need not have it
            os.chdir(orders.home)
        self._orders, self._images = orders, images_of(ray.get(orders.images))
        self._crew = Crew(orders) if orders.study.workers > 1 else None
        self.reset_config(config)

    def reset_config(self, config: dict[str, str]) -> bool:
        """Begin with the next trial."""
        self._close()
        self.config = {}  # or it goes back and forth with each result
        orders = self._orders
        self._trial, self._started = trial_of(config), time.monotonic()
        self._steps: Steps | None = trial_steps(
            self._trial, orders.study, self._images, orders.folder, team=self._crew or alone
        )
        self._go_on: bool | None = None  # what the first step takes
        return True

    def step(self) -> dict[str, Any]:
        """Train an epoch."""
        orders, limit = self._orders, self._orders.time_limit
        left = None if limit is None else max(0.01, self._started + limit - time.monotonic())
        try:
            with within(left, overdue_file(orders.folder, self._trial)):
                records = self._advance()
        except (OSError, RankLost) as problem:
            return {"problem": problem}
        return {"records": [record.model_dump_json() for record in records]}

    def cleanup(self) -> None:
        """End."""
        self._close()
        if self._crew is not None:
            self._crew.dismiss()

    def _advance(self) -> list[TrialRecord]:
        """Return the next records: up to one that it is to be decided on whether the trial goes on, or to the last.

        That is after each epoch but the last. The first record comes with the next, as the driver knows that a trial
        begins: each result costs milliseconds of a driver that may have thousands of trials.
        """
        assert self._steps is not None
        begins = self._go_on is None
        records = [self._steps.send(self._go_on)]  # type: ignore[arg-type] # a generator begins with None
        self._go_on = True
        while records[-1].state == "interrupted" and (
            len(records[-1].epochs) in {0, records[-1].recipe.epochs} or (begins and len(records) == 1)
        ):
            records.append(self._steps.send(True))
        if records[-1].state != "interrupted":
            self._close()
        return records[1:] if begins and not records[0].epochs and len(records) > 1 else records

    def _close(self) -> None:
        steps: Steps | None = getattr(self, "_steps", None)
        if steps is not None:
            steps.close()
        self._steps = None


class Crew:
    """The other ranks of a process's trials: actors in the same placement group, which stay for the next trial."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._actors: list[Any] = []

    @contextmanager
    def __call__(self, work: RankWork) -> Iterator[Ranks]:
        """Have the others follow a training for as long as the context lasts; see `study.trial.Team`."""
        if not self._actors:
            self._hire()
        world, shared = self._orders.study.workers, ray.put(work)
        address = free_address(_own_address())
        following = [
            actor.follow.remote(shared, rank, world, address) for rank, actor in enumerate(self._actors, start=1)
        ]
        try:
            with joined(0, world, address, choose_device()) as ranks:
                yield ranks
        except Exception as problem:
            raise _reason(following, problem) from problem
        finally:
            _, late = ray.wait(following, num_returns=len(following), timeout=SECONDS_TO_EXPLAIN)
            if late or any(_problem_of(one) for one in following):
                self.dismiss()

    def dismiss(self) -> None:
        """End the others."""
        for actor in self._actors:
            ray.kill(actor)
        self._actors = []

    def _hire(self) -> None:
        orders, group = self._orders, ray.util.get_current_placement_group()
        hired = ray.remote(num_cpus=orders.bundle["CPU"], num_gpus=orders.bundle.get("GPU", 0))(Follower)
        for rank in range(1, orders.study.workers):
            place = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank)  # type: ignore[arg-type]
            self._actors.append(hired.options(scheduling_strategy=place).remote(orders))


class Follower:
    """A process with a rank other than 0."""

    def __init__(self, orders: Orders) -> None:
        torch.set_num_threads(orders.threads)
        self._images = images_of(ray.get(orders.images))

    def follow(self, work: RankWork, rank: int, world: int, address: str) -> None:
        """Do the share of a rank in one training."""
        with joined(rank, world, address, choose_device()) as ranks:
            follow_trial(work, self._images, ranks)


def _own_address() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


def _reason(following: list[Any], problem: Exception) -> Exception:
    """Return why a training together ended: where a rank is gone, all others only find that their connection is."""
    if not isinstance(problem, RuntimeError) or out_of_memory(problem):
        return problem
    ray.wait(following, num_returns=len(following), timeout=SECONDS_TO_EXPLAIN)
    told = [reason for one in following if (reason := _problem_of(one)) is not None]
    for reason in told:
        if isinstance(reason, ray.exceptions.RayActorError):
            return RankLost("a process that trained it is gone")
    return next((one for one in told if out_of_memory(one)), told[0] if told else problem)


def _problem_of(following: Any) -> Exception | None:
    try:
        ray.get(following, timeout=0)
    except ray.exceptions.GetTimeoutError:
        return None
    except ray.exceptions.RayTaskError as problem:
        cause = problem.cause
        return cause if isinstance(cause, Exception) else problem
    except ray.exceptions.RayError as problem:
        return problem
    return None
