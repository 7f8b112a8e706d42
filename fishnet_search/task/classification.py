"""Classification: one label an image, cross-entropy, top-1 and top-5."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from fishnet_search.task.figures import Evaluation


class Tally:
    """Adds up the figures of one pass over some images, batch by batch.

    Args:
        classes: how many there are.
        device: of the logits and the labels.
        all_ranks: whether the figures are those of all ranks of the process group, each of which has to ask for them.
    """

    def __init__(self, classes: int, *, device: torch.device, all_ranks: bool = False) -> None:
        # NaN stays NaN: by default torchmetrics leaves it out of the mean and hides that the network has diverged.
        self._loss = MeanMetric(nan_strategy=math.nan, sync_on_compute=all_ranks).to(device)
        self._top1, self._top5 = (
            MulticlassAccuracy(classes, top_k=k, average="micro", validate_args=False, sync_on_compute=all_ranks).to(
                device
            )
            for k in (1, min(5, classes))
        )

    def add(
        self, logits: Tensor, labels: Tensor, *, targets: Tensor | None = None, label_smoothing: float = 0.0
    ) -> Tensor:
        """Count a batch and return its mean loss, to be differentiated.

        Args:
            logits: (N, classes) of any floating type; the loss is computed in float32.
            labels: (N,) int64, which top-1 and top-5 ask for.
            targets: (N, classes), the probability of each class, which the loss asks for; by default the labels'.
            label_smoothing: probability mass spread evenly over all classes.
        """
        logits = logits.float()
        wanted = labels if targets is None else targets
        loss = functional.cross_entropy(logits, wanted, label_smoothing=label_smoothing)
        scores = logits.detach()
        self._loss.update(loss.detach(), len(labels))
        self._top1.update(scores, labels)
        self._top5.update(scores, labels)
        return loss

    def evaluation(self) -> Evaluation:
        """Return the figures of all batches so far; `loss` is the mean cross-entropy, in nats."""
        metrics = {"loss": self._loss, "top1": self._top1, "top5": self._top5}
        return {name: metric.compute().item() for name, metric in metrics.items()}


@torch.no_grad()
def evaluate(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, classes: int, device: torch.device
) -> Evaluation:
    """Return the figures of a network that stands still, and leave it in evaluation mode.

    Args:
        network: gives logits of shape (N, classes).
        batches: normalised images (N, 3, H, W) and labels (N,) on the device.
        classes: how many there are.
        device: of the network and the batches.
    """
    network.eval()
    tally = Tally(classes, device=device)
    for images, labels in batches:
        tally.add(network(images), labels)
    return tally.evaluation()
