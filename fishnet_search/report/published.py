"""Published figures beside those of a study, each with its source and setting."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from fishnet_search.evidence.naming import rows_of
from fishnet_search.evidence.wording import MINUS, NOTHING
from fishnet_search.task.figures import FIGURES, MEANINGS

_BESIDE = {figure: f"test {MEANINGS[figure].label} (%)" for figure in FIGURES} | {"params": "params", "macs": "MACs"}
"""Metric -> the column of the main table that it stands beside."""

_NAMES = {name: column.removeprefix("test ") for name, column in _BESIDE.items()} | {
    "map": "mAP (%)",
    "ap_gain": "gain in AP (points)",
}


def with_published(table: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return the main table with the published values of each variant beside it: '78.14 [1], 78.07 [2]'.

    Numbers in brackets are sources, each with one setting, which `sources` lists.

    Args:
        table: As from `result_table`.
        published: With columns `variant`, `metric`, `value`, `setting`, `source` and `note`.
    """
    beside: pd.DataFrame = table.copy()
    marks = _marks(published)
    for metric, column in _BESIDE.items():
        if column not in table:
            continue
        rows = rows_of(published[published["metric"] == metric])
        if not {row.variant for row in rows} & set(table["variant"]):
            continue
        cells = [
            ", ".join(f"{_written(metric, row.value)} [{marks[_origin(row)]}]" for row in rows if row.variant == one)
            for one in table["variant"]
        ]
        beside.insert(list(beside.columns).index(column) + 1, f"published {_NAMES[metric]}", cells)
    return beside


def sources(published: pd.DataFrame, table: pd.DataFrame) -> tuple[str, ...]:
    """Return what the numbers in brackets of a table stand for: '[1] README of the release (ImageNet)'.

    Args:
        published: As for `with_published`.
        table: As from it, or some rows of that.
    """
    cited = " ".join(table.filter(regex="^published ").to_numpy().ravel())
    return tuple(f"[{number}] {origin}" for origin, number in _marks(published).items() if f"[{number}]" in cited)


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
            "source": [f"[{marks[_origin(row)]}] {row.source}" for row in rows],
            "note": [row.note for row in rows],
        },
        dtype=str,
    )
    return table


def published_numbers(published: pd.DataFrame, variants: pd.Series[str]) -> pd.DataFrame:
    """Return a column `published_METRIC` for each metric that has a value, one row a variant.

    Args:
        published: As for `with_published`.
        variants: Names.
    """
    own = published[published["variant"].isin(variants)].dropna(subset="value")
    columns = {
        f"published_{metric}": variants.map(rows.groupby("variant")["value"].agg(_side_by_side))
        for metric, rows in own.groupby("metric", sort=False)
    }
    numbers: pd.DataFrame = pd.DataFrame(columns, index=variants.index)
    return numbers


def published_meanings(numbers: pd.DataFrame) -> dict[str, str]:
    """Explain the columns of `published_numbers`."""
    told = "as published, in the unit of `value` in published.csv; semicolons stand between several values"
    return {str(name): f"{str(name).removeprefix('published_')} {told}" for name in numbers}


def _side_by_side(values: pd.Series[float]) -> str:
    return "; ".join(f"{value:.10g}" for value in values)


def _written(metric: str, value: float) -> str:
    """Write a value with the digits that were published."""
    if math.isnan(value):  # of a statement, which the note has
        return NOTHING
    if metric in ("params", "macs"):
        unit, name = next(((u, name) for u, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")) if value >= u), (1, ""))
        return f"{value / unit:.10g}{name}"
    return f"{100 * value:+.10g}".replace("-", MINUS) if metric == "ap_gain" else f"{100 * value:.10g}"


def _origin(row: Any) -> str:
    return f"{row.source} ({row.setting})" if row.setting else str(row.source)


def _marks(published: pd.DataFrame) -> dict[str, int]:
    """Number the sources with their settings, those of the main table first."""
    published = published.sort_values("metric", key=lambda names: ~names.isin(_BESIDE), kind="stable")
    return {origin: i for i, origin in enumerate(dict.fromkeys(map(_origin, rows_of(published))), 1)}
