"""The page on ranks from study to study, and the command that writes it."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pandas as pd
import pytest
from matplotlib.figure import Figure

from fishnet_search import load_studies
from fishnet_search.cli.app import app, main
from fishnet_search.errors import StudyError
from fishnet_search.evidence.transfer import AGREEMENT_COLUMNS, CHOICE_COLUMNS, RANK_COLUMNS
from fishnet_search.report.write_transfer import write_transfer
from fishnet_search.study.record import BackboneRecord
from fishnet_search.study.store import trial_file, write_record
from tests.figures import plain_figures
from tests.records import study_of, trials_of, variant

HERE = {"base": [0.90, 0.91, 0.92], "better": [0.95, 0.96, 0.97], "worse": [0.81, 0.80, 0.83]}
COMMAND = "fishnet-search transfer here there"
THERE = {"worse": [0.30, 0.32, 0.31], "base": [0.51, 0.52, 0.52], "better": [0.50, 0.51, 0.50], "new": [0.1] * 3}


def written(folder, top1, **fields):
    seeds = range(1, 1 + len(next(iter(top1.values()))))
    write_record(folder / "study.json", study_of(list(top1), tuple(seeds), name=folder.name, **fields))
    for trial in trials_of(top1):
        write_record(trial_file(folder, trial.trial), trial)
    return folder


@pytest.fixture
def studies(tmp_path):
    """The folder of two studies that share three variants."""
    written(tmp_path / "studies/here", HERE)
    written(tmp_path / "studies/there", THERE, command="fishnet-search run s3://key:secret@host/space.yaml")
    return tmp_path / "studies"


def page_of(studies, name="both", of=("here", "there"), figures=plain_figures):
    with figures():
        return write_transfer(load_studies(of, studies), studies.parent / name, command=COMMAND)


def test_the_page_says_whether_orders_agree_and_what_a_choice_loses(studies):
    said = page_of(studies).summary
    assert said[0].startswith("here and there put 2 of 3 pairs of variants in the same order, ")
    assert "Kendall's τ 0.33 (" in said[0]
    assert said[1].startswith(
        "Of 3 variants, two orders that have nothing to do with each other are equal, or reverse, "
    )
    assert "in 33.3 of 100 cases" in said[1]
    short = (0.51 + 0.52 + 0.52 - 0.50 - 0.51 - 0.50) / 3
    assert said[2].startswith(f"The best by here, better, is number 2 by there, {100 * short:.2f} (at most ")
    assert said[2].endswith(") points of top-1 below base.")
    assert said[3].startswith("The best by there, base, is number 2 by here, 5.00 (at most ")
    assert re.fullmatch(r"Run again .* by a τ of: here 0\.\d\d, there 0\.\d\d\.", said[4])


def test_both_pages_have_all_parts_tables_and_origins(studies):
    folder = page_of(studies).html.parent
    markdown, html = ((folder / f"report.{suffix}").read_text() for suffix in ("md", "html"))
    for page in (markdown, html):
        for title in ("Ranks by study", "Agreement of the orders", "Choosing by another study", "Provenance"):
            assert title in page
        assert "fishnet-search transfer here there" in page
        assert "secret" not in page
    assert "| better | 96.00 | 1 | 100 | 50.33 |" in markdown
    assert "| here | there | 0.33 (" in markdown
    assert "| here | better | there | 2 of 3 | base | 1.33 |" in markdown
    for figure in re.findall(r"\((figures/[^)]*)\)", markdown):
        assert (folder / figure).is_file()


def test_what_is_not_ranked_and_what_began_with_trained_weights_is_named(studies):
    backbone = BackboneRecord(file="x.safetensors", sha256="0" * 64)
    variants = tuple(variant(name, backbone=backbone) for name in THERE)
    write_record(
        studies / "there/study.json", study_of(list(THERE), name="there").model_copy(update={"variants": variants})
    )
    markdown = (page_of(studies).html.parent / "report.md").read_text()
    assert "Not ranked, since not every study has completed them, or as other names of what is: new." in markdown
    assert "The backbones of there began with trained weights." in markdown


def test_the_html_page_needs_nothing_from_outside_and_its_ids_are_unique(studies):
    html = page_of(studies).html.read_text()
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?!#)[^"']*|url\((?!["']?#)[^)]*|@import|<link|<img""", html) == []
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html) + re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)


def test_numbers_are_in_files_whose_columns_are_explained(studies):
    folder = page_of(studies).html.parent
    explained = (folder / "report.md").read_text().partition("## Files")[2]
    for name, columns in {"ranks": RANK_COLUMNS, "agreement": AGREEMENT_COLUMNS, "choices": CHOICE_COLUMNS}.items():
        assert list(pd.read_csv(folder / f"{name}.csv")) == list(columns)
        assert f"`{name}.csv`:" in explained
        assert all(f"- {column}: ".replace("_", r"\_") in explained for column in columns)


def test_the_same_records_give_the_same_files(studies):
    first, second = (page_of(studies, name, figures=nullcontext).html.parent for name in ("first", "second"))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 5 + 2 * 3
    assert all((first / file).read_bytes() == (second / file).read_bytes() for file in files)


@pytest.mark.parametrize("seeds", [1, 3])
def test_names_are_text_and_one_seed_will_do(tmp_path, seeds):
    names = ("<b>a", "_b|c_", "c" * 60)
    for study in ("here", "there"):
        written(tmp_path / "studies" / study, {name: [0.1 * i, 0.2, 0.3][:seeds] for i, name in enumerate(names)})
    folder = page_of(tmp_path / "studies").html.parent
    html, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert "<b>a" not in html
    assert r"\_b\|c\_" in markdown
    assert ("One seed has no interval." in html) == (seeds == 1)
    assert ("which with one seed says little" in html) == (seeds == 1)


def test_ten_studies_fit_on_a_page(tmp_path):
    names = [f"study-{i}" for i in range(10)]
    for name in names:
        written(tmp_path / "studies" / name, HERE)
    written_page = page_of(tmp_path / "studies", of=names)
    assert len(written_page.agreement) == 45
    assert len(written_page.summary) < 20


def test_a_notebook_has_the_frames_and_the_figure(studies):
    both = load_studies(["here", "there"], studies)
    assert both.transfer.ranks["rank"].tolist() == [2, 1, 3, 1, 2, 3]
    assert both.transfer.agreement["tau"].tolist() == pytest.approx([1 / 3])
    assert both.transfer.choices["shortfall"].tolist() == pytest.approx([0.04 / 3, 0.05])
    ax = Figure().subplots()
    assert both.plot_ranks(ax=ax) is ax
    assert [text.get_text() for text in ax.texts] == ["base", "better", "worse"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["here\nby top-1", "there\nby top-1"]
    with pytest.raises(StudyError, match="name two or more"):
        _ = load_studies(["here"], studies).transfer


def test_the_command_writes_the_page_and_shows_it(studies, monkeypatch, capsys):
    monkeypatch.chdir(studies.parent)
    app(["transfer", "here", "there"], standalone_mode=False)
    out = capsys.readouterr().out
    assert "Kendall's τ" in out
    assert "0.33 (" in out
    assert "The best by here, better, is number 2 by there" in " ".join(out.split())
    assert "report: reports/here-there/report.html" in out
    assert (studies.parent / "reports/here-there/report.html").is_file()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["here"], "ranks are compared between studies: name two or more"),
        (["here", "here"], "is asked for twice; name each study once"),
        (["here", "ther"], "holds no study 'ther'; did you mean 'there'"),
        (["here", "there", "--name", "a/b"], "name 'a/b': must be up to 100 letters"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(studies, monkeypatch, capsys, words, why):
    monkeypatch.chdir(studies.parent)
    monkeypatch.setattr("sys.argv", ["fishnet-search", "transfer", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert why in capsys.readouterr().err
    assert not (studies.parent / "reports").exists()
