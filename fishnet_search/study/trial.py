"""One trial, from its spec to its record."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from torch import Tensor

from fishnet_search.data.images import ImageSet
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import build_network
from fishnet_search.study.environment import environment
from fishnet_search.study.record import (
    DataRecord,
    EpochRecord,
    Evaluation,
    Failure,
    StudyRecord,
    TrialRecord,
    VariantRecord,
)
from fishnet_search.study.store import trial_name
from fishnet_search.task import classification
from fishnet_search.train.batches import normalisation_of
from fishnet_search.train.device import choose_device
from fishnet_search.train.loop import Epoch, train


@dataclass(frozen=True)
class Trial:
    """One network to be trained once with one seed."""

    variant: VariantRecord
    seed: int

    @property
    def name(self) -> str:
        """Unique in its study."""
        return trial_name(self.variant.name, self.seed)


class Interrupted(Exception):  # noqa: N818 - no error: a person or the system asked to stop
    """A trial was stopped from outside; `record` holds what it had reached."""

    def __init__(self, record: TrialRecord) -> None:
        super().__init__(record.trial)
        self.record = record


def run_trial(
    trial: Trial, study: StudyRecord, images: ImageSet, on_epoch: Callable[[EpochRecord], None]
) -> tuple[TrialRecord, Mapping[str, Tensor]]:
    """Train one network and return its record and the weights of its best epoch.

    An error in building or training makes a record of state `failed`, without weights.

    Raises:
        Interrupted: by Ctrl-C or SIGTERM.
    """
    device = choose_device()
    where = environment(device)
    started = datetime.now(timezone.utc)
    clock = time.perf_counter()
    epochs: list[EpochRecord] = []

    def note(epoch: Epoch) -> None:
        epochs.append(_epoch_record(epoch))
        on_epoch(epochs[-1])

    def record(**outcome: Any) -> TrialRecord:
        return TrialRecord.model_validate(
            {
                "trial": trial.name,
                "variant": trial.variant.name,
                "levels": trial.variant.levels,
                "seed": trial.seed,
                "spec": trial.variant.spec,
                "recipe": study.recipe,
                "data": study.data,
                "params": trial.variant.params,
                "macs": trial.variant.macs,
                "epochs": tuple(epochs),
                "best_epoch": None,
                "test": None,
                "failure": None,
                "started": started.isoformat(timespec="seconds"),
                "wall_seconds": round(time.perf_counter() - clock, 3),
                "environment": where,
                **outcome,
            }
        )

    try:
        network = build_network(build_graph(trial.variant.spec), seed=trial.seed).to(device)
        training = train(network, images, study.recipe, seed=trial.seed, device=device, on_epoch=note)
    except KeyboardInterrupt:
        raise Interrupted(record(state="interrupted")) from None
    except Exception as problem:  # noqa: BLE001 - one network that fails must not end the study
        failure = Failure(type=type(problem).__name__, message=str(problem), traceback=traceback.format_exc())
        return record(state="failed", failure=failure), {}
    outcome = record(state="complete", best_epoch=training.best_epoch, test=_evaluation(training.test))
    return outcome, training.best_weights


def data_record(images: ImageSet, limit: int | None) -> DataRecord:
    """Describe the images for a record."""
    normalise = normalisation_of(images.train.images_NCHW)
    return DataRecord(
        source=images.source,
        limit=limit,
        fingerprint=images.fingerprint,
        class_names=images.classes,
        mean=normalise.mean.tolist(),
        std=normalise.std.tolist(),
        image_size=images.image_size,
        train_images=len(images.train.labels_N),
        validation_images=len(images.validation.labels_N),
        test_images=len(images.test.labels_N),
    )


def _epoch_record(epoch: Epoch) -> EpochRecord:
    return EpochRecord(
        epoch=epoch.epoch,
        learning_rate=epoch.learning_rate,
        train=_evaluation(epoch.train),
        validation=_evaluation(epoch.validation),
        seconds=round(epoch.seconds, 3),
    )


def _evaluation(figures: classification.Evaluation) -> Evaluation:
    return Evaluation(loss=figures.loss, top1=figures.top1, top5=figures.top5)
