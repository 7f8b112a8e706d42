"""What one pass over the training images came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fishnet_search.task.classification import Evaluation


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training images.

    `train` is measured while the weights move, `validation` after the pass, both in the precision of the training.
    """

    epoch: int  # the first is 1
    learning_rate: float  # of this pass's first step
    train: Evaluation  # its loss has the recipe's label smoothing, mixup and cutmix
    validation: Evaluation
    seconds: float  # of the pass and of the validation
    images_per_second: float  # of the pass, of all ranks together
    waiting: float  # fraction of the pass that rank 0 waited for images
    peak_memory_mb: float | None  # most that tensors held on the GPU, in 2**20 bytes; None on the CPU


def best_of(epochs: Sequence[Epoch]) -> Epoch:
    """Return the epoch with the highest validation top-1; of equals the one with the lower loss, then the earlier."""
    return max(epochs, key=lambda epoch: (epoch.validation.top1, -epoch.validation.loss))
