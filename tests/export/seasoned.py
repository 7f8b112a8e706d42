"""Small models whose batch norms have seen something: in their initial state, a wrong norm would change nothing."""

import torch

from fishnet_search.export.model import Model, Preparation
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import Network, build_network
from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.loading import load_spec, with_fields

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)

SMALL_RESNET = {
    "image_size": 64,
    "classes": 10,
    "stem.width": 16,
    **{f"stages[{i}].depth": 1 for i in range(4)},
    **{f"stages[{i}].width": 32 * 2**i for i in range(4)},
}

VARIED = {
    "tail[0].downsample": "blur",
    "tail[1].downsample": "conv-3x3",
    "body[0].upsample": "bilinear",
    "body[1].upsample": "transposed",
    "head[0].downsample": "avg-2x2",
    "head[1].downsample": "max-3x3",
    "body[1].norm": "group",
    "body[0].activation": "gelu",
    "head[0].activation": "hardswish",
    "head[0].squeeze_excitation": True,
}
"""Operators that exporters have had trouble with."""


def small_spec(preset: str = "fishnet-nano", **fields) -> Architecture:
    """Return a preset with fields set by path."""
    return with_fields(load_spec(preset), fields)


def network_of(spec: Architecture) -> Network:
    """Return a network in evaluation mode with drawn statistics, scales and shifts in its norms, and drawn biases."""
    network = build_network(build_graph(spec)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.GroupNorm)):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
            if isinstance(module, torch.nn.Linear):
                module.bias.normal_(0, 0.3, generator=generator)
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.5, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
    return network


def model_of(spec: Architecture | None = None) -> Model:
    """Return a model of ten classes."""
    spec = spec or small_spec()
    preparation = Preparation(spec.image_size, spec.image_size + 8, MEAN, STD)
    classes = tuple(f"class {i}" for i in range(spec.classes))
    return Model("small", spec, network_of(spec), classes, preparation, record=None)


def images(number: int, height: int = 32, width: int = 0) -> torch.Tensor:
    """Return prepared images of shape (number, 3, height, width), squares by default."""
    return torch.randn(number, 3, height, width or height, generator=torch.Generator().manual_seed(2))
