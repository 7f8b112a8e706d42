"""Published figures beside those of a study, each with its source."""

from __future__ import annotations

import math

import pandas as pd

from fishnet_search.evidence.frames import rows_of
from fishnet_search.evidence.wording import NOTHING, counts, percent, points

_BESIDE = {"top1": "test top-1 (%)", "top5": "test top-5 (%)", "params": "params", "macs": "MACs"}
"""Metric -> the column of the main table that it stands beside."""

_NAMES = {name: column.removeprefix("test ") for name, column in _BESIDE.items()} | {
    "map": "mAP (%)",
    "ap_gain": "gain in AP (points)",
}


def with_published(table: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return the main table with the published values of each variant beside it: '78.14 [1], 78.07 [2]'.

    Numbers in brackets are the sources, which `sources` lists.

    Args:
        table: As from `result_table`.
        published: With columns `variant`, `metric`, `value`, `setting`, `source` and `note`.
    """
    beside: pd.DataFrame = table.copy()
    marks = _marks(published)
    for metric, column in _BESIDE.items():
        rows = rows_of(published[published["metric"] == metric])
        if not {row.variant for row in rows} & set(table["variant"]):
            continue
        cells = [
            ", ".join(f"{_written(metric, row.value)} [{marks[row.source]}]" for row in rows if row.variant == variant)
            for variant in table["variant"]
        ]
        beside.insert(list(beside.columns).index(column) + 1, f"published {_NAMES[metric]}", cells)
    return beside


def sources(published: pd.DataFrame) -> tuple[str, ...]:
    """Return the sources of published values as a numbered list: '[1] README of the release'."""
    return tuple(f"[{number}] {source}" for source, number in _marks(published).items())


def published_table(published: pd.DataFrame) -> pd.DataFrame:
    """Return all published values as strings, one a row, those too that the main table has no column for."""
    marks = _marks(published)
    rows = rows_of(published)
    table: pd.DataFrame = pd.DataFrame(
        {
            "variant": [row.variant for row in rows],
            "metric": [_NAMES.get(row.metric, row.metric) for row in rows],
            "published": [_written(row.metric, row.value) for row in rows],
            "setting": [row.setting for row in rows],
            "source": [f"[{marks[row.source]}] {row.source}" for row in rows],
            "note": [row.note for row in rows],
        },
        dtype=str,
    )
    return table


def _written(metric: str, value: float) -> str:
    if math.isnan(value):  # of a statement, which the note has
        return NOTHING
    if metric in ("params", "macs"):
        return counts([round(value)])[0]
    return points(value) if metric == "ap_gain" else percent(value)


def _marks(published: pd.DataFrame) -> dict[str, int]:
    """Number the sources, those of the main table first."""
    published = published.sort_values("metric", key=lambda names: ~names.isin(_BESIDE), kind="stable")
    return {source: i for i, source in enumerate(dict.fromkeys(published["source"]), 1)}
