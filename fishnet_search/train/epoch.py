"""What one pass over the training images came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from fishnet_search.task.figures import Evaluation, Figure


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training images.

    `train` is measured while the weights move, `validation` after the pass, both in the precision of the training.
    """

    epoch: int  # the first is 1
    learning_rate: float  # of this pass's first step
    train: Evaluation  # the loss has the recipe's label smoothing, mixup and cutmix
    validation: Evaluation
    seconds: float  # of the pass and of the validation
    images_per_second: float  # of the pass, of all ranks together
    waiting: float  # fraction of the pass that rank 0 waited for images
    peak_memory_mb: float | None  # most that tensors held on the GPU, in 2**20 bytes; None on the CPU


class Validated(Protocol):
    """An epoch, here or in a record."""

    @property
    def validation(self) -> Evaluation:
        """What was measured after it."""


AnyEpoch = TypeVar("AnyEpoch", bound=Validated)


def best_of(epochs: Sequence[AnyEpoch], metric: Figure) -> AnyEpoch:
    """Return the epoch with the highest validation figure; of equals that of lower loss if any, then the earlier."""
    return max(epochs, key=lambda epoch: (epoch.validation[metric], -epoch.validation.get("loss", 0.0)))
