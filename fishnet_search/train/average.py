"""A network whose weights are the moving average of those of the network that is trained."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def average_of(network: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of the network, whose `update_parameters(network)` is called after each step.

    After the first step it is equal to the network, from then on decay · average + (1 - decay) · network: parameters
    as well as the running statistics of batch normalisation, which have to fit them.

    Args:
        network: on the device that it is trained on.
        decay: of a step, from 0 to below 1.
    """
    rule = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=rule, use_buffers=True)


def go_on_averaging(average: AveragedModel, weights: Mapping[str, Tensor], epochs: int) -> None:
    """Give the average the weights of an earlier one, which has seen so many epochs."""
    average.module.load_state_dict(weights)
    average.n_averaged.fill_(epochs)  # a count of steps, of which it only matters whether it is 0
