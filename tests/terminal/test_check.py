"""What a space asks for, before anything is paid."""

import io
import re

import pytest
from rich.console import Console

from fishnet_search.engine.survey import survey
from fishnet_search.terminal.check import check
from fishnet_search.terminal.histogram import histogram
from tests.engine.tiny import BASE
from tests.test_imports import imported_by

AXES = """\
base: base.yaml
axes:
  downsample: {path: [tail.downsample, head.downsample], values: [max-2x2, avg-2x2]}
  depth: {path: body.depth, values: [1, 2, 3]}
"""
GRID = AXES + "seeds: 3\nrecipe: {epochs: 5, batch_size: 8}\n"


def space(folder, text, base=BASE):
    (folder / "base.yaml").write_text(base)
    (folder / "mine.yaml").write_text(text)
    return folder / "mine.yaml"


def lines_of(path, width=80, everything=False):
    console = Console(width=width, file=io.StringIO(), highlight=False)
    for line in check(survey(path), width, everything=everything):
        console.print(line)
    return console.file.getvalue()


def test_a_grid_is_listed_with_costs_beside_the_baseline_and_what_it_asks_for(call, tmp_path):
    space(tmp_path, GRID)
    code, out, _ = call("check", "mine.yaml")
    assert code == 0
    assert "space mine: grid over 2 axes with 6 combinations" in out
    assert "baseline: downsample=max-2x2, depth=1" in out
    base = survey(tmp_path / "mine.yaml").baseline.cost
    assert re.search(rf"│ +{base.params:,} │ +1\.00 │ +{base.macs:,} │ +1\.00 │", out)
    assert len(re.findall(r"^│ (?:downsample|baseline)", out, re.MULTILINE)) == 6
    assert "asked for: 6 candidates × 3 seeds = 18 trials, 90 epochs" in out
    assert "refused" not in out
    assert not (tmp_path / "studies").exists()


def test_what_is_refused_is_grouped_by_rule_with_its_line(tmp_path):
    text = lines_of(space(tmp_path, GRID + "constraints: {params: {max: 1.05x base}}\n"), 200)
    refused = re.search(r"(\d) candidates of 6 refused:\n +(.*/mine\.yaml:7: constraints\.params): (\d)", text)
    assert (refused[1], refused[3]) == ("2", "2")
    assert "downsample=avg-2x2,depth=3: params 3,479 is more than 3,460 (1.05x base)" in text
    assert "asked for: 4 candidates" in text


def test_of_many_refusals_of_one_rule_some_are_shown_unless_all_are_wanted(tmp_path):
    text = GRID.replace("[1, 2, 3]", "[1, 2, 3, 4, 5, 6]") + "constraints: {params: {max: 1.01x base}}\n"
    path = space(tmp_path, text)
    assert "and 7 more (--all)" in lines_of(path, 200)
    assert lines_of(path, 200, everything=True).count("is more than") == 10


def test_duplicates_are_named_with_what_they_are_the_same_as(tmp_path):
    text = AXES + "design: {kind: list, variants: {one: {depth: 2}, two: {depth: 3}, again: {depth: 2}}}\n"
    shown = lines_of(space(tmp_path, text), 120)
    assert "1 duplicate, the same network and recipe as another candidate, not trained again:\n  again is one" in shown
    assert "asked for: 3 candidates × 3 seeds = 9 trials, 900 epochs" in shown
    assert re.search(r"│ one +│.*\n│ +depth=2 +│", shown)  # a name that is chosen freely is told by its levels


def test_a_search_is_told_by_a_sample_and_by_the_trials_it_may_come_to(tmp_path):
    text = GRID.replace("values: [1, 2, 3]}", "range: {from: 1, to: 3, step: 1}}")
    text += "  rate: {path: recipe.learning_rate, range: {from: 0.01, to: 1.0, log: true}}\n"
    lines = text.splitlines()
    lines.insert(4, lines.pop())
    text = "\n".join(lines) + "\ndesign: {kind: tpe, candidates: 10, finalists: 2}\nstop: asha\n"
    shown = lines_of(space(tmp_path, text), 200)
    assert "space mine: tpe over 3 axes with more combinations than can be counted" in shown
    assert "these 200 were drawn evenly to show what there is" in shown
    assert (
        "asked for: 10 candidates with the first seed, and 2 finalists and the baseline with 2 more seeds: "
        "up to 16 trials, about 80 epochs"
    ) in shown
    assert "asha will stop many of them early" in shown


def test_of_many_candidates_the_first_and_the_last_are_shown(tmp_path):
    text = GRID.replace("[1, 2, 3]", str(list(range(1, 26))))
    path = space(tmp_path, text)
    shown = lines_of(path, 120)
    assert "… 25 more (--all)" in shown
    assert shown.count("downsample=") == 25 + 1
    assert lines_of(path, 120, everything=True).count("downsample=") == 50 + 1


@pytest.mark.parametrize("width", [80, 120, 200])
def test_no_figure_is_cut_and_no_line_is_wider_than_the_terminal(tmp_path, width):
    path = space(tmp_path, GRID.replace("base.yaml", "fishnet201").replace("[1, 2, 3]", "[1, 2]"))
    shown = lines_of(path, width)
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    cost = survey(path).baseline.cost
    assert f"{cost.params:,}" in shown


def test_the_classes_are_those_of_the_data(tmp_path):
    other = survey(space(tmp_path, GRID, BASE.replace("classes: 10", "classes: 1000"))).baseline
    same = survey(space(tmp_path, GRID)).baseline
    assert other.cost == same.cost


def test_counting_needs_no_torch():
    assert "torch" not in imported_by("import fishnet_search.engine.survey, fishnet_search.terminal.check")


def test_a_histogram_has_every_figure_in_one_of_its_intervals():
    lines = [line.plain for line in histogram([1_000_000, 1_100_000, 1_900_000, 2_000_000], "MACs", 80)]
    assert lines[0] == "MACs, 4 candidates"
    assert [re.split(r"  +", line.strip())[:2] for line in lines[1:]] == [
        ["1.00 – 1.25 M", "2"], ["1.25 – 1.50 M", "0"], ["1.50 – 1.75 M", "0"], ["1.75 – 2.00 M", "2"],
    ]  # fmt: skip
    assert [line.count("█") > 0 for line in lines[1:]] == [True, False, False, True]


def test_a_histogram_of_figures_far_apart_has_intervals_of_equal_ratio():
    lines = [line.plain for line in histogram([1, 10, 100, 1000], "parameters", 80)]
    assert [line.split()[-2] for line in lines[1:]] == ["1"] * 4
    assert lines[1].strip().startswith("0.00 – 0.01 k")


def test_equal_figures_need_no_histogram():
    assert [line.plain for line in histogram([5_000] * 3, "parameters", 80)] == ["parameters: 5,000 in all"]


@pytest.mark.usefixtures("one_thread")
def test_a_probe_estimates_a_trial_and_the_study_and_says_what_it_assumes(call, tmp_path):
    space(tmp_path, GRID)
    code, out, _ = call("check", "mine.yaml", "--probe")
    assert code == 0
    assert re.search(r"probe: an epoch on .* with 1 thread takes about: \S+ \d\S* m?s?", out)
    assert re.search(r"estimate: a trial \S+ .*, the study \S+", out)
    assert "It assumes one trial at a time" in out
    assert "1,077 training images" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.yaml"], "none.yaml: no such file; check the path"),
        (["mine.yaml", "--data", "imagefolder:none"], "none: no such folder; expected PATH/train/CLASS"),
    ],
)
def test_what_cannot_be_checked_is_said_with_exit_code_2(call, tmp_path, words, sentence):
    space(tmp_path, GRID)
    code, _, err = call("check", *words)
    assert code == 2
    assert sentence in err
