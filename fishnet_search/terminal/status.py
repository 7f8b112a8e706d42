"""A study as it is seen from another shell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from fishnet_search.study.progress import ProgressRecord, is_running, live_progress
from fishnet_search.study.standing import Standing, standing_of
from fishnet_search.terminal.picture import packed, picture, standing_facts, states
from fishnet_search.terminal.words import counted, duration, literal

MOST_NAMES = 10
"""Trials that are listed by name; of more, the rest is counted."""


def status(folder: Path, width: int) -> Iterator[RenderableType]:
    """Yield what there is to say of a study: by the process that runs it, or else by its records.

    Raises:
        StudyError: there is no such study, or one of its files is damaged.
    """
    standing = standing_of(folder)
    told = live_progress(folder)
    if told is not None:
        yield from _running(folder.name, told, width)
    else:
        yield from _standing(folder, standing, width)
    yield from _failures(folder, standing)


def _running(name: str, told: ProgressRecord, width: int) -> Iterator[RenderableType]:
    now = datetime.now(timezone.utc)
    since = (now - datetime.fromisoformat(told.started)).total_seconds()
    yield literal(f"study {name}: running for {duration(since)}, process {told.pid} on {told.host}")
    yield picture(told.progress.model_copy(update={"seconds_left": told.seconds_left_at(now)}), width)


def _standing(folder: Path, standing: Standing, width: int) -> Iterator[RenderableType]:
    running = is_running(folder)
    yield literal(f"study {folder.name}: " + ("running, has told nothing yet" if running else "not running"))
    over = sum(standing.states.values()) - len(standing.interrupted)
    planned = standing.planned
    done = Text(counted(over, "trial") if planned is None else f"{over:,} of {counted(planned, 'trial')}", "bold")
    done.append(" done")
    found = [done, *states(standing.states), *standing_facts(standing.refused, standing.best, width)]
    yield from packed(found, width)
    if running:
        return
    yield from _left(standing)


def _left(standing: Standing) -> Iterator[Text]:
    """Say what the same command would do."""
    failed = len(standing.failures)
    left = {"missing": standing.missing or 0, "interrupted": len(standing.interrupted), "failed": failed}
    words = ", ".join(f"{number:,} {state}" for state, number in left.items() if number)
    if standing.planned is None:
        yield literal(f"the search is not over{': ' + words if words else ''}; the same command goes on:")
    elif words:
        yield literal(f"to do: {words}; the same command goes on:")
    else:
        yield literal("nothing is left to do; made by:")
    yield literal(f"  {standing.command}", "bold")


def _failures(folder: Path, standing: Standing) -> Iterator[Text]:
    if not standing.failures:
        return
    yield literal(f"{counted(len(standing.failures), 'trial')} failed; {folder}/trials has the records:")
    for trial, reason in list(standing.failures.items())[:MOST_NAMES]:
        yield Text.assemble("  ", literal(trial, "bold red"), ": ", literal(reason))
    if len(standing.failures) > MOST_NAMES:
        yield Text(f"  and {len(standing.failures) - MOST_NAMES:,} more", "dim")
