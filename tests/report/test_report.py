"""The folder that `write_report` leaves behind."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest

from fishnet_search.errors import StudyError
from fishnet_search.evidence.analysis import analyse
from fishnet_search.report.pages import escape_markdown
from fishnet_search.report.pictures import show
from fishnet_search.report.provenance import environments
from fishnet_search.report.sections import SECTIONS
from fishnet_search.report.write import write_report
from fishnet_search.study.record import PublishedRecord
from tests.figures import plain_figures
from tests.records import DATA, ENVIRONMENT, complete, failed, study_of, trials_of
from tests.searches import space, whole

COMMAND = "fishnet-search report studies/pooling"
TOP1 = {"max-2x2": [0.970, 0.975, 0.972], "avg-2x2": [0.971, 0.973, 0.974], "conv-3x3": [0.951, 0.955, 0.953]}
ATTACK = "<script>alert(1)</script> | and_more"


STUDY = study_of(list(TOP1), [1, 2, 3, 4], name="pooling | <b>", description=ATTACK)
TRIALS = [*trials_of(TOP1), complete("max-2x2", 4, 0.971), failed("avg-2x2", 4, ATTACK)]
"""One variant lacks a seed, and one trial failed with a hostile message."""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(STUDY, TRIALS, tmp_path_factory.mktemp("report") / "new" / "folder", command=COMMAND)


@pytest.fixture(scope="module")
def html(report):
    return report.html.read_text()


@pytest.fixture(scope="module")
def markdown(report):
    return report.markdown.read_text()


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_has_pages_numbers_and_figures_and_nothing_else(report):
    assert sorted(contents(report.folder)) == [
        "curves.csv",
        *(
            f"figures/{name}.{suffix}"
            for name in ("accuracy-against-macs", "effects", "learning-curves", "network-baseline")
            for suffix in ("pdf", "png", "svg")
        ),
        "report.html",
        "report.md",
        "table.csv",
        "table.tex",
        "trials.csv",
    ]


def test_the_table_has_a_row_a_variant(report):
    assert report.table["variant"].tolist() == ["max-2x2", "avg-2x2", "conv-3x3"]
    assert report.table["verdict"].tolist() == ["baseline", "within the noise", "larger than the noise"]


def test_the_pages_show_every_cell_and_sentence(report, html, markdown):
    for text in (*report.table.to_numpy().ravel(), *report.summary):
        assert text in html
        assert text in markdown


def test_figures_are_of_their_formats_and_say_neither_when_nor_by_what_they_were_made(report):
    signs = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    for path in (report.folder / "figures").glob("[ael]*"):
        content = path.read_bytes()
        assert content.startswith(signs[path.suffix])
        assert not re.search(rb"CreationDate|dc:date|Matplotlib v|matplotlib.org", content)


def test_html_from_records_is_shown_and_not_run(html):
    assert html.count("<script") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | and_more" in html
    assert "<title>pooling | &lt;b&gt;</title>" in html


def test_markdown_from_records_is_shown_and_not_read(markdown):
    assert r"TrainingError: \<script\>alert(1)\</script\> \| and\_more" in markdown
    assert markdown.startswith("# pooling \\| \\<b\\>\n")


def test_rows_of_markdown_tables_have_one_cell_a_column(report, markdown):
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows} == {len(report.table.columns) + 2, 8}


def test_the_html_page_needs_nothing_from_outside(html):
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?!#)[^"']*|url\((?!["']?#)[^)]*|@import|<link|<img""", html) == []
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_ids_of_the_html_page_are_unique_and_all_that_are_pointed_at_exist(html):
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html) + re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)


def test_every_tag_of_the_html_page_is_closed(html):
    class Tags(HTMLParser):
        void = ("meta", "br", "wbr")  # an SVG's are closed by />

        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in self.void:
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

        def handle_startendtag(self, tag, attrs):
            pass

    tags = Tags()
    tags.feed(html)
    assert tags.open == []


def test_text_in_figures_stays_text(html):
    figures = re.findall(r'<div class="wide" role="img".*?<svg ', html)
    assert len(figures) == 3
    assert "<?xml" not in html
    assert re.search(r"<text [^>]*>conv-3x3</text>", html)


def test_a_result_carries_its_commands_commit_and_hardware(html, markdown):
    for page in (html, markdown):
        for fact in (
            COMMAND,
            "fishnet-search run spaces/pooling.yaml",
            "0123456789abcdef0123456789abcdef01234567 with uncommitted changes",
            "Example CPU",
            "torch 2.14.1",
            DATA.fingerprint,
            "1,200 training, 300 validation, 297 test",
        ):
            assert fact in page


def test_trials_of_different_environments_are_told_apart():
    elsewhere = ENVIRONMENT.model_copy(update={"device": "Example GPU", "git_commit": None, "git_dirty": None})
    trials = [complete("base", 1, 0.9), complete("base", 2, 0.9, environment=elsewhere)]
    (here, _), (there, facts) = environments(trials)
    assert (here, there) == ("base seed 1", "base seed 2")
    assert dict(facts)["device"] == "Example GPU"
    assert dict(facts)["git commit of the working directory"] == "not in a repository"


def test_the_csv_files_hold_the_numbers_unrounded(report):
    table = pd.read_csv(report.csv).set_index("variant")
    assert table.loc["avg-2x2", "test_top1_mean"] == pytest.approx((0.971 + 0.973 + 0.974) / 3, rel=1e-12)
    assert table.loc["conv-3x3", "pairs"] == 3
    assert table.loc["max-2x2", "macs"] == 12_345_678
    trials = pd.read_csv(report.folder / "trials.csv")
    assert trials["state"].value_counts().to_dict() == {"complete": 10, "failed": 1, "missing": 1}
    assert trials["reason"].dropna().tolist() == [f"TrainingError: {ATTACK}"]
    curves = pd.read_csv(report.folder / "curves.csv")
    assert len(curves) == 10 * 2


def test_every_csv_column_is_explained(report, markdown):
    for name in ("table.csv", "trials.csv", "curves.csv"):
        section = markdown.split(f"`{name}`:")[1]
        for column in pd.read_csv(report.folder / name).columns:
            assert f"- {column}: ".replace("_", r"\_") in section


def test_the_same_records_give_the_same_bytes_in_any_order(report, tmp_path):
    again = write_report(STUDY, TRIALS[::-1], tmp_path, command=COMMAND)
    assert contents(again.folder) == contents(report.folder)


@pytest.mark.usefixtures("plain_figures")
def test_one_variant_one_seed_has_no_figure_of_effects_and_removes_an_older_one(report, tmp_path):
    shutil.copytree(report.folder, tmp_path, dirs_exist_ok=True)
    mine = tmp_path / "figures" / "mine.png"
    mine.touch()
    assert (tmp_path / "figures" / "effects.pdf").exists()
    alone = write_report(study_of(["base"], [1]), trials_of({"base": [0.9]}), tmp_path, command=COMMAND)
    assert not list((tmp_path / "figures").glob("effects.*"))
    assert mine.exists()
    assert "effects.png" not in alone.markdown.read_text()
    assert alone.summary[0] == "base has 90.00 % test top-1 and 99.90 % top-5 with seed 1."


@pytest.mark.usefixtures("plain_figures")
def test_names_are_never_read_as_mathematics(tmp_path):
    study, trials = study_of(["$x^2$ & y"], [1]), trials_of({"$x^2$ & y": [0.9]})
    html = write_report(study, trials, tmp_path, command=COMMAND).html.read_text()
    assert re.search(r"<text [^>]*>\$x\^2\$ &amp; y</text>", html)


@pytest.mark.usefixtures("plain_figures")
def test_trials_outside_the_plan_are_reported_too(tmp_path):
    trials = trials_of({"base": [0.9, 0.91], "former": [0.8, 0.82]})
    report = write_report(study_of(["base"], [1, 2]), trials, tmp_path, command=COMMAND)
    assert report.table["variant"].tolist() == ["base", "former"]
    assert "Outside the study's present plan: former seed 1, former seed 2." in report.markdown.read_text()


@pytest.mark.parametrize("trials", [[], [failed("base", 1)]], ids=["none", "failed"])
def test_a_study_without_a_complete_trial_is_refused(tmp_path, trials):
    with pytest.raises(StudyError, match=r"study 'pooling': none of its 3 trials is complete yet"):
        write_report(study_of(["base"]), trials, tmp_path / "report", command=COMMAND)
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"recipe": {"epochs": 99}}, "has the recipe of its variant"),
        ({"data": {"fingerprint": "other"}}, "has the images of its study"),
        ({"spec": {"image_size": 64}}, "has the architecture of its variant"),
    ],
)
def test_trials_that_cannot_be_compared_are_refused(tmp_path, fields, rule):
    first, second = trials_of({"base": [0.9, 0.91]})
    ((name, change),) = fields.items()
    odd = second.model_copy(update={name: getattr(second, name).model_copy(update=change)})
    with pytest.raises(StudyError, match=f"a complete trial {rule}, but 'base-seed2' does not"):
        write_report(study_of(["base"]), [first, odd], tmp_path, command=COMMAND)


def test_a_trial_is_never_counted_twice(tmp_path):
    with pytest.raises(StudyError, match="'base' has more with seed 1"):
        write_report(study_of(["base"]), [complete("base", 1, 0.9)] * 2, tmp_path, command=COMMAND)


def test_the_page_forbids_the_browser_whatever_is_not_its_own(html):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)[1]
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert policy.endswith(f"script-src 'sha256-{digest}'")


def test_every_trial_that_has_a_record_has_its_network_on_the_page(html):
    parts = re.findall(r'<details id="trial-\d+">(.*?)</details>', html, re.DOTALL)
    assert len(parts) == len(TRIALS)
    assert all("family: fish" in part for part in parts)
    assert sum("<polyline" in part for part in parts) == 10  # the one that failed has made no epoch


@pytest.mark.usefixtures("plain_figures")
@pytest.mark.parametrize(
    ("variants", "seeds", "limits"),
    [
        (30, 1, {"rows": 10, "folded": 20, "trials": 20}),
        pytest.param(2_000, 5, {"rows": 60, "folded": 1_000, "trials": 200}, marks=pytest.mark.slow),
    ],
    ids=["beyond-limits", "ten-thousand"],
)
def test_a_study_of_thousands_of_trials_is_left_to_the_files(tmp_path, monkeypatch, variants, seeds, limits):
    rows, folded, shown = limits.values()
    for limit, most in {
        "pages.MOST_ROWS": rows,
        "write.MOST_ROWS": rows,
        "pages.MOST_ROWS_FOLDED": folded,
        "trials.MOST_TRIALS": shown,
    }.items():
        monkeypatch.setattr(f"fishnet_search.report.{limit}", most)
    names = [f"v{i:04}" for i in range(variants)]
    top1 = {name: [0.9 + i / 1e5 + seed / 1e4 * (i % 3) for seed in range(seeds)] for i, name in enumerate(names)}
    report = write_report(study_of(names, range(1, seeds + 1)), trials_of(top1), tmp_path, command=COMMAND)
    html, markdown = report.html.read_text(), report.markdown.read_text()
    assert len(html) < 5e6
    assert html.count('<details id="trial-') == shown
    assert f"The first {folded:,} of {variants:,} rows; table.csv has all." in html
    assert f"The first {folded:,} of {variants * seeds:,} rows; trials.csv has all." in html
    assert f"Of {variants:,} variants, the baseline and the best by validation top-1 are shown (25 in all)." in html
    assert f"{variants} rows, which are in `table.csv`." in markdown
    assert len(pd.read_csv(report.folder / "trials.csv")) == variants * seeds
    assert all(len(sentence) < 3_000 for sentence in report.summary)
    table = (report.folder / "table.tex").read_text()
    told = re.findall(r"^v\d+", table, re.MULTILINE)
    assert (len(told), told[0], told[-1]) == (25, "v0000", names[-1])
    assert f"25 of {variants:,} variants, the baseline and the best by validation top-1; table.csv has all." in table


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """The folder of a report of a grid of two axes beside which there are published figures."""
    said = {"setting": "ImageNet", "source": "A paper"}
    published = (PublishedRecord(variant="v0", metric="top1", value=0.7814, **said),)
    study = space(design="grid", seeds=(1,), published=published)
    with plain_figures():
        return write_report(study, whole(study), tmp_path_factory.mktemp("grid"), command=COMMAND).folder


def test_levels_and_published_values_are_in_the_files_and_explained(grid):
    table = pd.read_csv(grid / "table.csv").set_index("variant")
    assert table.loc["v5", ["axis depth", "axis pool"]].tolist() == [2, "b"]
    assert table["published_top1"].dropna().to_dict() == {"v0": 0.7814}
    markdown = (grid / "report.md").read_text()
    for name in ("table.csv", "levels.csv", "published.csv"):
        section = markdown.split(f"`{name}`:")[1]
        for column in pd.read_csv(grid / name).columns:
            assert f"- {column}: ".replace("_", r"\_") in section
    assert pd.read_csv(grid / "levels.csv")["difference_top1"].notna().all()


def test_every_section_with_a_table_has_a_file_of_numbers(grid):
    assert {path.name for path in grid.glob("*.csv")} == {
        *("table.csv", "trials.csv", "curves.csv", "levels.csv", "published.csv"),
        *("pareto.csv", "importance.csv", "fidelity.csv"),
    }


@pytest.fixture(scope="module")
def sections():
    """The sections that the report of the grid has, made without writing it."""
    study = space(design="grid", seeds=(1,))
    with plain_figures():
        return [one.section for one in show(analyse(study, whole(study)), SECTIONS)]


@pytest.mark.parametrize("name", ["levels", "pareto", "importance", "fidelity"])
def test_the_file_of_a_section_holds_its_numbers_and_is_explained_once(grid, sections, name):
    written = pd.read_csv(grid / f"{name}.csv")
    (section,) = [one for one in sections if one.name == name]
    pd.testing.assert_frame_equal(written, section.numbers, check_dtype=False, check_exact=True)
    assert list(written) == list(section.columns)
    assert len(written) >= len(section.table)
    files = (grid / "report.md").read_text().split("\n## Files\n")[1]
    assert files.count(f"{name}.csv") == 1
    told = files.split(f"`{name}.csv`:")[1]
    for column, meaning in section.columns.items():
        assert f"- {escape_markdown(column)}: {escape_markdown(meaning)}\n" in told


def test_files_of_sections_hold_plain_numbers_and_accuracies_as_fractions(grid):
    pareto = pd.read_csv(grid / "pareto.csv")
    assert pareto.iloc[0].to_dict() == {
        "variant": "v1", "macs": 1_000_000, "params": 123_456, "seeds": 1, "validation_top1": 0.81,
    }  # fmt: skip
    importance = pd.read_csv(grid / "importance.csv")
    assert importance["axis"].tolist() == ["depth", "pool"]
    assert importance["share"].between(0, 1).all()
    fidelity = pd.read_csv(grid / "fidelity.csv").set_index("epoch")
    assert fidelity.index.tolist() == [1, 2, 3]
    assert fidelity.loc[1, ["tau", "keep", "best_lost", "shortfall_top1"]].tolist() == pytest.approx([1, 3, 0, 0])
    for name in ("levels", "pareto", "importance", "fidelity"):
        words = pd.read_csv(grid / f"{name}.csv").select_dtypes(exclude=["number", "bool"])
        assert set(words) <= {"variant", "axis", "part", "level", "baseline_level", "verdict"}


@pytest.mark.usefixtures("plain_figures")
def test_tables_and_figures_that_a_later_report_does_not_have_are_removed(grid, tmp_path):
    shutil.copytree(grid, tmp_path, dirs_exist_ok=True)
    (tmp_path / "mine.csv").touch()
    report = write_report(study_of(["mine.csv"], [1]), trials_of({"mine.csv": [0.9]}), tmp_path, command=COMMAND)
    assert {path.name for path in tmp_path.glob("*.csv")} == {"table.csv", "trials.csv", "curves.csv", "mine.csv"}
    assert not list((tmp_path / "figures").glob("pareto.*"))
    report.markdown.write_bytes(b"\xff\xfe of another program")
    write_report(study_of(["base"], [1]), trials_of({"base": [0.9]}), tmp_path, command=COMMAND)
    assert "\n## Files\n" in report.markdown.read_text()
    assert (tmp_path / "mine.csv").exists()
