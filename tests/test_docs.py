"""What the pages in docs/ show is true."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from fishnet_search import cli
from fishnet_search.engine import probe
from fishnet_search.space.candidates import Candidate
from fishnet_search.space.space import load_space
from fishnet_search.spec.loading import load_spec

ROOT = Path(__file__).parents[1]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
SHORT = ["--limit", "10", "--epochs", "1", "--seeds", "1", "--jobs", "1"]  # later options win: the page's but shorter
ELSEWHERE = ("--ray-address", "--engine ray", "fishnet-search dashboard", "PATH", "data fetch", "models/")
"""What needs a cluster, a quarter of a minute to start Ray, Ctrl-C to end, images or a study: tested elsewhere."""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[list[str]]:
    lines = re.findall(r"^    (fishnet-search .+)$", PAGES[page], re.MULTILINE)
    return [shlex.split(line.partition(" >")[0], comments=True) for line in lines]


def files_of(page: str) -> dict[str, str]:
    """Return the blocks that begin with the name of a file, by that."""
    return {name[1]: block for block in blocks(page, "yaml") if (name := re.match(r"# ([\w-]+\.yaml)\n", block))}


SPACE = files_of("spaces.md")["mine.yaml"]
PIECES = [block for block in blocks("spaces.md", "yaml") if block not in files_of("spaces.md").values()]


def shortened(words: list[str]) -> list[str]:
    """Return what makes a command quick, if it would not be."""
    packed = any(word.startswith("pack:") for word in words)  # packs are as large as they are
    few = [] if packed else SHORT[:2]
    return {"run": SHORT, "train": [*few, "--threads", "1"], "data": SHORT[:2]}.get(words[1], [])


def with_piece(piece: str) -> str:
    """Return the page's space with what a piece has in place of the space's."""
    space, change = yaml.safe_load(SPACE), yaml.safe_load(piece)
    if "axes" in change and "design" not in change:
        space["design"] = "grid"
    return yaml.safe_dump(space | change, sort_keys=False)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder like a clone, with the files that the pages name."""
    (tmp_path / "spaces").symlink_to(ROOT / "spaces")
    for page in PAGES:
        for name, block in files_of(page).items():
            (tmp_path / name).write_text(block)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.split(":")[0] + " in " + piece.splitlines()[-1][:30])
def test_every_piece_of_a_space_fits_the_space_of_the_page(home, piece):
    (home / "mine.yaml").write_text(with_piece(piece))
    space = load_space(home / "mine.yaml")
    assert all(isinstance(found, Candidate) for found in space.candidates())


def test_every_kind_of_design_has_a_piece():
    designs = [yaml.safe_load(piece).get("design") for piece in PIECES]
    kinds = {design["kind"] if isinstance(design, dict) else design for design in designs} - {None}
    assert kinds >= {"grid", "one-factor", "list", "random", "tpe", "nsga2", "cmaes"}


def test_check_shows_what_the_page_shows(home, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fishnet-search", "check", "mine.yaml"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown == blocks("spaces.md", "text")[0].splitlines()


@pytest.mark.usefixtures("plain_figures")
def test_every_command_runs(home, monkeypatch, capsys):
    monkeypatch.setattr(probe, "TIMED_SECONDS", 0.1)
    shown = {shlex.join(words): words for page in sorted(PAGES) for words in commands(page)}.values()  # each once
    for words in shown:
        if any(word in shlex.join(words) for word in ELSEWHERE):
            continue
        expanded = [str(found) for word in words for found in (sorted(Path().glob(word)) if "*" in word else [word])]
        expanded = [word.replace("epochs=8", "epochs=2") for word in expanded]
        monkeypatch.setattr(sys, "argv", expanded + shortened(words))
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code, (words, capsys.readouterr().err)
    assert {words[1] for words in shown} >= {"check", "run", "status", "describe", "schema"}


def test_what_is_run_elsewhere_is_there():
    shown = [shlex.join(words) for page in PAGES for words in commands(page)]
    assert all(any(word in command for command in shown) for word in ELSEWHERE)


def test_the_specs_can_be_built(home):
    for path in home.glob("*.yaml"):
        if path.name not in files_of("spaces.md"):
            assert load_spec(path).image_size


def test_every_field_of_a_space_is_told():
    from fishnet_search.space.model import Space
    from fishnet_search.train.recipe import Recipe

    told = {page: set(re.findall(r"^\| `(\w+)` \|", PAGES[page], re.MULTILINE)) for page in PAGES}
    assert told["spaces.md"] >= set(Space.model_fields)
    assert told["training.md"] >= set(Recipe.model_fields)


def test_every_field_of_a_published_figure_is_told():
    from fishnet_search.space.published import Figures

    told = PAGES["spaces.md"].partition("| field of a figure |")[2].partition("\n\n")[0]
    named = "".join(line.split("|")[1] for line in told.splitlines()[2:])
    assert set(re.findall(r"`(\w+)`", named)) == set(Figures.model_fields)


def test_every_space_of_the_paper_is_told():
    told = re.findall(r"^\| `(\w+)` \|", PAGES["paper.md"], re.MULTILINE)
    assert set(told) == {path.stem for path in (ROOT / "spaces" / "paper").glob("*.yaml")} - {"published"}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    headings = {name: re.findall(r"^#+ (.+)$", text, re.MULTILINE) for name, text in PAGES.items()}
    for link in re.findall(r"\]\((?!http)([^)]+)\)", PAGES[page]):
        target, _, anchor = link.partition("#")
        assert (ROOT / "docs" / target).exists(), target
        anchors = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings.get(target or page, ())}
        assert not anchor or anchor in anchors, link
