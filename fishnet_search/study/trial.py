"""One trial: what it is known by, and its record where nothing is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import torch

from fishnet_search.data.images import ImageSet
from fishnet_search.data.scenes import SceneSet
from fishnet_search.study.environment import environment
from fishnet_search.study.record import DataRecord, EpochRecord, Failure, StudyRecord, TrialRecord, VariantRecord
from fishnet_search.study.store import trial_name
from fishnet_search.task.figures import Figure
from fishnet_search.task.settings import Classification
from fishnet_search.train.device import choose_device
from fishnet_search.train.epoch import best_of
from fishnet_search.train.normalisation import normalisation_of


@dataclass(frozen=True)
class Trial:
    """One network to be trained once with one seed."""

    variant: VariantRecord
    seed: int

    @property
    def name(self) -> str:
        """Unique in its study."""
        return trial_name(self.variant.name, self.seed)

    def key(self, study: StudyRecord) -> str:
        """Return what the trial is known by, whatever it is called: equal keys give equal figures."""
        parts = [self.variant.identity, self.variant.recipe.model_dump(), study.data.fingerprint, self.seed]
        parts.append(study.workers)
        if (study.task, study.metric) != (Classification(), "top1"):  # which were all there was once
            parts += [study.task.model_dump(), study.metric]
        if self.variant.backbone is not None:
            parts.append(self.variant.backbone.sha256)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class RankLost(Exception):  # noqa: N818 - nobody's mistake: the trial goes on from its checkpoint
    """One of the processes that train a trial together is gone."""


def pruned(snapshot: TrialRecord) -> TrialRecord:
    """Return the record of a trial that was stopped early where it stands."""
    return snapshot.model_copy(
        update={"state": "pruned", "best_epoch": best_epoch_of(snapshot.epochs, snapshot.metric)}
    )


def failed(snapshot: TrialRecord, kind: str, message: str, told: str = "") -> TrialRecord:
    """Return the record of a trial that its worker can tell nothing more of."""
    return snapshot.model_copy(
        update={"state": "failed", "failure": Failure(type=kind, message=message, traceback=told)}
    )


def draft_of(trial: Trial, study: StudyRecord) -> TrialRecord:
    """Return the record of a trial that has not begun, in this process."""
    return TrialRecord(
        trial=trial.name,
        key=trial.key(study),
        variant=trial.variant.name,
        levels=trial.variant.levels,
        seed=trial.seed,
        state="interrupted",
        spec=trial.variant.spec,
        recipe=trial.variant.recipe,
        data=study.data,
        task=study.task,
        metric=study.metric,
        backbone=trial.variant.backbone,
        params=trial.variant.params,
        macs=trial.variant.macs,
        activations=trial.variant.activations,
        latency_ms=trial.variant.latency_ms,
        epochs=(),
        best_epoch=None,
        test=None,
        failure=None,
        workers=study.workers,
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        wall_seconds=0.0,
        environment=environment(choose_device(), torch.get_num_threads()),
    )


def data_record(images: ImageSet | SceneSet, limit: int | None) -> DataRecord:
    """Describe the images for a record."""
    normalise = normalisation_of(images.train.pictures)
    return DataRecord(
        source=images.source,
        limit=limit,
        split=images.split,
        skipped=images.skipped,
        dropped=images.dropped if isinstance(images, SceneSet) else (),
        clipped=images.clipped if isinstance(images, SceneSet) else 0,
        fingerprint=images.fingerprint,
        class_names=images.classes,
        mean=normalise.mean.tolist(),
        std=normalise.std.tolist(),
        image_size=images.image_size,
        train_images=len(images.train),
        validation_images=len(images.validation),
        test_images=len(images.test),
    )


def best_epoch_of(epochs: Sequence[EpochRecord], metric: Figure) -> int | None:
    """Return the epoch that validation liked best by a figure; None before the first."""
    return best_of(epochs, metric).epoch if epochs else None
