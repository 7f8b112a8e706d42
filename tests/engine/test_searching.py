"""Searches suggest the same again, stay on their axes, learn, and end with the best."""

import itertools
import json
import math
import statistics
import warnings

import numpy as np
import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FixedTrial, TrialState

from fishnet_search.engine.searching import directions, finalists_of, params_of, sampler_of, suggested, values_of
from fishnet_search.errors import StudyError
from fishnet_search.study.record import EpochRecord, TrialRecord
from tests.engine.axes import ask, begin, design, listed, ranged, search, space

KINDS = ["tpe", "nsga2", "cmaes", "evolution"]

AXES = space(
    listed("downsample", "max-2x2", "avg-2x2", "conv-3x3"),
    listed("dilation", 1, [1, 2]),
    ranged("kernel", 3, 7, step=2, when={"downsample": ("conv-3x3", "max-2x2")}),
    ranged("width", 16, 64, step=8),
    ranged("rate", 0.01, 1.0, log=True),
)


def accuracy(levels):
    """Best at avg-2x2, [1, 2], 40, 0.1: a hill on every range, a step on every list."""
    hill = 1 - ((levels["width"] - 40) / 48) ** 2 - (math.log10(levels["rate"]) + 1) ** 2 / 4
    kernel = 0.1 * (levels.get("kernel", 3) == 5)
    return hill - kernel - 0.3 * (levels["downsample"] != "avg-2x2") - 0.2 * (levels["dilation"] == 1)


def figures(wanted):
    """Return what a trial is told to be worth, by as many objectives as there are: accuracy, and the width as cost."""
    return lambda levels: [accuracy(levels), levels["width"] ** 2][: len(wanted.objectives)]


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_with_the_same_seed_is_the_same_search(kind):
    wanted = design(kind, candidates=30)
    assert search(wanted, AXES, figures(wanted)) == search(wanted, AXES, figures(wanted))


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_with_another_seed_is_another_search(kind):
    one, other = design(kind, candidates=5), design(kind, candidates=5, seed=1)
    assert search(one, AXES, figures(one)) != search(other, AXES, figures(other))


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_that_goes_on_in_another_process_suggests_what_an_undisturbed_one_does(kind, tmp_path):
    wanted = design(kind, candidates=30)
    undisturbed = search(wanted, AXES, figures(wanted))
    for candidates in (13, 30):
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
        part = wanted.model_copy(update={"candidates": candidates})
        # how many are wanted decides on the sizes of populations, so the design stays the same
        study = begin(wanted, storage)
        while len(study.trials) < part.candidates:
            trial, levels = ask(study, wanted, AXES)
            study.tell(trial, figures(wanted)(levels))
    assert [suggested(FixedTrial(trial.params), AXES) for trial in study.trials] == undisturbed


def test_every_suggestion_has_a_seed_of_its_own():
    first = {json.dumps(ask(begin(wanted := design("tpe", seed=seed)), wanted, AXES)[1]) for seed in range(20)}
    assert len(first) == 20
    wanted = design("evolution")
    study = begin(wanted)
    assert len({json.dumps(ask(study, wanted, AXES)[1]) for _ in range(20)}) == 20


@pytest.mark.parametrize("kind", KINDS)
def test_the_storage_gets_only_short_json_of_which_nothing_is_pickled(kind):
    wanted = design(kind, candidates=30)
    study = begin(wanted)
    search(wanted, AXES, figures(wanted), study)
    attributes = [study._storage.get_study_system_attrs(study._study_id)]
    attributes += [trial.system_attrs for trial in study.trials]
    texts = [json.dumps(value) for kept in attributes for value in kept.values()]
    assert max(map(len, texts), default=0) < 2046, "more does not fit a database's column"
    assert not any(value for value in texts if value.startswith('"') and not value.startswith('"{'))
    if kind in {"cmaes", "evolution"}:
        assert texts == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_says_nothing(kind, capfd):
    wanted = design(kind, candidates=25)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search(wanted, AXES, figures(wanted), begin(wanted))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_trials_that_failed_or_were_stopped_or_are_infeasible_or_in_flight_do_not_stop_a_search(kind):
    wanted = design(kind, candidates=60)
    study, flying = begin(wanted), []
    for number in range(60):
        trial, levels = ask(study, wanted, AXES)
        flying.append((trial, levels))
        if number % 5 == 0:  # infeasible: nothing is known of it
            study.tell(flying.pop(0)[0], state=TrialState.PRUNED)
        elif number % 5 == 1:
            study.tell(flying.pop(0)[0], state=TrialState.FAIL)
        elif number % 5 == 2 and kind != "nsga2":  # of several objectives, Optuna takes no figures of an epoch
            stopped, at = flying.pop(0)
            stopped.report(accuracy(at), 1)
            study.tell(stopped, state=TrialState.PRUNED)
        elif len(flying) > 4:
            done, at = flying.pop(1)
            study.tell(done, figures(wanted)(at))
    assert len(study.trials) == 60
    assert flying


SINGLE = space(ranged("x", 0.0, 1.0), ranged("y", 0.001, 1.0, log=True), ranged("n", 0, 40))
MIXED = space(
    listed("a", "p", "q", "r", "s"),
    listed("b", 1, 2, 4, 8),
    listed("c", False, True),
    ranged("n", 1, 20),
    ranged("x", 0, 1),
)


def on_ranges(levels):
    return -((levels["x"] - 0.7) ** 2) - (math.log10(levels["y"]) + 2) ** 2 / 9 - ((levels["n"] - 12) / 40) ** 2


def on_a_mixture(levels):
    right = (levels["a"] == "r") + (levels["b"] == 4) + (levels["c"] is True)
    return right - ((levels["n"] - 15) / 20) ** 2 - (levels["x"] - 0.2) ** 2


@pytest.mark.parametrize(
    ("kind", "axes", "value"),
    [
        ("tpe", SINGLE, on_ranges),
        ("tpe", MIXED, on_a_mixture),
        ("evolution", SINGLE, on_ranges),
        ("evolution", MIXED, on_a_mixture),
        ("cmaes", SINGLE, on_ranges),
    ],
)
def test_a_search_finds_better_than_as_many_random_draws(kind, axes, value):
    def found(seed):
        return max(map(value, search(design(kind, candidates=60, seed=seed), axes, value)))

    def drawn(seed):
        rng = np.random.default_rng(seed)
        return max(value({name: axis.at(rng.random()) for name, axis in axes.items()}) for _ in range(60))

    ours, random = ([find(seed) for seed in range(9)] for find in (found, drawn))
    assert statistics.median(ours) > statistics.median(random)
    assert sum(one > other for one, other in zip(ours, random, strict=True)) >= 7, "in most of nine seeds"


def test_nsga2_finds_more_of_the_front_of_two_objectives_than_as_many_random_draws():
    axes = space(ranged("width", 0, 30), ranged("waste", 0, 10), ranged("loss", 0, 10))

    def value(levels):  # every width is on the front, with no waste and no loss
        wasted = levels["waste"] + levels["loss"]
        return levels["width"] / 30 - wasted / 10, levels["width"] + 3 * wasted

    def drawn(seed):
        rng = np.random.default_rng(seed)
        return [{name: axis.at(rng.random()) for name, axis in axes.items()} for _ in range(200)]

    ours = [search(design("nsga2", candidates=200, seed=seed), axes, value) for seed in range(5)]
    random = [drawn(seed) for seed in range(5)]
    whole = _volume((width / 30, width) for width in range(31))
    ours, random = ([_volume(map(value, tried)) / whole for tried in each] for each in (ours, random))
    assert statistics.median(ours) > 0.9 > statistics.median(random)


def _volume(points):
    """Return the area that two objectives dominate, from accuracy -1 and cost 60 on: the exact sum over a staircase."""
    area, best = 0.0, -1.0
    for accuracy_, cost in sorted(points, key=lambda point: (point[1], -point[0])):
        if accuracy_ > best:
            area += (accuracy_ - best) * (60 - cost)
            best = accuracy_
    return area


def test_populations_are_small_enough_for_several_generations():
    for candidates in (20, 40, 100, 500):
        size = sampler_of(design("nsga2", candidates=candidates), 0)._population_size
        assert 3 <= candidates / size <= 20


names = st.sampled_from("abcdefgh")
lists = st.lists(st.sampled_from(["p", "q", 1, 2.5, True, [1, 2]]), min_size=1, max_size=4, unique_by=str)


@st.composite
def spaces(draw):
    """Draw axes of all kinds, of which some hang on one before them."""
    axes = []
    for name in draw(st.lists(names, min_size=1, max_size=5, unique=True)):
        when = {}
        parents = [axis for axis in axes if axis.levels is not None]
        if parents and draw(st.booleans()):
            parent = draw(st.sampled_from(parents))
            when = {parent.name: tuple(parent.levels[: draw(st.integers(1, len(parent.levels)))])}
        kind = draw(st.sampled_from(["list", "whole", "step", "float", "log", "whole log"]))
        low = draw(st.integers(1, 50))
        axes.append(
            {
                "list": lambda name, low, when: listed(name, *draw(lists), when=when),
                "whole": lambda name, low, when: ranged(name, low, low + 7, when=when),
                "step": lambda name, low, when: ranged(name, low / 10, low / 10 + 1.5, step=0.3, when=when),
                "float": lambda name, low, when: ranged(name, low / 7, low / 3, when=when),
                "log": lambda name, low, when: ranged(name, low / 1000, low * 1.0, log=True, when=when),
                "whole log": lambda name, low, when: ranged(name, low, low * 9, log=True, when=when),
            }[kind](name, low, when)
        )
    return space(*axes)


@given(axes=spaces(), kind=st.sampled_from(KINDS), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_suggestions_are_levels_of_the_axes_that_are_active_and_of_no_others(axes, kind, seed):
    wanted = design(kind, candidates=14, seed=seed)
    study, rng = begin(wanted), np.random.default_rng(seed)
    for _ in range(wanted.candidates):
        trial, levels = ask(study, wanted, axes)
        assert list(levels) == [name for name, axis in axes.items() if axis.active(levels)]
        for name, level in levels.items():
            known = axes[name].known(level)
            assert known == level
            assert type(known) is type(level)
        assert suggested(FixedTrial(params_of(levels, axes)), axes) == levels
        study.tell(trial, rng.random(len(wanted.objectives)).tolist())


def test_levels_that_are_lists_or_names_come_back_as_the_space_has_them():
    axes = space(
        listed("dilation", 1, [1, 2]), listed("depth", "flat", "deep", values=(1, 3)), listed("se", True, False)
    )
    for indices in itertools.product(range(2), repeat=3):
        levels = {name: axis.levels[i] for (name, axis), i in zip(axes.items(), indices, strict=True)}
        params = params_of(levels, axes)
        assert set(map(type, params.values())) == {str}, "which every storage holds"
        assert suggested(FixedTrial(params), axes) == levels


def test_continuous_levels_have_six_digits_but_for_the_baselines_own():
    axes = space(ranged("rate", 0.01234564, 1.0, log=True, baseline=0.1234567))
    assert suggested(FixedTrial({"rate": 0.98765432}), axes) == {"rate": 0.987654}
    assert suggested(FixedTrial({"rate": 0.012345641}), axes) == {"rate": 0.01234564}, "and are within the range"
    assert suggested(FixedTrial({"rate": 0.1234567}), axes) == {"rate": 0.1234567}


def test_accuracy_is_sought_high_and_costs_low():
    assert directions(["top1", "macs", "latency_ms"]) == ["maximize", "minimize", "minimize"]


def record(top1=(0.5, 0.8), best_epoch=2, latency_ms=None):
    epochs = tuple(
        EpochRecord.model_construct(epoch=i + 1, validation={"loss": 1.0, "top1": value, "top5": 1.0})
        for i, value in enumerate(top1)
    )
    costs = {"params": 10, "macs": 200, "activations": 30, "latency_ms": latency_ms}
    test = {"loss": 1.0, "top1": 0.99, "top5": 1.0}
    return TrialRecord.model_construct(
        trial="t", state="complete", epochs=epochs, best_epoch=best_epoch, test=test, **costs
    )


def test_a_trial_is_worth_its_best_validation_accuracy_and_its_costs():
    objectives = ["top1", "macs", "params", "activations", "latency_ms"]
    assert values_of(objectives, record(latency_ms=1.5)) == [0.8, 200, 10, 30, 1.5]


def test_a_complete_record_without_its_figures_is_refused():
    with pytest.raises(StudyError, match="trial t is complete but has no top1; delete its record"):
        values_of(["top1"], record(best_epoch=None))
    with pytest.raises(StudyError, match="no latency_ms"):
        values_of(["latency_ms"], record())


def test_finalists_by_one_objective_are_the_best_and_of_equals_the_first():
    values = {"a": [0.7], "b": [0.9], "c": [0.8], "d": [0.9]}
    assert finalists_of(values, ["top1"], 3) == ["b", "d", "c"]
    assert finalists_of(values, ["top1"], 9) == ["b", "d", "c", "a"]
    assert finalists_of({}, ["top1"], 3) == []


FRONT = {"tiny": [0.50, 10], "small": [0.60, 20], "small2": [0.62, 22], "middle": [0.75, 50], "big": [0.90, 110]}
BEHIND = {"waste": [0.59, 21], "worse": [0.58, 60]}


@pytest.mark.parametrize(
    ("count", "finalists"),
    [
        (1, ["big"]),  # the most accurate
        (2, ["big", "tiny"]),  # the farthest from it
        (3, ["big", "tiny", "middle"]),
        (4, ["big", "tiny", "middle", "small2"]),  # 0.30 from tiny, against small's 0.25
        (5, ["big", "middle", "small2", "small", "tiny"]),  # the whole front
        (6, ["big", "middle", "small2", "small", "tiny", "waste"]),  # only the front dominates it
        (9, ["big", "middle", "small2", "small", "tiny", "waste", "worse"]),
    ],
)
def test_finalists_by_two_objectives_spread_along_the_front_and_then_come_from_behind_it(count, finalists):
    assert finalists_of(FRONT | BEHIND, ["top1", "macs"], count) == finalists
