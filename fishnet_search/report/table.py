"""Tables of strings, as a person reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fishnet_search.evidence.effects import BASELINE
from fishnet_search.evidence.naming import figures_in, metric_of, rows_of
from fishnet_search.evidence.wording import MINUS, NOTHING, change, counts, duration, p_value, percent, points
from fishnet_search.space.axes import label_of
from fishnet_search.study.record import RefusedRecord
from fishnet_search.task.figures import FIGURES, MEANINGS, Figure

BOOTSTRAP = "bootstrap (points)"
"""Column of the bootstrap interval of the difference, which takes more seeds than most studies have."""

ON, OFF = "✓", NOTHING
"""What an axis shows that is a switch."""

_SWITCHES = {"true": ON, "on": ON, "yes": ON, "false": OFF, "off": OFF, "no": OFF}


def result_table(effects: pd.DataFrame, levels: pd.DataFrame) -> pd.DataFrame:
    """Return the main table of the pages as strings, one row a variant: its levels and costs, then what matters most.

    Args:
        effects: As from `variant_effects`.
        levels: As from `level_table`, of the same variants.
    """
    table = effect_table(effects)
    rows = rows_of(effects)
    table["p (Holm)"] = [p_value(row.p_holm) for row in rows]
    table["effect size"] = [_effect_size(row.effect_size) for row in rows]
    if effects["boot_low"].notna().any():
        table[BOOTSTRAP] = [_bootstrap(row) for row in rows]
    order = [name for name in _result_columns(figures_in(effects)) if name in table]
    whole: pd.DataFrame = pd.concat([table[["variant"]], levels, table[order]], axis="columns")
    return whole


def without_names(table: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Return the table without its column of variants where the levels tell them apart.

    Args:
        table: As from `result_table`.
        axes: Columns that are levels.
    """
    levels = table[list(axes)]
    apart = len(axes) > 0 and not levels.duplicated().any() and not (levels == "").all(axis="columns").any()
    return table.drop(columns=["variant"]) if apart else table


def are_spelled_out(variants: Sequence[str], levels: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether the names of variants are nothing but their levels, as those of a grid: 'depth=2,dilation=wide'."""
    return all(
        variant == ",".join(f"{axis}={label_of(level)}" for axis, level in levels[variant].items())
        for variant in variants
    )


def level_table(axes: Sequence[str], levels: Mapping[str, Mapping[str, Any]], variants: Sequence[str]) -> pd.DataFrame:
    """Return where each variant stands on each axis as strings: a check mark for a switch that is on.

    An axis is left out that tells no more than the variants' names. A cell is empty where an axis does not count.

    Args:
        axes: Names of the axes, one a column.
        levels: Variant -> axis -> level.
        variants: One a row.
    """
    columns = {}
    for axis in axes:
        labels = [label_of(own[axis]) if axis in (own := levels[variant]) else "" for variant in variants]
        if set(labels) - {""} <= set(_SWITCHES):
            labels = [_SWITCHES.get(label, "") for label in labels]
        if any(labels) and labels != list(variants):
            columns[f"axis {axis}" if axis in _TAKEN else axis] = labels
    table: pd.DataFrame = pd.DataFrame(columns, index=range(len(variants)), dtype=str)
    return table


def word_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns whose cells are not all numbers."""
    return [name for name in table.columns.tolist() if pd.to_numeric(table[name], errors="coerce").isna().any()]


def effect_table(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the main table as strings, one row a variant."""
    rows = rows_of(effects)
    table: pd.DataFrame = pd.DataFrame(
        {
            "variant": effects["variant"],
            "params": counts(effects["params"].tolist()),
            "MACs": counts(effects["macs"].tolist()),
            "seeds": [
                f"{row.seeds} of {row.seeds_planned}" if row.seeds < row.seeds_planned else f"{row.seeds}"
                for row in rows
            ],
            **{_test(figure): _means(effects, figure) for figure in figures_in(effects)},
            _validation(metric_of(effects)): [percent(row.validation_metric_mean) for row in rows],
            "difference (points)": [points(row.difference_metric, row.difference_ci95) for row in rows],
            "pairs": [NOTHING if row.verdict == BASELINE else f"{row.pairs}" for row in rows],
            "verdict": effects["verdict"],
        },
        dtype=str,
    )
    return table


def trial_table(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the table of all trials as strings, one row a trial."""
    rows = rows_of(trials)
    table: pd.DataFrame = pd.DataFrame(
        {
            "variant": trials["variant"],
            "seed": trials["seed"].map(str),
            "state": [f"pruned after epoch {row.epochs}" if row.state == "pruned" else row.state for row in rows],
            "best epoch": [NOTHING if pd.isna(row.best_epoch) else f"{row.best_epoch}" for row in rows],
            _validation(metric_of(trials)): [percent(row.validation_metric) for row in rows],
            **{_test(figure): [percent(value) for value in trials[f"test_{figure}"]] for figure in figures_in(trials)},
            "wall time": [duration(row.wall_seconds) for row in rows],
        },
        dtype=str,
    )
    return table


def matched_table(effects: pd.DataFrame, matched: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the table of differences as they are and at the baseline's cost as strings, one row a variant.

    Args:
        effects: As from `variant_effects`.
        matched: As from `matched_effects`.
        metric: Name of what is matched.
    """
    raw = {row.variant: row for row in rows_of(effects)}
    rows = rows_of(matched)
    matched_points = [points(row.matched_difference_metric, row.matched_difference_ci95) for row in rows]
    table: pd.DataFrame = pd.DataFrame(
        {
            "variant": matched["variant"],
            f"{metric} as it is": [change(row.cost_change) for row in rows],
            "difference (points)": [
                points(raw[row.variant].difference_metric, raw[row.variant].difference_ci95) for row in rows
            ],
            "verdict": [raw[row.variant].verdict for row in rows],
            "matched by": matched["matched_by"],
            f"{metric} matched": [change(row.matched_cost_change) for row in rows],
            "matched difference (points)": matched_points,
            "matched verdict": matched["matched_verdict"].fillna(NOTHING),
        },
        dtype=str,
    )
    return table


def refused_table(refused: Sequence[RefusedRecord]) -> pd.DataFrame:
    """Return the table of candidates that were not trained, rule by rule."""
    rules = list(dict.fromkeys(one.where for one in refused))
    refused = sorted(refused, key=lambda one: rules.index(one.where))
    table: pd.DataFrame = pd.DataFrame(
        {
            "candidate": [one.name for one in refused],
            "rule": [one.where for one in refused],
            "reason": [one.reason for one in refused],
        },
        dtype=str,
    )
    return table


def shortened(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of results without the validation figure, and without the pairs where these are all the seeds.

    Args:
        table: As from `effect_table` or `result_table`.
    """
    made = table["seeds"].str.split(" ").str[0]
    told = ((table["pairs"] == NOTHING) | (table["pairs"] == made)).all()
    validation = [_validation(figure) for figure in FIGURES if _validation(figure) in table]
    shown: pd.DataFrame = table.drop(columns=[*validation, *(["pairs"] if told else [])])
    return shown


def axis_numbers(
    axes: Sequence[str], levels: Mapping[str, Mapping[str, Any]], variants: pd.Series[str]
) -> pd.DataFrame:
    """Return a column `axis NAME` for each axis with the levels of the variants, as their names have them.

    Args:
        axes: Names of the axes.
        levels: Variant -> axis -> level.
        variants: One a row.
    """
    columns = {
        f"axis {axis}": [label_of(own[axis]) if axis in (own := levels[variant]) else None for variant in variants]
        for axis in axes
    }
    numbers: pd.DataFrame = pd.DataFrame(columns, index=variants.index, dtype=object)
    return numbers


def _effect_size(size: float) -> str:
    if math.isnan(size):
        return NOTHING
    written = "∞" if math.isinf(size) else f"{abs(size):.2f}"
    return f"{MINUS}{written}" if size < 0 else written


def _bootstrap(row: Any) -> str:
    return NOTHING if math.isnan(row.boot_low) else f"{points(row.boot_low)} to {points(row.boot_high)}"


def _test(figure: Figure) -> str:
    return f"test {MEANINGS[figure].label} (%)"


def _validation(figure: Figure) -> str:
    return f"validation {MEANINGS[figure].label} (%)"


def _means(effects: pd.DataFrame, figure: Figure) -> list[str]:
    columns = (effects[f"test_{figure}_{what}"] for what in ("mean", "ci95"))
    return [percent(mean, half) for mean, half in zip(*columns, strict=True)]


def _result_columns(figures: Sequence[Figure]) -> list[str]:
    metric, *others = figures
    costs, judged = ("params", "MACs"), ("difference (points)", "p (Holm)", "effect size", BOOTSTRAP, "verdict")
    return [*costs, _test(metric), *judged, "seeds", "pairs", *map(_test, others), _validation(metric)]


_TAKEN = ("variant", "params", "MACs", "seeds", "pairs", "verdict")
"""Columns of the main table that an axis may be called like."""
