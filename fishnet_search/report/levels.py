"""What each part of the network does: a part of a report."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.effects import LARGER, ONE_SEED, SAME, WITHIN
from fishnet_search.evidence.levels import LEVEL_COLUMNS, WHOLE
from fishnet_search.evidence.naming import column, explained, metric_of, rows_of
from fishnet_search.evidence.paired import LEVEL
from fishnet_search.evidence.wording import listed, p_value, points, seed_count
from fishnet_search.plots.figures import WIDTH
from fishnet_search.plots.levels import plot_levels
from fishnet_search.report.section import Section
from fishnet_search.task.figures import MEANINGS

ROW = 0.3
"""Inches that a row of the figure takes."""

MOST_LEVELS = 60
"""Levels that the figure has; the table has them all."""


def levels_section(analysis: Analysis) -> Section | None:
    """Return the main effects of levels in words, figure and table; None where the table of variants says all.

    Args:
        analysis: What the trials say.
    """
    levels = analysis.levels
    shown = levels[(levels["pairs"] > 0) & (levels["verdict"] != SAME)]
    if shown.empty:
        return None
    drawn = shown.loc[shown[column(shown, "difference_metric")].abs().nlargest(MOST_LEVELS).index.sort_values()]
    figure = Figure(figsize=(WIDTH, 1.2 + ROW * (len(drawn) + drawn["axis"].nunique())), layout="constrained")
    plot_levels(drawn, ax=figure.subplots())
    return Section(
        name="levels",
        title="Effects by part",
        text=level_sentences(levels),
        figure=figure,
        caption="Main effect of each level of each axis: within a seed the mean over the variants that differ in "
        f"nothing else, then the mean over {_over(drawn)}, with its 95 % interval, which is of this one comparison. "
        f"Filled and bold: larger than the noise after Holm's correction for all {_tests(levels)} levels tested here. "
        "Hollow: within the noise, or one seed only. Colours and markers are of parts."
        f"{_largest(drawn, shown)}",
        table=_table(levels),
        words=("axis", "part", "level", "against", "verdict"),
        numbers=levels,
        columns=explained(LEVEL_COLUMNS, levels),
        notes=_notes(analysis),
    )


def level_sentences(levels: pd.DataFrame) -> tuple[str, ...]:
    """Return which levels of which parts do more than the noise, and which part does most if that is borne out.

    Args:
        levels: As from `level_effects`.
    """
    judged = rows_of(levels[levels["verdict"].isin([LARGER, WITHIN])])
    if not judged:
        return ("No level can be judged against the noise: that takes two seeds or more.",)
    larger = sorted((row for row in judged if row.verdict == LARGER), key=lambda row: -abs(row.difference_metric))
    if not larger:
        return (f"None of {len(judged)} main effects is larger than the noise.",)
    count = f"{len(larger)} of {len(judged)} main effects {'is' if len(larger) == 1 else 'are'} larger than the noise: "
    told = [f"{_named(row)} {points(row.difference_metric, row.difference_ci95)} points" for row in larger]
    return (*_most(larger[0], judged, MEANINGS[metric_of(levels)].label), count + listed(told) + ".")


def _most(first: Any, judged: list[Any], label: str) -> list[str]:
    """Say which part matters most, if the interval of its largest effect lies beyond those of all other parts."""
    others = [row for row in judged if row.part != first.part]
    if not others:
        return []
    least = abs(first.difference_metric) - first.difference_ci95
    if least > max(abs(row.difference_metric) + row.difference_ci95 for row in others):
        subject = "Of the parts, the whole network" if first.part == WHOLE else f"Of the parts, {first.part}"
        return [
            f"{subject} matters most: {_named(first)} changes {label} by {_size(first)} points, no other part as much."
        ]
    return [
        "Which part matters most is not settled: the intervals of the largest effects of two parts or more overlap."
    ]


def _named(row: Any) -> str:
    return f"{row.axis} {row.level} against {row.baseline_level} ({row.part})"


def _size(row: Any) -> str:
    return points(row.difference_metric, row.difference_ci95)


def _largest(drawn: pd.DataFrame, shown: pd.DataFrame) -> str:
    return f" Of {len(shown):,} levels the {len(drawn)} of largest effect are drawn." if len(drawn) < len(shown) else ""


def _over(levels: pd.DataFrame) -> str:
    least, most = int(levels["pairs"].min()), int(levels["pairs"].max())
    return seed_count(most) if least == most else f"{least} to {seed_count(most)}"


def _tests(levels: pd.DataFrame) -> int:
    return int(levels["p"].notna().sum())


def _table(levels: pd.DataFrame) -> pd.DataFrame:
    rows = rows_of(levels)
    table: pd.DataFrame = pd.DataFrame(
        {
            "axis": levels["axis"],
            "part": levels["part"],
            "level": levels["level"],
            "against": levels["baseline_level"],
            "cells": [
                f"{row.cells_least} of {row.cells}" if row.cells_least < row.cells else f"{row.cells}" for row in rows
            ],
            "seeds": levels["pairs"].map(str),
            "difference (points)": [points(row.difference_metric, row.difference_ci95) for row in rows],
            "p corrected": [p_value(row.p_holm) for row in rows],
            "verdict": levels["verdict"],
        },
        dtype=str,
    )
    return table


def _notes(analysis: Analysis) -> tuple[str, ...]:
    levels = analysis.levels
    notes = [
        "A cell is a setting of all other axes that the study has with both levels; a level that it has in fewer "
        "settings is compared in these alone.",
        "Larger than the noise: p of the paired t test over seeds, corrected by Holm's method for this table, is "
        f"below {LEVEL}. The table of variants is corrected on its own.",
    ]
    lacking = [_named(row) for row in rows_of(levels) if row.cells_least < row.cells]
    if lacking:
        notes.append(f"Not every seed has all cells, so its mean is over fewer: {listed(lacking)}.")
    if (levels["verdict"] == ONE_SEED).any():
        notes.append("One seed has no interval and no verdict.")
    if analysis.study.match is not None:
        notes.append("Variants that are rescaled to the baseline's cost are left out.")
    return tuple(notes)
