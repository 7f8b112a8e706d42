"""Means, paired differences and verdicts against numbers worked out by hand, by SciPy or by statsmodels."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from fishnet_search.evidence.effects import EFFECT_COLUMNS, more_seeds, paired_differences, variant_effects
from fishnet_search.evidence.frames import curve_frame, trial_frame, worth_of_an_image
from fishnet_search.evidence.naming import names_of
from tests.records import OF_CLASSIFICATION, complete, duplicate, failed, pruned, study_of, trials_of

MANY = 1_000_000
"""Test images, of which rounding does not show."""


def effects_of(top1, extra=(), *, seeds=(1, 2, 3), images=MANY):
    """Effects by variant name of a study whose first variant is the baseline."""
    trials = [*trials_of(top1), *extra]
    return table_of(study_of(list(dict.fromkeys(trial.variant for trial in trials)), seeds), trials, images)


def table_of(study, trials, images=MANY):
    frame = trial_frame(study, trials).assign(test_images=images)
    return variant_effects(frame, study.baseline, curve_frame(trials)).set_index("variant")


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
def test_the_verdict_on_a_comparison_that_stands_alone_says_whether_its_interval_excludes_zero(base, other, verdict):
    effects = effects_of({"base": base, "other": other})
    assert effects.loc["other"].verdict == verdict
    assert effects.loc["base"].verdict == "baseline"


def test_equal_differences_have_the_interval_that_the_test_images_allow():
    effect = effects_of({"base": [0.25, 0.50, 0.75], "other": [0.50, 0.75, 1.00]}, images=300).loc["other"]
    assert effect.difference_top1 == 0.25
    assert effect.difference_ci95 == pytest.approx(4.302653 / (300 * math.sqrt(18)))  # t(0.975, 2) · 1/(300 √6) / √3


@pytest.mark.parametrize(
    ("images", "p", "verdict"),
    # by hand, as in test_paired: with every seed two images of 200 more, or one of 100; t² = 18 · 2² and 18
    [(200, 1 - math.sqrt(72 / 74), "larger than the noise"), (100, 1 - math.sqrt(18 / 20), "within the noise")],
)
def test_a_difference_of_few_images_with_every_seed_is_judged_by_how_many_there_are(images, p, verdict):
    effect = effects_of({"base": [0.90, 0.91, 0.92], "other": [0.91, 0.92, 0.93]}, images=images).loc["other"]
    assert effect.p == pytest.approx(p)
    assert effect.verdict == verdict


def test_what_an_image_is_worth_is_read_off_the_trials():
    trials = trials_of({"base": [0.90, 0.91, 0.92], "other": [0.91, 0.92, 0.93]})
    study = study_of(["base", "other", "missing"])
    frame = trial_frame(study, trials)
    assert worth_of_an_image(frame) == 1 / study.data.test_images
    assert frame["test_images"].isna().tolist() == [False] * 6 + [True] * 3
    effect = variant_effects(frame, "base", curve_frame(trials)).set_index("variant").loc["other"]
    assert effect.difference_ci95 == pytest.approx(4.302653 / (study.data.test_images * math.sqrt(18)))
    assert worth_of_an_image(trial_frame(study, [])) == 0


def test_without_a_complete_baseline_nothing_is_compared():
    trials = [failed("base", 1), complete("other", 1, 0.9)]
    effects = table_of(study_of(["base", "other"], [1]), trials)
    assert effects.loc["other"].verdict == "not compared"
    assert math.isnan(effects.loc["other"].difference_top1)
    assert effects.loc["other"].test_top1_mean == 0.9


def test_failed_trials_do_not_enter_a_mean():
    effect = effects_of({"base": [0.90, 0.92]}, [failed("base", 3)]).loc["base"]
    assert (effect.seeds, effect.seeds_planned) == (2, 3)
    assert effect.test_top1_mean == pytest.approx(0.91)


def test_a_variant_without_a_trial_keeps_its_row():
    effect = table_of(study_of(["base", "other"]), trials_of({"base": [0.9]})).loc["other"]
    assert (effect.seeds, effect.params) == (0, 123_456)
    assert math.isnan(effect.test_top1_mean)


THREE = {
    "base": [0.900, 0.910, 0.920],
    "clear": [0.930, 0.940, 0.951],  # + 3, 3, 3.1 points
    "faint": [0.920, 0.927, 0.942],  # + 2, 1.7, 2.2
    "close": [0.910, 0.915, 0.940],  # + 1, 0.5, 2
    "alike": [0.901, 0.905, 0.925],  # + 0.1, − 0.5, 0.5
}


def p_of(variant, values=THREE):
    return stats.ttest_rel(values[variant], values["base"]).pvalue


def test_verdicts_are_corrected_for_all_comparisons_of_the_table():
    effects = effects_of(THREE)
    found, p_holm, *_ = multipletests([p_of(name) for name in list(THREE)[1:]], method="holm")
    assert effects["p"].tolist()[1:] == pytest.approx([p_of(name) for name in list(THREE)[1:]])
    assert effects["p_holm"].tolist()[1:] == pytest.approx(p_holm.tolist())
    assert found.tolist() == [True, True, False, False]
    assert (effects["verdict"] == "larger than the noise").tolist()[1:] == found.tolist()


def test_a_difference_whose_own_interval_excludes_zero_can_be_within_the_noise_of_a_table():
    # by hand: + 2, 1.5, 2.5 points, t = 0.02 / (0.005 / √3) = 6.93, p = 0.0202; four times that is 0.081
    top1 = {"base": [0.90, 0.91, 0.92], "other": [0.92, 0.925, 0.945]} | {f"v{i}": [0.9, 0.92, 0.91] for i in range(3)}
    effect = effects_of(top1).loc["other"]
    assert abs(effect.difference_top1) > effect.difference_ci95
    assert effect.p == pytest.approx(0.0202, abs=5e-5)
    assert effect.p_holm == pytest.approx(4 * effect.p)
    assert effect.verdict == "within the noise"


def test_equal_variants_and_single_seeds_are_no_comparisons_of_their_own():
    trials = trials_of(THREE)
    extra = [
        *(duplicate("clear again", each) for each in trials if each.variant == "clear"),
        *(duplicate("base again", each) for each in trials if each.variant == "base"),
        complete("single", 1, 0.99),
        complete("stopped", 1, 0.99),
        pruned("stopped", 2),
    ]
    alone, effects = effects_of(THREE), effects_of(THREE, extra)
    assert effects.loc[list(THREE), "p_holm"].tolist() == pytest.approx(alone["p_holm"].tolist(), nan_ok=True)
    assert effects.loc["clear again", "p_holm"] == effects.loc["clear", "p_holm"]
    assert effects.loc["clear again", "verdict"] == effects.loc["clear", "verdict"] == "larger than the noise"
    assert effects.loc[["base again", "single", "stopped"], ["p", "p_holm", "more_seeds"]].isna().all(axis=None)
    assert effects.loc["base again", "verdict"] == "same network"
    assert effects.loc["base again", ["difference_top1", "difference_ci95"]].tolist() == [0, 0]


def test_of_equal_variants_the_one_with_the_most_pairs_is_the_comparison():
    # an earlier one with a single seed is no test; the later one is, and counts among the others
    clear = [each for each in trials_of(THREE) if each.variant == "clear"]
    others = [each for each in trials_of(THREE) if each.variant != "clear"]
    trials = [*others[:3], duplicate("early", clear[0]), *clear, *others[3:]]
    effects = table_of(study_of(["base", "early", "clear", "faint", "close", "alike"]), trials)
    alone = effects_of(THREE)
    assert effects.loc["early", "same_as"] == "clear"
    assert pd.isna(effects.loc["clear", "same_as"])
    assert effects.loc["early", "verdict"] == "one seed: no interval"
    assert effects.loc[list(THREE), "p_holm"].tolist() == pytest.approx(alone["p_holm"].tolist(), nan_ok=True)


def test_equals_of_equals_are_all_the_same_as_one():
    first = trials_of({"a": [0.93, 0.94, 0.95]})
    second = [complete("b", 2, 0.94, key=first[1].key), complete("b", 4, 0.95)]
    third = [complete("c", 4, 0.95, key=second[1].key)]
    base = [complete("base", seed, 0.9 + 0.01 * seed) for seed in (1, 2, 3, 4)]
    effects = table_of(study_of(["base", "c", "b", "a"], (1, 2, 3, 4)), [*base, *third, *second, *first])
    assert effects.loc[["b", "c"], "same_as"].tolist() == ["a", "a"]


def test_an_equal_variant_with_other_seeds_is_judged_in_the_place_of_the_earlier_one():
    values = THREE | {"clear": [0.930, 0.945, 0.951]}
    first = [each for each in trials_of(values) if each.variant == "clear"][:2]
    effects = effects_of(values, [duplicate("clear again", each) for each in first])
    own = stats.ttest_rel([0.930, 0.945], [0.900, 0.910]).pvalue
    others = [p_of(name) for name in ("faint", "close", "alike")]
    expected = multipletests([own, *others], method="holm")[1][0]
    assert effects.loc["clear again", "p_holm"] == pytest.approx(expected)
    assert effects.loc["clear", "p_holm"] == pytest.approx(
        multipletests([p_of("clear", values), *others], method="holm")[1][0]
    )


def test_how_many_more_seeds_would_settle_a_difference_goes_by_the_level_that_is_left():
    effects = effects_of(THREE)
    assert effects.loc[["clear", "faint"], "more_seeds"].tolist() == [0, 0]
    # two of four are settled, so that the next smallest p is held against 0.05 / 2
    size = effects.loc["close", "effect_size"]
    assert size == pytest.approx(0.0350 / 3 / 0.0076376, rel=1e-4)  # by hand: s² = (0.17² + 0.67² + 0.83²) / 2 · 1e-4
    needed = 3 + effects.loc["close", "more_seeds"]
    power = [TTestPower().power(size, n, 0.025) for n in (needed - 1, needed)]
    assert power[0] < 0.8 <= power[1]
    assert effects.loc["alike", "more_seeds"] == math.inf or effects.loc["alike", "more_seeds"] > 100


def test_a_difference_within_the_noise_takes_one_more_seed_at_least():
    verdicts = ["within the noise", "larger than the noise", "within the noise", "one seed: no interval"]
    compared = pd.DataFrame({"pairs": [40, 40, 2, 1], "effect_size": [0.8, 0.8, 0.8, math.nan], "verdict": verdicts})
    assert more_seeds(compared, 0.05).tolist() == pytest.approx([1, 0, 15 - 2, math.nan], nan_ok=True)


def test_no_number_of_seeds_settles_a_difference_of_0():
    effects = effects_of({"base": [0.5, 0.75, 1.0], "equal": [0.5, 0.75, 1.0]})
    assert effects.loc["equal", ["p", "effect_size", "more_seeds"]].tolist() == [1, 0, math.inf]
    assert math.isnan(effects.loc["base", "more_seeds"])


def test_the_best_epoch_is_held_against_the_last_by_validation_figures():
    def trial(seed, validation):
        whole = complete("base", seed, 0.9)
        epochs = tuple(
            epoch.model_copy(update={"epoch": i, "validation": epoch.validation | {"top1": top1}})
            for i, (epoch, top1) in enumerate(zip(whole.epochs, validation, strict=True), 1)
        )
        return whole.model_copy(update={"epochs": epochs, "best_epoch": 1 + validation.index(max(validation))})

    trials = [trial(1, [0.94, 0.92]), trial(2, [0.93, 0.96]), pruned("base", 3)]
    effect = table_of(study_of(["base"]), trials).loc["base"]
    assert effect.validation_top1_mean == pytest.approx(0.95)
    assert effect.validation_top1_last == pytest.approx(0.94)
    assert effect.gap_best_last == pytest.approx(0.01)  # by hand: (2 + 0) / 2 points


def test_every_column_is_explained():
    assert ["variant", *effects_of(THREE).columns] == names_of(EFFECT_COLUMNS, OF_CLASSIFICATION)
