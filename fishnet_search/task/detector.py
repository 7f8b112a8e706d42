"""Faster R-CNN and Mask R-CNN of torchvision with a feature pyramid on any backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.boxes import box_area

from fishnet_search.network.network import Network
from fishnet_search.task.levels import ASPECTS, BOX_SIDE, DETECTIONS, MASK_LAYERS, MASK_SIDE, Level
from fishnet_search.task.settings import Detection, InstanceSegmentation

_ROUNDING = 2**-1e-6
"""As torchvision's: a side that is a level's but for rounding is taken for it."""


def build_detector(
    body: Network, levels: Sequence[Level], task: Detection, classes: int, *, side_multiple: int
) -> FasterRCNN:
    """Return a detector with new heads from the global random state.

    Images come as a list of (3, H, W) of any sizes, resized and normalised. In training mode it also takes a list of
    targets, each with `boxes` (K, 4) float32 in pixels, `labels` (K,) int64 from 1 to `classes` and, to draw masks,
    `masks` (K, H, W) uint8; it returns losses by name. In evaluation mode it returns for each image `boxes` in its
    pixels, `labels` from 1 to `classes`, `scores` and, (K, 1, H, W), `masks` of probabilities.

    Args:
        body: the backbone.
        levels: of the pyramid on it.
        task: the sizes of the heads.
        classes: how many, without the background, which is label 0.
        side_multiple: what images are padded to multiples of, behind their ends, by zeros.
    """
    hidden, outputs = task.head_channels, classes + 1
    made: dict[str, Any] = {
        "rpn_anchor_generator": AnchorGenerator(tuple((level.anchor,) for level in levels), (ASPECTS,) * len(levels)),
        "box_roi_pool": LevelRoIAlign(levels, BOX_SIDE),
        "box_head": TwoMLPHead(task.pyramid_channels * BOX_SIDE**2, hidden),
        "box_predictor": FastRCNNPredictor(hidden, outputs),
        "box_detections_per_img": DETECTIONS,
        "box_batch_size_per_image": task.train_boxes,
    }
    for step in ("pre", "post"):  # what goes into the choice between overlapping proposals of a level, what comes out
        made[f"rpn_{step}_nms_top_n_train"] = task.train_proposals
        made[f"rpn_{step}_nms_top_n_test"] = task.test_proposals
    pyramid = Pyramid(body, levels, task.pyramid_channels)
    if isinstance(task, InstanceSegmentation):
        drawn = task.mask_channels
        made["mask_roi_pool"] = LevelRoIAlign(levels, MASK_SIDE)
        made["mask_head"] = MaskRCNNHeads(task.pyramid_channels, (drawn,) * MASK_LAYERS, dilation=1)
        made["mask_predictor"] = MaskRCNNPredictor(drawn, drawn, outputs)
        detector = MaskRCNN(pyramid, **made)
    else:
        detector = FasterRCNN(pyramid, **made)
    detector.transform = Padding(side_multiple)
    for head in (detector.rpn.head, *(made[name] for name in made if name.endswith("_predictor"))):
        head.register_forward_hook(_in_float32)
    return detector


class Pyramid(nn.Module):
    """A backbone and a feature pyramid that brings its outputs to a common width."""

    def __init__(self, body: Network, levels: Sequence[Level], channels: int) -> None:
        super().__init__()
        self.body = body
        self.fpn = FeaturePyramidNetwork([tap.channels for tap in body.taps], channels)
        self.out_channels = channels
        self.names = tuple(level.name for level in levels)

    def forward(self, images_NCHW: Tensor) -> dict[str, Tensor]:
        """Return name -> features (N, out_channels, H / stride, W / stride) of each level, from fine to coarse.

        They are float32 in every precision, since anchors take their type.
        """
        features = [level.float() for level in self.fpn(self.body(images_NCHW)).values()]
        if len(features) < len(self.names):  # every second place, as in the paper
            features.append(functional.max_pool2d(features[-1], kernel_size=1, stride=2))
        return dict(zip(self.names, features, strict=True))


class LevelRoIAlign(MultiScaleRoIAlign):  # type: ignore[misc]
    """Pools a proposal from the level that it belongs to by its size."""

    def __init__(self, levels: Sequence[Level], side: int) -> None:
        taken = [level for level in levels if level.pooled_from is not None]
        super().__init__([level.name for level in taken], output_size=side, sampling_ratio=2)
        # torchvision would infer both from the first images, wrongly where these are padded much or strides stay
        self.scales = [1 / level.stride for level in taken]
        self.map_levels = self._level_of
        least = [level.pooled_from for level in levels if level.pooled_from is not None]
        self._least_sides = [side * _ROUNDING for side in least[1:]]

    def _level_of(self, boxes: list[Tensor]) -> Tensor:
        """Return the index of each box's level, int64."""
        sides = torch.cat([box_area(of_image) for of_image in boxes]).sqrt()
        return sum(((sides >= least).long() for least in self._least_sides), torch.zeros_like(sides).long())


def _in_float32(_: nn.Module, __: Any, outputs: Any) -> Any:
    """Return a head's outputs in float32: torchvision computes boxes in their type, and in bfloat16 a pixel is lost."""
    if isinstance(outputs, Tensor):
        return outputs.float()
    return type(outputs)(_in_float32(_, __, output) for output in outputs)


class Padding(GeneralizedRCNNTransform):  # type: ignore[misc]
    """Pads images to a common size. They come resized and normalised, so boxes and masks stay as they are."""

    def __init__(self, side_multiple: int) -> None:
        # sizes, mean and deviation go unused
        super().__init__(1, 1, [0.0] * 3, [1.0] * 3, size_divisible=side_multiple)

    def normalize(self, image: Tensor) -> Tensor:
        """Return the image as it is."""
        return image

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, Any]:
        """Return image and target as they are."""
        return image, target
