"""What a person sees in a terminal: live progress, tables, sentences."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fishnet_search.cost.ledger import Cost
from fishnet_search.graph.graph import Graph, Node
from fishnet_search.study.record import EpochRecord, TrialRecord

PLAIN_WIDTH = 200
"""Columns for output that goes to a file or a pipe, where a terminal's width says nothing."""


def make_console() -> Console:
    """Return a console for standard output."""
    console = Console(highlight=False)  # paths may hold square brackets
    return console if console.is_terminal else Console(highlight=False, markup=False, width=PLAIN_WIDTH)


def description_table(title: str, graph: Graph, costs: Sequence[tuple[Node, Cost]], total: Cost) -> Table:
    """Return a table with a row a stage: output, parameters, MACs, what it is made of; and the totals."""
    table = Table(title=title, title_justify="left", show_footer=True)
    table.add_column("stage", footer="total", no_wrap=True)
    table.add_column("output C×H×W", footer=str(graph.nodes[-1].shape), justify="right", no_wrap=True)
    table.add_column("parameters", footer=f"{total.params:,}", justify="right", no_wrap=True)
    table.add_column("MACs", footer=f"{total.macs:,}", justify="right", no_wrap=True)
    table.add_column("made of")
    for node, cost in costs:
        label = node.op.label if isinstance(node.op, Graph) else type(node.op).__name__
        table.add_row(node.name, str(node.shape), f"{cost.params:,}", f"{cost.macs:,}", label)
    return table


def effects_table(effects: pd.DataFrame) -> Table:
    """Return the report's table as far as 80 columns hold it."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    shown = effects.drop(columns=["validation top-1 (%)", "pairs"])
    for column in shown.columns:
        words = column in ("variant", "verdict")
        title = column.replace("test ", "test\n").replace(" (", "\n(")
        table.add_column(title, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for row in shown.itertuples(index=False):
        table.add_row(*map(str, row))
    return table


class LiveProgress:
    """Shows how a study goes on: a line for every trial that ends, and below them, in a terminal, two moving bars."""

    def __init__(self, console: Console, epochs: int) -> None:
        self._console = console
        self._epochs = epochs
        self._planned = 0
        self._ended = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            speed_estimate_period=3600,
        )
        self._all = self._progress.add_task("all trials", total=None, unit="epochs")
        self._current = self._progress.add_task("", total=epochs, unit="epochs", visible=False)

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def study_started(self, *, planned: int, done: int) -> None:
        """See `Observer`."""
        self._planned, self._ended = planned, done
        if done:
            self._console.print(f"{done} of {planned} trials are complete already; {planned - done} to go")
        self._progress.update(self._all, total=(planned - done) * self._epochs)

    def trial_started(self, trial: str) -> None:
        """See `Observer`."""
        self._progress.reset(self._current, description=escape(trial), visible=True)

    def epoch_ended(self, trial: str, epoch: EpochRecord) -> None:
        """See `Observer`."""
        shown = f"{escape(trial)}, validation {epoch.validation.top1:.1%}"
        self._progress.update(self._current, advance=1, description=shown)
        self._progress.advance(self._all)

    def trial_ended(self, record: TrialRecord) -> None:
        """See `Observer`."""
        self._ended += record.state != "interrupted"
        self._progress.update(self._current, visible=False)
        self._progress.advance(self._all, self._epochs - len(record.epochs))  # a failed trial stops early
        self._console.print(
            f"[{self._ended:>{len(str(self._planned))}}/{self._planned}] {_ending(record)}", markup=False
        )


def _ending(record: TrialRecord) -> str:
    """Say in one line how a trial ended."""
    best = record.best_validation
    if record.state == "complete" and best is not None and record.test is not None:
        return (
            f"{record.trial}: validation {best.top1:.1%} (epoch {record.best_epoch}), "
            f"test {record.test.top1:.1%}, {record.wall_seconds:.1f} s"
        )
    if record.failure is not None:
        reason = record.failure.message.partition("\n")[0]
        return f"{record.trial}: failed after {len(record.epochs)} epochs: {record.failure.type}: {reason}"
    return f"{record.trial}: interrupted after {len(record.epochs)} epochs"
