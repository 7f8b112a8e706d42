"""RandAugment: some operations in a row, drawn for each image, all of one strength."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from fishnet_search.train.recipe import Recipe

_STRONGEST = 30

Operation = Callable[[Tensor, float], Tensor]
"""Takes uint8 images and a strength from -1 to 1, whose sign some have no use for; gives uint8 images."""


_affine: Callable[..., Tensor] = partial(functional.affine, angle=0.0, scale=1.0)


def _moved(images: Tensor, *, right: float = 0.0, down: float = 0.0) -> Tensor:
    return _affine(images, translate=[int(right), int(down)], shear=[0.0, 0.0])


def _sheared(images: Tensor, *, across: float = 0.0, down: float = 0.0) -> Tensor:
    shear = [math.degrees(math.atan(across)), math.degrees(math.atan(down))]
    return _affine(images, translate=[0, 0], shear=shear, center=[0, 0])


OPERATIONS: dict[str, Operation] = {
    "identity": lambda images, strength: images,
    "shear-x": lambda images, strength: _sheared(images, across=0.3 * strength),
    "shear-y": lambda images, strength: _sheared(images, down=0.3 * strength),
    "translate-x": lambda images, strength: _moved(images, right=150 / 331 * images.shape[-1] * strength),
    "translate-y": lambda images, strength: _moved(images, down=150 / 331 * images.shape[-2] * strength),
    "rotate": lambda images, strength: functional.rotate(images, 30 * strength),
    "brightness": lambda images, strength: functional.adjust_brightness(images, 1 + 0.9 * strength),
    "colour": lambda images, strength: functional.adjust_saturation(images, 1 + 0.9 * strength),
    "contrast": lambda images, strength: functional.adjust_contrast(images, 1 + 0.9 * strength),
    "sharpness": lambda images, strength: functional.adjust_sharpness(images, 1 + 0.9 * strength),
    "posterise": lambda images, strength: functional.posterize(images, 8 - round(4 * abs(strength))),
    "solarise": lambda images, strength: functional.solarize(images, 255 * (1 - abs(strength))),
    "autocontrast": lambda images, strength: functional.autocontrast(images),
    "equalise": lambda images, strength: functional.equalize(images),
}
"""By name, each as torchvision's RandAugment does it. What comes into an image from outside is black."""

_ALL = tuple(OPERATIONS.values())


@dataclass(frozen=True, eq=False)
class Operations:
    """Which operations are done to the images of a batch, one column after the other."""

    numbers_NK: Tensor  # noqa: N815  int64, places in OPERATIONS
    negative_NK: Tensor  # noqa: N815  bool: to the left instead of the right, darker instead of brighter
    strength: float  # from 0 to 1

    def of(self, positions_N: Tensor) -> Operations:
        """Return the operations of the images at these places of the batch."""
        return replace(self, numbers_NK=self.numbers_NK[positions_N], negative_NK=self.negative_NK[positions_N])

    def done(self, images_NCHW: Tensor) -> Tensor:
        """Return uint8 images with the operations done to them, all images of one operation together."""
        images_NCHW = images_NCHW.clone()
        for numbers_N, negative_N in zip(self.numbers_NK.unbind(1), self.negative_NK.unbind(1), strict=True):
            for kind in torch.unique(2 * numbers_N + negative_N).tolist():
                number, negative = divmod(kind, 2)
                rows = ((numbers_N == number) & (negative_N == negative)).nonzero()[:, 0].to(images_NCHW.device)
                images_NCHW[rows] = _ALL[number](images_NCHW[rows], -self.strength if negative else self.strength)
        return images_NCHW


def draw_operations(recipe: Recipe, images: int, generator: torch.Generator) -> Operations:
    """Draw the recipe's number of operations for each image.

    Source: Cubuk et al., RandAugment, 2020, with the operations and strengths of torchvision.transforms.v2.RandAugment.
    """
    shape = (images, recipe.randaugment)
    numbers_NK = torch.randint(len(OPERATIONS), shape, generator=generator)
    negative_NK = torch.rand(shape, generator=generator) < 0.5
    return Operations(numbers_NK, negative_NK, recipe.randaugment_magnitude / _STRONGEST)
