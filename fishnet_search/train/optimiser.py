"""What moves the weights, from a recipe, and its memory by the names of the weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from fishnet_search.train.recipe import Recipe


def optimiser_of(network: nn.Module, recipe: Recipe) -> Optimizer:
    """Return the recipe's optimiser of a network's parameters, at the recipe's rate."""
    groups = _groups(network, recipe)
    if recipe.optimiser == "adamw":
        return AdamW(groups, recipe.learning_rate, betas=(recipe.momentum, recipe.beta2))
    return SGD(groups, recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov)


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Return all parameters with weight decay, or those of norms and biases without.

    These have one dimension, and weights of convolutions and linear layers more.
    """
    decayed: Iterable[nn.Parameter] = network.parameters()
    if recipe.decay_on == "all":
        return [{"params": decayed, "weight_decay": recipe.weight_decay}]
    parameters = list(decayed)
    groups = [
        {"params": [one for one in parameters if one.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def set_rate(optimiser: Optimizer, rate: float) -> None:
    """Have the next steps taken at this learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def memory_of(optimiser: Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """Return what the optimiser remembers of its steps, not copied, as FIGURE/WEIGHT -> tensor.

    For SGD with momentum that is `momentum_buffer/conv.weight`, for AdamW `step`, `exp_avg` and `exp_avg_sq`.
    """
    return {
        f"{figure}/{name}": tensor
        for name, weight in network.named_parameters()
        for figure, tensor in optimiser.state[weight].items()
        if isinstance(tensor, Tensor)
    }


def remember(optimiser: Optimizer, network: nn.Module, memory: Mapping[str, Tensor]) -> None:
    """Give a new optimiser of the network a copy of what `memory_of` told of another."""
    weights = dict(network.named_parameters())
    for path, tensor in memory.items():
        figure, _, name = path.partition("/")
        optimiser.state[weights[name]][figure] = _like(weights[name], tensor)


def _like(weight: Tensor, tensor: Tensor) -> Tensor:
    """Return a copy of a figure beside the weight that it is of."""
    if tensor.shape != weight.shape:  # AdamW's count of steps, which torch wants on the CPU
        return tensor.clone()
    # in the weight's own memory format: another takes other kernels, which round otherwise
    return torch.empty_like(weight).copy_(tensor)
