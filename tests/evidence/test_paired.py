"""Statistics of paired differences against SciPy, statsmodels and numbers worked out by hand."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from fishnet_search.evidence.paired import (
    BOOTSTRAP_FROM,
    bootstrap_interval,
    comparisons,
    effect_size,
    half_width,
    holm,
    next_level,
    paired_p,
    seeds_to_settle,
    spread,
)

NAN = math.nan
TEN = [0.012, -0.004, 0.008, 0.015, 0.001, 0.009, -0.002, 0.011, 0.006, 0.004]


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_the_interval_is_students_t_over_seeds():
    # by hand: s² = (0.03² + 0.01² + 0.04²) / 2 = 0.0013, and t(0.975, 2) = 4.302653 from a printed table
    assert half_width([0.90, 0.92, 0.97]) == pytest.approx(4.302653 * math.sqrt(0.0013 / 3), rel=1e-6)


def test_the_interval_agrees_with_scipy():
    values = [0.951, 0.962, 0.949, 0.958, 0.97]
    low, high = stats.t.interval(0.95, 4, loc=0, scale=stats.sem(values))
    assert half_width(values) == pytest.approx((high - low) / 2)


@pytest.mark.parametrize("values", [[], [0.97]])
@pytest.mark.parametrize(
    "statistic", [spread, half_width, paired_p, effect_size, lambda values: bootstrap_interval(values)[0]]
)
def test_fewer_than_two_seeds_say_nothing(statistic, values):
    assert math.isnan(statistic(values))


def test_p_is_that_of_the_paired_t_test():
    # by hand: mean 0.02, s = 0.01, t = 0.02 / (0.01 / √3) = 3.4641; p(2 degrees) = 1 − t/√(t² + 2) = 0.0741799
    assert paired_p([0.01, 0.02, 0.03]) == pytest.approx(0.0741799, rel=1e-5)
    base = np.linspace(0.9, 0.92, 10)
    assert paired_p(TEN) == pytest.approx(stats.ttest_rel(base + TEN, base).pvalue)


@pytest.mark.parametrize("images", [100, 1_000, 10**9])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_an_interval_excludes_0_just_where_p_is_below_a_twentieth(images, seeds):
    sets = np.random.default_rng(0).normal(0.01, 0.01, (500, seeds)).round(2 if images == 100 else 3)
    assert ((paired_p(sets, 1 / images) < 0.05) == (np.abs(sets.mean(axis=1)) > half_width(sets, 1 / images))).all()


def test_a_spread_is_no_less_than_that_of_two_figures_that_are_rounded_to_whole_images():
    means = np.random.default_rng(0).uniform(0.8, 0.9, (2, 100_000))
    rounding = np.diff((means * 300).round() / 300 - means, axis=0)
    assert spread([0.01, 0.01, 0.01], 1 / 300) == pytest.approx(rounding.std(), rel=0.01)
    assert spread([0.01, 0.02, 0.03], 1 / 300) == pytest.approx(0.01)  # by hand
    assert spread([[0.01, 0.01], [0.01, 0.01]], [1 / 300, 1 / 600]).tolist() == pytest.approx(
        [0.0013608, 0.0006804], 1e-4
    )


@pytest.mark.parametrize(
    ("difference", "images", "p"),
    [
        # by hand: t = 0.01 · √3 / (1 / (300 · √6)) = 12.73, and p(2 degrees) = 1 − t/√(t² + 2) = 1 − √(162 / 164)
        (0.01, 300, 0.0061163),
        (0.01, 3_000, 6.1726e-05),  # = 1 − √(16200 / 16202)
        (-0.01, 300, 0.0061163),
        (0.0, 300, 1.0),
        (0.0, 10**9, 1.0),
    ],
)
def test_the_same_difference_with_every_seed_says_as_much_as_the_images_allow(difference, images, p):
    same = [difference] * 3
    assert paired_p(same, 1 / images) == pytest.approx(p, rel=1e-4)
    assert effect_size(same, 1 / images) == pytest.approx(difference * images * math.sqrt(6))
    assert half_width(same, 1 / images) == pytest.approx(4.302653 / (images * math.sqrt(18)), abs=1e-8)


def test_differences_that_are_equal_but_for_the_last_digits_are_equal():
    assert effect_size([0.96 - 0.91, 0.95 - 0.90, 0.97 - 0.92]) == pytest.approx(0.05 / 1e-9)


def test_the_size_of_an_effect_is_in_standard_deviations_of_the_differences():
    assert effect_size([0.01, 0.02, 0.03]) == pytest.approx(2.0)  # by hand: mean 0.02, s = 0.01
    assert effect_size([[-0.01, -0.02, -0.03], [0.0, 0.0, 0.0]]).tolist() == [pytest.approx(-2.0), 0.0]


def test_bootstrap_intervals_are_expanded_percentiles_of_resampled_means():
    means = np.random.default_rng(1).choice(TEN, (200_000, 10)).mean(axis=1)
    share = stats.norm.cdf(-stats.t.ppf(0.975, 9) * math.sqrt(10 / 9))  # by hand: 2.262 · 1.054 = 2.384, so 0.86 %
    assert share == pytest.approx(0.0086, abs=0.0001)
    low, high = bootstrap_interval(TEN)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [share, 1 - share])), abs=0.0003)


def test_bootstrap_intervals_are_the_same_every_time_and_whoever_stands_beside():
    others = np.random.default_rng(2).normal(size=(700, 10))
    alone = bootstrap_interval(TEN)
    assert bootstrap_interval(TEN) == alone
    assert [end[0] for end in bootstrap_interval([TEN, *others])] == pytest.approx([float(end) for end in alone])


def test_few_seeds_have_no_bootstrap_interval():
    assert np.isnan(bootstrap_interval(TEN[: BOOTSTRAP_FROM - 1])).all()
    assert not np.isnan(bootstrap_interval(TEN[:BOOTSTRAP_FROM])).any()


def test_holms_correction_multiplies_the_smallest_by_all_the_next_by_one_fewer():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])  # by hand
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]


def test_what_is_no_comparison_does_not_count():
    assert holm([NAN, 0.01, NAN, 0.04, 0.03]).tolist() == pytest.approx([NAN, 0.03, NAN, 0.06, 0.06], nan_ok=True)
    assert np.isnan(holm([NAN, NAN])).all()
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.data())
def test_the_level_that_is_left_is_what_a_difference_within_the_noise_must_meet(p, data):
    corrected = holm(p)
    within = np.flatnonzero(corrected >= 0.05)
    if not len(within):
        return
    one = data.draw(st.sampled_from(within.tolist()))
    level = next_level(corrected)
    for share, found in ((0.999, True), (1.001, False)):
        instead = list(p)
        instead[one] = level * share
        if found or min(instead[i] for i in within) == instead[one]:
            assert multipletests(instead, method="holm")[0][one] == found


@pytest.mark.parametrize("size", [0.1, 0.3, 0.5, 1.0, 2.0, 5.0, 40.0])
@pytest.mark.parametrize("level", [0.05, 0.05 / 3, 0.05 / 100])
def test_as_many_seeds_settle_a_difference_as_its_power_needs(size, level):
    seeds = seeds_to_settle(size, level)
    if seeds == math.inf:
        assert TTestPower().power(size, 1_000, level) < 0.8
        return
    nct = stats.nct  # the power by the noncentral t distribution itself, on the side of the difference
    power = [
        nct.sf(stats.t.isf(level / 2, n - 1), n - 1, size * math.sqrt(n)) if n > 1 else 0.0 for n in (seeds - 1, seeds)
    ]
    assert power[0] < 0.8 <= power[1]


def test_the_count_of_seeds_is_that_of_printed_tables():
    assert seeds_to_settle(0.5) == 34  # Cohen (1988), table 2.4.1, for one sample: 34 for d = 0.5 at 80 %
    assert seeds_to_settle(0.8) == 15
    assert seeds_to_settle(-0.8) == 15


def test_the_example_of_the_page_prints_what_the_page_says(capsys):
    page = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")
    exec(re.search(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1], {})
    assert capsys.readouterr().out.strip() == re.search(r"^prints (\d+ and \d+)\.", page, re.MULTILINE)[1]


def test_sizes_that_no_seeds_settle_or_tell_have_no_count():
    assert seeds_to_settle(0.001) == math.inf
    assert seeds_to_settle(0.0) == math.inf
    assert math.isnan(seeds_to_settle(NAN))
    assert seeds_to_settle(math.inf) == 2
    assert seeds_to_settle(1e12) == 2


def test_seeds_are_counted_for_many_sizes_at_once():
    sizes = [0.5, NAN, 0.0, -0.8, 1e12, 0.001]
    assert seeds_to_settle(sizes).tolist() == pytest.approx([34, NAN, math.inf, 15, 2, math.inf], nan_ok=True)


def test_sets_of_any_number_of_seeds_stand_in_one_frame():
    sets = {"ten": TEN, "none": [], "three": [0.01, 0.02, 0.03], "one": [0.02], "other": [-0.01, -0.02, -0.03]}
    frame = comparisons(sets, dict.fromkeys(sets, 0.0))
    assert frame.index.tolist() == list(sets)
    assert frame["pairs"].tolist() == [10, 0, 3, 1, 3]
    assert frame["difference_top1"].tolist() == pytest.approx([0.006, NAN, 0.02, 0.02, -0.02], nan_ok=True)
    assert frame.loc["three", "p"] == frame.loc["other", "p"] == pytest.approx(0.0741799, rel=1e-5)
    assert frame["boot_low"].notna().tolist() == [True, False, False, False, False]
    assert comparisons({}, {}).empty


def test_each_set_in_a_frame_has_its_own_step():
    frame = comparisons(
        {"fine": [0.01] * 3, "none": [], "coarse": [0.01] * 3}, {"fine": 0.001, "none": 0.1, "coarse": 0.01}
    )
    assert frame["p"].tolist() == pytest.approx(
        [float(paired_p([0.01] * 3, 0.001)), NAN, float(paired_p([0.01] * 3, 0.01))], nan_ok=True
    )


@given(st.lists(st.floats(-1, 1), max_size=12), st.floats(0, 1))
def test_any_differences_are_told_without_a_warning(values, step):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row = comparisons({"one": values}, {"one": step}).iloc[0]
    assert math.isnan(row.p) if len(values) < 2 else 0 <= row.p <= 1
    assert not row.boot_low > row.boot_high
