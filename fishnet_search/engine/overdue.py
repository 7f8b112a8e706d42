"""Ends a process that takes too long for its trial, with word of what it was doing."""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def within(seconds: float | None, file: Path) -> Iterator[None]:
    """End this process, whatever it hangs in, if the block takes longer; the file has the traceback then.

    The interpreter need not be able to run for that: a thread of C watches the clock.
    """
    if seconds is None:
        yield
        return
    with file.open("w", encoding="utf-8") as traceback:
        faulthandler.dump_traceback_later(seconds, exit=True, file=traceback)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    file.unlink(missing_ok=True)


def told_in(file: Path) -> str:
    """Return what such a process has written, once; nothing if it did not."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    finally:
        file.unlink(missing_ok=True)
