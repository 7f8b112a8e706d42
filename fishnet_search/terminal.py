"""What a person sees in a terminal: live progress, tables, sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fishnet_search.cost.ledger import Cost, Ledger
from fishnet_search.graph.graph import taps_of
from fishnet_search.study.record import EpochRecord, TrialRecord

if TYPE_CHECKING:
    from fishnet_search.network.measure import Measurement

Level = Literal["part", "stage", "node"]
"""What a row of a description is."""

WIDE = 115
"""Columns that the words of a description need beside its figures."""

PLAIN_WIDTH = 200
"""Columns for output that goes to a file or a pipe, where a terminal's width says nothing."""


def make_console() -> Console:
    """Return a console for standard output."""
    console = Console(highlight=False)  # paths may hold square brackets
    return console if console.is_terminal else Console(highlight=False, markup=False, width=PLAIN_WIDTH)


def description_table(title: str, ledger: Ledger, by: Level, width: int) -> Table:
    """Return a table with a row a part, stage or node, and the totals of the backbone and of the whole model.

    A terminal narrower than `WIDE` gets no column of words, so that no figure is cut.
    """
    table = Table(title=title, title_justify="left")
    table.add_column(by, overflow="fold")
    for name in ("output C×H×W", "sees", "layers", "parameters", "MACs"):
        table.add_column(name, justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("made of")
    for line in {"part": ledger.parts, "stage": ledger.stages, "node": ledger.nodes}[by]:
        sees = "image" if math.isinf(line.receptive_field) else f"{line.receptive_field:g}"
        words = [line.label] if width >= WIDE else []
        table.add_row(line.path, str(line.shape), sees, *_figures(line.cost, width), *words)
    table.add_section()
    if ledger.backbone != ledger.total:
        words = ["all but the classifier"] if width >= WIDE else []
        table.add_row("backbone", "", "", *_figures(ledger.backbone, width), *words)
    table.add_row("total", "", "", *_figures(ledger.total, width))
    return table


def _figures(cost: Cost, width: int) -> tuple[str, ...]:
    macs = f"{cost.macs:,}" if width >= WIDE else f"{cost.macs / 1e6:,.1f} M"
    return f"{cost.layers:,}", f"{cost.params:,}", macs


def description(name: str, ledger: Ledger, identity: str, batch: int, by: Level, width: int) -> Iterator[Table | str]:
    """Yield what there is to say of an architecture: its table, then sentences."""
    cost, image = ledger.total, ledger.graph.input_shapes[0]
    yield description_table(f"{name}, image {image}", ledger, by, width)
    if width < WIDE and by == "stage":
        yield "\n".join(f"{line.path}: {line.label}" for line in ledger.stages)
    yield f"{cost.params:,} parameters, {cost.macs:,} MACs (convolutions and linear layers, one image)"
    yield f"{cost.activations:,} activations (outputs of these layers, one image)"
    yield (
        f"training takes about {cost.training_bytes(batch) / 2**30:.2f} GiB for batches of {batch} "
        "(float32, SGD with momentum)"
    )
    rest = ", ".join(f"{count} {operator}" for operator, count in sorted(cost.uncounted.items()))
    yield f"without MACs in this count: {rest}"
    taps = ", ".join(
        (f"{tap.name}" if tap.name == tap.node else f"{tap.name} ({tap.node})")
        + f" {tap.channels} channels at stride {tap.stride}"
        for tap in taps_of(ledger.graph)
    )
    yield f"taps: {taps}"
    yield f"identity: {identity[:16]}"


def measured_table(title: str, measurements: Iterable[Measurement], macs: int) -> Table:
    """Return a table with a row a form of the network, whose MACs for one image are `macs`."""
    table = Table(title=title, title_justify="left")
    table.add_column("form", no_wrap=True)
    for name in ("median\nms", "25–75 %\nms", "images/s", "25–75 %\nimages/s", "GMACs/s", "peak\nMiB"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in measurements:
        table.add_row(
            one.form,
            _three_digits(one.latency_ms),
            f"{_three_digits(one.latency_p25_ms)}–{_three_digits(one.latency_p75_ms)}",
            _three_digits(one.images_per_second),
            f"{_three_digits(one.images_per_second_p25)}–{_three_digits(one.images_per_second_p75)}",
            _three_digits(one.images_per_second * macs / 1e9),
            _three_digits(one.peak_memory_bytes / 2**20),
        )
    return table


def _three_digits(figure: float) -> str:
    """Write a figure with as many places as a measurement bears."""
    places = max(0, 2 - math.floor(math.log10(figure))) if figure > 0 else 0
    return f"{figure:,.{places}f}"


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
