"""What trained weights are worth on some images: a trial's own, of any task, or published ones."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from fishnet_search.data.description import Data
from fishnet_search.errors import WeightsError
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import build_network
from fishnet_search.network.reference import load_reference_weights
from fishnet_search.spec.architecture import Architecture
from fishnet_search.study.record import TrialRecord
from fishnet_search.study.store import read_trial
from fishnet_search.task.figures import Evaluation
from fishnet_search.task.images import classes_for, images_for
from fishnet_search.task.models import build_model
from fishnet_search.task.settings import CLASSIFICATION, Task
from fishnet_search.train.normalisation import Normalisation
from fishnet_search.train.precision import precision_of
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.tasks import work_of
from fishnet_search.train.work import PartName

SAFETENSORS = ".safetensors"

_NAMED = 5  # weights or classes in one sentence


@dataclass(frozen=True, eq=False)
class Trained:
    """A task's model with its weights, and how it wants its images."""

    network: nn.Module  # from `build_model`
    spec: Architecture
    recipe: Recipe
    record: TrialRecord | None  # of a trial's own weights

    @property
    def task(self) -> Task:
        """What it finds in images."""
        return CLASSIFICATION if self.record is None else self.record.task

    @property
    def normalisation(self) -> Normalisation | None:
        """That of the images it was trained on, as far as they are known; None: as the recipe says."""
        if self.record is None or self.recipe.normalise != "data":
            return None
        return Normalisation(torch.tensor(self.record.data.mean), torch.tensor(self.record.data.std))


@dataclass(frozen=True, slots=True)
class Found:
    """Figures of some weights on one part of an image set."""

    figures: Evaluation
    images: int
    seconds: float  # from the first batch to the last figure
    fingerprint: str  # of the whole image set and its split


def trained(weights: Path, spec: Architecture | None, recipe: Recipe | None) -> Trained:
    """Return the model that a file's weights belong to.

    Args:
        weights: `TRIAL.safetensors` of a study, whose record beside it says the rest, or a published checkpoint.
        spec: of a published checkpoint; None for a trial's.
        recipe: that says how images are cut and normalised; None for the record's, or for ImageNet's at the test.

    Raises:
        WeightsError: the file cannot be read, is not of this architecture, or nothing says of which one it is.
    """
    record = _record_beside(weights)
    if record is not None:
        spec, recipe = spec or record.spec, recipe or record.recipe
    if not weights.is_file():
        raise WeightsError(f"{weights}: no such file; check the path")
    if spec is None:
        raise WeightsError(f"{weights}: no record beside it says of which network it is; name the network by --spec")
    known = recipe or Recipe(test_crop=0.875, normalise="imagenet")
    if weights.suffix == SAFETENSORS:
        model = build_model(spec, CLASSIFICATION if record is None else record.task, spec.classes, seed=0)
        _fill(model, weights)
        return Trained(model, spec, known, record)
    network = build_network(build_graph(spec))
    load_reference_weights(network, weights)
    return Trained(network, spec, known, record)


def evaluated(known: Trained, data: Data, part: PartName, *, limit: int | None, device: torch.device) -> Found:
    """Return the figures of a model on a part of an image set.

    Raises:
        DataError: the images cannot be had, or are of another kind than the task's.
        TrainingError: the part has nothing that could be found.
        WeightsError: they have other classes than the model.
    """
    _check_classes(known, classes_for(known.task, data), data.source)
    recipe, size = known.recipe, known.spec.image_size
    images = images_for(known.task, data, image_size=size, short_side=recipe.short_side(size), square=True, limit=limit)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    model = known.network.to(memory_format=layout).to(device)
    work = work_of(known.task, images, recipe, model, device, normalise=known.normalisation)
    start = time.perf_counter()
    with precision_of(recipe.precision, device).autocast():
        judged = work.judged(model, part)
    return Found(judged.figures, len(getattr(images, part)), time.perf_counter() - start, images.fingerprint)


def _check_classes(known: Trained, classes: tuple[str, ...], source: str) -> None:
    """Refuse images whose classes are not those of the model, as far as their names are known."""
    if len(classes) != known.spec.classes:
        raise WeightsError(
            f"the network has {known.spec.classes:,} classes, but {source} has {len(classes):,}; "
            "evaluate it on the images that it was trained for"
        )
    own = classes if known.record is None else known.record.data.class_names
    others = [f"{theirs} in place of {ours}" for ours, theirs in zip(own, classes, strict=True) if ours != theirs]
    if others:
        raise WeightsError(
            f"{source} has other classes than the network: {', '.join(others[:_NAMED])}; "
            "evaluate it on the images that it was trained for"
        )


def _record_beside(weights: Path) -> TrialRecord | None:
    record = weights.with_suffix(".json")
    return read_trial(record) if weights.suffix == SAFETENSORS and record.is_file() else None


def tensors_of(weights: Path) -> dict[str, torch.Tensor]:
    """Return what a safetensors file holds.

    Raises:
        WeightsError: it is none, or is not whole.
    """
    try:
        return load_file(weights)
    except (OSError, SafetensorError) as problem:
        raise WeightsError(f"{weights}: is no whole safetensors file: {problem}; train the trial anew") from problem


def _fill(network: nn.Module, weights: Path) -> None:
    own, tensors = network.state_dict(), tensors_of(weights)
    others = [name for name in sorted(own.keys() | tensors.keys()) if _shape(own, name) != _shape(tensors, name)]
    if others:
        raise WeightsError(
            f"{weights}: the weights are not of this architecture: {len(others)} are missing, extra or of another "
            f"shape: {', '.join(others[:_NAMED])}"
        )
    network.load_state_dict(tensors)


def _shape(tensors: dict[str, torch.Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None
