"""Searches: what was tried, what is on the front, and who is in the table."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.candidates import candidate_frame, pareto_front
from fishnet_search.plots.looks import looks, wrapped
from fishnet_search.plots.scatter import lowest_shown, plot_candidates
from fishnet_search.report.summary import summarise
from fishnet_search.report.write import write_report
from tests.records import complete, duplicate, failed, pruned, refused, study_of, variant

MACS = {"base": 4_000_000, "a": 2_000_000, "b": 6_000_000, "c": 6_000_000, "d": 8_000_000, "e": 9_000_000}
FIRST = {"base": 0.90, "a": 0.85, "b": 0.93, "c": 0.92, "d": 0.91}
"""Accuracy with the first seed; `e` was stopped early."""


def search(finalists=("b", "c"), **fields):
    """A search for the best of six candidates with three seeds."""
    told = {"design": "tpe", "stop": "asha", "finalists": finalists, **fields}
    variants = tuple(variant(name, macs=macs) for name, macs in MACS.items())
    return study_of(["base"], **told).model_copy(update={"variants": variants})


def trial(name, seed, top1):
    return complete(name, seed, top1, macs=MACS[name])


SCREENED = [*(trial(name, 1, top1) for name, top1 in FIRST.items()), pruned("e", 1)]
FINALS = [
    trial(name, seed, top1)
    for name, values in {"base": (0.91, 0.92), "b": (0.94, 0.95), "c": (0.90, 0.91)}.items()
    for seed, top1 in zip((2, 3), values, strict=True)
]


def test_only_the_baseline_and_finalists_are_in_the_table_with_all_their_seeds():
    effects = analyse(search(), [*SCREENED, *FINALS]).effects
    assert effects["variant"].tolist() == ["base", "b", "c"]
    assert effects["seeds"].tolist() == effects["seeds_planned"].tolist() == [3, 3, 3]
    assert effects["difference_top1"].tolist()[1:] == pytest.approx([0.03, 0.0])  # by hand: 3, 3, 3 and 2, −1, −1


def test_the_plan_of_a_search_has_all_seeds_of_the_finalists_and_the_first_of_the_others():
    analysis = analyse(search(), SCREENED)
    missing = analysis.trials[analysis.trials["state"] == "missing"]
    assert list(zip(missing["variant"], missing["seed"], strict=True)) == [
        ("base", 2), ("base", 3), ("b", 2), ("b", 3), ("c", 2), ("c", 3),
    ]  # fmt: skip


def test_a_search_tells_what_it_tried_and_how_little_the_best_of_many_says():
    study = search(refused=(refused("x", "constraints.macs"), refused("y", "axes"), refused("z", "constraints.macs")))
    words = "\n".join(summarise(analyse(study, [*SCREENED, *FINALS])))
    assert words.startswith("1 of 2 differences to the baseline base (91.00 % test top-1 over 3 seeds) is larger")
    assert "The tpe search tried 6 candidates, the baseline included: 5 complete, 1 pruned." in words
    assert "It refused others: 2 by constraints.macs, 1 by axes." in words
    assert "b has the highest validation top-1, 93.00 % with seed 1. That is a choice of the best of 5" in words
    assert "the means of the finalists over 3 seeds are what counts" in words
    assert "11 of 12 planned trials are complete: 1 pruned." in words


def test_a_search_that_is_not_over_shows_the_best_so_far_as_provisional():
    analysis = analyse(search(finalists=None), SCREENED)
    assert analysis.effects["variant"].tolist() == ["base", "b", "c", "d", "a"]
    words = summarise(analysis)
    assert words[0] == (
        "The search is not over, and what follows is provisional: the best 4 so far of 6 candidates by validation "
        "top-1 with seed 1, beside the baseline."
    )
    assert not any("Fewer than" in sentence for sentence in words)


def test_equals_of_the_best_are_counted():
    words = "\n".join(summarise(analyse(search(finalists=None), [*SCREENED[:3], trial("c", 1, 0.93)])))
    assert "b has the highest validation top-1, 93.00 % with seed 1, as has 1 more." in words


def test_a_finalist_that_is_the_baseline_again_is_no_comparison():
    base = [each for each in (*SCREENED, *FINALS) if each.variant == "base"]
    others = [each for each in (*SCREENED, *FINALS) if each.variant not in ("base", "c")]
    words = "\n".join(summarise(analyse(search(), [*base, *others, *(duplicate("c", each) for each in base)])))
    assert words.startswith("The one difference to the baseline base")
    assert "c is the same network as the baseline base" in words


def test_the_front_has_whom_no_other_beats_at_the_same_cost_or_less():
    study = search()
    candidates = candidate_frame(study, analyse(study, SCREENED).trials)
    # c costs as much as b and is worse, d costs more and is worse, e was stopped early
    assert pareto_front(candidates)["variant"].tolist() == ["a", "base", "b"]


def test_the_front_is_against_the_cost_that_is_sought_to_be_low():
    study = search(objectives=("top1", "latency_ms"))
    slow = tuple(each.model_copy(update={"latency_ms": 10.0 - i}) for i, each in enumerate(study.variants))
    candidates = analyse(study.model_copy(update={"variants": slow}), SCREENED).candidates
    assert candidates["cost"].tolist() == [10.0, 9.0, 8.0, 7.0, 6.0, 5.0]
    assert pareto_front(candidates)["variant"].tolist() == ["d", "c", "b"]


def test_all_candidates_are_drawn_in_grey_and_finalists_named_in_their_colours():
    analysis = analyse(search(), [*SCREENED, *FINALS])
    look = looks(["base", "b", "c"], "base")
    ax = plot_candidates(analysis.candidates, look, "macs", ax=Figure().subplots())
    assert sorted(ax.collections[0].get_offsets().tolist()) == [[2, 85], [4, 90], [6, 92], [6, 93], [8, 91]]
    front, *marks = ax.lines
    assert front.get_xdata().tolist() == [2, 4, 6]
    assert [mark.get_color() for mark in marks] == ["#111111", look["b"].colour, look["c"].colour]
    assert [text.get_text() for text in ax.texts] == ["base", "b", "c"]


def test_a_few_bad_candidates_do_not_take_the_room_of_all_others():
    study = search()
    bad = [trial("a", 1, 0.1) if each.variant == "a" else each for each in SCREENED]
    candidates = analyse(study, bad).candidates
    assert lowest_shown(candidates, ["base"]) == pytest.approx(0.90)
    assert lowest_shown(candidates, ["base", "a"]) == pytest.approx(0.1)  # what is named is shown


def test_long_names_break_between_levels_and_their_labels_do_not_overlap():
    assert wrapped("max-2x2") == "max-2x2"
    assert wrapped("downsample=max-2x2,depth.body0=3,width=48") == "downsample=max-2x2,depth.body0=3,\nwidth=48"
    names = [f"downsample=max-2x2,depth.body0=3,width=4{i}" for i in range(9)]
    study = study_of(names, [1, 2], design="tpe", finalists=tuple(names[1:]))
    analysis = analyse(study, [complete(name, seed, 0.9) for name in names for seed in (1, 2)])
    figure = Figure(figsize=(8.6, 5), layout="constrained")
    plot_candidates(analysis.candidates, looks(names, names[0]), "macs", ax=figure.subplots())
    figure.draw_without_rendering()
    boxes = sorted(Text.get_window_extent(label).intervaly.tolist() for label in figure.axes[0].texts)
    assert all(below[1] <= above[0] for below, above in pairwise(boxes))


@pytest.mark.usefixtures("plain_figures")
def test_a_big_search_has_no_long_tables_in_sight(tmp_path):
    names = [f"depth={i // 10},width={i % 10}" for i in range(100)]
    told = tuple(refused(f"no-{i}", "axes") for i in range(70))
    study = study_of(names, [1], design="tpe", finalists=(names[5],), refused=told)
    low = [complete(names[0], 1, 0.1), pruned(names[1], 1)]
    trials = [*low, *(complete(name, 1, 0.9) for name in names[2:70]), *(failed(name, 1) for name in names[70:])]
    report = write_report(study, trials, tmp_path, command="report")
    assert report.table["variant"].tolist() == [names[0], names[5]]
    markdown, html = report.markdown.read_text(), report.html.read_text()
    assert "## The front: validation accuracy against cost" in markdown
    assert "Left out: 1 stopped early, 30 without all their figures." in markdown
    assert "100 rows, which are in `trials.csv`." in markdown
    assert "70 rows, which are in `study.json`." in markdown
    assert "and 10 more, which are in `trials.csv`" in markdown
    assert len(markdown.splitlines()) < 300
    assert re.search(r"<details>\s*<summary>100 trials</summary>", html)
    assert html.count("Traceback (most recent call last)") == 20


@pytest.mark.usefixtures("plain_figures")
def test_a_search_without_a_figure_of_its_plan_is_reported_by_what_is_outside(tmp_path):
    study = study_of(["base"], [1], design="tpe")
    report = write_report(study, [failed("base", 1), complete("former", 1, 0.9)], tmp_path, command="report")
    assert report.summary[1] == "The baseline base has no complete trial, so there is no difference to it."
    assert [path.name for path in (tmp_path / "figures").glob("*.png")] == ["network-baseline.png"]
