"""Gradient checkpointing: a stage keeps what enters it alone, and computes the rest again in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


@contextmanager
def recomputed(network: nn.Module) -> Iterator[None]:
    """Have the network compute its stages twice in training, for less memory and the same figures to the bit.

    A stage is a submodule of the network that has submodules of its own. Without gradients nothing changes.

    Source: Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost.
    """
    stages = [stage for stage in network.children() if any(True for _ in stage.children())]
    for stage in stages:
        contexts = partial(_first_and_second, stage)
        stage.forward = partial(checkpoint, stage.forward, use_reentrant=False, context_fn=contexts)
    try:
        yield
    finally:
        for stage in stages:
            del stage.forward  # of the instance: what is left is its class's


def _first_and_second(stage: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _statistics_left_alone(stage)


@contextmanager
def _statistics_left_alone(stage: nn.Module) -> Iterator[None]:
    """Keep batch normalisation from counting a batch twice in its running statistics."""
    norms = [module for module in stage.modules() if isinstance(module, _BatchNorm)]
    former = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, former, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, batches
