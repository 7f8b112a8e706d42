"""Models: a backbone with what a task puts on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import Graph
from fishnet_search.network.network import build_network
from fishnet_search.spec.architecture import Architecture
from fishnet_search.task.detector import build_detector
from fishnet_search.task.levels import detector_graph, is_fish, levels_of, segmenter_graph, side_multiple
from fishnet_search.task.segmenter import FCN_DROPOUT, Segmenter
from fishnet_search.task.settings import Detection, SemanticSegmentation, Task


def build_model(spec: Architecture, task: Task, classes: int, *, seed: int) -> nn.Module:
    """Return the model for a task on the CPU, in training mode, with initial weights.

    Classification: the network itself, images (N, 3, H, W) to logits (N, classes). Detection and instance segmentation:
    see `build_detector`. Semantic segmentation: see `Segmenter`. Backbones start as the network of the same seed does.
    The global random state is neither used nor changed.

    Args:
        spec: the architecture.
        task: what is to be found.
        classes: how many; of boxes without the background, of pixels with it where the images have one.
        seed: of the initial weights, from 0.

    Raises:
        SpecError: the task names taps that the network does not have, or in an order that makes no pyramid.
    """
    graph = build_graph(spec.model_copy(update={"classes": classes}))
    with torch.random.fork_rng(devices=[]):
        # numbers that have nothing to do with those of the backbone, which come from the seed itself
        torch.default_generator.manual_seed(int(np.random.SeedSequence((seed, 1)).generate_state(1)[0]))
        return _BUILD[task.kind](graph, task, classes, seed)


def _detector(graph: Graph, task: Detection, classes: int, seed: int) -> nn.Module:
    backbone = detector_graph(graph, task)
    body, levels = build_network(backbone, seed=seed), levels_of(backbone, task)
    detector: nn.Module = build_detector(body, levels, task, classes, side_multiple=side_multiple(graph))
    return detector


def _segmenter(graph: Graph, task: SemanticSegmentation, classes: int, seed: int) -> nn.Module:
    body = build_network(segmenter_graph(graph, task), seed=seed)
    return Segmenter(body, task.head_channels, classes, dropout=0.0 if is_fish(graph) else FCN_DROPOUT)


_BUILD: dict[str, Callable[[Graph, Any, int, int], nn.Module]] = {
    "classification": lambda graph, _, __, seed: build_network(graph, seed=seed),
    "detection": _detector,
    "instance-segmentation": _detector,
    "semantic-segmentation": _segmenter,
}
