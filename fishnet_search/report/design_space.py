"""What a space of candidates is like, axis by axis, as parts of a report."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.axes import axis_frame, varying
from fishnet_search.evidence.candidates import cost_metric
from fishnet_search.evidence.frames import evidence
from fishnet_search.evidence.importance import DECOYS, IMPORTANCE_COLUMNS, MOST, importance_frame
from fishnet_search.evidence.naming import explained, rows_of
from fishnet_search.evidence.plan import is_search
from fishnet_search.evidence.search import FEWEST, distinct, error_distribution, progress_frame, score_frame
from fishnet_search.evidence.wording import listed, percent
from fishnet_search.plots.coordinates import MOST_LINES, plot_parallel_coordinates
from fishnet_search.plots.figures import WIDTH
from fishnet_search.plots.search import plot_error_distribution, plot_importance
from fishnet_search.report.scored import cut, incomplete, is_space, of_seeds, tried
from fishnet_search.report.section import Section
from fishnet_search.study.record import StudyRecord
from fishnet_search.task.figures import MEANINGS, word_of

MOST_AXES = 10
"""Axes that are drawn beside each other."""

MOST_PANELS = 6
"""Axes by whose levels the distribution of the error is shown."""

LEVELS = (2, 4)
"""The fewest and the most levels of such an axis."""

OF_A_LEVEL = 5
"""Candidates that each of them has at least."""


def importance_section(analysis: Analysis) -> Section | None:
    """Show which axes the accuracy hangs on."""
    study = analysis.study
    if not is_space(study):
        return None
    scores = score_frame(study, analysis.trials)
    importance = importance_frame(axis_frame(study), scores)
    if importance.empty:
        return None
    figure = Figure(figsize=(WIDTH, 1.0 + 0.34 * len(importance)), layout="constrained")
    plot_importance(importance, study.metric, ax=figure.subplots())
    judged = set(importance["axis"])
    left_out = [name for name in varying(axis_frame(study)) if name not in judged]
    few = f" Too few candidates for a judgement: {listed(left_out)}." if left_out else ""
    most = int(importance["candidates"].max())
    sampled = (
        f" Of {(scores['state'] == 'complete').sum():,} candidates {MOST} are drawn at random." if most == MOST else ""
    )
    return Section(
        name="importance",
        title=f"What the {word_of(study.metric)} hangs on",
        text=tuple(_importance_in_words(importance, _label(study))),
        figure=figure,
        caption=f"Share of the variance of validation {_label(study)} that each axis explains by itself (fANOVA by "
        f"Optuna's random forest, complete candidates {of_seeds(study)}). The black mark is the most that any of "
        f"{DECOYS} or more decoys explains, which are the levels of the axis with the most, shuffled among the "
        "candidates: a bar that ends below it is hollow, and no finding; of 20 axes that change nothing, expect at "
        "most about one to end above it. An axis that not all candidates have is judged among those that have it. "
        "Accuracies that are far out below count as the lowest that is not."
        f"{sampled}{few}{incomplete(scores)}",
        table=_importance_table(importance),
        words=("axis",),
        numbers=importance,
        columns=explained(IMPORTANCE_COLUMNS, importance, (study.metric,)),
    )


def _importance_in_words(importance: pd.DataFrame, label: str) -> list[str]:
    beyond = [f"{row.axis} ({100 * row.share:.0f} %)" for row in rows_of(importance) if row.beyond_chance]
    everyone = importance[importance["candidates"] == importance["candidates"].max()]
    rest = f"{100 * max(1 - everyone['share'].sum(), 0):.0f} %"
    first = (
        f"Beyond chance, validation {label} hangs on {listed(beyond)}; in brackets the share of its variance."
        if beyond
        else f"No axis explains more of the variance of validation {label} than shuffled ones do: either none matters "
        "much, or the candidates are too few to tell."
    )
    return [
        first,
        f"What no axis explains by itself, {rest}, is what axes do together, and noise. Importance says how much an "
        "axis changes, over the levels that were tried, and not which level is best.",
    ]


def _label(study: StudyRecord) -> str:
    return MEANINGS[study.metric].label


def _importance_table(importance: pd.DataFrame) -> pd.DataFrame:
    table: pd.DataFrame = pd.DataFrame(
        {
            "axis": importance["axis"],
            "explains (%)": [f"{100 * share:.1f}" for share in importance["share"]],
            "by chance (%)": [f"{100 * share:.1f}" for share in importance["share_by_chance"]],
            "levels": importance["levels"].map(str),
            "candidates": importance["candidates"].map(str),
        },
        dtype=str,
    )
    return table


def errors_section(analysis: Analysis) -> Section | None:
    """Show the empirical distribution of the error, over all candidates and by the levels of small axes."""
    study = analysis.study
    scores = distinct(score_frame(study, analysis.trials))
    if not is_space(study) or len(evidence(scores)) < FEWEST:
        return None
    groups = _halves(analysis, scores) if is_search(study) else _by_levels(axis_frame(study), scores)
    everyone = error_distribution(scores)
    panels = groups or {"": {}}
    columns = min(len(panels), 3)
    rows = ceil(len(panels) / columns)
    figure = Figure(figsize=(WIDTH, 0.5 + (3.3 if columns == 1 else 2.6) * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for ax, (title, own) in zip(grid.flat, panels.items(), strict=False):
        plot_error_distribution({f"all {tried(scores)}": everyone} | dict(own), ax=ax)
        ax.set_title(title)
        ax.legend(loc="lower right", frameon=False, fontsize=7.5)
    for ax in grid.flat[len(panels) :]:
        ax.set_visible(False)
    for ax in grid.flat:
        ax.label_outer()
    return Section(
        name="errors",
        title="How errors are distributed",
        text=tuple(_errors_in_words(everyone, scores, study)),
        figure=figure,
        caption=f"Share of the candidates whose error, 100 % − validation {_label(study)} {of_seeds(study)}, is at "
        f"most so much. Each experiment counts once.{_panels_in_words(study, groups)}"
        + cut(evidence(scores))
        + (" Those stopped early count as never having come so low." if (scores["state"] == "pruned").any() else ""),
    )


def _halves(analysis: Analysis, scores: pd.DataFrame) -> Mapping[str, Mapping[str, pd.DataFrame]]:
    """Return the distributions of the first and second half of a search in time."""
    order = progress_frame(analysis.study, analysis.trials)["variant"]
    scored = scores.set_index("variant")
    own = scored.loc[order[order.isin(scored.index)]]
    half = len(own) // 2
    parts = {"first half of the trials": own.iloc[:half], "second half": own.iloc[half:]}
    if any(len(evidence(part)) < OF_A_LEVEL for part in parts.values()):
        return {}
    return {"": {f"{name} ({tried(part)})": error_distribution(part) for name, part in parts.items()}}


def _by_levels(axes: pd.DataFrame, scores: pd.DataFrame) -> Mapping[str, Mapping[str, pd.DataFrame]]:
    """Return for each axis of few levels the distributions of those of its levels that have enough candidates."""
    known = scores.set_index("variant")
    panels = {}
    for name in varying(axes):
        levels = axes[name].dropna()
        if not LEVELS[0] <= levels.nunique() <= LEVELS[1]:
            continue
        parts = {level: known.loc[known.index.intersection(own.index)] for level, own in levels.groupby(levels)}
        if all(len(evidence(part)) >= OF_A_LEVEL for part in parts.values()):
            panels[name] = {
                f"{level if isinstance(level, str) else format(level, 'g')} ({tried(part)})": error_distribution(part)
                for level, part in parts.items()
            }
    return dict(list(panels.items())[:MOST_PANELS])


def _errors_in_words(distribution: pd.DataFrame, scores: pd.DataFrame, study: StudyRecord) -> list[str]:
    reached = {share: distribution.loc[distribution["share"] >= share, "error"].min() for share in (0.1, 0.5)}
    tenth, half = percent(reached[0.1]), percent(reached[0.5])
    middle = f"half at most {half} %" if not np.isnan(reached[0.5]) else "more than half were stopped early"
    sentences = [
        f"The lowest error of {tried(scores)} candidates is {percent(distribution['error'].iloc[0])} %; one in ten "
        f"has at most {tenth} %, {middle}."
    ]
    if is_search(study):
        sentences.append(
            f"The {study.design} search chose where to look, so that this is not the distribution of its space. If the "
            "second half lies left of the first, it has learned where good candidates are."
        )
    return sentences


def _panels_in_words(study: StudyRecord, groups: Mapping[str, object]) -> str:
    if is_search(study) or not groups:
        return ""
    return (
        f" By the levels of axes that have {LEVELS[0]} to {LEVELS[1]} with {OF_A_LEVEL} candidates or more each; "
        "the other axes vary within each line."
    )


def coordinates_section(analysis: Analysis) -> Section | None:
    """Show every candidate as a line across the axes, its cost and its accuracy."""
    study = analysis.study
    scores = score_frame(study, analysis.trials)
    axes = axis_frame(study)
    complete = evidence(scores)
    names = varying(axes.loc[axes.index.intersection(complete["variant"])])
    if not is_space(study) or len(complete) < FEWEST or not names:
        return None
    chosen = names
    if len(names) > MOST_AXES:
        important = importance_frame(axes, scores)["axis"].tolist()
        first = list(dict.fromkeys([*important, *names]))[:MOST_AXES]
        chosen = [name for name in names if name in first]
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    plot_parallel_coordinates(axes[chosen], scores, cost_metric(study), ax=figure.subplots())
    some = f" Of {len(names)} axes the {MOST_AXES} that explain most are drawn." if len(chosen) < len(names) else ""
    many = (
        f" Of {len(complete):,} candidates {MOST_LINES} are drawn: the best {MOST_LINES // 3} and others at random."
        if len(complete) > MOST_LINES
        else ""
    )
    return Section(
        name="coordinates",
        title="All candidates, axis by axis",
        figure=figure,
        caption="Each line is a complete candidate; the darker, the higher its validation "
        f"{_label(study)} {of_seeds(study)}, which is the last axis. Lines of one level lie side by side, "
        "the more accurate higher. A line runs below an "
        f"axis that its candidate does not have.{some}{many}{incomplete(scores)}",
    )
