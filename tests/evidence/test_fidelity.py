"""What the first epochs tell of the last, against scipy, Optuna's pruner and counting by hand."""

from __future__ import annotations

import numpy as np
import optuna
import pandas as pd
import pytest
from scipy import stats

from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.fidelity import (
    FIDELITY_COLUMNS,
    MOST,
    Race,
    _drawn_taus,
    fidelity_frame,
    races_of,
    survivors,
)
from fishnet_search.evidence.halving import HURDLE_COLUMNS, hurdle_frame, replay_halving, usual_hurdles
from fishnet_search.evidence.naming import names_of
from fishnet_search.study.record import EpochRecord
from fishnet_search.train.recipe import Recipe
from tests.records import OF_CLASSIFICATION, SPEED, complete, duplicate, failed, pruned, study_of

RNG = np.random.default_rng(0)
CURVES = np.round(np.cumsum(RNG.uniform(0, 0.1, (12, 6)), axis=1), 2)  # rounded, so that there are ties
RISING = np.linspace(0.1, 0.6, 6)


def trial(name, seed, curve, **fields):
    """A trial with this validation top-1 after each epoch."""
    epochs = tuple(
        EpochRecord(epoch=i, learning_rate=0.1, train=one, validation=one, seconds=1.0, **SPEED)
        for i, one in enumerate(({"loss": 1.0, "top1": float(top1), "top5": 1.0} for top1 in curve), 1)
    )
    best = int(np.argmax(curve)) + 1
    return complete(name, seed, float(max(curve)), epochs=epochs, best_epoch=best, **fields)


def analysis_of(trials, seeds=(1,), **fields):
    names = list(dict.fromkeys(one.variant for one in trials))
    return analyse(study_of(names, seeds, **fields), trials)


def races_in(trials, seeds=(1,), **fields):
    analysis = analysis_of(trials, seeds, **fields)
    return races_of(analysis.trials, analysis.curves)


def race(curves, seed=1):
    return Race(seed, tuple(f"v{i}" for i in range(len(curves))), np.asarray(curves, dtype=float))


def test_tau_is_that_of_scipy_within_each_seed_and_then_averaged():
    curves = {seed: np.random.default_rng(seed).uniform(size=(12, 5)) for seed in (1, 2, 3)}
    trials = [trial(f"v{i}", seed, curve) for seed, own in curves.items() for i, curve in enumerate(own)]
    found = fidelity_frame(races_in(trials, (1, 2, 3)), keep=3)
    assert list(found) == names_of(FIDELITY_COLUMNS, OF_CLASSIFICATION)
    assert found["epoch"].tolist() == [1, 2, 3, 4]
    assert found["seeds"].tolist() == [3] * 4
    for epoch, tau in zip(found["epoch"], found["tau"], strict=True):
        taus = [stats.kendalltau(own[:, epoch - 1], own.max(axis=1)).statistic for own in curves.values()]
        assert tau == pytest.approx(np.mean(taus))


def test_a_bootstrap_tau_is_that_of_scipy_on_the_sample_spelled_out():
    rng = np.random.default_rng(1)
    counts = rng.multinomial(12, np.full(12, 1 / 12), size=20).astype("float32")
    found = _drawn_taus(race(CURVES), counts)
    assert found.shape == (20, 5)
    for row, own in zip(found, counts.astype(int), strict=True):
        sample = np.repeat(CURVES, own, axis=0)
        expected = [stats.kendalltau(sample[:, k], sample.max(axis=1)).statistic for k in range(5)]
        assert row.tolist() == pytest.approx(expected, abs=1e-5)


def test_the_interval_is_around_tau_and_narrower_with_more_variants():
    widths = []
    for n in (12, 200):
        rng = np.random.default_rng(n)
        final = rng.normal(size=n)
        found = fidelity_frame((race(np.column_stack([final + rng.normal(size=n), final])),), keep=3).iloc[0]
        assert found["tau_low"] < found["tau"] < found["tau_high"]
        widths.append(found["tau_high"] - found["tau_low"])
    assert widths[1] < widths[0] / 2


@pytest.mark.parametrize(("n", "told"), [(1, False), (4, True)])
def test_samples_of_equal_figures_are_left_out_if_they_are_few(n, told):
    # after the first epoch all but n of 12 are alike; by hand (11/12)¹² = 35 % of the samples have none of one, and
    # (8/12)¹² = 0.8 % none of four
    first = np.where(np.arange(12) < n, 0.3 + np.arange(12) / 100, 0.2)
    curves = np.column_stack([first, np.linspace(0.6, 0.5, 12)])
    found = fidelity_frame((race(curves),), keep=3).iloc[0]
    draws = _drawn_taus(race(curves), np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), 500).astype("f4"))
    assert np.isnan(draws).any()
    if told:
        assert found[["tau_low", "tau_high"]].tolist() == np.nanpercentile(draws, [2.5, 97.5]).tolist()
        assert found["tau_low"] < found["tau"] < found["tau_high"]
    else:
        assert found[["tau_low", "tau_high"]].isna().all()


def test_curves_that_never_cross_keep_their_ranks_and_lose_nothing():
    found = fidelity_frame((race([RISING + 0.01 * i for i in range(12)]),), keep=3)
    assert found["tau"].tolist() == pytest.approx([1.0] * 5)
    assert (found[["best_lost", "best_lost_of_half", "shortfall_top1"]] == 0).all(axis=None)


def test_equal_figures_have_no_ranks():
    same = np.column_stack([np.full(12, 0.5), np.linspace(0.6, 0.7, 12)])
    found = fidelity_frame((race(same),), keep=3)
    assert found[["tau", "tau_low", "tau_high"]].isna().all(axis=None)
    assert found["best_lost"].tolist() == [0.0]  # equals all go on


def test_the_share_of_the_best_that_is_lost_is_counted():
    # 20 variants: the best two in the end are 0 and 1; after epoch 1, 0 is the best and 1 the worst
    end = np.linspace(0.9, 0.7, 20)
    early = np.concatenate([[0.6, 0.1], np.linspace(0.5, 0.3, 18)])
    found = fidelity_frame((race(np.column_stack([early, early[::-1], end])),), keep=4)
    # five go on: 0 and 2 to 5; after epoch 2, where all is backwards, 19 and 14 to 17
    assert found["best_lost"].tolist() == found["best_lost_of_half"].tolist() == [0.5, 1.0]
    assert found["shortfall_top1"].tolist() == pytest.approx([0.0, end[0] - end[14]])


@pytest.mark.parametrize("keep", [2, 3, 4])
@pytest.mark.parametrize("n", [1, 2, 7, 12])
def test_those_who_go_on_are_those_whom_optunas_pruner_lets(n, keep):
    values = np.random.default_rng(n).permutation(n) / 10
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=keep, min_early_stopping_rate=0)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    for value in values:
        judged = study.ask()
        judged.report(float(value), 1)
        stopped = judged.should_prune()
    assert survivors(values, keep)[-1] != stopped  # the last to come is judged among all


def test_the_figures_do_not_count_of_trials_that_were_stopped_or_have_another_number_of_epochs():
    long = [trial(f"v{i}", 1, curve) for i, curve in enumerate(CURVES)]
    short = trial("short", 1, [0.5, 0.9])
    (found,) = races_in([*long, short, pruned("stopped", 1)])
    assert found.variants == tuple(f"v{i}" for i in range(12))
    assert found.curves.tolist() == CURVES.tolist()


def test_an_experiment_under_two_names_is_ranked_once():
    trials = [trial(f"v{i}", 1, curve) for i, curve in enumerate(CURVES)]
    (found,) = races_in([*trials, duplicate("again", trials[0])])
    assert len(found.variants) == 12


def test_seeds_with_few_variants_have_no_ranks():
    trials = [trial(f"v{i}", 1, curve) for i, curve in enumerate(CURVES)]
    found = races_in([*trials, trial("v0", 2, CURVES[0]), trial("v1", 2, CURVES[1])], (1, 2))
    assert [one.seed for one in found] == [1]
    assert races_in(trials[:9]) == ()
    assert races_in([trial(f"v{i}", 1, curve[:1]) for i, curve in enumerate(CURVES)]) == ()  # one epoch is the end


def test_of_very_many_variants_some_are_drawn():
    names = [f"v{i}" for i in range(MOST + 50)]
    trials = pd.DataFrame(
        {"variant": names, "seed": 1, "planned": True, "key": names, "state": "complete", "epochs": 2}
    )
    curves = pd.DataFrame({"variant": names, "seed": 1, "validation_top1": np.linspace(0, 1, len(names))})
    curves = pd.concat([curves.assign(epoch=1), curves.assign(epoch=2)])
    (found,) = races_of(trials, curves)
    assert len(set(found.variants)) == MOST
    assert found.curves[:, 0].tolist() == [curves["validation_top1"].iloc[names.index(one)] for one in found.variants]


def test_successive_halving_on_recorded_curves_spends_and_loses_what_counting_says():
    # nine variants over nine epochs; the best in the end is the fourth after epoch 1, and so among those stopped
    start = np.array([0.50, 0.49, 0.48, 0.47, 0.46, 0.45, 0.44, 0.43, 0.42])
    end = np.array([0.80, 0.85, 0.70, 0.90, 0.60, 0.61, 0.62, 0.63, 0.64])
    curves = np.column_stack([start] + [start + 0.01] * 7 + [end])
    found = replay_halving((race(curves),), (1, 3), keep=3)
    assert found.epochs_share == pytest.approx((9 * 1 + 3 * 2 + 1 * 6) / 81)  # all, then three, then one
    assert found.shortfall == pytest.approx(0.90 - 0.80)
    assert found.seeds_kept == 0
    both = replay_halving((race(curves), race([RISING.tolist() + [i / 10] * 3 for i in range(9)], 2)), (1, 3), keep=3)
    assert both.shortfall == pytest.approx(0.05)
    assert both.seeds_kept == 1  # of equals all go on


@pytest.mark.parametrize(
    ("epochs", "expected"), [(2, (1,)), (5, (1, 3)), (9, (1, 3)), (10, (1, 3, 9)), (30, (3, 9, 27)), (1, ())]
)
def test_hurdles_by_default_are_a_ninth_of_the_epochs_and_three_times_as_many_each(epochs, expected):
    assert usual_hurdles(epochs, 3) == expected


def test_the_default_hurdles_are_those_at_which_the_engine_stops():
    from fishnet_search.engine.stopping import Stopping
    from fishnet_search.space.design import Stop

    recipe, stopping, stopped = Recipe(epochs=20, batch_size=64), Stopping(Stop(kind="asha"), []), set()
    for i in range(60):
        whole = trial(f"v{i}", 1, np.linspace(1, 2, 20) / (2 + i), recipe=recipe)  # each is worse than those before it
        for n in range(1, 21):
            if not stopping.goes_on(whole.model_copy(update={"epochs": whole.epochs[:n]})):
                stopped.add(n)
                break
    assert stopped <= set(usual_hurdles(20, 3))
    assert min(stopped) == usual_hurdles(20, 3)[0]


def test_where_trials_were_stopped_it_is_told_how_the_best_in_the_end_stood():
    curves = {"a": [0.3, 0.6, 0.7], "b": [0.5, 0.5, 0.6], "c": [0.4], "d": [0.2], "e": [0.1, 0.2]}
    trials = [
        trial(name, 1, curve, state="complete" if len(curve) == 3 else "pruned") for name, curve in curves.items()
    ]
    analysis = analysis_of(trials, stop="asha")
    found = hurdle_frame(analysis.trials, analysis.curves, seed=1, asked=dict.fromkeys(curves, 3))
    assert list(found) == list(HURDLE_COLUMNS)
    # a is the best in the end; after epoch 1 b and c were better
    assert found.to_dict("records") == [
        {"epoch": 1, "reached": 5, "stopped": 2, "place_of_best": 3},
        {"epoch": 2, "reached": 3, "stopped": 1, "place_of_best": 1},
    ]


def test_the_best_is_held_against_those_that_were_to_have_as_many_epochs():
    curves = {"a": [0.3, 0.6, 0.7], "b": [0.5], "c": [0.6, 0.6, 0.6, 0.6, 0.6], "d": [0.2]}
    trials = [trial(name, 1, curve, state="complete" if name == "a" else "pruned") for name, curve in curves.items()]
    analysis = analysis_of(trials, stop="asha")
    asked = {"a": 3, "b": 3, "c": 9, "d": 9}
    assert hurdle_frame(analysis.trials, analysis.curves, seed=1, asked=asked).to_dict("records") == [
        {"epoch": 1, "reached": 2, "stopped": 1, "place_of_best": 2}
    ]
    assert hurdle_frame(analysis.trials, analysis.curves, seed=1, asked={**asked, "b": 9}).empty


def test_a_best_that_failed_under_another_name_is_the_best():
    best = trial("best", 1, [0.5, 0.9])
    others = [trial("stopped", 1, [0.6], state="pruned"), trial("other", 1, [0.4, 0.5])]
    analysis = analysis_of([failed("twin", 1).model_copy(update={"key": best.key}), best, *others], stop="asha")
    asked = dict.fromkeys(analysis.trials["variant"], 2)
    assert hurdle_frame(analysis.trials, analysis.curves, seed=1, asked=asked).to_dict("records") == [
        {"epoch": 1, "reached": 3, "stopped": 1, "place_of_best": 2}
    ]


def test_where_nothing_was_stopped_there_are_no_hurdles():
    analysis = analysis_of([trial("a", 1, [0.5, 0.6])])
    assert hurdle_frame(analysis.trials, analysis.curves, seed=1, asked={"a": 2}).empty


def test_variants_are_drawn_with_all_their_seeds():
    # with two seeds that are alike, the interval is that of one: seeds add nothing
    one, two = race(CURVES), (race(CURVES), race(CURVES, seed=2))
    pd.testing.assert_frame_equal(
        fidelity_frame((one,), keep=3)[["tau_low", "tau_high"]], fidelity_frame(two, keep=3)[["tau_low", "tau_high"]]
    )
