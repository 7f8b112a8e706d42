"""What is done to training images: drawn for a whole batch at once, done to whichever of its images are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fishnet_search.train.cropping import central_boxes, padded_boxes, resized_boxes
from fishnet_search.train.lighting import draw_lighting
from fishnet_search.train.mixing import Mix, draw_mix
from fishnet_search.train.normalisation import Normalisation
from fishnet_search.train.randaugment import Operations, draw_operations
from fishnet_search.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Draws:
    """All that chance decides about the images of a batch, on the CPU."""

    boxes_N4: Tensor  # noqa: N815  int64: top, left, height and width of what is cut from each picture
    flipped_N: Tensor  # noqa: N815  bool
    operations: Operations | None
    lighting_N3: Tensor | None  # noqa: N815  what is added to the channels, whose values are from 0 to 1
    mix: Mix | None

    def of(self, positions_N: Tensor) -> Draws:
        """Return what was drawn for the images at these places of the batch."""
        return replace(
            self,
            boxes_N4=self.boxes_N4[positions_N],
            flipped_N=self.flipped_N[positions_N],
            operations=self.operations and self.operations.of(positions_N),
            lighting_N3=None if self.lighting_N3 is None else self.lighting_N3[positions_N],
        )


def draw(recipe: Recipe, sides_N2: Tensor, image_size: int, generator: torch.Generator) -> Draws:
    """Draw for a batch.

    Args:
        recipe: what is done.
        sides_N2: height and width of each picture of the batch.
        image_size: pixels a side that the network takes.
        generator: on the CPU; how far it moves on depends on the recipe and the number of pictures alone.
    """
    count = len(sides_N2)
    if recipe.crop == "resized":
        boxes_N4 = resized_boxes(recipe, sides_N2, generator)
    elif recipe.crop == "pad":
        boxes_N4 = padded_boxes(sides_N2, image_size, recipe.crop_pad, generator)
    else:
        boxes_N4 = central_boxes(sides_N2, image_size)
    flipped_N = torch.rand(count, generator=generator) < 0.5 if recipe.flip else torch.zeros(count, dtype=torch.bool)
    operations = draw_operations(recipe, count, generator) if recipe.randaugment else None
    lighting_N3 = draw_lighting(count, recipe.lighting, generator) if recipe.lighting else None
    return Draws(boxes_N4, flipped_N, operations, lighting_N3, draw_mix(recipe, image_size, generator))


def undrawn(sides_N2: Tensor, image_size: int) -> Draws:
    """Return the draws by which images are evaluated: their centres, and nothing else."""
    return Draws(central_boxes(sides_N2, image_size), torch.zeros(len(sides_N2), dtype=torch.bool), None, None, None)


def coloured(images_NCHW: Tensor, draws: Draws, normalise: Normalisation) -> Tensor:
    """Return cut images as the network takes them, but for mixing: float32, on the images' device.

    Args:
        images_NCHW: uint8, already cut and mirrored.
        draws: of these images.
        normalise: comes last.
    """
    if draws.operations is not None:
        images_NCHW = draws.operations.done(images_NCHW)
    return normalise(images_NCHW, None if draws.lighting_N3 is None else 255 * draws.lighting_N3)
