"""Best so far, fronts and hypervolumes, and the distribution of the error, against Optuna, scipy and by hand."""

from __future__ import annotations

import numpy as np
import optuna
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume
from optuna.trial import create_trial
from scipy import stats

from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.candidates import pareto_front
from fishnet_search.evidence.naming import names_of
from fishnet_search.evidence.search import (
    PROGRESS_COLUMNS,
    SCORE_COLUMNS,
    UNSCORED,
    Corner,
    corner_of,
    distinct,
    error_distribution,
    hypervolumes,
    progress_frame,
    score_frame,
)
from tests.records import OF_CLASSIFICATION, complete, duplicate, failed, pruned, study_of, variant

TIMES = {"base": 1, "a": 3, "b": 2, "c": 4, "d": 5}
"""The minute in which each first trial began: b before a."""


def at(trial, minute):
    return trial.model_copy(update={"started": f"2026-11-21T06:{minute:02}:00+00:00"})


def search(design="tpe", **fields):
    return study_of(list(TIMES), design=design, **fields)


TRIALS = [
    at(complete("base", 1, 0.90), 1),
    at(complete("a", 1, 0.95), 3),
    at(complete("b", 1, 0.85), 2),
    at(pruned("c", 1), 4),
    at(failed("d", 1), 5),
]


def test_trials_are_in_the_order_in_which_they_began_with_the_best_so_far_and_the_epochs_spent():
    progress = progress_frame(search(), analyse(search(), TRIALS).trials)
    assert list(progress) == names_of(PROGRESS_COLUMNS, OF_CLASSIFICATION)
    assert progress["variant"].tolist() == ["base", "b", "a", "c", "d"]
    assert progress["trial"].tolist() == [1, 2, 3, 4, 5]
    assert progress["best_top1"].tolist() == [0.90, 0.90, 0.95, 0.95, 0.95]
    assert progress["epochs_spent"].tolist() == [2, 4, 6, 7, 7]  # one of c, none of d


def test_what_was_stopped_is_never_the_best():
    high = pruned("c", 1).model_copy(update={"epochs": complete("c", 1, 0.99).epochs})
    progress = progress_frame(search(), analyse(search(), [*TRIALS[:3], at(high, 4)]).trials)
    assert progress["validation_top1"].max() == 0.99
    assert progress["best_top1"].max() == 0.95


def test_a_duplicate_costs_no_epochs_and_follows_the_candidate_before_it():
    twice = [*TRIALS[:3], at(complete("c", 1, 0.5), 4), duplicate("d", TRIALS[0])]  # began when base did, in minute 1
    progress = progress_frame(search(), analyse(search(), twice).trials)
    assert progress["variant"].tolist() == ["base", "b", "a", "c", "d"]
    assert progress["epochs_spent"].tolist() == [2, 4, 6, 8, 8]


def test_twins_at_the_baselines_cost_are_not_in_the_course():
    twin = variant("a-same-macs", matches="a")
    study = search("random")
    study = study.model_copy(update={"match": "macs", "variants": (*study.variants, twin)})
    trials = analyse(study, [*TRIALS, at(complete(twin.name, 1, 0.99), 6)]).trials
    assert sorted(progress_frame(study, trials)["variant"]) == sorted(TIMES)


def test_candidates_that_were_never_begun_are_no_trials():
    progress = progress_frame(search(), analyse(search(), TRIALS[:2]).trials)
    assert progress["variant"].tolist() == ["base", "a"]


def test_a_search_is_scored_by_its_first_seed_and_a_grid_by_the_mean_of_all():
    more = [complete("base", 2, 0.94), complete("a", 2, 0.93), complete("a", 3, 0.97), complete("base", 3, 0.95)]
    ofthe = {
        design: score_frame(search(design), analyse(search(design), [*TRIALS, *more]).trials).set_index("variant")
        for design in ("tpe", "grid")
    }
    assert list(ofthe["tpe"].reset_index()) == names_of(SCORE_COLUMNS, OF_CLASSIFICATION)
    assert ofthe["tpe"]["validation_top1"].tolist()[:3] == [0.90, 0.95, 0.85]
    assert ofthe["tpe"]["state"].tolist() == ["complete", "complete", "complete", "pruned", UNSCORED]
    assert ofthe["grid"]["validation_top1"].tolist()[:2] == pytest.approx([0.93, 0.95])  # by hand
    assert ofthe["grid"]["state"].tolist() == ["complete", "complete", UNSCORED, "pruned", UNSCORED]
    assert ofthe["grid"]["validation_top1"].isna().tolist() == [False, False, True, True, True]
    assert ofthe["grid"]["seeds"].tolist() == [3, 3, 1, 0, 0]


def test_twins_at_the_baselines_cost_have_no_score():
    variants = (variant("base"), variant("a"), variant("a-same-macs", matches="a"))
    study = study_of(["base"], [1], match="macs").model_copy(update={"variants": variants})
    trials = [complete(one.name, 1, 0.9) for one in variants]
    assert score_frame(study, analyse(study, trials).trials)["variant"].tolist() == ["base", "a"]


points = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 20)), min_size=2, max_size=25)


def frame_of(pairs):
    return pd.DataFrame(
        {
            "variant": [f"v{i}" for i in range(len(pairs))],
            "state": "complete",
            "cost": [float(cost) for cost, _ in pairs],
            "validation_top1": [0.8 + top1 / 100 for _, top1 in pairs],
        }
    )


@settings(deadline=None)
@given(points)
def test_hypervolumes_are_those_of_optuna_after_every_trial(pairs):
    frame = frame_of(pairs)
    corner = Corner(highest_cost=9.0, lowest_figure=0.8, lowest_cost=1.0, highest_figure=1.0)
    found = hypervolumes(frame["cost"].to_numpy(), frame["validation_top1"].to_numpy(), corner)
    losses = np.column_stack([frame["cost"], -frame["validation_top1"]])
    reference = np.array([9.0, -0.8])
    expected = [compute_hypervolume(losses[:n], reference) / (8 * 0.2) for n in range(1, len(losses) + 1)]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(points)
def test_the_front_is_that_of_optuna(pairs):
    study = optuna.create_study(directions=["minimize", "maximize"])
    frame = frame_of(pairs)
    for row in frame.itertuples():
        study.add_trial(create_trial(values=[row.cost, row.validation_top1]))
    best = {tuple(trial.values) for trial in study.best_trials}
    front = pareto_front(frame)
    assert set(zip(front["cost"], front["validation_top1"], strict=True)) == best


def test_what_does_not_count_or_lies_beyond_the_reference_point_adds_no_hypervolume():
    corner = Corner(highest_cost=4.0, lowest_figure=0.5, lowest_cost=2.0, highest_figure=0.9)
    costs, accuracies = np.array([3.0, np.nan, 5.0, 2.0, 2.0]), np.array([0.7, 0.9, 0.9, 0.4, 0.9])
    # by hand: 1 × 0.2 of 2 × 0.4, then nothing, too dear, too bad, then all
    assert hypervolumes(costs, accuracies, corner).tolist() == pytest.approx([0.25, 0.25, 0.25, 0.25, 1.0])


def test_the_reference_point_is_the_dearest_and_the_least_accurate_but_for_what_is_far_out():
    frame = frame_of([(2, 10), (3, 11), (4, 12), (5, 13), (6, 14)])
    frame.loc[5] = ["broken", "complete", 7.0, 0.1]
    frame.loc[6] = ["stopped", "pruned", 9.0, 0.2]
    assert corner_of(frame) == Corner(7.0, pytest.approx(0.90), 2.0, pytest.approx(0.94))
    assert corner_of(frame.assign(cost=3.0)) is None  # no trade to be made


@settings(deadline=None)
@given(st.lists(st.integers(50, 100), min_size=1, max_size=40))
def test_the_distribution_of_the_error_is_that_of_scipy(percents):
    scores = pd.DataFrame({"state": "complete", "validation_top1": [one / 100 for one in percents]})
    found = error_distribution(scores)
    expected = stats.ecdf(1 - scores["validation_top1"].to_numpy()).cdf
    assert found["error"].tolist() == expected.quantiles.tolist()
    assert found["share"].tolist() == pytest.approx(expected.probabilities.tolist())


def test_stopped_candidates_count_among_all_but_never_below_an_error():
    scores = pd.DataFrame(
        {"state": ["complete", "complete", "pruned", "pruned", UNSCORED], "validation_top1": [0.9, 0.8, *[np.nan] * 3]}
    )
    found = error_distribution(scores)
    assert found["error"].tolist() == pytest.approx([0.1, 0.2])
    assert found["share"].tolist() == [0.25, 0.5]  # of four: what failed says nothing


def test_an_experiment_under_two_names_is_one():
    scores = pd.DataFrame({"variant": ["a", "b", "c", "d"], "state": "complete", "key": ["x", "x", None, None]})
    assert distinct(scores)["variant"].tolist() == ["a", "c", "d"]


def test_of_one_experiment_under_two_names_the_complete_one_counts():
    states = [UNSCORED, "pruned", "complete", "complete", "pruned", "duplicate"]
    scores = pd.DataFrame({"variant": list("abcdef"), "state": states, "key": list("xyxxzy")})
    assert distinct(scores)["variant"].tolist() == ["c", "e", "f"]  # in the order that they had
