"""What a detector has found in an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fishnet_search.data.scenes import RunLengths

HALF = 0.5
"""Least share of a mask's pixel that makes it one of the object."""


@dataclass(frozen=True, eq=False)
class Found:
    """K boxes on the CPU, in pixels of the image as it was before it was resized; the surest come first."""

    boxes_K4: Tensor  # noqa: N815  float32: x1, y1, x2, y2
    labels_K: Tensor  # noqa: N815  int64, indices into the classes, which have no background
    scores_K: Tensor  # noqa: N815  float32, from 0 to 1
    masks: tuple[RunLengths, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels_K)


def found_in(output: Mapping[str, Tensor], factors_4: Tensor, sides: tuple[int, int]) -> Found:
    """Return what a detector of torchvision's says of an image.

    Args:
        output: `boxes`, `labels` from 1 on, `scores`, and `masks` (K, 1, height, width) of shares where it has them.
        factors_4: what coordinates in the image as it was given are multiplied by to be those in the resized one.
        sides: height and width of the image as it was given.
    """
    masks = output.get("masks")
    return Found(
        output["boxes"].cpu().float() / factors_4,
        output["labels"].cpu() - 1,
        output["scores"].cpu().float(),
        None if masks is None else tuple(map(_run_lengths, _at_size(masks, sides))),
    )


def _at_size(masks_K1HW: Tensor, sides: tuple[int, int]) -> Tensor:
    """Return masks (K, height, width), bool, of images that have been resized."""
    if not len(masks_K1HW):
        return torch.zeros(0, *sides, dtype=torch.bool)
    resized = torch.nn.functional.interpolate(masks_K1HW.float(), sides, mode="bilinear", align_corners=False)
    return (resized[:, 0] >= HALF).cpu()


def _run_lengths(mask_HW: Tensor) -> RunLengths:
    from faster_coco_eval.core import mask

    encoded: RunLengths = mask.encode(np.asfortranarray(mask_HW.numpy().astype(np.uint8)))
    return encoded
