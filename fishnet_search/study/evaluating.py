"""What trained weights are worth on some images: a trial's own, or published ones."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from fishnet_search.data.description import Data
from fishnet_search.data.images import Part
from fishnet_search.data.load import load_images
from fishnet_search.errors import WeightsError
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import Network, build_network
from fishnet_search.network.reference import load_reference_weights
from fishnet_search.spec.architecture import Architecture
from fishnet_search.study.record import TrialRecord
from fishnet_search.study.store import read_trial
from fishnet_search.task.classification import Evaluation, evaluate
from fishnet_search.train.batches import Batches, on_device
from fishnet_search.train.normalisation import Normalisation, normalisation_for
from fishnet_search.train.precision import precision_of
from fishnet_search.train.recipe import Recipe

PartName = Literal["train", "validation", "test"]

SAFETENSORS = ".safetensors"


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with its weights, and how it wants its images."""

    network: Network
    spec: Architecture
    recipe: Recipe
    record: TrialRecord | None  # of a trial's own weights

    def normalisation(self, training: Part) -> Normalisation:
        """Return that of the images it was trained on, as far as they are known; else of the training images here."""
        if self.record is not None and self.recipe.normalise == "data":
            return Normalisation(torch.tensor(self.record.data.mean), torch.tensor(self.record.data.std))
        return normalisation_for(self.recipe, training.pictures)


@dataclass(frozen=True, slots=True)
class Found:
    """Figures of some weights on one part of an image set."""

    figures: Evaluation
    images: int
    seconds: float  # from the first batch to the last
    fingerprint: str  # of the whole image set and its split


def trained(weights: Path, spec: Architecture | None, recipe: Recipe | None) -> Trained:
    """Return the network that a file's weights belong to.

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
    network = build_network(build_graph(spec))
    if weights.suffix == SAFETENSORS:
        _fill(network, weights)
    else:
        load_reference_weights(network, weights)
    return Trained(network, spec, recipe or Recipe(test_crop=0.875, normalise="imagenet"), record)


def evaluated(known: Trained, data: Data, part: PartName, *, limit: int | None, device: torch.device) -> Found:
    """Return the figures of a network on a part of an image set.

    Raises:
        DataError: the images cannot be had.
        WeightsError: they have another number of classes than the network.
    """
    side = known.recipe.short_side(known.spec.image_size)
    images = load_images(data, side=side, square=True, limit=limit)
    if len(images.classes) != known.spec.classes:
        raise WeightsError(
            f"the network has {known.spec.classes:,} classes, but {data.source} has {len(images.classes):,}; "
            "evaluate it on the images that it was trained for"
        )
    chosen: Part = getattr(images, part)
    batches = Batches(
        on_device(chosen, device),
        len(images.classes),
        known.normalisation(images.train),
        known.recipe,
        known.spec.image_size,
        device,
    )
    network = known.network.to(memory_format=torch.channels_last).to(device)
    start = time.perf_counter()
    with precision_of(known.recipe.precision, device).autocast():
        figures = evaluate(network, batches.in_order(), classes=batches.classes, device=device)
    return Found(figures, len(chosen), time.perf_counter() - start, images.fingerprint)


def _record_beside(weights: Path) -> TrialRecord | None:
    record = weights.with_suffix(".json")
    return read_trial(record) if weights.suffix == SAFETENSORS and record.is_file() else None


def _fill(network: Network, weights: Path) -> None:
    try:
        tensors = load_file(weights)
    except (OSError, SafetensorError) as problem:
        raise WeightsError(f"{weights}: is no whole safetensors file: {problem}; train the trial anew") from problem
    own = network.state_dict()
    others = [name for name in sorted(own.keys() | tensors.keys()) if _shape(own, name) != _shape(tensors, name)]
    if others:
        raise WeightsError(
            f"{weights}: the weights are not of this architecture: {len(others)} are missing, extra or of another "
            f"shape: {', '.join(others[:5])}"
        )
    network.load_state_dict(tensors)


def _shape(tensors: dict[str, torch.Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None
