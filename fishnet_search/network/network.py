"""A graph as a torch module: each node a submodule of the same name, computed in the graph's order."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fishnet_search.graph.graph import Graph, check_side, taps_of
from fishnet_search.network.modules import MODULES, Blur


class GraphModule(nn.Module):
    """Computes the nodes of a graph and returns the last one's output, or the named ones of a backbone."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.label = graph.label
        self.inputs = graph.inputs
        self.outputs = graph.outputs
        self.steps = tuple(
            (node.name, node.inputs, finished) for node, finished in zip(graph.nodes, _last_uses(graph), strict=True)
        )
        for node in graph.nodes:
            module = GraphModule(node.op) if isinstance(node.op, Graph) else MODULES[type(node.op)](node.op)
            self.add_module(node.name, module)

    def forward(self, *inputs: Tensor) -> Any:
        """Return the output of the last node, or name -> output if the graph names its outputs."""
        values = dict(zip(self.inputs, inputs, strict=True))
        for name, arguments, finished in self.steps:
            values[name] = getattr(self, name)(*[values[argument] for argument in arguments])
            for value in finished:  # a fish keeps all resolutions: let go of what no later node needs
                del values[value]
        return {tap: values[node] for tap, node in self.outputs} or values[name]

    def extra_repr(self) -> str:
        """Show what the graph says of itself."""
        return self.label


class Network(GraphModule):
    """A whole network or a backbone for images of shape (N, 3, H, W), H and W multiples of its stride.

    Stages are submodules (`network.body2`), so hooks and feature extractors find them by name. `taps` are the outputs
    that a backbone gives, or that a network could, with channels and strides.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.stride = graph.stride
        self.taps = taps_of(graph)

    def forward(self, images_NCHW: Tensor) -> Any:  # type: ignore[override]  # torch.fx needs its inputs by name
        """Return logits of shape (N, classes), or, from a backbone, name -> features of shape (N, C, H, W).

        Raises:
            SpecError: a side of the images is not a multiple of the stride.
        """
        _check_sides(images_NCHW, self.stride)
        return super().forward(images_NCHW)


def build_network(graph: Graph, *, seed: int = 0) -> Network:
    """Return the network or backbone of a graph on the CPU, in training mode, with the published initialisation.

    The global random state is neither used nor changed.

    Args:
        graph: from `build_graph` or `features_only`.
        seed: of the initial weights.
    """
    with torch.device("meta"):  # the constructors' own initialisation would be thrown away
        network = Network(graph)
    network.to_empty(device="cpu")
    _initialise(network, graph.fan, torch.Generator().manual_seed(seed))
    return network


@torch.no_grad()
def _initialise(network: nn.Module, fan: Literal["in", "out"], generator: torch.Generator) -> None:
    """Fill all parameters and buffers.

    Source: kevin-ssy/FishNet, models/fishnet.py, FishNet._init_weights, and torchvision, models/resnet.py: normal with
    variance 2 / fan out; torchvision, models/densenet.py: with variance 2 / fan in. Biases of convolutions, and linear
    layers, are left as PyTorch draws them, uniformly within 1 / sqrt(fan in); a DenseNet's classifier has no bias at
    first.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            fan_in = module.weight[0].numel()
            ends = {"in": fan_in, "out": module.kernel_size[0] * module.kernel_size[1] * module.out_channels}
            module.weight.normal_(0, math.sqrt(2 / ends[fan]), generator=generator)
            if module.bias is not None:
                _uniform(module.bias, fan_in, generator)
        elif isinstance(module, nn.Linear):
            _uniform(module.weight, module.in_features, generator)
            _uniform(module.bias, module.in_features, generator)
            if fan == "in":
                module.bias.zero_()
        elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
        elif isinstance(module, Blur):
            module.reset()


def _uniform(tensor: Tensor, fan_in: int, generator: torch.Generator) -> None:
    bound = 1 / math.sqrt(fan_in)
    tensor.uniform_(-bound, bound, generator=generator)


def _last_uses(graph: Graph) -> list[tuple[str, ...]]:
    """Return, for each node, the values that nothing after it needs."""
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    for _, node_name in graph.outputs:
        last.pop(node_name, None)
    return [tuple(name for name, use in last.items() if use == i) for i in range(len(graph.nodes))]


@torch.fx.wrap  # one opaque call for torch.fx, which cannot follow a branch on a size
def _check_sides(images_NCHW: Tensor, stride: int) -> None:
    for side in images_NCHW.shape[-2:]:
        check_side(side, stride)
