"""Labelled images in memory: what every source of data is turned into."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Part:
    """The images of one purpose, with `len` of them, and their labels."""

    images_NCHW: Tensor  # noqa: N815  uint8, RGB, square
    labels_N: Tensor  # noqa: N815  int64, indices into the classes

    def __len__(self) -> int:
        return len(self.labels_N)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images split into three parts that share their classes and their size."""

    source: str  # as given to load_images
    classes: tuple[str, ...]
    image_size: int  # pixels a side
    train: Part
    validation: Part
    test: Part
    fingerprint: str  # hex SHA-256 over contents, labels and split; the same wherever the images lie
