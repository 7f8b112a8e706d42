"""The work of classification."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fishnet_search.data.images import ImageSet
from fishnet_search.task.classification import Tally, evaluate
from fishnet_search.task.figures import Evaluation
from fishnet_search.train.ahead import Steps
from fishnet_search.train.batches import Batches, Labelled, on_device
from fishnet_search.train.normalisation import Normalisation
from fishnet_search.train.ranks import Ranks
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.work import Judged, PartName, Step


@dataclass(frozen=True, eq=False)
class Classifying:
    """One class an image, cut to squares of one size."""

    images: ImageSet
    recipe: Recipe
    normalise: Normalisation
    device: torch.device
    seed: int = 0
    _batches: dict[PartName, Batches] = field(default_factory=dict, init=False)  # made when they are asked for

    def steps(self, epoch: int, ranks: Ranks, micro_batches: int) -> Steps[Step[Labelled]]:
        """See `Work`."""
        return self.batches("train").steps(epoch, ranks, micro_batches)

    def tally(self, *, all_ranks: bool) -> _SmoothedTally:
        """See `Work`."""
        tally = Tally(len(self.images.classes), device=self.device, all_ranks=all_ranks)
        return _SmoothedTally(tally, self.recipe.label_smoothing)

    def judged(self, model: nn.Module, part: PartName) -> Judged:
        """See `Work`."""
        batches = self.batches(part)
        return Judged(evaluate(model, batches.in_order(), classes=batches.classes, device=self.device))

    def batches(self, part: PartName) -> Batches:
        """Return the images of a part, ready to be given to a network."""
        if part not in self._batches:
            self._batches[part] = Batches(
                on_device(getattr(self.images, part), self.device),
                len(self.images.classes),
                self.normalise,
                self.recipe,
                self.recipe.image_size(self.images.image_size),
                self.device,
                self.seed,
            )
        return self._batches[part]


@dataclass(frozen=True, eq=False)
class _SmoothedTally:
    tally: Tally
    label_smoothing: float

    def add(self, outputs: Tensor, part: Labelled) -> Tensor:
        return self.tally.add(outputs, part.labels_N, targets=part.targets_NK, label_smoothing=self.label_smoothing)

    def figures(self) -> Evaluation:
        return self.tally.evaluation()
