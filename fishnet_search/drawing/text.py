"""How much room text takes, estimated generously: no font is known where a picture is laid out."""

from __future__ import annotations

import textwrap
import unicodedata

ADVANCE = 0.62
"""Width of a character over the size of its font: more than most sans-serif fonts need on average."""


def text_width(text: str, size: float) -> float:
    """Return the room that a line of text needs, in the unit of the font's size."""
    return size * sum(1.0 if unicodedata.east_asian_width(each) in "WF" else ADVANCE for each in text)


def fitting(text: str, size: float, width: float) -> str:
    """Return the text, cut short with an ellipsis where it is wider than `width`."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def wrapped(text: str, size: float, width: float) -> list[str]:
    """Return lines none of which is wider than `width`; a word that is too long is broken."""
    widest = 1.0 if any(unicodedata.east_asian_width(each) in "WF" for each in text) else ADVANCE
    return textwrap.wrap(text, max(int(width / (size * widest)), 1))
