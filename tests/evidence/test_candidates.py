"""Which variant is the best, and what candidates cost."""

from __future__ import annotations

import pandas as pd
import pytest

from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.candidates import best_variant, cost_metric, costs_of, lowest_usual
from tests.records import complete, study_of, trials_of, variant


def effects_of(top1, extra=()):
    trials = [*trials_of(top1), *extra]
    return analyse(study_of(list(dict.fromkeys(one.variant for one in trials))), trials).effects


def test_the_best_is_chosen_on_validation_and_never_on_test_images():
    trials = trials_of({"base": [0.90, 0.91]})
    lucky = [complete("lucky", seed, 0.99, epochs=trials[0].epochs) for seed in (1, 2)]
    assert best_variant(effects_of({"base": [0.90, 0.91], "other": [0.92, 0.93]}, lucky)).variant == "other"


def test_the_best_has_as_many_seeds_as_any_and_may_be_the_baseline():
    assert best_variant(effects_of({"base": [0.90, 0.91], "other": [0.99]})).variant == "base"


def test_of_equally_good_variants_the_one_with_fewer_macs_is_the_best():
    effects = effects_of({"base": [0.90], "large": [0.95], "small": [0.95]})
    effects.loc[effects["variant"] == "small", "macs"] -= 1
    assert best_variant(effects).variant == "small"


@pytest.mark.parametrize(
    ("objectives", "metric", "costs"),
    [
        (("top1",), "macs", {"base": 5, "a": 7}),
        (("top1", "params"), "params", {"base": 10, "a": 20}),
        (("top1", "latency_ms", "params"), "latency_ms", {"base": 1.5, "a": None}),
    ],
)
def test_the_cost_is_the_first_that_is_sought_to_be_low_or_macs_and_twins_have_none(objectives, metric, costs):
    variants = (
        variant("base", macs=5, params=10, latency_ms=1.5),
        variant("a", macs=7, params=20),
        variant("a-same-macs", macs=5, params=15, matches="a"),
    )
    study = study_of(["base"]).model_copy(update={"variants": variants, "objectives": objectives})
    assert cost_metric(study) == metric
    assert costs_of(study) == costs


def test_far_out_is_more_than_three_times_the_middle_half_below_it():
    assert lowest_usual(pd.Series([0.1, 0.90, 0.91, 0.92, 0.93, 0.94])) == 0.90
    assert lowest_usual(pd.Series([0.5, 0.7, 0.9])) == 0.5
    assert lowest_usual(pd.Series([0.5])) == 0.5


def test_where_the_middle_half_is_all_alike_nothing_is_far_out():
    assert lowest_usual(pd.Series([0.88, *[0.9] * 8, 0.91])) == 0.88
