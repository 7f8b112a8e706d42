"""Images of any size in one row of bytes: in memory, on a GPU, or in a file that is mapped into memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Pictures:
    """RGB images of any size, one byte a channel, one after the other.

    What `at` and `stacked` give is to be read only: it may lie in a file.
    """

    bytes_B: Tensor  # noqa: N815  uint8; image i is bytes_B[starts_N[i]:][:3 * height * width] as (3, height, width)
    sides_N2: Tensor  # noqa: N815  int64, height and width of each; on the CPU wherever the bytes are
    file: Path | None = None  # of the pack that they lie in; another process opens it anew, see `data.pack`

    def __len__(self) -> int:
        return len(self.sides_N2)

    @classmethod
    def of(cls, images_NCHW: Tensor) -> Pictures:
        """Return uint8 images of one size as pictures, without a copy if they are contiguous."""
        count, _, height, width = images_NCHW.shape
        return cls(images_NCHW.contiguous().view(-1), torch.tensor([[height, width]]).repeat(count, 1))

    @cached_property
    def starts_N(self) -> Tensor:  # noqa: N802
        """Where each image begins in the bytes, int64."""
        bytes_N = 3 * self.sides_N2.prod(1)
        return bytes_N.cumsum(0) - bytes_N

    @cached_property
    def uniform(self) -> bool:
        """Whether all have one size."""
        return bool((self.sides_N2 == self.sides_N2[:1]).all())

    @property
    def device(self) -> torch.device:
        """Where the bytes are."""
        return self.bytes_B.device

    def at(self, index: int) -> Tensor:
        """Return an image, uint8 (3, height, width): a view."""
        height, width = self.sides_N2[index].tolist()
        start = int(self.starts_N[index])
        return self.bytes_B[start : start + 3 * height * width].view(3, height, width)

    def stacked(self, indices_N: Tensor | None = None) -> Tensor:
        """Return images of one size, uint8 (N, 3, height, width), where the bytes are.

        Args:
            indices_N: which, on any device; without them all, as a view.

        Raises:
            ValueError: the images have several sizes.
        """
        if not self.uniform:
            raise ValueError("images of several sizes cannot be stacked; take them one by one")
        height, width = self.sides_N2[0].tolist() if len(self) else (0, 0)
        images_NCHW = self.bytes_B.view(len(self), 3, height, width)
        return images_NCHW if indices_N is None else images_NCHW[indices_N.to(self.device)]

    def taken(self, indices_N: Tensor) -> Pictures:
        """Return these images in this order: a copy, no longer in a file."""
        images = [self.at(index).reshape(-1) for index in indices_N.tolist()]
        return Pictures(torch.cat(images), self.sides_N2[indices_N])

    def to(self, device: torch.device) -> Pictures:
        """Return the pictures with their bytes on a device: themselves if they are there."""
        bytes_B = self.bytes_B.to(device)
        return self if bytes_B is self.bytes_B else Pictures(bytes_B, self.sides_N2)

    @cached_property
    def levels_3L(self) -> Tensor:  # noqa: N802
        """How many pixels of each channel have each of the 256 grey levels, int64 (3, 256), on the CPU."""
        here, counts = self.to(torch.device("cpu")), np.zeros((3, 256), np.int64)
        for image in map(here.at, range(len(here))):
            # not torch.bincount: on arrays this small, torch's threads cost far more than they do
            counts += [np.bincount(channel, minlength=256) for channel in image.reshape(3, -1).numpy()]
        return torch.from_numpy(counts)
