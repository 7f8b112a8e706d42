"""Parts of a report, as both pages show them."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from matplotlib.figure import Figure

from fishnet_search.evidence.analysis import analyse
from fishnet_search.report import write
from fishnet_search.report.pictures import show
from fishnet_search.report.results import drawn, look_of
from fishnet_search.report.section import Section
from fishnet_search.report.write import write_report
from tests.records import complete, study_of, trials_of

TRIALS = trials_of({"base": [0.90, 0.91], "other": [0.92, 0.94]})
STUDY = study_of(["base", "other"], [1, 2])


def importance(analysis):
    figure = Figure(figsize=(4, 2))
    figure.subplots().plot([1, 2], [3, 4])
    return Section(
        "importance",
        "What matters <most>",
        text=("Depth matters <most>.",),
        figure=figure,
        caption="Of 10 candidates.",
        table=pd.DataFrame({"axis": ["depth", "a|b"], "share": ["80 %", "20 %"]}),
        words=("axis",),
        notes=("Of one seed & no more.",),
    )


def nothing(analysis):
    return None


def crowd(analysis):
    figure = Figure()
    figure.subplots().scatter(range(10_000), range(10_000))
    return Section("crowd", "Many", figure=figure)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "SECTIONS", (nothing, importance))
        return write_report(STUDY, TRIALS, tmp_path_factory.mktemp("report"), command="report")


def test_both_pages_show_all_of_a_section_and_nothing_of_one_without_data(report):
    html, markdown = report.html.read_text(), report.markdown.read_text()
    part = re.split("<h2", html.split("<h2>What matters &lt;most&gt;</h2>")[1])[0]
    for shown in (
        "Depth matters &lt;most&gt;.",
        '<figure id="importance">',
        "Of 10 candidates.",
        "Of one seed &amp; no",
    ):
        assert shown in part
    assert re.findall(r"<td[^>]*>([^<]*)</td>", part) == ["depth", "80 %", "a|b", "20 %"]
    part = markdown.split("## What matters \\<most\\>")[1].split("\n## ")[0]
    for shown in (
        "Depth matters \\<most\\>.",
        "![What matters \\<most\\>](figures/importance.png)",
        "Of 10 candidates.",
        "| depth | 80 % |",
        "| a\\|b | 20 % |",
        "- Of one seed & no more.",
    ):
        assert shown in part
    assert "## Test accuracy against MACs" not in markdown


def test_the_figure_of_a_section_is_kept_in_three_formats(report):
    assert {path.name for path in (report.folder / "figures").glob("importance.*")} == {
        "importance.png",
        "importance.svg",
        "importance.pdf",
    }


def test_thousands_of_points_become_one_picture_so_that_the_page_stays_small():
    (shown,) = show(analyse(STUDY, TRIALS), [crowd])
    assert "data:image/png;base64," in shown.svg
    assert len(shown.svg) < 200_000


def test_of_many_variants_the_baseline_and_the_best_by_validation_are_drawn():
    names = [f"v{i}" for i in range(60)]
    top1 = {name: [0.5 + i / 1000] for i, name in enumerate(names)}
    analysis = analyse(study_of(names, [1]), trials_of(top1))
    shown = drawn(analysis)["variant"].tolist()
    assert shown == ["v0", *names[-24:]]
    assert set(look_of(analysis)) == set(shown)


def test_few_variants_are_all_drawn():
    analysis = analyse(study_of(["base", "other"], [1]), [complete("base", 1, 0.5), complete("other", 1, 0.6)])
    assert len(drawn(analysis)) == 2


def test_a_long_table_is_named_by_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr("fishnet_search.report.pages.MOST_ROWS", 1)
    monkeypatch.setattr("fishnet_search.report.pages.MOST_ROWS_FOLDED", 1)
    monkeypatch.setattr(write, "SECTIONS", (importance,))
    report = write_report(STUDY, TRIALS, tmp_path, command="report")
    assert "The first 1 of 2 rows; importance.csv has all." in report.html.read_text()
    assert "2 rows, which are in `importance.csv`." in report.markdown.read_text()
    assert (tmp_path / "importance.csv").read_text() == "axis,share\ndepth,80 %\na|b,20 %\n"
