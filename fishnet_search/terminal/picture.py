"""How far a study is, as lines that fit the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fishnet_search.study.progress import Best, Progress, Running
from fishnet_search.study.record import State
from fishnet_search.task.figures import MEANINGS
from fishnet_search.terminal.words import counted, duration, duration_of_work, literal, shortened

STYLES: dict[State, str] = {
    "complete": "green",
    "duplicate": "cyan",
    "pruned": "yellow",
    "failed": "bold red",
    "interrupted": "magenta",
}
_LONGEST_BAR, _SHORTEST_BAR = 24, 6
_SHORTEST_NAME = 16
_GAP = 2
_BETWEEN = " · "


def picture(progress: Progress, width: int, height: int | None = None) -> RenderableType:
    """Return the sums and a line for each running trial.

    Args:
        progress: what to show.
        width: columns there are.
        height: lines there are; trials beyond them are counted. None: as many as it takes.
    """
    lines = list(packed(facts(progress, width), width))
    running = progress.running
    room = len(running) if height is None else max(0, height - len(lines))
    if len(running) <= room:
        return Group(*lines, running_table(running, width))
    shown = running[: max(0, room - 1)]
    rest = Text(f"and {len(running) - len(shown)} more running", "dim")
    return Group(*lines, running_table(shown, width), rest)


def facts(progress: Progress, width: int) -> list[Text]:
    """Return what there is to say of the whole study, one fact each, none of which is wider than this."""
    found = [Text(f"{progress.over:,} of {counted(progress.planned, 'trial')} done", "bold"), *states(progress.ended)]
    if progress.running:
        found.append(Text(f"{len(progress.running):,} running"))
    found += standing_facts(progress.refused, progress.best, width)
    if progress.seconds_left is not None and progress.over < progress.planned:
        found.append(Text(f"about {duration(max(1.0, progress.seconds_left))} left", "bold"))
    return found


def states(counts: Mapping[State, int]) -> Iterator[Text]:
    """Yield how many trials ended in which state."""
    for state, style in STYLES.items():
        if counts.get(state):
            yield Text(f"{counts[state]:,} {state}", style)


def standing_facts(refused: int, best: Best | None, width: int) -> Iterator[Text]:
    """Yield what candidates were refused, and the best trial."""
    if refused:
        yield Text(f"{counted(refused, 'candidate')} refused")
    if best is not None:
        told = f"best validation {MEANINGS[best.metric].label} {best.value:.1%}: "
        yield Text.assemble(told, literal(shortened(best.trial, max(1, width - len(told))), "bold"))


def packed(found: Iterable[Text], width: int) -> Iterator[Text]:
    """Set facts side by side, as many as fit on a line."""
    line = Text()
    for fact in found:
        if line and line.cell_len + len(_BETWEEN) + fact.cell_len > width:
            yield line
            line = Text()
        line = Text.assemble(line, _BETWEEN, fact) if line else fact
    yield line


def running_table(running: Sequence[Running], width: int) -> Table:
    """Return a line a trial: its name, a bar of its epochs, its last validation, and the time an epoch takes.

    Where there is little room the bar goes first, then the last figures; none is cut.
    """
    figures = [_figures(trial) for trial in running]
    widths = [max((len(row[i]) for row in figures), default=0) + _GAP for i in range(3)]
    while len(widths) > 1 and width - sum(widths) < _SHORTEST_NAME:
        widths.pop()
    room = width - sum(widths)
    names = max((cell_len(trial.trial) for trial in running), default=0)
    bar = min(_LONGEST_BAR, max(_SHORTEST_BAR, room - names - _GAP))
    if room - bar - _GAP < min(names, _SHORTEST_NAME):
        bar = 0
    table = Table.grid(padding=(0, 0, 0, _GAP))
    table.add_column(no_wrap=True)
    if bar:
        table.add_column(width=bar + _GAP)
    for _ in widths:
        table.add_column(justify="right", no_wrap=True)
    for trial, row in zip(running, figures, strict=True):
        name = literal(shortened(trial.trial, max(1, room - (bar + _GAP if bar else 0))))
        bars = [ProgressBar(total=trial.epochs, completed=trial.epoch, width=bar, complete_style="cyan")] if bar else []
        table.add_row(name, *bars, *row[: len(widths)])
    return table


def _figures(trial: Running) -> tuple[str, str, str]:
    return (
        f"epoch {trial.epoch}/{trial.epochs}",
        "" if trial.value is None else f"validation {trial.value:.1%}",
        "" if trial.epoch_seconds is None else f"{duration_of_work(trial.epoch_seconds)}/epoch",
    )
