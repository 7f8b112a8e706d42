"""Differences to the baseline in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.effects import BASELINE, LARGER, NOT_COMPARED, ONE_SEED, SAME, WITHIN
from fishnet_search.evidence.matched import AS_IT_IS, METRICS, NO_WIDTH, REFUSED
from fishnet_search.evidence.naming import metric_of, rows_of
from fishnet_search.evidence.paired import LEVEL, MOST_SEEDS
from fishnet_search.evidence.wording import change, listed, p_value, percent, points, seed_count, the_baseline
from fishnet_search.task.figures import MEANINGS

MOST_LISTED = 5
"""Variants within the noise that are named one by one; the table has them all."""

MOST_TOLD = 12
"""Differences larger than the noise that get a sentence of their own, the largest."""


def differences(baseline: str, effects: pd.DataFrame) -> list[str]:
    """Tell which differences are larger than the noise, and how large all of them are."""
    rows = {verdict: rows_of(group) for verdict, group in effects.groupby("verdict")}
    larger = sorted(rows.get(LARGER, []), key=lambda row: -abs(row.difference_metric))
    within, alone = rows.get(WITHIN, []), rows.get(ONE_SEED, [])
    if not (larger or within or alone or NOT_COMPARED in rows):
        return []  # all are the baseline under other names
    judged = [row for row in (*larger, *within) if pd.isna(row.same_as)]  # each counts once
    sentences = [_headline(_named(baseline, effects), sum(row.verdict == LARGER for row in judged), len(judged))]
    sentences += [_difference(row) for row in larger[:MOST_TOLD]]
    if len(larger) > MOST_TOLD:
        sentences.append(f"{len(larger) - MOST_TOLD} more, which the table has, differ by less: {LARGER} as well.")
    if len(within) > MOST_LISTED:
        means = [row.difference_metric for row in within]
        span = f"from {points(min(means))} to {points(max(means))} points"
        sentences.append(f"Within the noise: {len(within):,} variants, with differences {span}.")
    elif within:
        sizes = [points(row.difference_metric, row.difference_ci95) for row in within]
        named = [
            f"{row.variant} ({size} points, {seed_count(row.pairs)})" for row, size in zip(within, sizes, strict=True)
        ]
        lead = "It is that of" if len(judged) == len(within) == 1 else "Within the noise:"
        sentences.append(f"{lead} {', '.join(named)}.")
    sentences += [*_undone_by_correction(judged), *further_seeds(judged)]
    if alone:
        named = [f"{row.variant} ({points(row.difference_metric)} points)" for row in alone]
        sentences.append(f"One seed in common with the baseline, so no interval and no verdict: {listed(named)}.")
    return sentences


def matched_differences(analysis: Analysis) -> list[str]:
    """Tell what remains of each difference at the baseline's cost."""
    study, effects = analysis.study, analysis.effects
    metric = METRICS[str(study.match)]
    raw = {row.variant: row for row in rows_of(effects)}
    rows = rows_of(analysis.matched)
    told = [(raw[row.variant].verdict, row.matched_verdict, row) for row in rows]
    plain = Counter(verdict for verdict, _, _ in told)
    level = Counter(verdict for _, verdict, _ in told)
    as_they_are = f"{plain[LARGER] or 'none'} of {plain[LARGER] + plain[WITHIN]}"
    at_cost = _headline(_named(study.baseline, effects), level[LARGER], level[LARGER] + level[WITHIN])
    at_cost = at_cost[0].lower() + at_cost[1:]
    sentences = [f"At the baseline's {metric}, {at_cost} As they are, {as_they_are} {_is(plain[LARGER])} {LARGER}."]
    long = len(told) > 2 * MOST_LISTED
    quiet = {row.variant: row for one, other, row in told if long and {one, other} <= {WITHIN}}
    sentences += _matched_pairs([row for row in rows if row.variant not in quiet], raw, metric)
    if quiet:
        sentences.append(f"Within the noise as they are and at the baseline's {metric}: {listed([*quiet])}.")
    judged = rows_of(effects[effects["same_as"].isna()])
    return [*sentences, *_undone_by_correction(judged), *further_seeds(judged)]


def further_seeds(rows: Sequence[Any]) -> list[str]:
    """Say how many more seeds would settle the differences within the noise, of many the one that takes the fewest.

    Args:
        rows: Of comparisons that stand in one table, with `variant`, `verdict`, `difference_metric` and `more_seeds`.
    """
    within = [row for row in rows if row.verdict == WITHIN]
    near = sorted((row for row in within if math.isfinite(row.more_seeds)), key=lambda row: row.more_seeds)
    far = [row.variant for row in within if row.more_seeds == math.inf]
    sentences = []
    if near:
        first, *others = near if len(near) <= MOST_LISTED else near[:1]
        told = [f"{more_seeds(first)} would settle a difference of {_size(first)} points ({first.variant})"]
        told += [f"{_rough(row.more_seeds)} more one of {_size(row)} points ({row.variant})" for row in others]
        which = "" if len(near) <= MOST_LISTED else ", which takes the fewest"
        sentence = f"{', '.join(told)}{which}: in 80 of 100 studies, if in truth difference and spread are those seen."
        sentences.append(sentence[0].upper() + sentence[1:])
    if far:
        sentences.append(f"{MOST_SEEDS:,} seeds would not settle a difference as small as that of {listed(far)}.")
    return sentences


def more_seeds(row: Any) -> str:
    """Return how many more seeds would settle a difference: '1 more seed', '5 more seeds'."""
    return "1 more seed" if row.more_seeds == 1 else f"{_rough(row.more_seeds)} more seeds"


def _rough(seeds: float) -> str:
    """Return a number of seeds as exactly as it is known: by hundreds, where they are that many."""
    return f"{seeds:.0f}" if seeds <= 100 else f"over {seeds // 100 * 100:.0f}"


def not_compared(baseline: str, effects: pd.DataFrame) -> list[str]:
    """Say which variants are no comparison: equal networks, and those without a seed in common with the baseline."""
    sentences = []
    if equal := effects.loc[effects["verdict"] == SAME, "variant"].tolist():
        sentences.append(
            f"{listed(equal)} {_is(len(equal))} the same network as {the_baseline(baseline)}, trained by the same "
            "recipe: a difference of 0 is no finding."
        )
    twice = effects[effects["same_as"].notna() & (effects["verdict"] != SAME)]
    sentences += _equals({str(owner): own["variant"].tolist() for owner, own in twice.groupby("same_as", sort=False)})
    if apart := effects.loc[effects["verdict"] == NOT_COMPARED, "variant"].tolist():
        sentences.append(f"No complete seed in common with the baseline, so not compared: {listed(apart)}.")
    return sentences


def _equals(equals: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which variants are the same as another, of many such groups the first.

    Args:
        equals: Variant -> those that are the same.
    """
    sentences = [
        f"{listed(names)} {_is(len(names))} the same network and recipe as {owner}: they count as one."
        for owner, names in list(equals.items())[:MOST_TOLD]
    ]
    if more := sum(len(names) for names in list(equals.values())[MOST_TOLD:]):
        sentences.append(f"{more:,} more, which table.csv names, {_is(more)} the same as another.")
    return sentences


def _undone_by_correction(rows: Sequence[Any]) -> list[str]:
    """Say which differences would look larger than the noise if they stood alone."""
    compared = sum(not math.isnan(row.p) for row in rows)
    alone = [row for row in rows if row.verdict == WITHIN and row.p < LEVEL]
    named = [f"p of {row.variant} ({p_value(row.p)}, corrected {p_value(row.p_holm)})" for row in alone]
    if not named:
        return []
    return [f"Below {LEVEL} alone, but not after correction for {compared} comparisons: {listed(named)}."]


def _size(row: Any) -> str:
    return points(abs(row.difference_metric)).lstrip("+")


def _named(baseline: str, effects: pd.DataFrame) -> str:
    own, label = rows_of(effects[effects["verdict"] == BASELINE])[0], MEANINGS[metric_of(effects)].label
    return f"{the_baseline(baseline)} ({percent(own.test_metric_mean)} % test {label} over {seed_count(own.seeds)})"


def _headline(baseline: str, larger: int, judged: int) -> str:
    if not judged:
        return f"No difference to {baseline} can be judged against the noise: that takes two seeds or more in common."
    if judged == 1:
        return f"The one difference to {baseline} is {LARGER if larger else WITHIN}."
    return f"{larger or 'None'} of {judged} differences to {baseline} {_is(larger)} {LARGER}."


def _difference(row: Any) -> str:
    side = "above" if row.difference_metric > 0 else "below"
    size = points(abs(row.difference_metric), row.difference_ci95).lstrip("+")
    return f"{row.variant} is {size} points {side} the baseline over {seed_count(row.pairs)}: {LARGER}."


def _matched_pairs(rows: Sequence[Any], raw: Mapping[str, Any], metric: str) -> list[str]:
    """Tell of each variant as it is and at the baseline's cost, of many those with the largest differences."""
    told = sorted(rows, key=lambda row: -_largest(raw[row.variant], row))[:MOST_TOLD]
    sentences = [_matched_pair(raw[row.variant], row, metric) for row in rows if row in told]
    if len(rows) > len(told):
        sentences.append(f"{len(rows) - len(told):,} more, which the table has, differ by less.")
    return sentences


def _largest(raw: Any, row: Any) -> float:
    """Return the larger of the differences as it is and at the baseline's cost."""
    sizes = (abs(raw.difference_metric), abs(row.matched_difference_metric))
    return max((size for size in sizes if not math.isnan(size)), default=0.0)


def _matched_pair(raw: Any, row: Any, metric: str) -> str:
    if row.matched_by in (NO_WIDTH, REFUSED):
        why = f"no width reaches the baseline's {metric}" if row.matched_by == NO_WIDTH else "its twin was refused"
        as_it_is = f"{_placed(raw)}, as it is ({change(row.cost_change)} {metric})"
        return f"{raw.variant} is {as_it_is}; {why}: {row.matched_reason}."
    if row.matched_by == AS_IT_IS:
        cost = f"has the baseline's {metric} within the tolerance as it is ({change(row.cost_change)})"
        return f"{raw.variant} {cost} and is {_placed(raw)}."
    twin = {
        "difference_metric": row.matched_difference_metric,
        "difference_ci95": row.matched_difference_ci95,
        "verdict": row.matched_verdict,
    }
    return (
        f"{raw.variant} is {_placed(raw)}, as it is ({change(row.cost_change)} {metric}); at the baseline's {metric} "
        f"({change(row.matched_cost_change)}) it is {_placed(pd.Series(twin))}."
    )


def _placed(row: Any) -> str:
    """Say where a variant lies beside the baseline: '1.20 ± 0.40 points above the baseline, larger than the noise'."""
    if row.verdict == SAME:
        return "the baseline itself"
    if row.verdict == NOT_COMPARED:
        return "not compared yet"
    size = points(abs(row.difference_metric), row.difference_ci95).lstrip("+")
    side = "above" if row.difference_metric > 0 else "below" if row.difference_metric < 0 else "from"
    return f"{size} points {side} the baseline, {row.verdict}"


def _is(n: int) -> str:
    return "is" if n <= 1 else "are"
