"""Tables of strings, as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fishnet_search.evidence.effects import BASELINE
from fishnet_search.evidence.frames import rows_of
from fishnet_search.evidence.wording import NOTHING, change, counts, duration, percent, points
from fishnet_search.study.record import RefusedRecord


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
