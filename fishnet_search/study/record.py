"""What a study leaves behind: values that are written as JSON and hold all that is needed to do a trial again.

Accuracies are fractions from 0 to 1. `macs` are multiply-accumulates of one image, which is what the FishNet tables
call FLOPs. Times are UTC in ISO 8601.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, SerializerFunctionWrapHandler, model_serializer, model_validator

from fishnet_search.spec.families import Spec
from fishnet_search.spec.value import Value
from fishnet_search.task.figures import FIGURES, OF_TASK, Figure
from fishnet_search.task.settings import Classification, Task
from fishnet_search.train.recipe import Recipe

FORMAT: Final = 4

State = Literal["complete", "pruned", "duplicate", "failed", "interrupted"]
"""`duplicate` has the figures of an earlier trial with the same key. What is infeasible never becomes a trial."""

EVIDENCE: tuple[State, ...] = ("complete", "duplicate")
"""States of trials whose figures count."""


LOSS: Final = "loss"


def _known(figures: dict[str, float]) -> dict[str, float]:
    for name in figures:
        if name != LOSS and name not in FIGURES:
            raise ValueError(f"there is no figure {name[:100]!r}")
    return figures


Evaluation = Annotated[dict[str, float], AfterValidator(_known)]
"""How well a network does on one part of the data: a number by figure, and `loss` where there is one."""


class EpochRecord(Value):
    """One pass over the training images. `train` is measured while the weights move, `validation` after the pass."""

    epoch: int  # the first is 1
    learning_rate: float
    train: Evaluation
    validation: Evaluation
    seconds: float  # of the pass and of the validation
    images_per_second: float  # of the pass
    waiting: float  # share of the pass, from 0 to 1, that training waited for images
    peak_memory_mb: float | None  # the most that torch has held on the GPU in the pass; None on a CPU


class DataRecord(Value):
    """Which images were used. The fingerprint is a SHA-256 over contents, labels and split."""

    source: str  # as it was given: "digits", "imagefolder:PATH"
    limit: int | None  # most images in each part
    split: str  # how the source's images were split, in words
    skipped: tuple[str, ...]  # images that could not be decoded and were left out
    dropped: tuple[str, ...] = ()  # objects without area that were left out, a sentence each
    clipped: int = 0  # boxes that went beyond their images
    fingerprint: str
    class_names: tuple[str, ...]  # in the order of the network's outputs
    mean: tuple[float, float, float]  # grey levels from 0 to 255 that images are normalised by
    std: tuple[float, float, float]
    image_size: int  # pixels of the short side that images are kept with
    train_images: int
    validation_images: int
    test_images: int

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.class_names)

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_the_usual(self, handler(self))


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


class BackboneRecord(Value):
    """Trained weights that a backbone begins with."""

    file: str  # on the machine that planned the study
    sha256: str  # of the file


class TrialRecord(Value):
    """One network trained once with one seed."""

    format: Literal[4] = FORMAT
    trial: str  # "max-3x3-seed1": unique in its study, and the name of its file
    key: str  # SHA-256 over architecture, recipe, data, seed and workers: equal keys are one experiment
    variant: str
    levels: dict[str, Any]  # axis -> level
    seed: int
    state: State
    spec: Spec
    recipe: Recipe
    data: DataRecord
    task: Task = Classification()
    metric: Figure = "top1"  # that the best epoch is chosen by
    backbone: BackboneRecord | None = None  # weights that it began with
    params: int
    macs: int
    activations: int  # numbers that convolutions and linear layers put out for one image
    latency_ms: float | None = None  # measured, where a constraint or an objective asks for it
    epochs: tuple[EpochRecord, ...]
    best_epoch: int | None  # the highest validation metric; of equals the one with the lower loss, then the earlier
    test: Evaluation | None  # of the weights of the best epoch
    failure: Failure | None
    duplicate_of: str | None = None  # the record, seen from this study's folder, that the figures are taken from
    workers: int = 1  # processes that trained it together
    precision: str | None = None  # that convolutions and linear layers were computed in; None before it began
    micro_batches: int = 1  # that a batch was split into after memory had run out; 1: it was not
    started: str
    wall_seconds: float
    environment: Environment

    @property
    def best_validation(self) -> Evaluation | None:
        """The validation figures of the best epoch."""
        return None if self.best_epoch is None else self.epochs[self.best_epoch - 1].validation

    @model_validator(mode="after")
    def _figures_are_of_the_task(self) -> TrialRecord:
        if self.metric not in self.task.figures:
            raise ValueError(f"{self.metric} is no figure of {self.task.kind}")
        judged = [epoch.validation for epoch in self.epochs] + ([] if self.test is None else [self.test])
        needed, possible = needed_figures(self.task, self.metric), {LOSS, *self.task.figures}
        for figures in judged:
            if not needed <= figures.keys() <= possible:
                raise ValueError(f"has the figures {', '.join(figures)}, not those of {self.task.kind}")
        for epoch in self.epochs:
            if not (needed if self.task.kind == "classification" else {LOSS}) <= epoch.train.keys() <= possible:
                raise ValueError(f"has the training figures {', '.join(epoch.train)}, not those of {self.task.kind}")
        return self

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_the_usual(self, handler(self))


class VariantRecord(Value):
    """One architecture of a study, and how it is trained."""

    name: str
    levels: dict[str, Any]
    spec: Spec
    recipe: Recipe
    identity: str  # of the architecture
    backbone: BackboneRecord | None = None  # weights that it begins with
    params: int
    macs: int
    activations: int
    matches: str | None = None  # the variant that this one rescales to the baseline's budget
    latency_ms: float | None = None  # measured, where a constraint asks for it
    backbone_params: int | None = None  # of these, where a task puts more on the backbone
    backbone_macs: int | None = None

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_the_usual(self, handler(self))


class RefusedRecord(Value):
    """A candidate that was infeasible: refused by a constraint, or no network at all."""

    name: str
    levels: dict[str, Any]
    where: str  # "spaces/mine.yaml:14: constraints.params"
    reason: str


class PublishedRecord(Value):
    """A published figure that belongs to a variant."""

    variant: str
    metric: str  # a figure, "params", "macs", "map", "ap_gain", or "statement" for what is said without a figure
    value: float | None  # fractions for accuracies and precisions; None for a statement
    setting: str  # of which images, and how the network was trained, in words
    source: str
    note: str = ""


class StudyRecord(Value):
    """What a study was asked to do."""

    format: Literal[4] = FORMAT
    name: str
    description: str
    command: str  # that ran it last
    base: str  # what the variants start from, as the space names it
    axes: dict[str, tuple[str, ...]]  # axis -> the fields that it sets
    baseline: str  # name of the variant that the others are compared with
    design: str  # "grid", "one-factor", "list", "random", "tpe", ...
    variants: tuple[VariantRecord, ...]  # a search adds those that it tries
    refused: tuple[RefusedRecord, ...] = ()
    finalists: tuple[str, ...] | None = None  # of a search, once it is over: they get all seeds
    objectives: tuple[str, ...] = ("top1",)
    match: str | None = None  # the metric that variants are rescaled to
    stop: str | None = None  # "asha": how trials are stopped early
    seeds: tuple[int, ...]
    recipe: Recipe  # of the baseline; a variant may set some fields otherwise
    data: DataRecord
    task: Task = Classification()
    workers: int = 1
    threads: int = 1  # of each process that trains
    small: bool = False  # whether it is the small version of its space
    published: tuple[PublishedRecord, ...] = ()

    @property
    def metric(self) -> Figure:
        """What networks are chosen by."""
        return metric_among(self.objectives, self.task)

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_the_usual(self, handler(self))


def metric_among(objectives: Sequence[str], task: Task) -> Figure:
    """Return what networks are chosen by: the first objective that is a figure, else the task's first one."""
    return next((figure for objective in objectives for figure in FIGURES if figure == objective), task.figures[0])


def needed_figures(task: Task, metric: Figure) -> set[str]:
    """Return what every evaluation has: of other tasks than classification some figures may not exist."""
    return {LOSS, *OF_TASK["classification"]} if task.kind == "classification" else {metric}


def _without_the_usual(record: Value, told: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is said of no classification, as in records that were written before there were other tasks."""
    usual = {"task": Classification(), "metric": "top1", "backbone": None, "dropped": (), "clipped": 0}
    usual |= {"backbone_params": None, "backbone_macs": None}
    return {name: value for name, value in told.items() if name not in usual or getattr(record, name) != usual[name]}
