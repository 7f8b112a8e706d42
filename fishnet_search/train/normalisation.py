"""Bringing pixels to mean 0 and standard deviation 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fishnet_search.data.scenes import Images
from fishnet_search.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Takes the mean from each channel and divides by its standard deviation, both in grey levels from 0 to 255."""

    mean: Tensor  # (3,) float32
    std: Tensor  # (3,) float32

    def __call__(self, images_NCHW: Tensor, light_N3: Tensor | None = None) -> Tensor:
        """Return uint8 images as normalised float32 on their device.

        Args:
            images_NCHW: in grey levels.
            light_N3: what is added to the channels of each image before, in grey levels.
        """
        mean = self.mean[:, None, None] if light_N3 is None else (self.mean - light_N3)[:, :, None, None]
        mean, std = (figure.to(images_NCHW.device) for figure in (mean, self.std[:, None, None]))
        return (images_NCHW.float() - mean).div_(std)


IMAGENET = Normalisation(255 * torch.tensor([0.485, 0.456, 0.406]), 255 * torch.tensor([0.229, 0.224, 0.225]))
"""By the figures that the FishNet release has, as most code for ImageNet does."""


def normalisation_of(pictures: Images) -> Normalisation:
    """Return the normalisation by all pixels of images, exact because it counts them.

    A channel that is the same everywhere is divided by 1.
    """
    levels = torch.arange(256, dtype=torch.float64)
    counts = pictures.levels_3L
    shares = counts / counts.sum(1, keepdim=True, dtype=torch.float64)
    mean = shares @ levels
    variance = (shares * (levels - mean[:, None]) ** 2).sum(1)
    return Normalisation(mean.float(), torch.where(variance > 0, variance.sqrt(), 1.0).float())


def normalisation_for(recipe: Recipe, training: Images) -> Normalisation:
    """Return the normalisation that a recipe asks for, given the training images."""
    return IMAGENET if recipe.normalise == "imagenet" else normalisation_of(training)
