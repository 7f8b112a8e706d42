"""The report's table in a terminal."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from fishnet_search.evidence.analysis import analyse
from fishnet_search.report.table import effect_table
from fishnet_search.terminal import results
from tests.records import study_of, trials_of


def shown(top1):
    """What is printed of a study, line by line."""
    table = effect_table(analyse(study_of(list(top1)), trials_of(top1)).effects)
    console = Console(width=200, file=io.StringIO())
    for part in results(table, Path("reports/pooling/table.csv")):
        console.print(part)
    return console.file.getvalue().splitlines()


def test_a_table_has_a_line_a_variant():
    lines = shown({"base": [0.90, 0.91], "other": [0.92, 0.94]})
    assert [line.split()[0] for line in lines[-2:]] == ["base", "other"]
    assert "pairs" not in " ".join(lines)


def test_pairs_are_shown_where_they_are_fewer_than_the_seeds():
    lines = shown({"base": [0.90, 0.91], "other": [0.92, 0.94, 0.93]})
    assert "pairs" in " ".join(lines)


def test_of_a_long_table_the_first_rows_are_shown_and_the_file_that_has_all():
    lines = shown({f"v{i}": [0.9] for i in range(70)})
    assert sum(line.startswith("v") for line in lines) == 61  # and the line of titles
    assert lines[-1] == "the first 60 of 70 variants; reports/pooling/table.csv has all"
