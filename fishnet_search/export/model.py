"""What is exported: a task's model with its weights, its classes, and how an image becomes what it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import Graph
from fishnet_search.network.network import Network
from fishnet_search.spec.architecture import Architecture
from fishnet_search.study.evaluating import Trained
from fishnet_search.study.record import TrialRecord
from fishnet_search.task.backbone import backbone_of
from fishnet_search.task.levels import detector_graph, segmenter_graph
from fishnet_search.task.settings import CLASSIFICATION, Detection, SemanticSegmentation, Task
from fishnet_search.train.normalisation import IMAGENET, Normalisation
from fishnet_search.train.recipe import Recipe


@dataclass(frozen=True)
class Preparation:
    """How an image becomes what a model takes.

    Its short side is resized to `short_side` (bilinear, antialiased), and from each channel the mean is taken and what
    remains divided by the standard deviation. For classification the centre of `image_size` × `image_size` pixels is
    cut out before. Other tasks see the whole image, resized to less if its longer side would exceed `longer_side`; for
    maps it is padded at the right and at the bottom to multiples of the backbone's stride.
    """

    image_size: int  # pixels a side that the network is made for
    short_side: int
    mean: tuple[float, float, float]  # grey levels from 0 to 255
    std: tuple[float, float, float]
    longer_side: int | None = None  # None: the centre is cut out

    @property
    def normalisation(self) -> Normalisation:
        """Return what brings images to mean 0 and standard deviation 1."""
        return Normalisation(torch.tensor(self.mean), torch.tensor(self.std))

    @property
    def recipe(self) -> Recipe:
        """Return a recipe whose images at the test are as large as these."""
        if self.longer_side is None:
            return Recipe(test_crop=self.image_size / self.short_side, normalise="imagenet")
        return Recipe(shorter_side=self.short_side, longer_side=self.longer_side, normalise="imagenet")


@dataclass(frozen=True, eq=False)
class Model:
    """A task's model that is ready to be exported."""

    name: str  # such as "downsample-max-2x2-seed0" or "fishnet150": fit for a file's name
    spec: Architecture
    network: nn.Module  # from `build_model`, in evaluation mode, float32, on the CPU
    classes: tuple[str, ...]  # names, in the order of the outputs; none where they are not known
    preparation: Preparation
    record: TrialRecord | None  # of a study's trial
    trained: bool = True  # or its weights are those that training starts from
    task: Task = CLASSIFICATION

    @property
    def backbone(self) -> Network:
        """Return the backbone in the model; of a classifier the whole network."""
        return backbone_of(self.network)

    @property
    def graph(self) -> Graph:
        """Return the graph of `backbone`; its taps are what it gives."""
        graph = build_graph(self.spec)
        if isinstance(self.task, Detection):
            return _with_its_taps(detector_graph(graph, self.task))
        if isinstance(self.task, SemanticSegmentation):
            return _with_its_taps(segmenter_graph(graph, self.task))
        return graph


def model_of(name: str, known: Trained) -> Model:
    """Return a model that was loaded as one that is exported or asked."""
    return Model(
        name=name,
        spec=known.spec,
        network=known.network.eval(),
        classes=() if known.record is None else known.record.data.class_names,
        preparation=_preparation_of(known),
        record=known.record,
        task=known.task,
    )


def _preparation_of(known: Trained) -> Preparation:
    """Return how images are prepared at the test."""
    figures, recipe, size = known.normalisation or IMAGENET, known.recipe, known.spec.image_size
    mean, std = (_three(numbers) for numbers in (figures.mean, figures.std))
    if known.task.kind == "classification":
        return Preparation(size, recipe.short_side(size), mean, std)
    return Preparation(size, recipe.shorter_side or size, mean, std, longer_side=recipe.longer_side)


def _three(numbers: Tensor) -> tuple[float, float, float]:
    red, green, blue = numbers.tolist()
    return red, green, blue


def side_by_side(backbone: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return what gives all features of an image in one row."""

    def run(images_NCHW: Tensor) -> Tensor:
        return torch.cat([features.flatten(1) for features in backbone(images_NCHW).values()], dim=1)

    return run


def _with_its_taps(backbone: Graph) -> Graph:
    return replace(backbone, taps=backbone.outputs)
