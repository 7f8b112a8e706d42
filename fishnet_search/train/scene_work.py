"""The work of detection, instance segmentation and semantic segmentation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from fishnet_search.data.scenes import Objects, ScenePart, SceneSet
from fishnet_search.errors import TrainingError
from fishnet_search.task.figures import Evaluation
from fishnet_search.task.found import Found, found_in
from fishnet_search.task.losses import detection_loss, pixel_loss
from fishnet_search.task.settings import Task
from fishnet_search.task.tallies import PixelTally, object_figures
from fishnet_search.train.ahead import Steps
from fishnet_search.train.findings import map_findings, object_findings, shown_images
from fishnet_search.train.normalisation import Normalisation
from fishnet_search.train.ranks import Ranks
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.scene_batches import SceneBatches, Scenes, Truth
from fishnet_search.train.work import Judged, PartName, Step


@dataclass(frozen=True, eq=False)
class SceneWork:
    """Images of several sizes with objects or maps."""

    scenes: SceneSet
    task: Task
    recipe: Recipe
    normalise: Normalisation
    image_size: int  # pixels a side that the network is made for
    stride: int  # of the network
    device: torch.device
    seed: int = 0

    def steps(self, epoch: int, ranks: Ranks, micro_batches: int) -> Steps[Step[Scenes]]:
        """See `Work`."""
        return self.batches("train").steps(epoch, ranks, micro_batches)

    def tally(self, *, all_ranks: bool) -> LossTally:
        """See `Work`."""
        maps = self.task.kind == "semantic-segmentation"
        return LossTally(_pixel_loss if maps else _detection_loss, self.device, all_ranks=all_ranks)

    def judged(self, model: nn.Module, part: PartName) -> Judged:
        """See `Work`.

        Raises:
            TrainingError: the part has nothing that could be found.
        """
        maps = self.task.kind == "semantic-segmentation"
        judged = self._of_maps(model, part) if maps else self._of_objects(model, part)
        if self.task.figures[0] not in judged.figures:
            raise TrainingError(
                f"{self.scenes.source}: nothing in its {part} part is to be found, so that nothing can be measured; "
                "take more images, or another split"
            )
        return judged

    def found(self, model: nn.Module, part: PartName) -> list[Found]:
        """Return what a detector finds in each image of a part, in their order, and leave it in evaluation mode."""
        found: dict[int, Found] = {}
        for scenes, outputs in self._answers(model, part):
            for row, (index, one) in enumerate(zip(scenes.indices_N.tolist(), outputs, strict=True)):
                height, width = scenes.sides_N2[row].tolist()
                found[index] = found_in(one, scenes.factors_N4[row], (height, width))
        return [found[index] for index in range(len(found))]

    def maps(self, model: nn.Module, part: PartName) -> Iterator[tuple[int, Tensor]]:
        """Give the number of each image and the class of each of its pixels (height, width), on the CPU."""
        for scenes, logits_NCHW in self._answers(model, part):
            for row, index in enumerate(scenes.indices_N.tolist()):
                height, width = scenes.resized_N2[row].tolist()
                own = logits_NCHW[row : row + 1, :, :height, :width].float()
                sides = tuple(scenes.sides_N2[row].tolist())
                whole = nn.functional.interpolate(own, sides, mode="bilinear", align_corners=False)
                yield index, whole[0].argmax(0).cpu()

    def _of_objects(self, model: nn.Module, part: PartName) -> Judged:
        scenes, classes = self._part(part), self.scenes.classes
        truths = cast("Sequence[Objects]", scenes.truths)
        found = self.found(model, part)
        masks = self.task.kind == "instance-segmentation"
        figures = object_figures(found, truths, len(classes), masks=masks)
        findings = object_findings(scenes, found, truths, classes) if part == "test" else None
        return Judged(figures, findings)

    def _of_maps(self, model: nn.Module, part: PartName) -> Judged:
        scenes, classes = self._part(part), self.scenes.classes
        truths = cast("Sequence[Tensor]", scenes.truths)
        tally, shown, chosen = PixelTally(len(classes)), dict[int, Tensor](), shown_images(scenes)
        for index, map_HW in self.maps(model, part):
            tally.add(map_HW, truths[index])
            shown |= {index: map_HW} if index in chosen else {}
        iou = {classes[label]: iou for label, iou in tally.iou().items()}
        findings = map_findings(scenes, shown, truths, classes, iou) if part == "test" else None
        return Judged(tally.figures(), findings)

    def _part(self, part: PartName) -> ScenePart:
        scenes: ScenePart = getattr(self.scenes, part)
        return scenes

    def _answers(self, model: nn.Module, part: PartName) -> Iterator[tuple[Scenes, Any]]:
        model.eval()
        for scenes in self.batches(part).in_order():
            with torch.no_grad():
                outputs = model(*scenes.inputs)
            yield scenes, outputs

    def batches(self, part: PartName) -> SceneBatches:
        """Return the images of a part, ready to be given to a model."""
        return SceneBatches(
            self._part(part),
            _TRUTHS[self.task.kind],
            self.normalise,
            self.recipe,
            self.image_size,
            self.device,
            self.stride,
            self.seed,
        )


_TRUTHS: Mapping[str, Truth] = {
    "detection": "boxes",
    "instance-segmentation": "masks",
    "semantic-segmentation": "maps",
}


class LossTally:
    """Adds up the loss, which is all that is known of a model while it learns."""

    def __init__(self, loss: Callable[..., Tensor], device: torch.device, *, all_ranks: bool) -> None:
        self._loss_of = loss
        self._loss = MeanMetric(nan_strategy=math.nan, sync_on_compute=all_ranks).to(device)

    def add(self, outputs: Mapping[str, Tensor] | Tensor, part: Scenes) -> Tensor:
        """See `work.Tally`."""
        loss = self._loss_of(outputs, part)
        self._loss.update(loss.detach(), len(part))
        return loss

    def figures(self) -> Evaluation:
        """See `work.Tally`."""
        return {"loss": self._loss.compute().item()}


def _detection_loss(outputs: Mapping[str, Tensor], _: Scenes) -> Tensor:
    return detection_loss(outputs)


def _pixel_loss(logits_NCHW: Tensor, scenes: Scenes) -> Tensor:
    return pixel_loss(logits_NCHW, cast("Tensor", scenes.maps_NHW))
