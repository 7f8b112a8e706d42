"""Labelled images: what every source of data is turned into."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fishnet_search.data.pictures import Pictures


@dataclass(frozen=True, eq=False)
class Part:
    """The images of one purpose, with `len` of them, and their labels."""

    pictures: Pictures
    labels_N: Tensor  # noqa: N815  int64, indices into the classes

    def __len__(self) -> int:
        return len(self.labels_N)

    @property
    def images_NCHW(self) -> Tensor:  # noqa: N802
        """All images, uint8, where all have one size; a view.

        Raises:
            ValueError: the images have several sizes.
        """
        return self.pictures.stacked()


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images split into three parts that share their classes and the length of their short sides."""

    source: str  # as `Data.source`
    classes: tuple[str, ...]
    image_size: int  # pixels of the short side, which every image was resized to
    train: Part
    validation: Part
    test: Part
    fingerprint: str  # hex SHA-256 over contents, labels and split; the same wherever the images lie
    split: str = ""  # how the images were split, in words
    skipped: tuple[str, ...] = ()  # broken images that were left out, by name
