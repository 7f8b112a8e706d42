"""Ranks from study to study, against scipy, counting by hand, and simulated studies whose truth is known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fishnet_search.errors import StudyError
from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.transfer import (
    AGREEMENT_COLUMNS,
    CHOICE_COLUMNS,
    RANK_COLUMNS,
    Standing,
    agreement_frame,
    choice_frame,
    rank_frame,
    standings,
)
from tests.records import complete, duplicate, failed, study_of

NAMES = ("a", "b", "c", "d")


def standing(figures_VS, number=0, rounding=0.0, study=None):
    figures_VS = np.asarray(figures_VS, dtype=np.float64)
    names = tuple(f"v{i}" for i in range(len(figures_VS)))
    return Standing(study or f"s{number}", "top1", names, figures_VS, rounding, number)


def trials_of(figures, seeds=(1, 2), **fields):
    """The trials of a study: variant -> test top-1 of each seed."""
    trials = [
        complete(name, seed, one, **fields)
        for name, own in figures.items()
        for seed, one in zip(seeds, own, strict=False)
    ]
    return analyse(study_of(list(figures), seeds), trials).compared


def alike(figures, noise=0.001):
    """A study of four seeds whose means are these, with little noise."""
    return np.asarray(figures)[:, None] + noise * np.array([[-1, 1, 1, -1], [1, -1, 1, -1]] * 8)[: len(figures)]


def test_the_variants_that_all_studies_have_are_ranked_in_the_order_of_the_first():
    one = trials_of({"a": [0.1, 0.2], "b": [0.2, 0.3], "c": [0.3, 0.4], "only here": [0.9, 0.9]})
    other = trials_of({"c": [0.9, 0.8], "b": [0.6, 0.6], "elsewhere": [0.1, 0.1], "a": [0.1, 0.2]})
    found = standings({"image": one, "region": other})
    assert [standing.variants for standing in found] == [("a", "b", "c")] * 2
    assert found[1].means.tolist() == pytest.approx([0.15, 0.6, 0.85])


def test_means_are_over_the_seeds_that_all_of_them_have_completed():
    own = {"a": [0.1, 0.2, 0.9], "b": [0.2, 0.3], "c": [0.3, 0.4, 0.9]}
    found = standings({"image": trials_of(own, (1, 2, 3)), "region": trials_of(own, (1, 2, 3))})
    assert [standing.seeds for standing in found] == [2, 2]
    assert found[0].means.tolist() == pytest.approx([0.15, 0.25, 0.35])


def test_one_experiment_under_two_names_has_one_rank():
    one = complete("a", 1, 0.5)
    trials = [one, duplicate("b", one), complete("c", 1, 0.6), complete("d", 1, 0.7)]
    compared = analyse(study_of(NAMES, (1,)), trials).compared
    assert standings({"image": compared, "region": compared})[0].variants == ("a", "c", "d")


@pytest.mark.parametrize(
    ("studies", "why"),
    [
        pytest.param({"image": ("a", "b", "c")}, "ranks are compared between studies: name two or more", id="one"),
        pytest.param(
            {"image": ("a", "b", "c"), "region": ("a", "b", "x")},
            r"image, region: .* at least 3, by their names; there are only a, b: name studies of the same axes",
            id="two in common",
        ),
        pytest.param({"image": ("a", "b", "c"), "region": ("x", "y", "z")}, "there are none", id="none in common"),
    ],
)
def test_too_little_to_rank_is_refused(studies, why):
    trials = {study: trials_of({name: [0.1, 0.2] for name in names}) for study, names in studies.items()}
    with pytest.raises(StudyError, match=why):
        standings(trials)


def test_variants_without_a_seed_in_common_are_refused():
    trials = [complete("a", 1, 0.1), complete("b", 1, 0.2), complete("c", 2, 0.3), failed("c", 1)]
    torn = analyse(study_of(("a", "b", "c"), (1, 2)), trials).compared
    whole = trials_of({"a": [0.1, 0.2], "b": [0.2, 0.3], "c": [0.3, 0.4]})
    with pytest.raises(StudyError, match=r"region: no seed is complete for all of a, b, c; run the study to its end"):
        standings({"image": whole, "region": torn})


def test_tau_is_that_of_scipy_and_pairs_are_counted():
    rng = np.random.default_rng(0)
    studies = [standing(rng.uniform(size=(7, 3)), number) for number in range(3)]
    found = agreement_frame(studies)
    assert list(found) == list(AGREEMENT_COLUMNS)
    for row, (one, other) in zip(found.itertuples(), combinations(studies, 2), strict=True):
        assert (row.study, row.other) == (one.study, other.study)
        theirs = stats.kendalltau(one.means, other.means)
        assert (row.tau, row.p) == pytest.approx((theirs.statistic, theirs.pvalue))
        assert (row.alike - row.opposite) / row.pairs == pytest.approx(row.tau)
        assert row.alike + row.opposite == row.pairs == 21


def test_equals_are_pairs_of_no_order():
    found = agreement_frame([standing([[0.5], [0.5], [0.7]]), standing([[0.1], [0.2], [0.3]], 1)]).iloc[0]
    assert (found.alike, found.opposite, found.pairs) == (2, 0, 3)
    assert np.isnan(agreement_frame([standing([[0.5]] * 3), standing([[0.1], [0.2], [0.3]], 1)]).iloc[0].tau)


def test_what_is_far_apart_has_its_rank_for_certain():
    found = rank_frame([standing(alike([0.3, 0.9, 0.5, 0.7]))])
    assert list(found) == list(RANK_COLUMNS)
    assert found["rank"].tolist() == found["rank_low"].tolist() == found["rank_high"].tolist() == [4, 1, 3, 2]
    assert found["best"].tolist() == [0, 1, 0, 0]
    one, other = standing(alike([0.3, 0.9, 0.5, 0.7])), standing(alike([0.1, 0.4, 0.3, 0.2]), 1)
    row = agreement_frame([one, other]).iloc[0]
    assert (row.tau, row.tau_low, row.tau_high) == pytest.approx((2 / 3,) * 3)


def test_what_is_all_noise_may_have_any_rank():
    rng = np.random.default_rng(0)
    found = rank_frame([standing(rng.normal(size=(4, 3)))])
    assert found["rank_low"].min() == 1
    assert found["rank_high"].max() == 4
    row = agreement_frame([standing(rng.normal(size=(4, 3))), standing(rng.normal(size=(4, 3)), 1)]).iloc[0]
    assert row.tau_low < 0 < row.tau_high


def test_what_all_variants_of_a_seed_share_is_no_noise():
    own = alike([0.3, 0.4, 0.5, 0.6])
    shifted = own + np.array([0.0, 5.0, -3.0, 1.0])
    first, second = (rank_frame([standing(figures)]) for figures in (own, shifted))
    assert first["rank_high"].tolist() == second["rank_high"].tolist() == [4, 3, 2, 1]


def test_figures_of_whole_images_are_no_surer_than_rounding():
    equal = [[0.50, 0.50], [0.51, 0.51], [0.52, 0.52]]
    assert rank_frame([standing(equal)])["rank_high"].tolist() == [3, 2, 1]
    assert rank_frame([standing(equal, rounding=0.1)])["rank_high"].tolist() == [3, 3, 3]


def test_one_seed_has_ranks_but_no_intervals():
    one, other = standing([[0.1], [0.3], [0.2]]), standing([[0.2], [0.3], [0.1]], 1)
    ranks = rank_frame([one, other])
    assert ranks["rank"].tolist() == [3, 1, 2, 2, 1, 3]
    assert ranks[["rank_low", "rank_high", "mean_low", "mean_high", "best"]].isna().all(axis=None)
    row = agreement_frame([one, other]).iloc[0]
    assert row.tau == pytest.approx(1 / 3)
    assert pd.isna([row.tau_low, row.tau_high, row.tau_again]).all()
    assert choice_frame([one, other])["shortfall_high"].isna().all()


def test_a_choice_is_the_best_of_one_study_and_falls_short_in_the_other():
    one, other = standing(alike([0.3, 0.9, 0.5])), standing(alike([0.8, 0.6, 0.7]), 1)
    found = choice_frame([one, other])
    assert list(found) == list(CHOICE_COLUMNS)
    there, back = found.itertuples(index=False)
    assert (there.chosen_by, there.variant, there.study, there.rank, there.best) == ("s0", "v1", "s1", 3, "v0")
    assert there.shortfall == pytest.approx(0.2)
    assert there.shortfall < there.shortfall_high < 0.21
    assert (back.chosen_by, back.variant, back.study, back.best) == ("s1", "v0", "s0", "v1")
    assert back.shortfall == pytest.approx(0.6)


@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_intervals_hold_what_they_should_in_simulated_studies(spread):
    """Truth and noise are drawn 300 times: 95 % intervals may miss a little over 5 %, by the luck of the draw."""
    rng = np.random.default_rng(0)

    def simulated(truth, number):
        seeds, noise = rng.normal(0, 3, (1, 3)), rng.normal(0, 1, (len(truth), 3))
        return standing(truth[:, None] + seeds + noise, number)

    held = {"tau": [], "rank": [], "shortfall": [], "again": [], "really again": []}
    for _ in range(300):
        here, there = rng.normal(0, spread, (2, 5))
        one, other = simulated(here, 0), simulated(there, 1)
        row = agreement_frame([one, other]).iloc[0]
        held["tau"].append(row.tau_low - 1e-9 <= stats.kendalltau(here, there).statistic <= row.tau_high + 1e-9)
        ranks, true = rank_frame([one]), stats.rankdata(-here)
        held["rank"].extend((ranks["rank_low"] <= true) & (true <= ranks["rank_high"]))
        lost = there.max() - there[one.means.argmax()]
        held["shortfall"].append(lost <= choice_frame([one, other])["shortfall_high"][0])
        held["again"].append(row.tau_again)
        held["really again"].append(stats.kendalltau(one.means, simulated(here, 0).means).statistic)
    shares = {name: float(np.mean(own)) for name, own in held.items()}
    assert min(shares["tau"], shares["rank"], shares["shortfall"]) >= 0.93
    assert shares["again"] == pytest.approx(shares["really again"], abs=0.1)
