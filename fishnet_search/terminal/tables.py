"""What is described, measured and compared, as tables and sentences."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.table import Table

from fishnet_search.cost.ledger import Cost, Ledger
from fishnet_search.graph.graph import taps_of
from fishnet_search.terminal.words import literal, three_digits

if TYPE_CHECKING:
    import pandas as pd

    from fishnet_search.network.measure import Measurement
    from fishnet_search.task.cost import ModelCost

Level = Literal["part", "stage", "node"]
"""What a row of a description is."""

WIDE = 115
"""Columns that the words of a description need beside its figures."""

MOST_ROWS = 60
"""Variants that are shown; a report has all."""


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


def model_cost_table(title: str, cost: ModelCost) -> Table:
    """Return a row a part of a model, the backbone first, and one for the whole."""
    table = Table(title=literal(title), title_justify="left")
    table.add_column("part")
    for name in ("params", "MACs", "of all MACs"):
        table.add_column(name, justify="right")
    for part in cost.parts:
        table.add_row(part.name, f"{part.params:,}", f"{part.macs:,}", f"{part.macs / max(1, cost.macs):.0%}")
    table.add_section()
    table.add_row("whole model", f"{cost.params:,}", f"{cost.macs:,}", "100%")
    return table


def measured_table(title: str, measurements: Iterable[Measurement], macs: int) -> Table:
    """Return a table with a row a form of the network, whose MACs for one image are `macs`."""
    table = Table(title=title, title_justify="left")
    table.add_column("form", no_wrap=True)
    for name in ("median\nms", "25–75 %\nms", "images/s", "25–75 %\nimages/s", "GMACs/s", "peak\nMiB"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in measurements:
        table.add_row(
            one.form,
            three_digits(one.latency_ms),
            f"{three_digits(one.latency_p25_ms)}–{three_digits(one.latency_p75_ms)}",
            three_digits(one.images_per_second),
            f"{three_digits(one.images_per_second_p25)}–{three_digits(one.images_per_second_p75)}",
            three_digits(one.images_per_second * macs / 1e9),
            three_digits(one.peak_memory_bytes / 2**20),
        )
    return table


def results(effects: pd.DataFrame, file: Path) -> Iterator[Table | str]:
    """Yield the report's table as far as 80 columns hold it; of a long one the first rows, and the file that has all.

    Args:
        effects: As from `effect_table`.
        file: With the same figures.
    """
    from fishnet_search.report.table import shortened

    yield text_table(shortened(effects).head(MOST_ROWS), words=("variant", "verdict"))
    if len(effects) > MOST_ROWS:
        yield f"the first {MOST_ROWS} of {len(effects):,} variants; {file} has all"


def text_table(shown: pd.DataFrame, words: Collection[str]) -> Table:
    """Return a table of strings.

    Args:
        shown: What is in it.
        words: Columns that are no numbers.
    """
    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in shown.columns:
        title = column.replace("test ", "test\n").replace(" (", "\n(")
        table.add_column(
            title, justify="left" if column in words else "right", no_wrap=column not in words, overflow="fold"
        )
    for row in shown.itertuples(index=False):
        table.add_row(*map(str, row))
    return table
