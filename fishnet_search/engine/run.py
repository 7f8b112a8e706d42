"""A study from its plan to its records, on either engine, whatever ended the last run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from fishnet_search.engine.conductor import Conductor, Source
from fishnet_search.engine.mirror import Mirror, bears_out, open_storage, owner_of, set_aside
from fishnet_search.engine.observer import Observer
from fishnet_search.engine.plan import Plan
from fishnet_search.engine.proposals import Proposals
from fishnet_search.engine.refusals import refuse_other_settings
from fishnet_search.engine.searching import directions, values_of
from fishnet_search.errors import StudyError
from fishnet_search.space.design import Search
from fishnet_search.space.model import Space
from fishnet_search.study.record import EVIDENCE, RefusedRecord, TrialRecord
from fishnet_search.study.store import checkpoint_file, locked, mended_trials, read_study, read_trials
from fishnet_search.study.trial import Trial


@dataclass(frozen=True)
class Settings:
    """Where and how the trials of a study are run; none of it changes their figures."""

    engine: Literal["local", "ray"] = "local"
    jobs: int = 1  # trials at a time on the local engine; one alone runs in this process
    time_limit: float | None = None  # seconds that a trial may take from its start, or from when it goes on
    storage: str | None = None  # URL of a database for Optuna; by default a file in the study's folder
    reuse: tuple[Path, ...] = ()  # folders of studies whose complete trials need not be run again
    ray_address: str | None = None  # of a cluster; by default Ray runs on this machine alone


def run_study(plan: Plan, folder: Path, observer: Observer, settings: Settings = Settings()) -> tuple[TrialRecord, ...]:
    """Run the trials that are not over yet, and return the records of all that the study came to.

    Trials run seed by seed, so that every variant has seen the same seeds whenever a study is cut short. Trials that
    failed or were interrupted before are run again.

    Raises:
        StudyError: another process runs this study, or the folder holds trials of another recipe, other data, or
            another architecture of the same name.
        KeyboardInterrupt: by Ctrl-C or SIGTERM; the next call goes on.
        OSError: the disk is full; the next call goes on.
    """
    with locked(folder), _conducting(plan, folder, observer, settings) as conductor:
        if settings.engine == "ray":
            from fishnet_search.engine.ray import run_on_ray

            run_on_ray(conductor, plan, folder, address=settings.ray_address, time_limit=settings.time_limit)
        elif settings.jobs > 1 or settings.time_limit is not None:
            from fishnet_search.engine.workers import run_in_workers

            run_in_workers(conductor, plan, folder, jobs=settings.jobs, time_limit=settings.time_limit)
        else:
            from fishnet_search.engine.local import run_here

            run_here(conductor, plan, folder)
        study = conductor.study
    return tuple(
        conductor.records[name]
        for seed in study.seeds
        for variant in study.variants
        if (name := Trial(variant, seed).name) in conductor.records
    )


@contextmanager
def _conducting(plan: Plan, folder: Path, observer: Observer, settings: Settings) -> Iterator[Conductor]:
    """Bring records, storage and plan together, and leave them so that the next run can go on."""
    whole, damages = mended_trials(folder)
    records = {record.trial: record for record in whole}
    refuse_other_settings(plan.study, whole, folder)
    mirror, search = _mirrors(plan, folder, settings.storage, records)
    study = plan.study
    if search is not None:
        tried = {record.variant: record.levels for record in whole}
        variants = [search.variant(name, levels) for name, levels in tried.items() if name != study.baseline]
        study = study.model_copy(
            update={"variants": (*study.variants, *variants, *search.unrecorded(records)), "refused": _refused(folder)}
        )
        refuse_other_settings(study, whole, folder)
    for record in whole:
        if record.state in (*EVIDENCE, "pruned"):  # a kill may have come before its checkpoint was removed
            checkpoint_file(folder, record.trial).unlink(missing_ok=True)
    for sentence in damages:
        observer.noticed(sentence)
    conductor = Conductor(
        study,
        folder,
        observer,
        records=records,
        reusable=_reusable(settings.reuse, folder, observer),
        stop=plan.space.space.stop,
        mirror=mirror,
        search=search,
    )
    conductor.write_study()
    with mirror.beating():
        try:
            yield conductor
        except (KeyboardInterrupt, Exception):
            conductor.interrupt()
            raise
    conductor.write_study()


def _mirrors(
    plan: Plan, folder: Path, url: str | None, records: Mapping[str, TrialRecord]
) -> tuple[Mirror, Proposals | None]:
    """Open the storage and make it agree with the records; a file that says otherwise is made anew."""
    study, design = plan.study, plan.space.space.design
    first = study.seeds[0]

    def values(record: TrialRecord) -> list[float]:
        return values_of(study.objectives, record)

    def mirror(name: str) -> Mirror:
        return Mirror(storage, name, directions(study.objectives), owner_of(folder))

    storage = open_storage(folder, url)
    if url is None and not bears_out(records, storage, values):
        set_aside(folder)
        storage = open_storage(folder, url)
    if not isinstance(design, Search):
        plain = mirror(study.name)
        plain.reconcile(records, values)
        return plain, None
    tried = mirror(study.name)
    if not tried.fits(
        axes := hashlib.sha256(repr(plan.space.axes).encode()).hexdigest()
    ):  # such as with another level, which Optuna cannot take in
        if url is not None:
            raise StudyError(f"study {study.name}: was begun with other axes in this storage; give another --name")
        set_aside(folder)
        storage = open_storage(folder, url)
        tried = mirror(study.name)
        tried.fits(axes)
    others = mirror(f"{study.name}-seeds")
    search = Proposals(plan, design, tried)
    search.reconcile({name: one for name, one in records.items() if one.seed == first}, values)
    others.reconcile({name: one for name, one in records.items() if one.seed != first}, values)
    return others, search


def _refused(folder: Path) -> tuple[RefusedRecord, ...]:
    """Return what a search has refused so far; it is only told, so that a damaged file costs nothing else."""
    try:
        return read_study(folder).refused
    except StudyError:
        return ()


def _reusable(folders: Iterable[Path], own: Path, observer: Observer) -> Iterator[Source]:
    """Yield the complete trials of other studies."""
    for folder in folders:
        if folder.resolve() == own.resolve():
            continue
        try:
            yield from (Source(one, folder) for one in read_trials(folder) if one.state == "complete")
        except StudyError as problem:
            observer.noticed(f"--reuse: {problem}; nothing of {folder} is used")


def jobs_for(space: Space) -> int:
    """Return how many trials this machine can run at a time with what each is to have."""
    gpus, needed = torch.cuda.device_count(), space.resources.gpu or 1
    if gpus:
        return max(1, int(gpus / (needed * space.workers)))
    return max(1, cores() // (space.resources.cpu * space.workers))


def cores() -> int:
    """Return how many cores this process may use, which a batch system may have limited."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
