"""Importance of axes, against variances worked out by hand, and axes as columns."""

from __future__ import annotations

from itertools import product

import numpy as np
import optuna
import pandas as pd
import pytest

from fishnet_search.evidence import importance
from fishnet_search.evidence.axes import axis_frame, places, scale_of, varying
from fishnet_search.evidence.importance import IMPORTANCE_COLUMNS, MOST, importance_frame
from tests.records import study_of, variant


def study_with(levels):
    """A study whose variants stand at these levels."""
    variants = tuple(variant(f"v{i}", levels=one) for i, one in enumerate(levels))
    return study_of(["v0"]).model_copy(update={"variants": variants, "axes": {}})


def scores_of(axes, accuracies):
    return pd.DataFrame(
        {
            "variant": axes.index,
            "state": "complete",
            "validation_top1": accuracies,
            "key": [f"key {name}" for name in axes.index],
        }
    )


def judged(levels, accuracies, **fields):
    axes = axis_frame(study_with(levels))
    return importance_frame(axes, scores_of(axes, accuracies), **fields).set_index("axis")


@pytest.fixture
def small_forests(monkeypatch):
    """Few trees and decoys, for what does not hang on how good the shares are."""
    monkeypatch.setattr(importance, "TREES", 2)
    monkeypatch.setattr(importance, "DECOYS", 4)


GRID = [
    {"pool": pool, "depth": depth, "fill": fill} for pool, depth, fill in product("abc", (1, 2, 4, 8), (0.1, 0.2, 0.3))
]
"""36 combinations."""


def test_axes_that_add_up_explain_their_own_variances():
    effect = {"a": 0.0, "b": 0.0, "c": 0.06}
    accuracies = [0.8 + effect[one["pool"]] + 0.02 * [1, 2, 4, 8].index(one["depth"]) for one in GRID]
    found = judged(GRID, accuracies)
    assert list(found.reset_index()) == list(IMPORTANCE_COLUMNS)
    of_pool, of_depth = np.var([0, 0, 0.06]), np.var([0, 0.02, 0.04, 0.06])  # a forest of 36 candidates is rough
    assert found.loc["pool", "share"] == pytest.approx(of_pool / (of_pool + of_depth), abs=0.1)
    assert found.loc["depth", "share"] == pytest.approx(of_depth / (of_pool + of_depth), abs=0.1)
    assert found.loc["fill", "share"] < 0.02
    assert found["beyond_chance"].to_dict() == {"pool": True, "depth": True, "fill": False}
    assert found["levels"].to_dict() == {"pool": 3, "depth": 4, "fill": 3}


def test_what_axes_do_only_together_none_explains_alone():
    crossed = [{"x": x, "y": y, "z": z} for x, y, z in product("ab", "ab", range(10))]
    accuracies = [0.9 if one["x"] == one["y"] else 0.8 for one in crossed]
    found = judged(crossed, accuracies)
    assert found["share"].sum() < 0.3
    assert not found["beyond_chance"].any()


def test_an_axis_that_not_all_candidates_have_is_judged_among_those_that_have_it():
    levels = [
        {"block": block, "tail": tail} | ({"groups": groups} if block == "grouped" else {})
        for block, tail, groups in product(("grouped", "plain"), range(4), (1, 2, 3, 4))
    ]
    accuracies = [0.8 + 0.02 * one.get("groups", 9) for one in levels]
    found = judged(levels, accuracies)
    assert found.loc["groups", "candidates"] == 16
    assert found.loc["groups", "share"] == pytest.approx(1.0, abs=0.1)  # among these nothing else matters
    assert found.loc["block", "candidates"] == 32
    assert found.loc["block", "beyond_chance"]


def test_constant_axes_are_not_judged_and_lists_and_words_are_levels(small_forests):
    levels = [{"same": 1, "depths": [1 + i % 3, 2], "flag": i % 2 == 0} for i in range(18)]
    found = judged([one | {"i": i} for i, one in enumerate(levels)], [0.8 + 0.1 * (i % 3 == 0) for i in range(18)])
    assert set(found.index) == {"depths", "flag", "i"}
    assert found.index[0] == "depths"
    assert found.loc["depths", "beyond_chance"]


@pytest.mark.parametrize(
    ("n", "accuracies"), [(9, [0.1 * i for i in range(9)]), (12, [0.9] * 12)], ids=["too few", "all alike"]
)
def test_without_enough_candidates_or_differences_there_is_no_judgement(n, accuracies):
    assert judged([{"i": i} for i in range(n)], accuracies).empty


def test_only_complete_candidates_count_and_one_that_was_proposed_twice_counts_once(small_forests):
    axes = axis_frame(study_with([{"i": i % 12} for i in range(14)]))
    scores = scores_of(axes, [0.01 * (i % 12) for i in range(14)])
    scores["key"] = [f"key {i % 12}" for i in range(14)]
    assert importance_frame(axes, scores)["candidates"].tolist() == [12]
    scores.loc[[0, 1], "state"] = "pruned"  # their copies are complete
    assert importance_frame(axes, scores)["candidates"].tolist() == [12]
    scores.loc[[12, 13], "state"] = "pruned"
    assert importance_frame(axes, scores)["candidates"].tolist() == [10]


def test_a_candidate_that_learned_nothing_is_not_all_the_variance(small_forests):
    accuracies = [0.8 + 0.05 * (one["pool"] == "c") for one in GRID]
    accuracies[0] = 0.1
    assert judged(GRID, accuracies).loc["pool", "share"] > 0.8


def test_the_same_seed_gives_the_same_shares_and_optuna_stays_as_talkative_as_it_was(small_forests):
    accuracies = np.random.default_rng(0).normal(0.8, 0.01, len(GRID)).tolist()
    before = optuna.logging.get_verbosity()
    pd.testing.assert_frame_equal(judged(GRID, accuracies, seed=3), judged(GRID, accuracies, seed=3))
    assert optuna.logging.get_verbosity() == before
    assert not judged(GRID, accuracies, seed=3).equals(judged(GRID, accuracies, seed=4))


def test_of_very_many_candidates_some_are_drawn(small_forests):
    n = 3 * MOST
    rng = np.random.default_rng(0)
    levels = [{"rate": float(rate), "word": "ab"[i % 2]} for i, rate in enumerate(rng.uniform(0.1, 1, n))]
    found = judged(levels, [0.5 + 0.3 * one["rate"] for one in levels])
    assert found["candidates"].tolist() == [MOST, MOST]
    assert found.loc["rate", "share"] > 0.9


def test_an_axis_of_very_many_words_is_judged_in_no_more_time_than_one_of_numbers(small_forests):
    levels = [{"word": f"w{i % 30:02}", "depth": i % 4} for i in range(60)]  # as words 2³⁰ steps
    found = judged(levels, [0.8 + 0.1 * (one["word"] < "w10") for one in levels])
    assert found["levels"].to_dict() == {"word": 30, "depth": 4}
    assert found["beyond_chance"].to_dict() == {"word": True, "depth": False}


def test_where_no_tree_has_seen_a_difference_nothing_is_explained(monkeypatch):
    monkeypatch.setattr(importance, "TREES", 1)
    monkeypatch.setattr(importance, "DECOYS", 1)
    accuracies = [0.9] * 11 + [0.8]  # a tree is fitted to twelve that are drawn: (11/12)¹² = 35 % lack the last one
    found = pd.concat([judged([{"i": i} for i in range(12)], accuracies, seed=seed) for seed in range(20)])
    nothing = found["share"] == 0
    assert 0 < nothing.mean() < 1
    assert not found.loc[nothing, "beyond_chance"].any()


@pytest.mark.slow
def test_axes_that_change_nothing_seldom_go_beyond_chance(monkeypatch):
    monkeypatch.setattr(importance, "TREES", 4)
    rng, beyond = np.random.default_rng(0), []
    for _ in range(60):
        levels = [
            {
                "two": f"{i % 2}",
                "five": f"{rng.integers(5)}",
                "three": int(rng.integers(3)),
                "part": float(rng.uniform()),
            }
            for i in range(40)
        ]
        beyond += judged(levels, rng.normal(0.8, 0.01, 40).tolist())["beyond_chance"].tolist()
    assert len(beyond) == 4 * 60
    assert np.mean(beyond) < 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(beyond))


def test_axes_are_columns_of_numbers_or_labels_with_gaps_where_they_are_not_active():
    levels = [
        {"depth": 2, "pool": "max-2x2", "flag": True, "depths": [1, 2]},
        {"depth": 3, "pool": 2, "flag": False, "groups": 4, "depths": [2, 2]},
    ]
    axes = axis_frame(study_with(levels))
    assert axes["depth"].tolist() == [2.0, 3.0]
    assert axes["pool"].tolist() == ["max-2x2", "2"]
    assert axes["flag"].tolist() == ["true", "false"]
    assert axes["depths"].tolist() == ["1-2", "2-2"]
    assert axes["groups"].isna().tolist() == [True, False]
    assert varying(axes) == ["depth", "pool", "flag", "depths", "groups"]


@pytest.mark.parametrize(
    ("levels", "scale"),
    [
        (["a", "b"], "words"),
        ([1.0, 2.0, 3.0, 4.0], "linear"),
        ([0.0, 0.5, 100.0], "linear"),  # 0 has no logarithm
        ([16.0 * i for i in range(1, 33)], "linear"),
        ([0.001, 0.01, 0.1, 1.0], "log"),
        ([1.0, 2.0, 4.0, 8.0], "log"),
    ],
)
def test_the_scale_is_read_off_the_levels(levels, scale):
    assert scale_of(pd.Series(levels)) == scale


def test_places_go_from_0_to_1_by_differences_ratios_or_the_alphabet():
    assert places(pd.Series([0.01, 0.1, 1.0])).tolist() == pytest.approx([0, 0.5, 1])
    assert places(pd.Series([1.0, 2.0, 5.0])).tolist() == [0, 0.25, 1]
    assert places(pd.Series(["b", "a", None, "c"])).fillna(-1).tolist() == [0.5, 0, -1, 1]
    assert places(pd.Series([3.0, 3.0])).tolist() == [0.5, 0.5]
