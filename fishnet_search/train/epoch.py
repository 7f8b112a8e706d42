"""What one pass over the training images came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fishnet_search.task.classification import Evaluation


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training images. `train` is measured while the weights move, `validation` after the pass."""

    epoch: int  # the first is 1
    learning_rate: float  # of this pass
    train: Evaluation  # its loss has the recipe's label smoothing
    validation: Evaluation
    seconds: float  # of the pass and of the validation


def best_of(epochs: Sequence[Epoch]) -> Epoch:
    """Return the epoch with the highest validation top-1; of equals the one with the lower loss, then the earlier."""
    return max(epochs, key=lambda epoch: (epoch.validation.top1, -epoch.validation.loss))
