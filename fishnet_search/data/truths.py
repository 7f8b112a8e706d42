"""What is in all images of a part in a few pieces of memory, which other processes share.

A tensor an image would cost a file descriptor each, of which a process gets about 250 when it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import overload

import torch
from torch import Tensor

from fishnet_search.data.scenes import Objects


@dataclass(frozen=True, eq=False)
class ObjectsInRow(Sequence[Objects]):
    """The objects of N images, one image after the other."""

    everything: Objects
    ends_N: tuple[int, ...]  # noqa: N815  image i has `everything` from ends_N[i - 1] up to ends_N[i]

    @classmethod
    def of(cls, each: Sequence[Objects]) -> ObjectsInRow:
        """Return the objects of these images, at least one image, all with masks or none with them."""
        masks = [one.masks for one in each if one.masks is not None]
        everything = Objects(
            torch.cat([one.boxes_K4 for one in each]),
            torch.cat([one.labels_K for one in each]),
            torch.cat([one.areas_K for one in each]),
            torch.cat([one.crowd_K for one in each]),
            torch.cat([one.difficult_K for one in each]),
            tuple(mask for own in masks for mask in own) if masks else None,
        )
        return cls(everything, tuple(accumulate(len(one) for one in each)))

    def __len__(self) -> int:
        return len(self.ends_N)

    @overload
    def __getitem__(self, index: int) -> Objects: ...

    @overload
    def __getitem__(self, index: slice) -> list[Objects]: ...

    def __getitem__(self, index: int | slice) -> Objects | list[Objects]:
        """Return the objects of an image, as views."""
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        own = slice(self.ends_N[place - 1] if place else 0, self.ends_N[place])
        found = self.everything
        return Objects(
            found.boxes_K4[own],
            found.labels_K[own],
            found.areas_K[own],
            found.crowd_K[own],
            found.difficult_K[own],
            None if found.masks is None else found.masks[own],
        )


@dataclass(frozen=True, eq=False)
class MapsInRow(Sequence[Tensor]):
    """Maps of classes of N images, one after the other."""

    bytes_B: Tensor  # noqa: N815  uint8
    sides_N2: Tensor  # noqa: N815  int64, height and width of each

    def __len__(self) -> int:
        return len(self.sides_N2)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...

    @overload
    def __getitem__(self, index: slice) -> list[Tensor]: ...

    def __getitem__(self, index: int | slice) -> Tensor | list[Tensor]:
        """Return a map, uint8 (height, width), as a view."""
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        start, end = self._bounds[place : place + 2]
        return self.bytes_B[start:end].view(*self.sides_N2[place].tolist())

    @cached_property
    def _bounds(self) -> list[int]:
        return [0, *self.sides_N2.prod(1).cumsum(0).tolist()]
