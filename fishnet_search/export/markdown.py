"""Text that Markdown shows as it is, in tables and in blocks of code."""

from __future__ import annotations

import re
from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, whose cells are shown as they are."""
    lines = [head, ["---"] * len(head), *([plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code_block(text: str, language: str) -> str:
    """Return a block of code behind a fence that is longer than any within."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line, in a table too, and takes for no address."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))
    shown = re.sub(r"([\\`*_{}\[\]<>#|$~@])", r"\\\1", shown.replace("&", "&amp;"))
    return re.sub(r"(:)(?=//)|(?<=www)(\.)", r"\\\1\2", shown, flags=re.IGNORECASE)
