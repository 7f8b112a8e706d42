"""CMA-ES read off the trials: moves towards what is good, and knows nothing but the trials."""

import statistics

import pytest
from optuna.trial import TrialState

from tests.engine.axes import ask, begin, design, listed, ranged, search, space

WANTED = design("cmaes", candidates=60)
RANGES = space(
    ranged("x", 0.0, 1.0), ranged("rate", 0.001, 1.0, log=True), ranged("width", 16, 64, step=8), ranged("n", 1, 9)
)


def value(levels):
    return -((levels["x"] - 0.9) ** 2) - ((levels["width"] - 24) / 48) ** 2 - ((levels["n"] - 2) / 8) ** 2


def test_the_first_generation_lies_around_the_middle_of_each_range():
    study = begin(WANTED)
    draws = [ask(study, WANTED, RANGES)[1] for _ in range(200)][1:]  # nothing is told; the first is no draw of it
    assert statistics.mean(levels["x"] for levels in draws) == pytest.approx(0.5, abs=0.05)
    assert statistics.stdev(levels["x"] for levels in draws) == pytest.approx(0.2, abs=0.03)
    assert statistics.median(levels["rate"] for levels in draws) == pytest.approx(0.03, rel=0.3), "in equal ratios"
    assert statistics.mean(levels["width"] for levels in draws) == pytest.approx(40, abs=2)
    assert {levels["width"] for levels in draws} == {16, 24, 32, 40, 48, 56, 64}


def test_later_generations_lie_where_the_best_were():
    tried = search(WANTED, RANGES, value)[-16:]
    assert statistics.mean(levels["x"] for levels in tried) == pytest.approx(0.9, abs=0.1)
    assert statistics.mean(levels["width"] for levels in tried) == pytest.approx(24, abs=8)
    assert statistics.mean(levels["n"] for levels in tried) == pytest.approx(2, abs=1)


def told(figures):
    """Return what is suggested after trials at known levels, told by a function of their number and accuracy."""
    study = begin(WANTED)
    for number in range(25):
        asked, levels = ask(study, WANTED, RANGES)
        figures(study, asked, number, value(levels))
    return ask(study, WANTED, RANGES)[1]


def complete(study, trial, number, accuracy):
    study.tell(trial, accuracy)


def test_only_the_order_of_merit_counts():
    def stretched(study, trial, number, accuracy):
        study.tell(trial, 5 + 100 * accuracy)

    assert told(stretched) == told(complete)


def test_a_trial_that_was_stopped_counts_by_how_far_it_came():
    def stopped(study, trial, number, accuracy):  # the better, the later
        for epoch in range(1, 100 + round(30 * accuracy)):
            trial.report(0.5, epoch)
        trial.report(accuracy, 100 + round(30 * accuracy))
        study.tell(trial, state=TrialState.PRUNED)

    assert told(stopped)["x"] > 0.6


def test_lists_are_drawn_at_random_beside_the_ranges():
    axes = space(listed("kind", "p", "q"), ranged("x", 0.0, 1.0), ranged("y", 0.0, 1.0, when={"kind": ("p",)}))
    tried = search(WANTED, axes, lambda levels: -((levels["x"] - 0.9) ** 2))
    assert {levels["kind"] for levels in tried[-20:]} == {"p", "q"}
    assert statistics.mean(levels["x"] for levels in tried[-20:]) == pytest.approx(0.9, abs=0.1)


def test_a_space_without_ranges_is_drawn_at_random():
    axes = space(listed("kind", *"pqrstuvw"))
    assert len({levels["kind"] for levels in search(WANTED, axes, lambda levels: 0.0)}) == 8
