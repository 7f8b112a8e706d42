"""Images and maps that stay in their files, and are decoded each time they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from torch import Tensor

from fishnet_search.data.listing import Picture
from fishnet_search.data.scene_listing import Truth
from fishnet_search.errors import DataError


@dataclass(frozen=True, eq=False)
class Files:
    """Images that were all decoded once, and are no longer in memory. Another process can have them."""

    names: tuple[str, ...]
    pictures: tuple[Picture, ...]
    sides_N2: Tensor  # noqa: N815  int64, height and width of each
    levels_3L: Tensor  # noqa: N815  int64 (3, 256): how many pixels of each channel have each grey level

    def __len__(self) -> int:
        return len(self.names)

    def at(self, index: int) -> Tensor:
        """Return an image, uint8 (3, height, width).

        Raises:
            DataError: its file is no longer there, or no longer as it was.
        """
        _, image = self.pictures[index]()
        height, width = self.sides_N2[index].tolist()
        if image.size != (width, height):
            raise DataError(
                f"{self.names[index]}: has {image.width}×{image.height} pixels, and had {width}×{height} when it "
                "was first read; leave the images alone while they are in use"
            )
        return torch.from_numpy(np.array(image).transpose(2, 0, 1).copy())


@dataclass(frozen=True, eq=False)
class MapFiles(Sequence[Tensor]):
    """Maps of classes of images that are no longer in memory."""

    maps: tuple[Truth, ...]
    sides_N2: Tensor  # noqa: N815  int64, height and width of each

    def __len__(self) -> int:
        return len(self.maps)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...

    @overload
    def __getitem__(self, index: slice) -> list[Tensor]: ...

    def __getitem__(self, index: int | slice) -> Tensor | list[Tensor]:
        """Return a map, uint8 (height, width)."""
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        height, width = self.sides_N2[index].tolist()
        return torch.from_numpy(np.array(self.maps[index](height, width)))
