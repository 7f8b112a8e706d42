"""A trial trained, from its spec to its record, a step an epoch."""

from __future__ import annotations

import errno
import gc
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors
from torch import nn

from fishnet_search.data.images import ImageSet
from fishnet_search.data.scenes import SceneSet
from fishnet_search.study.backbones import backbone_weights
from fishnet_search.study.record import EpochRecord, Failure, State, StudyRecord, TrialRecord
from fishnet_search.study.store import checkpoint_file, findings_file, weights_file, write_record, write_whole
from fishnet_search.study.trial import RankLost, Trial, best_epoch_of, draft_of
from fishnet_search.task.backbone import freeze, load_backbone, with_norm
from fishnet_search.task.figures import Figure
from fishnet_search.task.models import build_model
from fishnet_search.task.settings import Task
from fishnet_search.train.checkpoint import Checkpoint, DamagedCheckpoint, from_bytes, to_bytes
from fishnet_search.train.device import choose_device
from fishnet_search.train.epoch import Epoch
from fishnet_search.train.loop import Training
from fishnet_search.train.memory import out_of_memory
from fishnet_search.train.precision import precision_of
from fishnet_search.train.ranks import ALONE, Ranks

CHECKPOINT_SHARE = 0.02
"""Most of a trial's time that goes into writing checkpoints, so that small trials do without them."""

LEAST_COST = 0.02
"""Seconds that a first checkpoint is taken to cost, before it is known."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says of a full disk: a matter of the study, which stops, and not of one network, which would fail."""

Steps = Generator[TrialRecord, bool, None]
"""Yields how far a trial has come, and takes whether it is to go on."""


@dataclass(frozen=True)
class RankWork:
    """What the other processes that train a trial together need to know."""

    trial: Trial
    start: Checkpoint | None
    micro_batches: int
    task: Task
    metric: Figure  # that the best epoch is chosen by


Team = Callable[[RankWork], AbstractContextManager[Ranks]]
"""Starts the other ranks of a trial and makes this process rank 0 of them, for as long as the context lasts."""


def alone(_: RankWork) -> AbstractContextManager[Ranks]:
    """Train in this process only."""
    return nullcontext(ALONE)


def trial_steps(
    trial: Trial,
    study: StudyRecord,
    images: ImageSet | SceneSet,
    folder: Path,
    *,
    team: Team = alone,
    checkpoint_share: float = CHECKPOINT_SHARE,
) -> Steps:
    """Train one network, from its checkpoint if there is one.

    Yields a record of state `interrupted` at the beginning and after every epoch, and is sent whether to go on. The
    last one that it yields is `complete`, `pruned` or, after an error in building or training, `failed`. The weights
    are in the study's folder by then. A network that memory does not suffice for is trained once more from the
    beginning, with each batch in two parts; a checkpoint of that is gone on from in the same way.

    Raises:
        OSError: the disk is full.
        RankLost: a process that trains it together with this one is gone.
    """
    split = 1 if _Attempt(trial, study, images, folder, 2).checkpoint() is None else 2
    while True:
        attempt = _Attempt(trial, study, images, folder, split)
        try:
            yield from attempt.steps(team, checkpoint_share)
            return
        except Exception as problem:
            if isinstance(problem, RankLost) or (isinstance(problem, OSError) and problem.errno in NO_ROOM):
                raise
            if split == 2 or trial.variant.recipe.batch_size < 4 or not out_of_memory(problem):
                yield attempt.record("failed", failure=_failure(problem))
                return
        split = 2
        del attempt
        gc.collect()  # what the network took
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def follow_trial(work: RankWork, images: ImageSet | SceneSet, ranks: Ranks) -> None:
    """Do the share of a rank other than 0, for as long as rank 0 goes on."""
    device = choose_device()
    with _training(work, images, ranks, device) as training:
        training.follow()


def _training(work: RankWork, images: ImageSet | SceneSet, ranks: Ranks, device: torch.device) -> Training:
    variant, seed = work.trial.variant, work.trial.seed
    return Training(
        _model(work, len(images.classes), device),
        images,
        variant.recipe,
        seed=seed,
        device=device,
        start=work.start,
        micro_batches=work.micro_batches,
        ranks=ranks,
        task=work.task,
        metric=work.metric,
    )


def _model(work: RankWork, classes: int, device: torch.device) -> nn.Module:
    variant = work.trial.variant
    model = build_model(variant.spec, work.task, classes, seed=work.trial.seed)
    if variant.backbone is not None:
        load_backbone(model, backbone_weights(variant.backbone, variant.spec), where=variant.backbone.file)
    if variant.recipe.frozen_stages:
        freeze(model, variant.recipe.frozen_stages)
    return with_norm(model.to(device), variant.recipe.norm)


class _Attempt:
    """A trial from its beginning or from its checkpoint to its end, with each batch in so many parts."""

    def __init__(
        self, trial: Trial, study: StudyRecord, images: ImageSet | SceneSet, folder: Path, micro_batches: int
    ) -> None:
        self.trial, self.study, self.images, self.folder = trial, study, images, folder
        self.draft = draft_of(trial, study).model_copy(update={"micro_batches": micro_batches})
        self.file = checkpoint_file(folder, trial.name)
        self.key = f"{self.draft.key} in {micro_batches}"
        self.epochs: tuple[EpochRecord, ...] = ()
        self.began = time.perf_counter()
        self.before = 0.0  # seconds that went into the epochs of the checkpoint

    def steps(self, team: Team, checkpoint_share: float) -> Steps:
        precision = precision_of(self.trial.variant.recipe.precision, choose_device()).name
        self.draft = self.draft.model_copy(update={"precision": precision})
        work = RankWork(self.trial, self.checkpoint(), self.draft.micro_batches, self.draft.task, self.draft.metric)
        if work.start is not None:
            self.epochs = tuple(map(_epoch_record, work.start.epochs))
            self.before = sum(epoch.seconds for epoch in work.start.epochs)
        with team(work) as ranks, _training(work, self.images, ranks, choose_device()) as training:
            goes_on = yield self.record("interrupted")
            saved, cost = time.perf_counter(), LEAST_COST
            while goes_on and not training.done:
                self.epochs = (*self.epochs, _epoch_record(training.next_epoch()))
                now = time.perf_counter()
                if not training.done and (now - saved) * checkpoint_share >= cost:
                    write_whole(self.file, to_bytes(training.checkpoint(), self.key))
                    saved, cost = time.perf_counter(), time.perf_counter() - now
                goes_on = yield self.record("interrupted")
            if not training.done:
                yield self.record("pruned", best_epoch=best_epoch_of(self.epochs, self.draft.metric))
                return
            outcome = training.outcome()
        write_whole(weights_file(self.folder, self.trial.name), to_safetensors(dict(outcome.best_weights)))
        if outcome.findings is not None:
            write_record(findings_file(self.folder, self.trial.name), outcome.findings)
        yield self.record("complete", best_epoch=outcome.best_epoch, test=dict(outcome.test))

    def record(self, state: State, **outcome: Any) -> TrialRecord:
        """Return the trial as it stands."""
        seconds = round(self.before + time.perf_counter() - self.began, 3)
        return self.draft.model_copy(update={"state": state, "epochs": self.epochs, "wall_seconds": seconds, **outcome})

    def checkpoint(self) -> Checkpoint | None:
        """Return where an earlier attempt had come; a damaged checkpoint, or another trial's, is as good as none."""
        try:
            return from_bytes(self.file.read_bytes(), self.key)
        except (FileNotFoundError, DamagedCheckpoint):
            return None


def _failure(problem: Exception) -> Failure:
    return Failure(type=type(problem).__name__, message=str(problem), traceback=traceback.format_exc())


def _epoch_record(epoch: Epoch) -> EpochRecord:
    return EpochRecord(
        epoch=epoch.epoch,
        learning_rate=epoch.learning_rate,
        train=dict(epoch.train),
        validation=dict(epoch.validation),
        seconds=round(epoch.seconds, 3),
        images_per_second=round(epoch.images_per_second, 1),
        waiting=round(epoch.waiting, 4),
        peak_memory_mb=epoch.peak_memory_mb,
    )
