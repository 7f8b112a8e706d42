"""What a study leaves behind: values that are written as JSON and hold all that is needed to do a trial again.

Accuracies are fractions from 0 to 1. `macs` are multiply-accumulates of one image, which is what the FishNet tables
call FLOPs. Times are UTC in ISO 8601.
"""

from __future__ import annotations

from typing import Any, Literal

from fishnet_search.spec.families import Spec
from fishnet_search.spec.value import Value
from fishnet_search.train.recipe import Recipe

State = Literal["complete", "failed", "interrupted"]


class Evaluation(Value):
    """How well a network does on one part of the data. `top5` counts the best min(5, classes) guesses."""

    loss: float
    top1: float
    top5: float


class EpochRecord(Value):
    """One pass over the training images. `train` is measured while the weights move, `validation` after the pass."""

    epoch: int  # the first is 1
    learning_rate: float
    train: Evaluation
    validation: Evaluation
    seconds: float


class DataRecord(Value):
    """Which images were used. The fingerprint is a SHA-256 over contents, labels and split."""

    source: str  # as it was given: "digits", "imagefolder:PATH"
    limit: int | None  # most images in each part
    fingerprint: str
    class_names: tuple[str, ...]  # in the order of the network's outputs
    mean: tuple[float, float, float]  # grey levels from 0 to 255 that images are normalised by
    std: tuple[float, float, float]
    image_size: int  # pixels a side
    train_images: int
    validation_images: int
    test_images: int

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.class_names)


class Environment(Value):
    """Where a trial ran."""

    python: str
    platform: str
    processor: str
    device: str  # "cpu" or the name of the GPU
    threads: int
    packages: dict[str, str]  # distribution -> version
    git_commit: str | None  # of the working directory; None outside a repository
    git_dirty: bool | None  # whether files that git tracks there differ from the commit


class Failure(Value):
    """Why a trial failed."""

    type: str
    message: str
    traceback: str


class TrialRecord(Value):
    """One network trained once with one seed."""

    format: Literal[2] = 2
    trial: str  # "max-3x3-seed1": unique in its study, and the name of its file
    variant: str
    levels: dict[str, Any]  # axis -> level
    seed: int
    state: State
    spec: Spec
    recipe: Recipe
    data: DataRecord
    params: int
    macs: int
    epochs: tuple[EpochRecord, ...]
    best_epoch: int | None  # chosen on validation top-1; of equals the one with the lower loss, then the earlier
    test: Evaluation | None  # of the weights of the best epoch
    failure: Failure | None
    started: str
    wall_seconds: float
    environment: Environment

    @property
    def best_validation(self) -> Evaluation | None:
        """The validation figures of the best epoch."""
        return None if self.best_epoch is None else self.epochs[self.best_epoch - 1].validation


class VariantRecord(Value):
    """One architecture of a study."""

    name: str
    levels: dict[str, Any]
    spec: Spec
    params: int
    macs: int


class StudyRecord(Value):
    """What a study was asked to do."""

    format: Literal[2] = 2
    name: str
    description: str
    command: str  # that ran it last
    base: str  # what the variants start from, as the space names it
    axes: dict[str, tuple[str, ...]]  # axis -> the fields that it sets
    baseline: str  # name of the variant that the others are compared with
    variants: tuple[VariantRecord, ...]
    seeds: tuple[int, ...]
    recipe: Recipe
    data: DataRecord
