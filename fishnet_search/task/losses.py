"""What a model's outputs are worth, as one number to be differentiated."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from fishnet_search.data.scenes import UNJUDGED


def detection_loss(losses: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of what a detector gives in training mode."""
    return torch.stack([loss.float() for loss in losses.values()]).sum()


def pixel_loss(logits_NCHW: Tensor, maps_NHW: Tensor) -> Tensor:
    """Return the mean cross-entropy in nats of the judged pixels of a batch; 0 if there is none.

    Args:
        logits_NCHW: of any floating type; the loss is computed in float32.
        maps_NHW: whole numbers: the class of each pixel, or `UNJUDGED`.
    """
    # pixel by pixel: over maps, PyTorch's loss has no deterministic form on a GPU
    logits_PC = logits_NCHW.float().permute(0, 2, 3, 1).flatten(0, 2)
    total = functional.cross_entropy(logits_PC, maps_NHW.flatten().long(), ignore_index=UNJUDGED, reduction="sum")
    return total / (maps_NHW != UNJUDGED).sum().clamp(min=1)
