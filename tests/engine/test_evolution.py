"""Regularised evolution: one mutation of the fittest of a few of the youngest."""

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from fishnet_search.engine.evolution import RegularisedEvolution
from fishnet_search.engine.sampling import level_at, position_of
from fishnet_search.engine.searching import params_of, suggested
from tests.engine.axes import listed, ranged, space

AXES = space(
    listed("downsample", "max-2x2", "avg-2x2", "conv-3x3"),
    ranged("kernel", 3, 9, step=2, when={"downsample": ("conv-3x3",)}),
    ranged("width", 16, 64, step=8),
    ranged("rate", 0.01, 1.0, log=True),
)
DISTRIBUTIONS = {
    name: axis
    for trial in [optuna.trial.FixedTrial({"downsample": "conv-3x3", "kernel": 3, "width": 16, "rate": 0.1})]
    for name, axis in (suggested(trial, AXES), trial.distributions)[1].items()
}
CONV = {"downsample": "conv-3x3", "kernel": 5, "width": 40, "rate": 0.1}
POOL = {"downsample": "max-2x2", "width": 40, "rate": 0.1}


def history(*tried):
    """Return a study of trials that are over: levels and validation accuracy, or a state and epochs' accuracies."""
    study = optuna.create_study(direction="maximize")
    for levels, accuracy, *epochs in tried:
        stopped = isinstance(accuracy, TrialState)
        study.add_trial(
            create_trial(
                params=params_of(levels, AXES),
                distributions={name: DISTRIBUTIONS[name] for name in levels},
                state=accuracy if stopped else TrialState.COMPLETE,
                value=None if stopped else accuracy,
                intermediate_values=dict(enumerate(epochs, start=1)),
            )
        )
    return study


def child(study, *, population, tournament, seed=0):
    """Return what is suggested next, and forget it."""
    study.sampler = RegularisedEvolution(population=population, tournament=tournament, seed=seed)
    trial = study.ask()
    levels = suggested(trial, AXES)
    study.tell(trial, state=TrialState.FAIL)
    return levels


def differences(one, other):
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def test_a_child_differs_from_its_parent_in_one_axis_and_in_what_hangs_on_it():
    study = history((CONV, 0.9))
    seen = set()
    for seed in range(60):
        levels = child(study, population=1, tournament=1, seed=seed)
        changed = differences(levels, CONV)
        assert changed in ({"kernel"}, {"width"}, {"rate"}, {"downsample", "kernel"}), "without conv there is no kernel"
        assert ("kernel" in levels) == (levels["downsample"] == "conv-3x3")
        seen |= changed
    assert seen == set(CONV), "each axis is mutated in some child"


def test_an_axis_that_a_mutation_makes_active_is_drawn_at_random():
    study = history((POOL, 0.9))
    kernels = {child(study, population=1, tournament=1, seed=seed).get("kernel") for seed in range(150)}
    assert kernels == {None, 3, 5, 7, 9}


def test_levels_of_a_list_are_mutated_to_each_other_one():
    study = history((CONV, 0.9))
    drawn = {child(study, population=1, tournament=1, seed=seed)["downsample"] for seed in range(60)}
    assert drawn == {"max-2x2", "avg-2x2", "conv-3x3"}


def test_levels_of_a_range_are_mutated_to_near_ones_on_its_steps():
    study = history((CONV, 0.9))
    widths = [child(study, population=1, tournament=1, seed=seed)["width"] for seed in range(300)]
    moved = [width for width in widths if width != 40]
    assert set(moved) <= {16, 24, 32, 48, 56, 64}
    assert sum(abs(width - 40) <= 8 for width in moved) > sum(abs(width - 40) >= 24 for width in moved) > 0


def test_nobody_is_a_parent_before_the_population_is_full():
    study = history((CONV, 0.9), (POOL, 0.8))
    drawn = [child(study, population=3, tournament=3, seed=seed) for seed in range(20)]
    assert any(len(differences(levels, CONV)) > 2 and len(differences(levels, POOL)) > 2 for levels in drawn)


def test_the_fittest_of_a_tournament_is_the_parent():
    weak = {"downsample": "avg-2x2", "width": 64, "rate": 1.0}
    study = history((weak, 0.1), (CONV, 0.9), (weak, 0.2))
    for seed in range(20):  # thirty draws of three miss the fittest once in 200,000
        assert len(differences(child(study, population=3, tournament=30, seed=seed), CONV)) <= 2


def test_the_oldest_die_even_if_they_are_the_fittest():
    young = {"downsample": "avg-2x2", "width": 64, "rate": 1.0}
    study = history((CONV, 0.9), (young, 0.1), (young, 0.1))
    for seed in range(20):
        assert len(differences(child(study, population=2, tournament=30, seed=seed), young)) <= 2


def test_a_trial_that_was_stopped_loses_against_all_complete_ones_and_to_those_that_came_further():
    others = {"downsample": "avg-2x2", "width": 64, "rate": 1.0}
    complete = (CONV, 0.3)
    early, late = (others, TrialState.PRUNED, 0.9), (POOL, TrialState.PRUNED, 0.1, 0.2)
    for seed in range(20):
        best = child(history(early, complete, late), population=3, tournament=30, seed=seed)
        assert len(differences(best, CONV)) <= 2
        best = child(history(late, early), population=2, tournament=30, seed=seed)
        assert len(differences(best, POOL)) <= 2


def test_failed_and_infeasible_trials_are_nobodys_parents():
    bad = {"downsample": "avg-2x2", "width": 64, "rate": 1.0}
    study = history((CONV, 0.3), (bad, TrialState.FAIL), (bad, TrialState.PRUNED))
    for seed in range(20):
        assert len(differences(child(study, population=1, tournament=1, seed=seed), CONV)) <= 2


RANGES = [
    IntDistribution(3, 9, step=2),
    IntDistribution(1, 64, log=True),
    IntDistribution(0, 1),
    FloatDistribution(0.1, 1.6, step=0.3),
    FloatDistribution(0.001, 1.0, log=True),
    FloatDistribution(-3.0, 5.0),
]


@pytest.mark.parametrize("axis", RANGES, ids=str)
def test_the_way_from_0_to_1_leads_over_all_levels_of_a_range_and_back(axis):
    levels = [level_at(i / 1000, axis) for i in range(1001)]
    assert (levels[0], levels[-1]) == pytest.approx((axis.low, axis.high))
    assert levels == sorted(levels)
    assert all(level_at(position_of(level, axis), axis) == pytest.approx(level) for level in levels)
    assert (level_at(-0.5, axis), level_at(1.5, axis)) == (levels[0], levels[-1])
    if isinstance(axis, IntDistribution):
        assert set(levels) == set(range(axis.low, axis.high + 1, axis.step))
    elif axis.step is not None:
        assert sorted(set(levels)) == pytest.approx([0.1, 0.4, 0.7, 1.0, 1.3, 1.6])


def test_the_middle_of_the_way_is_the_geometric_mean_of_a_logarithmic_range():
    assert level_at(0.5, FloatDistribution(0.01, 1.0, log=True)) == pytest.approx(0.1)
