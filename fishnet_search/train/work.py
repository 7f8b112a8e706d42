"""What a training needs of its task: steps to learn from, a loss, and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from torch import Tensor, nn

from fishnet_search.task.figures import Evaluation
from fishnet_search.task.findings import Findings
from fishnet_search.train.ahead import Steps
from fishnet_search.train.ranks import Ranks

PartName = Literal["train", "validation", "test"]


@dataclass(frozen=True, eq=False)
class Judged:
    """What a model that stands still came to on a part."""

    figures: Evaluation  # "loss", where it is known then, and names of `task.figures`
    findings: Findings | None = None  # for a report to show; of the test part, in tasks that have any


class Inputs(Protocol):
    """Images that go through the model together, with what is to be learnt of them."""

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What the model is called with, on the device that it is trained on."""
        ...

    def __len__(self) -> int:
        """Return the number of images."""
        ...


Together = TypeVar("Together", bound=Inputs)


@dataclass(frozen=True, eq=False)
class Step(Generic[Together]):
    """What one step learns from."""

    images: int  # of the batch, over all ranks
    parts: tuple[Together, ...]  # this rank's images, to go through the model one part after the other
    spare: tuple[Any, ...] | None  # only where there are no parts: inputs to join in with, whose loss is void


class Tally(Protocol):
    """Adds up what a model did while it learnt."""

    def add(self, outputs: Any, part: Any) -> Tensor:
        """Count what the model made of a part of a batch, and return its mean loss, to be differentiated."""
        ...

    def figures(self) -> Evaluation:
        """Return the figures of all parts so far; all ranks have to ask if they are those of all."""
        ...


class Work(Protocol):
    """The images of a training as its task sees them."""

    def steps(self, epoch: int, ranks: Ranks, micro_batches: int) -> Steps[Step[Any]]:
        """Give every training image once, in an order and with draws that follow from seed and epoch."""
        ...

    def tally(self, *, all_ranks: bool) -> Tally:
        """Return what counts the figures of one pass over the training images."""
        ...

    def judged(self, model: nn.Module, part: PartName) -> Judged:
        """Judge a model that stands still, and leave it in evaluation mode."""
        ...
