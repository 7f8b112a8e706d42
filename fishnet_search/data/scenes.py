"""Images and what is to be found in them: objects with boxes and masks, or a class for each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict

from torch import Tensor

UNJUDGED = 255
"""In a map of classes: pixels that are neither learnt from nor judged, such as VOC's borders of objects."""


class RunLengths(TypedDict):
    """A mask as COCO's compressed run lengths."""

    size: list[int]  # height and width
    counts: bytes


@dataclass(frozen=True, eq=False)
class Objects:
    """What is to be found in an image: K objects, in pixels of the image as its pictures have it."""

    boxes_K4: Tensor  # noqa: N815  float32: x1, y1, x2, y2, each with x1 < x2 and y1 < y2, within the image
    labels_K: Tensor  # noqa: N815  int64, indices into the classes, which have no background
    areas_K: Tensor  # noqa: N815  float32: of the masks where there are any, else of the boxes
    crowd_K: Tensor  # noqa: N815  bool: COCO's regions of many; not learnt from, and no miss or false alarm is counted there
    difficult_K: Tensor  # noqa: N815  bool: VOC's; learnt from by no one, and judged as the devkit does
    masks: tuple[RunLengths, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels_K)


class Images(Protocol):
    """Images that are decoded, or come to be when they are asked for."""

    @property
    def sides_N2(self) -> Tensor:  # noqa: N802
        """Height and width of each, int64."""

    @property
    def levels_3L(self) -> Tensor:  # noqa: N802
        """How many pixels of each channel have each of the 256 grey levels, int64 (3, 256)."""

    def __len__(self) -> int: ...

    def at(self, index: int) -> Tensor:
        """Return an image, uint8 (3, height, width), to be read only."""
        ...


@dataclass(frozen=True, eq=False)
class ScenePart:
    """The images of one purpose and what is in them: objects, or a map (height, width) of classes, uint8."""

    pictures: Images
    truths: Sequence[Objects] | Sequence[Tensor]
    names: tuple[str, ...]  # of the images, such as "2007_000032"

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class SceneSet:
    """Images with what is in them, split into three parts that share their classes."""

    source: str  # as `Data.source`
    classes: tuple[str, ...]  # of maps, the first is the background where the source has one
    image_size: int  # pixels a side that the networks are made for, which see the images at other sizes too
    train: ScenePart
    validation: ScenePart
    test: ScenePart
    fingerprint: str  # hex SHA-256 over contents, truths and split; the same wherever the images lie
    split: str = ""  # how the images were split, in words
    skipped: tuple[str, ...] = ()  # broken images that were left out, by name
    dropped: tuple[str, ...] = ()  # objects that were left out, a sentence each: "NAME: box (…) has no area"
    clipped: int = 0  # boxes that went beyond their images and end there now
