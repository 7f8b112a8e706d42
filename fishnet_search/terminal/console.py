"""Where everything is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

PLAIN_WIDTH = 200
"""Columns for output that goes to a file or a pipe, where a terminal's width says nothing."""


def make_console() -> Console:
    """Return a console for standard output."""
    width = None if Console().is_terminal else PLAIN_WIDTH
    return Console(highlight=False, markup=False, emoji=False, width=width)  # names and paths may hold square brackets


@contextmanager
def counting(console: Console, doing: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar in a terminal while things are done; tell what this gives how many are, and of how many if known."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(doing, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
