"""A report's files: the one place that touches the disk."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from fishnet_search.drawing.formats import FORMATS
from fishnet_search.report.pictures import Shown
from fishnet_search.study.store import write_whole

CURVES = "curves.csv"
"""The one table that may have a million rows."""


def figure_files(shown: Sequence[Shown]) -> dict[str, bytes]:
    """Return the files of all figures, by name."""
    return {f"figures/{one.section.name}.{suffix}": data for one in shown for suffix, data in one.files.items()}


def write_files(folder: Path, files: Mapping[str, bytes], numbers: Mapping[str, pd.DataFrame]) -> None:
    """Write a report in place of the one that is there, each file whole or not at all.

    Args:
        folder: Where to write; made if it is not there.
        files: Name -> content; `report.md` is among them.
        numbers: Name -> frame that becomes a CSV file.
    """
    for name in _files_of_earlier(folder) - files.keys() - numbers.keys():
        (folder / name).unlink(missing_ok=True)
    for name, data in files.items():
        write_whole(folder / name, data)
    for name, frame in numbers.items():
        write_whole(folder / name, _long_csv(frame) if name == CURVES else _csv(frame))


def _files_of_earlier(folder: Path) -> set[str]:
    """Return the figures and tables of the report that is there already, as it names them, to be replaced."""
    page = folder / "report.md"
    text = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
    figures = re.findall(r"\]\(figures/([\w-]+)\.(?:png|svg)\)", text)
    tables = re.findall(r"^`([\w-]+\.csv)`:", text.partition("\n## Files\n")[2], re.MULTILINE)
    return {f"figures/{name}.{suffix}" for name in figures for suffix in FORMATS} | {*tables}


def _csv(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_csv(file, index=False, lineterminator="\n")
    return file.getvalue()


def _long_csv(frame: pd.DataFrame) -> bytes:
    """Return a frame of numbers and plain words as CSV, in a tenth of the time: there may be a million rows."""
    import pyarrow as pa
    from pyarrow import csv

    file = io.BytesIO()
    csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), file)
    return file.getvalue()
