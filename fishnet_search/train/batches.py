"""Batches from images that lie in memory: uint8 until the moment they are used, normalised batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fishnet_search.data.images import Part

EVALUATION_BATCH = 256


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Takes the mean from each channel and divides by its standard deviation, both in grey levels from 0 to 255."""

    mean: Tensor  # (3,) float32
    std: Tensor  # (3,) float32

    def __call__(self, images_NCHW: Tensor) -> Tensor:
        """Return uint8 images as normalised float32, on the images' device."""
        mean, std = (figure.to(images_NCHW.device)[:, None, None] for figure in (self.mean, self.std))
        return (images_NCHW.float() - mean) / std


def normalisation_of(images_NCHW: Tensor) -> Normalisation:
    """Return the normalisation by all pixels of uint8 images, exact because it counts them.

    A channel that is the same everywhere is divided by 1.
    """
    levels = torch.arange(256, dtype=torch.float64)
    counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in images_NCHW.unbind(1)])
    shares = counts / counts.sum(1, keepdim=True, dtype=torch.float64)
    mean = shares @ levels
    variance = (shares * (levels - mean[:, None]) ** 2).sum(1)
    return Normalisation(mean.float(), torch.where(variance > 0, variance.sqrt(), 1.0).float())


@dataclass(frozen=True, eq=False)
class Batches:
    """Gives the normalised images (N, 3, H, W) and labels (N,) of a part on a device."""

    part: Part  # kept on the device where there is room, else wherever it is
    classes: int  # that the labels are indices into
    normalise: Normalisation
    batch_size: int
    device: torch.device

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Give every image once, many at a time: without gradients there is room for them."""
        return map(self.at, torch.split(torch.arange(len(self.part)), max(self.batch_size, EVALUATION_BATCH)))

    def shuffled(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Return the indices of all images once, in random order and by batches.

        A last one alone is left out: batch normalisation has no use for it.
        """
        order = torch.randperm(len(self.part), generator=generator)
        return torch.split(order[:-1] if len(order) % self.batch_size == 1 else order, self.batch_size)

    def at(self, indices_N: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images and labels at these indices."""
        images, labels = self.part.images_NCHW, self.part.labels_N
        indices_N = indices_N.to(images.device)
        return self.normalise(images[indices_N].to(self.device)), labels[indices_N].to(self.device)


def on_device(part: Part, device: torch.device) -> Part:
    """Return the part on the device if its images take less than half of the memory that is free there."""
    if device.type == "cuda" and part.images_NCHW.nbytes > torch.cuda.mem_get_info(device)[0] // 2:
        return part
    return Part(part.images_NCHW.to(device), part.labels_N.to(device))
