"""Columns that are named after figures: `test_top1`, `validation_ap_last`.

Which figure a study is judged by is told by the columns of its frames: it comes before the others. What works on
frames of any figure calls that one `metric`: `row.test_metric`, `column(frame, "validation_metric")`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from fishnet_search.study.record import StudyRecord, TrialRecord
from fishnet_search.task.figures import FIGURES, MEANINGS, Figure, task_of

METRIC = "metric"

_WHAT = "train|validation|test|best|shortfall|difference|matched_difference"
_FIGURE = "|".join(FIGURES)
_NAMED = re.compile(rf"(?P<what>{_WHAT})_(?P<figure>{_FIGURE})(?P<rest>(?:_mean|_ci95|_last)?)")
_SIGN = re.compile(r"\{(metric|figures|label|floor|share)\}")

_OF_IMAGES = {
    "floor": ", which is at least that of rounding to whole test images",
    "share": ": a test figure is a share of so many",
}
"""What is said of figures that count whole images, as those of classification do."""


def measured(study: StudyRecord, trials: Sequence[TrialRecord]) -> tuple[Figure, ...]:
    """Return what the frames of a study tell: its metric, then the others of the task that occur.

    Args:
        study: What was planned.
        trials: What is recorded of it. Of classification all figures are told, whether there are records or not.
    """
    others = [figure for figure in study.task.figures if figure != study.metric]
    if study.task.kind != "classification":
        seen = {name for trial in trials for name in (trial.test or {})}
        others = [figure for figure in others if figure in seen]
    return (study.metric, *others)


def figures_in(frame: pd.DataFrame) -> tuple[Figure, ...]:
    """Return the figures that columns are named after, that which the study is judged by first."""
    found = (_NAMED.fullmatch(str(name)) for name in frame.columns)
    names = dict.fromkeys(match["figure"] for match in found if match is not None)
    return tuple(figure for name in names for figure in FIGURES if figure == name)


def metric_of(frame: pd.DataFrame) -> Figure:
    """Return the figure that the study of a frame is judged by."""
    return figures_in(frame)[0]


def column(frame: pd.DataFrame, role: str) -> str:
    """Return what a column is called in a frame: "validation_metric" is `validation_top1` where that is the metric."""
    return role.replace(METRIC, metric_of(frame))


def rows_of(frame: pd.DataFrame) -> list[Any]:
    """Return the rows as named tuples, in which the study's metric is called `metric`: `row.test_metric_mean`.

    Their fields have the types of the columns, which type checkers cannot know.
    """
    first = figures_in(frame)[:1]
    found = {name: _NAMED.fullmatch(str(name)) for name in frame.columns}
    roles = {
        name: f"{match['what']}_{METRIC}{match['rest']}"
        for name, match in found.items()
        if match is not None and match["figure"] in first
    }
    return list(frame.rename(columns=roles).itertuples(index=False))


def names_of(columns: Iterable[str], figures: Sequence[Figure]) -> list[str]:
    """Return the names of columns.

    Args:
        columns: Roles: `{metric}` in one stands for the figure that the study is judged by, `{other}` for each other.
        figures: As from `measured`.
    """
    metric, *others = figures
    return [
        role.replace("{metric}", metric).replace("{other}", other)
        for role in columns
        for other in (others if "{other}" in role else [metric])
    ]


def explained(columns: Mapping[str, str], frame: pd.DataFrame, figures: Sequence[Figure] = ()) -> dict[str, str]:
    """Return what the columns of a frame mean.

    Args:
        columns: Role -> meaning, in which `{label}` stands for what the study's metric is called in a sentence, and
            the words of `_OF_IMAGES` for what is said of classification alone.
        frame: Has the columns, or some of them.
        figures: As from `measured`; by default those that columns are named after.
    """
    figures = figures or figures_in(frame)
    told = {"metric": figures[0], "figures": ", ".join(figures), "label": MEANINGS[figures[0]].label}
    of_images = task_of(figures[0]) == "classification"
    told |= dict.fromkeys(_OF_IMAGES, "") | (_OF_IMAGES if of_images else {})
    meanings: dict[str, str] = {}
    for role, meaning in columns.items():
        meanings |= dict.fromkeys(names_of([role], figures), _SIGN.sub(lambda sign: told[sign[1]], meaning))
    return {name: meaning for name, meaning in meanings.items() if name in frame}
