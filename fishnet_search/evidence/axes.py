"""The axes of a study as columns: at which level each variant stands, and how far from each other levels lie."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from fishnet_search.space.axes import label_of
from fishnet_search.study.record import StudyRecord

Scale = Literal["words", "linear", "log"]
"""What the levels of an axis are: names without an order, numbers, or numbers whose ratios count."""

_RATIO = 8.0
"""Numbers from one to less than this many times as much are never taken for ratios."""


def axis_frame(study: StudyRecord) -> pd.DataFrame:
    """Return the levels that the variants stand at.

    Returns:
        The index is the variants' names, twins at the baseline's cost left out, in the order of the plan. There is a
        column for each axis that any variant has a level of, in the order of the study: numbers as floats if all its
        levels are numbers, else their labels as `label_of` writes them; NaN or None where an axis is not active.
    """
    own = [variant for variant in study.variants if variant.matches is None]
    names = dict.fromkeys([*study.axes, *(axis for variant in own for axis in variant.levels)])
    index = pd.Index([variant.name for variant in own], name="variant", dtype=object)
    columns = {name: _column([variant.levels.get(name) for variant in own]) for name in names}
    frame: pd.DataFrame = pd.DataFrame(columns, index=index, columns=list(names)).dropna(axis="columns", how="all")
    return frame


def varying(axes: pd.DataFrame) -> list[str]:
    """Return the axes at which candidates differ, be it only that some do not have them."""
    return [str(name) for name in axes if axes[name].nunique(dropna=False) > 1]


def scale_of(levels: pd.Series) -> Scale:
    """Tell what the levels of an axis are, as far as the levels themselves show it.

    Records do not say whether a range was logarithmic. Positive numbers over a wide span are taken for ratios if they
    spread more evenly as logarithms.

    Args:
        levels: A column of `axis_frame`.
    """
    if not pd.api.types.is_numeric_dtype(levels):
        return "words"
    numbers = np.unique(levels.dropna().to_numpy(dtype="float64"))
    if len(numbers) < 2 or numbers[0] <= 0 or numbers[-1] / numbers[0] < _RATIO:
        return "linear"
    off = [abs(np.median((way - way[0]) / np.ptp(way)) - 0.5) for way in (numbers, np.log(numbers))]
    return "log" if off[1] < off[0] else "linear"


def places(levels: pd.Series) -> pd.Series[float]:
    """Return where levels lie, from 0 for the lowest or first to 1 for the highest or last; NaN where there is none.

    Args:
        levels: A column of `axis_frame`; words are in alphabetical order, at equal distances.
    """
    scale = scale_of(levels)
    if scale == "words":
        codes = levels.astype("category").cat.codes
        way = codes.where(codes >= 0).astype("float64")
    else:
        way = np.log(levels) if scale == "log" else levels
    low, high = way.min(), way.max()
    found: pd.Series[float] = (way - low) / (high - low) if high > low else way - low + 0.5
    return found


def _column(levels: list[object]) -> list[float | None] | list[str | None]:
    known = [level for level in levels if level is not None]
    if known and all(isinstance(level, (int, float)) and not isinstance(level, bool) for level in known):
        return [float(level) if isinstance(level, (int, float)) else None for level in levels]
    return [None if level is None else label_of(level) for level in levels]
