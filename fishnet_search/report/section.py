"""A part of a report, as a value that every kind of page can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    numbers: pd.DataFrame | None = None  # what the table is made of, unrounded, which becomes a CSV file
    columns: Mapping[str, str] = field(default_factory=dict)  # of the numbers -> what they mean
    notes: tuple[str, ...] = ()  # below the table
