"""Parts of a report, as both pages show them."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from matplotlib.figure import Figure

from fishnet_search.evidence.analysis import analyse
from fishnet_search.report import write
from fishnet_search.report.pictures import show
from fishnet_search.report.results import drawn, learning_curves_section, look_of
from fishnet_search.report.section import Section
from fishnet_search.report.write import write_report
from tests.records import complete, study_of, trials_of
from tests.searches import space, trial

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
        numbers=pd.DataFrame({"axis": ["depth", "a|b"], "share": [0.8, 0.2]}),
        columns={"axis": "its name", "share": "of the variance"},
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
    part = re.split("<h2", html.split(">What matters &lt;most&gt;</h2>")[1])[0]
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


def test_the_numbers_of_a_section_are_a_file_that_is_explained_once(report):
    assert (report.folder / "importance.csv").read_text() == "axis,share\ndepth,0.8\na|b,0.2\n"
    files = report.markdown.read_text().split("\n## Files\n")[1]
    assert files.count("importance.csv") == 1
    assert "`importance.csv`:\n\n- axis: its name\n- share: of the variance\n" in files


@pytest.mark.usefixtures("plain_figures")
def test_a_section_without_numbers_has_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "SECTIONS", (crowd,))
    report = write_report(STUDY, TRIALS, tmp_path, command="report")
    assert not (tmp_path / "crowd.csv").exists()
    assert "crowd.csv" not in report.markdown.read_text()


LEAVES_OUT = "The accuracy axis leaves out what only the first quarter of the epochs reaches."


def of_curves(*curves, variants=1):
    """A study whose first variants have seeds with these curves of validation top-1."""
    planned = space(variants, design="grid", seeds=range(1, len(curves) + 1))
    trials = [trial(one, seed, curve) for one in planned.variants for seed, curve in enumerate(curves, 1)]
    return learning_curves_section(analyse(planned, trials))


def test_a_steep_start_is_left_out_of_the_learning_curves_and_that_is_said():
    section = of_curves([0.1, 0.80, 0.85, 0.9])
    assert LEAVES_OUT in section.caption
    assert section.figure.axes[0].get_ylim() == pytest.approx((79.5, 90.5))


@pytest.mark.parametrize(
    "curve",
    [[0.799, 0.80, 0.85, 0.9], [0.85, 0.80, 0.85, 0.9], [0.1, 0.9], [0.9]],
    ids=["within-the-margin", "within-the-range", "no-quarter-is-a-whole-epoch", "one-epoch"],
)
def test_where_no_start_is_left_out_none_is_said_to_be(curve):
    section = of_curves(curve)
    assert LEAVES_OUT not in section.caption
    low, high = section.figure.axes[0].get_ylim()
    assert all(low < 100 * top1 < high for top1 in curve)


def test_of_a_band_every_seed_counts_and_of_lines_alone_their_means():
    seeds = [0.79, 0.80, 0.85, 0.9], [0.81, 0.80, 0.85, 0.9]
    assert LEAVES_OUT in of_curves(*seeds).caption
    assert LEAVES_OUT not in of_curves(*seeds, variants=9).caption


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


@pytest.mark.usefixtures("plain_figures")
def test_a_long_table_is_named_by_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr("fishnet_search.report.pages.MOST_ROWS", 1)
    monkeypatch.setattr("fishnet_search.report.pages.MOST_ROWS_FOLDED", 1)
    monkeypatch.setattr(write, "SECTIONS", (importance,))
    report = write_report(STUDY, TRIALS, tmp_path, command="report")
    assert "The first 1 of 2 rows; importance.csv has all." in report.html.read_text()
    assert "2 rows, which are in `importance.csv`." in report.markdown.read_text()
    assert (tmp_path / "importance.csv").read_text() == "axis,share\ndepth,0.8\na|b,0.2\n"
