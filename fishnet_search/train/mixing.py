"""Mixup and CutMix: each image of a batch with a share of the one before it, and labels in the same shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fishnet_search.train.recipe import Recipe

Box = tuple[int, int, int, int]
"""Top, left, bottom and right; the last two are the first row and column beyond it."""


@dataclass(frozen=True)
class Mix:
    """How the images of one batch are mixed."""

    share: float  # of each image itself, from 0 to 1; the rest is its partner's
    box: Box | None  # that the partner fills, as CutMix does; None where all pixels are averaged, as mixup does

    def images(self, images_NCHW: Tensor, partners_NCHW: Tensor) -> Tensor:
        """Return images with their partners' share."""
        if self.box is None:
            return images_NCHW * self.share + partners_NCHW * (1.0 - self.share)
        top, left, bottom, right = self.box
        mixed_NCHW = images_NCHW.clone()
        mixed_NCHW[:, :, top:bottom, left:right] = partners_NCHW[:, :, top:bottom, left:right]
        return mixed_NCHW

    def targets(self, labels_N: Tensor, partners_N: Tensor, classes: int) -> Tensor:
        """Return the share of each class in each image, float32 (N, classes)."""
        own_NK, other_NK = (functional.one_hot(labels, classes).float() for labels in (labels_N, partners_N))
        return own_NK * self.share + other_NK * (1.0 - self.share)


def draw_mix(recipe: Recipe, side: int, generator: torch.Generator) -> Mix | None:
    """Return how a batch of images with this side is mixed, or None if the recipe mixes nothing.

    Source: Zhang et al., mixup, 2018; Yun et al., CutMix, 2019; both as torchvision.transforms.v2 has them.
    """
    if not recipe.mixup and not recipe.cutmix:
        return None
    # torch has no Beta distribution that takes a generator
    rng = np.random.default_rng(int(torch.randint(2**63 - 1, (), generator=generator)))
    cuts = rng.random() < 0.5 if recipe.mixup and recipe.cutmix else bool(recipe.cutmix)
    alpha = recipe.cutmix if cuts else recipe.mixup
    share = float(rng.beta(alpha, alpha))
    if not cuts:
        return Mix(share, None)
    row, column = map(int, rng.integers(side, size=2))
    return cut_mix(share, row, column, side)


def cut_mix(share: float, row: int, column: int, side: int) -> Mix:
    """Return the CutMix whose box lies around a pixel, with the share that is left to the image at its edge."""
    half = int(0.5 * (1.0 - share) ** 0.5 * side)
    top, left = max(row - half, 0), max(column - half, 0)
    bottom, right = min(row + half, side), min(column + half, side)
    return Mix(1.0 - (bottom - top) * (right - left) / side**2, (top, left, bottom, right))
