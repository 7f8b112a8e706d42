"""A part of a report, as a value that every kind of page can show."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Section:
    """What a report shows below its results: in words, in a figure, in a table, or in some of these."""

    name: str  # of its figure's files, such as "importance"
    title: str
    text: tuple[str, ...] = ()  # sentences above the figure
    figure: Figure | None = None
    caption: str = ""  # of the figure
    table: pd.DataFrame | None = None  # of strings
    words: tuple[str, ...] = ()  # columns of the table that are words and not numbers
    notes: tuple[str, ...] = ()  # below the table
