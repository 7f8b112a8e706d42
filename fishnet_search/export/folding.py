"""Batch norms folded into the convolutions before them: the same outputs from fewer steps."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fishnet_search.graph.graph import Graph
from fishnet_search.graph.ops import Shape
from fishnet_search.network.measure import Latency, latencies_in_turn
from fishnet_search.network.network import GraphModule, Network

IMAGE = "image"
"""Stands for the network's input among the paths of its operators."""


class Folds(NamedTuple):
    """How far batch norms fold."""

    folded: int
    norms: int  # all batch norms of the network

    def __str__(self) -> str:
        return f"{self.folded} of {self.norms} batch norms"


class Step(NamedTuple):
    """An operator of a network, wherever in it, and where what it takes comes from."""

    path: str  # "tail0.block1.conv2"
    module: nn.Module
    inputs: tuple[str, ...]  # paths of operators, or `IMAGE`


def folded(network: Network) -> Network:
    """Return a copy in evaluation mode with each batch norm folded that can be; identities take their place.

    A batch norm can be folded if it takes the output of a convolution, or transposed convolution, that nothing else
    takes. What stands behind a sum, a pooling or a concatenation, such as the first one of a pre-activation block,
    stays. Outputs differ in their last digits alone.

    Args:
        network: with its trained statistics. It is left as it is.
    """
    copied = copy.deepcopy(network).eval()
    for conv_path, norm_path in foldable(copied):
        conv = cast(nn.Conv2d, copied.get_submodule(conv_path))
        norm = cast(nn.BatchNorm2d, copied.get_submodule(norm_path))
        transposed = isinstance(conv, nn.ConvTranspose2d)
        # worked out in float64, so that folding itself adds one rounding only
        fused = fuse_conv_bn_eval(conv.double(), norm.double(), transpose=transposed).float()
        copied.set_submodule(conv_path, fused)
        copied.set_submodule(norm_path, nn.Identity())
    return copied


def folds(graph: Graph) -> Folds:
    """Return how many batch norms of a network `folded` folds, of how many."""
    with torch.device("meta"):  # its structure alone is asked for
        network = Network(graph)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    return Folds(len(foldable(network)), norms)


def foldable(network: Network) -> list[tuple[str, str]]:
    """Return the paths of each convolution and the batch norm that can be folded into it, in order of computation."""
    (image,) = network.inputs
    sources = {image: IMAGE}
    steps = list(_steps(network, "", sources))
    uses = Counter(source for step in steps for source in step.inputs)
    uses.update(sources[node] for _, node in network.outputs)  # a backbone gives these away
    modules = {step.path: step.module for step in steps}
    return [
        (step.inputs[0], step.path)
        for step in steps
        if isinstance(step.module, nn.BatchNorm2d)
        and isinstance(modules.get(step.inputs[0]), (nn.Conv2d, nn.ConvTranspose2d))
        and uses[step.inputs[0]] == 1
    ]


def latency_before_and_after(
    network: Network, other: nn.Module, *, image_size: int, seconds: float = 1.0
) -> tuple[Latency, Latency]:
    """Time a network and its folded form in turn, one image on the CPU.

    Args:
        network: in evaluation mode.
        other: its folded form.
        image_size: pixels a side.
        seconds: the least time for the passes that count, of each.
    """
    forms = (copy.deepcopy(network), copy.deepcopy(other))  # since they are laid out anew for it
    before, after = latencies_in_turn(forms, Shape(3, image_size, image_size), seconds=seconds)
    return before, after


def _steps(module: GraphModule, prefix: str, sources: dict[str, str]) -> Iterator[Step]:
    """Yield the operators of a module and of those inside it, in order of computation.

    Args:
        module: whose nodes are followed.
        prefix: of its paths.
        sources: by name of a value in it, the path of the operator that it comes from. Its inputs are there at the
            beginning, all others in the end.
    """
    for name, inputs, _ in module.steps:
        child = module.get_submodule(name)
        taken = tuple(sources[value] for value in inputs)
        sources[name] = f"{prefix}{name}"
        if isinstance(child, GraphModule):
            inside = dict(zip(child.inputs, taken, strict=True))
            yield from _steps(child, f"{prefix}{name}.", inside)
            sources[name] = inside[child.steps[-1][0]]  # its output is that of its last node
        else:
            yield Step(sources[name], child, taken)
