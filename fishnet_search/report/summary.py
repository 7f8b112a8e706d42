"""The result in words, made from the numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fishnet_search.report.effects import BASELINE, LARGER, NOT_COMPARED, ONE_SEED, WITHIN
from fishnet_search.report.frames import rows_of
from fishnet_search.report.table import percent, points, seed_count
from fishnet_search.study.record import DataRecord

MOST_LISTED = 5
"""Variants within the noise that are named one by one; the table has them all."""


def summarise(baseline: str, trials: pd.DataFrame, effects: pd.DataFrame) -> tuple[str, ...]:
    """Return what a reader should know first, a sentence an item: the differences, then what they lack.

    Args:
        baseline: Name of the variant that the others are compared with.
        trials: As from `trial_frame`.
        effects: As from `variant_effects`.
    """
    return (*_differences(baseline, effects), *_seed_counts(effects), *_completeness(trials))


def incomplete_trials(trials: pd.DataFrame) -> tuple[str, ...]:
    """Return a sentence for each state but `complete` and for trials outside the plan, naming all of them."""
    groups = {
        state.capitalize(): trials[trials["state"] == state] for state in ("failed", "interrupted", "missing")
    } | {"Outside the study's present plan": trials[~trials["planned"]]}
    return tuple(
        f"{title}: " + ", ".join(f"{row.variant} seed {row.seed}" for row in rows_of(group)) + "."
        for title, group in groups.items()
        if len(group)
    )


def method_notes(data: DataRecord, effects: pd.DataFrame, *, environments: int) -> tuple[str, ...]:
    """Return how the numbers were made and what their intervals do not cover.

    Args:
        data: The images of the study.
        effects: As from `variant_effects`.
        environments: In how many different ones the trials ran.
    """
    notes = [
        "MACs are multiply-accumulates of one image.",
        "The epoch is chosen on validation top-1; test figures are of that epoch's weights, of complete trials only.",
        "± is half the width of the 95 % Student-t interval over seeds; differences are paired by seed.",
        "A difference is larger than the noise if its interval excludes 0. Each interval is for one comparison and not "
        "corrected for the number of variants: of 20 that truly equal the baseline, expect one to look different.",
        "Intervals cover what changes from seed to seed, not the choice of images: one of the "
        f"{data.test_images:,} test images is {100 / data.test_images:.2g} points.",
    ]
    if any((effects[f"test_{top}_mean"] + effects[f"test_{top}_ci95"] > 1).any() for top in ("top1", "top5")):
        notes.append("Student's t knows no bounds, so an interval near 100 % may reach beyond it.")
    if data.classes <= 5:
        notes.append(f"With {data.classes} classes, top-5 counts all guesses and is always 100 %.")
    if environments > 1:
        notes.append(f"The trials ran in {environments} different environments, which may add to the differences.")
    return tuple(notes)


def _differences(baseline: str, effects: pd.DataFrame) -> list[str]:
    rows = {verdict: rows_of(group) for verdict, group in effects.groupby("verdict")}
    own = rows.get(BASELINE, [])
    if not own or not own[0].seeds:
        return [f"The baseline {baseline} has no complete trial, so there is no difference to it."]
    if len(effects) == 1:
        return [f"{baseline}, the baseline, is the only variant: there is nothing to compare it with."]
    mean = f"{percent(own[0].test_top1_mean)} % test top-1 over {seed_count(own[0].seeds)}"
    larger = sorted(rows.get(LARGER, []), key=lambda row: -abs(row.difference_top1))
    within, alone = rows.get(WITHIN, []), rows.get(ONE_SEED, [])
    sentences = [_headline(f"the baseline {baseline} ({mean})", len(larger), len(larger) + len(within))]
    sentences += [_difference(row, baseline) for row in larger]
    if len(within) > MOST_LISTED:
        sizes = [row.difference_top1 for row in within]
        span = f"from {points(min(sizes))} to {points(max(sizes))} points"
        sentences.append(f"Within the noise: {len(within)} variants, with differences {span}.")
    elif within:
        listed = ", ".join(
            f"{row.variant} ({points(row.difference_top1, row.difference_ci95)} points, {seed_count(row.pairs)})"
            for row in within
        )
        sentences.append(f"Within the noise: {listed}.")
    if alone:
        listed = ", ".join(f"{row.variant} ({points(row.difference_top1)} points)" for row in alone)
        sentences.append(f"One seed in common with the baseline, so no interval and no verdict: {listed}.")
    apart = [row.variant for row in rows.get(NOT_COMPARED, [])]
    if apart:
        sentences.append(f"No complete seed in common with the baseline, so not compared: {', '.join(apart)}.")
    return sentences


def _headline(baseline: str, larger: int, judged: int) -> str:
    if not judged:
        return f"No difference to {baseline} can be judged against the noise: that takes two seeds or more."
    if judged == 1:
        return f"The one difference to {baseline} is {LARGER if larger else WITHIN}."
    return f"{larger or 'None'} of {judged} differences to {baseline} {'is' if larger <= 1 else 'are'} {LARGER}."


def _difference(row: Any, baseline: str) -> str:
    side = "above" if row.difference_top1 > 0 else "below"
    size = points(abs(row.difference_top1), row.difference_ci95).lstrip("+")
    sentence = f"{row.variant} is {size} points {side} the baseline {baseline} over {seed_count(row.pairs)}: {LARGER}."
    if row.difference_ci95 < 1e-9:
        sentence += " The difference is the same with every seed; with few test images that can be chance: add seeds."
    return sentence


def _seed_counts(effects: pd.DataFrame) -> list[str]:
    """Say whose mean is over fewer seeds than the most that any variant has or should have."""
    most = int(effects[["seeds", "seeds_planned"]].to_numpy().max())
    fewer = effects[effects["seeds"] < most]
    if fewer.empty:
        return []
    return [
        f"Fewer than {seed_count(most)}: " + ", ".join(f"{row.variant} has {row.seeds}" for row in rows_of(fewer)) + "."
    ]


def _completeness(trials: pd.DataFrame) -> list[str]:
    planned = trials[trials["planned"]]
    states = planned["state"].value_counts()
    outside = trials[~trials["planned"] & (trials["state"] == "complete")]
    also = [f"{len(outside)} complete trials are outside the present plan and count too."] if len(outside) else []
    lacking = [f"{states[state]} {state}" for state in ("failed", "interrupted", "missing") if state in states]
    if not lacking:
        return also
    return [*also, f"{states.get('complete', 0)} of {len(planned)} planned trials are complete: {', '.join(lacking)}."]
