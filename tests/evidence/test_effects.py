"""Means and paired differences against numbers worked out by hand or by SciPy."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from scipy import stats

from fishnet_search.evidence.effects import half_width, paired_differences, variant_effects
from fishnet_search.evidence.frames import trial_frame
from tests.records import complete, failed, study_of, trials_of


def effects_of(top1, extra=(), *, seeds=(1, 2, 3)):
    """Effects by variant name of a study whose first variant is the baseline."""
    study = study_of(list(top1), seeds)
    frame = trial_frame(study, [*trials_of(top1), *extra])
    return variant_effects(frame, study.baseline).set_index("variant")


def test_the_interval_is_students_t_over_seeds():
    # by hand: s² = (0.03² + 0.01² + 0.04²) / 2 = 0.0013, and t(0.975, 2) = 4.302653 from a printed table
    assert half_width([0.90, 0.92, 0.97]) == pytest.approx(4.302653 * math.sqrt(0.0013 / 3), rel=1e-6)


def test_the_interval_agrees_with_scipy():
    values = [0.951, 0.962, 0.949, 0.958, 0.97]
    low, high = stats.t.interval(0.95, 4, loc=0, scale=stats.sem(values))
    assert half_width(values) == pytest.approx((high - low) / 2)


@pytest.mark.parametrize("values", [[], [0.97]])
def test_fewer_than_two_seeds_have_no_interval(values):
    assert math.isnan(half_width(values))


def test_the_mean_is_of_test_figures_over_seeds():
    effect = effects_of({"base": [0.90, 0.92, 0.97]}).loc["base"]
    assert effect.test_top1_mean == pytest.approx(0.93)
    assert effect.test_top1_ci95 == pytest.approx(0.0895668, rel=1e-5)
    assert effect.seeds == 3


def test_the_difference_is_the_paired_one():
    base, other = [0.90, 0.92, 0.97], [0.88, 0.91, 0.94]
    effect = effects_of({"base": base, "other": other}).loc["other"]
    reference = stats.ttest_rel(other, base)
    low, high = reference.confidence_interval(0.95)
    assert effect.difference_top1 == pytest.approx(-0.02)  # by hand: (−0.02 − 0.01 − 0.03) / 3
    assert effect.difference_top1 - effect.difference_ci95 == pytest.approx(low)
    assert effect.difference_top1 + effect.difference_ci95 == pytest.approx(high)


def test_only_seeds_that_both_have_are_paired():
    # seed 3 of `other` would change the difference by far if it were compared with the mean of the baseline
    effect = effects_of(
        {"base": [0.90, 0.92]}, [complete("other", seed, value) for seed, value in ((2, 0.93), (3, 0.1))]
    )
    assert effect.loc["other"].pairs == 1
    assert effect.loc["other"].seeds == 2
    assert effect.loc["other"].difference_top1 == pytest.approx(0.01)


def test_pairs_do_not_depend_on_the_order_of_the_trials():
    top1 = {"base": [0.90, 0.92, 0.97], "other": [0.91, 0.94, 0.93]}
    study, trials = study_of(list(top1)), trials_of(top1)
    forward = paired_differences(trial_frame(study, trials), "base")
    backward = paired_differences(trial_frame(study, trials[::-1]), "base")
    pd.testing.assert_frame_equal(forward, backward)
    assert dict(zip(forward["seed"], forward["difference"], strict=True)) == pytest.approx({1: 0.01, 2: 0.02, 3: -0.04})


@pytest.mark.parametrize(
    ("base", "other", "verdict"),
    [
        ([0.90, 0.91, 0.92], [0.95, 0.96, 0.971], "larger than the noise"),
        ([0.90, 0.91, 0.92], [0.85, 0.86, 0.871], "larger than the noise"),
        ([0.90, 0.91, 0.92], [0.91, 0.90, 0.93], "within the noise"),
        ([0.90], [0.99], "one seed: no interval"),
        ([0.50, 0.75, 1.00], [0.50, 0.75, 1.00], "within the noise"),  # no spread around 0
        ([0.25, 0.50, 0.75], [0.50, 0.75, 1.00], "larger than the noise"),  # no spread around a difference
    ],
)
def test_the_verdict_says_whether_the_interval_excludes_zero(base, other, verdict):
    effects = effects_of({"base": base, "other": other})
    assert effects.loc["other"].verdict == verdict
    assert effects.loc["base"].verdict == "baseline"


def test_equal_differences_have_an_interval_of_no_width():
    effect = effects_of({"base": [0.25, 0.50, 0.75], "other": [0.50, 0.75, 1.00]}).loc["other"]
    assert effect.difference_top1 == 0.25
    assert effect.difference_ci95 == 0


def test_without_a_complete_baseline_nothing_is_compared():
    trials = [failed("base", 1), complete("other", 1, 0.9)]
    effects = variant_effects(trial_frame(study_of(["base", "other"], [1]), trials), "base").set_index("variant")
    assert effects.loc["other"].verdict == "not compared"
    assert math.isnan(effects.loc["other"].difference_top1)
    assert effects.loc["other"].test_top1_mean == 0.9


def test_failed_trials_do_not_enter_a_mean():
    effect = effects_of({"base": [0.90, 0.92]}, [failed("base", 3)]).loc["base"]
    assert (effect.seeds, effect.seeds_planned) == (2, 3)
    assert effect.test_top1_mean == pytest.approx(0.91)


def test_a_variant_without_a_trial_keeps_its_row():
    effect = variant_effects(trial_frame(study_of(["base", "other"]), trials_of({"base": [0.9]})), "base").iloc[1]
    assert (effect.variant, effect.seeds, effect.params) == ("other", 0, 123_456)
    assert math.isnan(effect.test_top1_mean)
