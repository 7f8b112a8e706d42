"""The XML files of PASCAL VOC: an image's size, and the names and boxes of its objects.

Boxes are counted in pixels from 1, and both of their corners belong to them: in our numbers x1 - 1, y1 - 1, x2, y2. A
box with one corner twice is a slip of the mouse, and has no area.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from fishnet_search.data.scene_listing import Box, told
from fishnet_search.errors import DataError

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_LARGEST = 2**24  # all whole numbers up to there can be kept
_LINE = "line"


@dataclass(frozen=True)
class VocObject:
    """An object as its file has it."""

    line: int
    name: str
    corners: Box  # as written
    difficult: bool

    @property
    def box(self) -> Box:
        """The box in pixels from the left upper corner, of no area if it is a slip of the mouse."""
        x1, y1, x2, y2 = self.corners
        return (x1, y1, x2, y2) if (x1, y1) == (x2, y2) else (x1 - 1, y1 - 1, x2, y2)

    @property
    def told(self) -> str:
        """The box as written."""
        return told(self.corners)


@dataclass(frozen=True)
class VocAnnotation:
    """What a file says of an image."""

    sides: tuple[int, int] | None  # height and width, if it says so
    objects: tuple[VocObject, ...]


def read_annotation(file: Path) -> VocAnnotation:
    """Read a file of VOC's Annotations.

    Raises:
        DataError: it is missing, broken, or not what VOC has.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}; check the disk and the file's rights") from error
    return annotation_of(content, str(file))


def annotation_of(content: bytes, name: str) -> VocAnnotation:
    """Return what the bytes of a file stand for; `name` is for the sentence that refuses.

    Raises:
        DataError: as `read_annotation`.
    """
    root = _parsed(content, name)
    if root.tag != "annotation":
        raise DataError(f"{name}:{root.get(_LINE)}: begins with <{root.tag}>; VOC's files begin with <annotation>")
    return VocAnnotation(_sides(root, name), tuple(_object(one, name) for one in root.findall("object")))


def _parsed(content: bytes, name: str) -> Element:
    """Return the elements with their lines. Without a document type there are no entities that could do harm."""
    builder, parser = TreeBuilder(), expat.ParserCreate()

    def start(tag: str, _: dict[str, str]) -> None:
        builder.start(tag, {_LINE: str(parser.CurrentLineNumber)})

    def refuse(*_: object) -> NoReturn:
        raise DataError(
            f"{name}:{parser.CurrentLineNumber}: has a document type, which VOC's files have not; remove it"
        )

    parser.StartElementHandler, parser.EndElementHandler = start, builder.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.data, refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        problem = expat.ErrorString(error.code)
        raise DataError(f"{name}:{error.lineno}: is no XML: {problem}; mend the file, or unpack it again") from error
    except (LookupError, ValueError) as error:  # of encodings
        raise DataError(f"{name}: is no XML that can be read: {error}; save it as UTF-8") from error
    return builder.close()


def _sides(root: Element, name: str) -> tuple[int, int] | None:
    """Return height and width; labelling tools write 0 where they do not know."""
    size = root.find("size")
    if size is None or any(size.find(side) is None for side in ("height", "width")):
        return None
    height, width = (int(_number(size, side, name)) for side in ("height", "width"))
    return (height, width) if height > 0 and width > 0 else None


def _object(one: Element, name: str) -> VocObject:
    box = _child(one, "bndbox", name)
    x1, y1, x2, y2 = (_number(box, corner, name) for corner in _CORNERS)
    difficult = one.find("difficult") is not None and _number(one, "difficult", name) != 0
    label = (_child(one, "name", name).text or "").strip()
    if not label:
        raise DataError(f"{name}:{one.get(_LINE)}: object: has no name; give it the name of its class")
    return VocObject(int(one.get(_LINE, 0)), label, (x1, y1, x2, y2), difficult)


def _child(element: Element, tag: str, name: str) -> Element:
    child = element.find(tag)
    if child is None:
        raise DataError(f"{name}:{element.get(_LINE)}: {element.tag}: has no <{tag}>; add it")
    return child


def _number(element: Element, tag: str, name: str) -> float:
    child = _child(element, tag, name)
    try:
        number = float(child.text or "")
    except ValueError:
        number = math.nan
    if abs(number) <= _LARGEST:
        return number
    text = (child.text or "").strip()
    raise DataError(
        f"{name}:{child.get(_LINE)}: {element.tag}.{tag}: {text[:40]!r} is no number of pixels; write a number"
    )
