"""Numbers as a person reads them: per cent, points, thousands and millions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from fishnet_search.report.effects import BASELINE
from fishnet_search.report.frames import rows_of
from fishnet_search.study.record import RefusedRecord

NOTHING = "–"
MINUS = "−"


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
            "test top-1 (%)": [percent(row.test_top1_mean, row.test_top1_ci95) for row in rows],
            "test top-5 (%)": [percent(row.test_top5_mean, row.test_top5_ci95) for row in rows],
            "validation top-1 (%)": [percent(row.validation_top1_mean) for row in rows],
            "difference (points)": [points(row.difference_top1, row.difference_ci95) for row in rows],
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
            "validation top-1 (%)": [percent(row.validation_top1) for row in rows],
            "test top-1 (%)": [percent(row.test_top1) for row in rows],
            "test top-5 (%)": [percent(row.test_top5) for row in rows],
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
    matched_points = [points(row.matched_difference_top1, row.matched_difference_ci95) for row in rows]
    table: pd.DataFrame = pd.DataFrame(
        {
            "variant": matched["variant"],
            f"{metric} as it is": [change(row.cost_change) for row in rows],
            "difference (points)": [
                points(raw[row.variant].difference_top1, raw[row.variant].difference_ci95) for row in rows
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


def counts(values: Sequence[int]) -> list[str]:
    """Return counts in the unit that suits the largest, which gets four significant digits: '12.34 M'."""
    largest = max(values)
    unit, name = next(
        ((unit, name) for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")) if largest >= unit), (1, "")
    )
    decimals = 0 if unit == 1 else max(4 - len(str(int(largest / unit))), 0)
    return [f"{value / unit:.{decimals}f}{name}" for value in values]


def percent(fraction: float, ci95: float | None = None) -> str:
    """Return a fraction in per cent, with the half-width of its interval if one is asked for: '97.31 ± 0.42'."""
    if math.isnan(fraction):
        return NOTHING
    return f"{100 * fraction:.2f}" + ("" if ci95 is None else f" ± {_width(ci95)}")


def points(difference: float, ci95: float | None = None) -> str:
    """Return a difference of fractions in percentage points, signed, with its interval if asked for: '−0.93 ± 0.42'."""
    if math.isnan(difference):
        return NOTHING
    rounded = round(100 * difference, 2)
    sign = "" if rounded == 0 else "+" if rounded > 0 else MINUS
    return f"{sign}{abs(rounded):.2f}" + ("" if ci95 is None else f" ± {_width(ci95)}")


def change(fraction: float) -> str:
    """Return by what part a cost differs, signed, in per cent: '+12 %', '−0.4 %'."""
    if math.isnan(fraction):
        return NOTHING
    rounded = round(100 * fraction) if abs(fraction) >= 0.0995 else round(100 * fraction, 1)
    sign = "" if rounded == 0 else "+" if rounded > 0 else MINUS
    return f"{sign}{abs(rounded):,} %"


def listed(names: Sequence[str], most: int = 12) -> str:
    """Return names side by side, of many the first ones and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def duration(seconds: float) -> str:
    """Return a time span with the two units that matter: '3 min 20 s'."""
    if math.isnan(seconds):
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def seed_count(n: int) -> str:
    """Return a number of seeds in words: '1 seed', '3 seeds'."""
    return f"{n} seed" if n == 1 else f"{n} seeds"


def the_baseline(name: str) -> str:
    """Return how the baseline is called in a sentence; where spaces have several axes, its name may be just that."""
    return "the baseline" if name == "baseline" else f"the baseline {name}"


def _width(ci95: float) -> str:
    return NOTHING if math.isnan(ci95) else f"{100 * ci95:.2f}"
