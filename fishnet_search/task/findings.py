"""What a network found in its test images, as far as a report shows it. Free of torch."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from fishnet_search.spec.value import Value

RECALLS: Final = 101
"""Points of a curve: recall 0, 0.01, … 1, which are COCO's."""

LEAST_SCORE: Final = 0.3
"""Of a box that is shown."""


class SeenObject(Value):
    """An object that is there, or was found, in pixels of the picture."""

    label: int  # index into the classes, which have no background
    box: tuple[float, float, float, float]  # x1, y1, x2, y2
    score: float | None = None  # from 0 to 1; None of one that is there
    mask: str | None = None  # COCO's compressed run lengths, of the picture's size
    set_aside: bool = False  # difficult, or a crowd: not asked for


class Shown(Value):
    """A picture with what is in it and what was found."""

    name: str  # of the image
    picture: str  # JPEG in base64, at most `LONGEST` pixels long
    truth: tuple[SeenObject, ...] | str  # objects, or a map of classes: PNG of one byte a pixel in base64
    found: tuple[SeenObject, ...] | str


class Findings(Value):
    """Of the weights of the best epoch, on the test images."""

    classes: tuple[str, ...]  # of maps, the background included
    shown: tuple[Shown, ...]  # the same images whatever the network
    precision: dict[str, tuple[float, ...]] = Field({})  # class -> best precision at each recall or more, at IoU 0.5
    iou: dict[str, float] = Field({})  # class -> intersection over union of its pixels
