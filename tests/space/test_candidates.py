"""Candidates: which combinations a design gives, what they are called, what they cost, and which are refused."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fishnet_search.cost.ledger import ledger_of
from fishnet_search.errors import SpaceError
from fishnet_search.graph.build import build_graph
from fishnet_search.space.candidates import Candidate, Refusal
from fishnet_search.train.recipe import Recipe
from tests.fishes import minnow
from tests.space.spaces import space_from, spaces

POOLING = "  pooling: {path: [tail.downsample, head.downsample], values: [max-2x2, avg-2x2]}\n"
DEPTH = '  depth: {path: "tail[1].depth", values: [1, 2, 3]}\n'
KERNEL = "  kernel: {path: head.kernel, values: [3, 5], when: {pooling: avg-2x2}}\n"
RATE = "  rate: {path: recipe.learning_rate, values: {slow: 0.01, fast: 0.5}}\n"
MISFIT = '  first: {path: "tail[0].width", values: [16, 48]}\n  last: {path: "body[2].width", values: [32, 64]}\n'
"""Of the four combinations, first=48,last=64 alone is no network."""
MISFIT_ALONE = '  last: {path: "body[2].width", values: [32, 48]}\n'


def spelled_from(folder, axes, more=""):
    return space_from(folder, f"base: minnow.yaml\naxes:\n{axes}{more}")


def made_from(folder, axes, more=""):
    return list(spelled_from(folder, axes, more).candidates())


def names(made):
    return [one.name for one in made]


# grid


def test_a_grid_has_every_combination_and_the_baseline_comes_first(tmp_path):
    made = made_from(tmp_path, POOLING + RATE, "baseline: {pooling: avg-2x2, rate: fast}\nrecipe: {epochs: 3}\n")
    assert names(made) == [
        "pooling=avg-2x2,rate=fast",
        "pooling=max-2x2,rate=slow",
        "pooling=max-2x2,rate=fast",
        "pooling=avg-2x2,rate=slow",
    ]
    first = made[0]
    assert first.levels == {"pooling": "avg-2x2", "rate": "fast"}
    assert first.spec == minnow(**{"tail.downsample": "avg-2x2", "head.downsample": "avg-2x2"})
    assert first.recipe == Recipe(epochs=3, learning_rate=0.5)
    assert first.cost == ledger_of(build_graph(first.spec)).total
    assert first.matches is None


def test_one_axis_names_candidates_by_their_level_alone(tmp_path):
    assert names(made_from(tmp_path, "  d: {path: body.dilation, values: [1, [2]]}\n")) == ["1", "2"]
    assert names(made_from(tmp_path, "  d: {path: body.dilation, values: {one: 1, two: [2]}}\n")) == ["one", "two"]
    assert names(made_from(tmp_path, "  d: {path: bridge.attention, values: [true, false]}\n")) == ["true", "false"]


def test_an_axis_that_is_not_active_leaves_no_trace(tmp_path):
    made = made_from(tmp_path, POOLING + KERNEL)
    assert names(made) == ["pooling=max-2x2", "pooling=avg-2x2,kernel=3", "pooling=avg-2x2,kernel=5"]
    assert made[0].spec == minnow()


def test_an_axis_that_is_not_active_leaves_its_field_as_the_base_has_it(tmp_path):
    made = made_from(tmp_path, POOLING + KERNEL.replace("[3, 5]", "[5, 7]"))
    assert {stage.kernel for stage in made[0].spec.head} == {3}


def test_a_name_is_never_too_long_for_a_file(tmp_path):
    axes = "".join(
        f"  a-rather-long-name-for-{part}{i}: {{path: '{part}[{i}].depth', values: [1, 2]}}\n"
        for part in ("tail", "body")
        for i in range(3)
    )
    found = names(made_from(tmp_path, axes))
    assert len(set(found)) == 2**6
    assert max(map(len, found)) <= 120


def test_a_combination_of_a_grid_that_is_no_network_is_refused(tmp_path):
    made = made_from(tmp_path, MISFIT)
    assert [type(one) for one in made] == [Candidate, Candidate, Candidate, Refusal]
    refusal = made[-1]
    assert (refusal.name, refusal.levels) == ("first=48,last=64", {"first": 48, "last": 64})
    assert refusal.where == f"{tmp_path}/mine.yaml:2: axes"
    assert refusal.reason.startswith("body[2].width: 64 does not divide the 96 channels that enter it; use")


def test_two_levels_that_build_one_network_are_one_candidate(tmp_path):
    made = made_from(tmp_path, "  d: {path: 'body[0].dilation', values: {own: derived, two: 2, one: 1}}\n")
    assert names(made) == ["own", "two", "one"]
    assert made[-1].reason == "is the network of own, trained by the same recipe"
    assert made[-1].duplicate_of == "own"


# one-factor


def test_one_factor_changes_one_axis_at_a_time_and_chosen_pairs(tmp_path):
    more = "baseline: {depth: 2}\ndesign: {kind: one-factor, pairs: [[pooling, depth]]}\n"
    made = made_from(tmp_path, POOLING + DEPTH + RATE, more)
    assert names(made) == [
        "baseline",
        "pooling=avg-2x2",
        "depth=1",
        "depth=3",
        "rate=fast",
        "pooling=avg-2x2,depth=1",
        "pooling=avg-2x2,depth=3",
    ]
    assert made[2].levels == {"pooling": "max-2x2", "depth": 1, "rate": "slow"}


def test_one_factor_of_one_axis_names_levels_alone(tmp_path):
    assert names(made_from(tmp_path, DEPTH, "design: one-factor\n")) == ["1", "2", "3"]


def test_a_pair_reaches_an_axis_that_is_not_active_at_the_baseline(tmp_path):
    made = made_from(tmp_path, POOLING + KERNEL, "design: {kind: one-factor, pairs: [[pooling, kernel]]}\n")
    assert names(made) == ["baseline", "pooling=avg-2x2", "pooling=avg-2x2,kernel=5"]


def test_an_axis_that_one_factor_never_reaches_is_refused(tmp_path):
    with pytest.raises(SpaceError, match=r"mine.yaml:4: axes.kernel.when: kernel is not active at the baseline; add a"):
        spelled_from(tmp_path, POOLING + KERNEL, "design: one-factor\n")


def test_a_pair_of_axes_per_stage_is_every_pair_of_their_stages(tmp_path):
    stages = "  d: {path: body.depth, values: [1, 2], per: stage}\n"
    made = made_from(tmp_path, POOLING + stages, "design: {kind: one-factor, pairs: [[pooling, d]]}\n")
    assert names(made)[-3:] == [f"pooling=avg-2x2,d.body{i}=2" for i in range(3)]


def test_what_one_factor_asks_for_must_be_a_network(tmp_path):
    spelled = spelled_from(tmp_path, MISFIT_ALONE, "design: one-factor\n")
    with pytest.raises(SpaceError, match=r"mine.yaml:2: axes: variant 48: body\[2\].width: 48 does not divide the 64"):
        list(spelled.candidates())


# list


def test_a_list_gives_its_variants_by_name_and_adds_the_baseline(tmp_path):
    more = "design: {kind: list, variants: {deep: {depth: 3}, other: {pooling: avg-2x2, depth: 2}}}\n"
    made = made_from(tmp_path, POOLING + DEPTH, more)
    assert names(made) == ["baseline", "deep", "other"]
    assert made[1].levels == {"pooling": "max-2x2", "depth": 3}


def test_the_variant_that_changes_nothing_is_the_baseline(tmp_path):
    made = made_from(tmp_path, DEPTH, "design: {kind: list, variants: {deep: {depth: 3}, as-it-is: {}}}\n")
    assert names(made) == ["as-it-is", "deep"]


def test_a_listed_variant_must_be_a_network(tmp_path):
    spelled = spelled_from(tmp_path, MISFIT_ALONE, "design:\n  kind: list\n  variants:\n    wide: {last: 48}\n")
    with pytest.raises(SpaceError, match=r"mine.yaml:7: design.variants.wide: variant wide: body\[2\].width: 48 does"):
        list(spelled.candidates())


def test_a_listed_variant_cannot_set_an_axis_that_is_not_active(tmp_path):
    with pytest.raises(SpaceError, match=r"design.variants.x.kernel: kernel is active only when pooling: avg-2x2; set"):
        spelled_from(tmp_path, POOLING + KERNEL, "design: {kind: list, variants: {x: {kernel: 5}}}\n")


# random


def random_names(folder, count, seed=0):
    axes = DEPTH + "  rate: {path: recipe.learning_rate, range: {from: 0.01, to: 1.0, log: true}}\n"
    design = f"design: {{kind: random, candidates: {count}, seed: {seed}}}\n"
    return [(one.name, tuple(one.levels.items())) for one in made_from(folder, axes, design)]


def test_more_random_candidates_keep_the_earlier_ones(tmp_path):
    few, many = random_names(tmp_path, 3), random_names(tmp_path, 12)
    assert [name for name, _ in few] == ["baseline", "r0000", "r0001", "r0002"]
    assert many[:4] == few
    assert len(set(many)) == 13
    assert random_names(tmp_path, 3, seed=1)[1:] != few[1:]


def test_random_candidates_end_with_the_space(tmp_path):
    made = made_from(tmp_path, POOLING + DEPTH, "design: {kind: random, candidates: 100}\n")
    assert len({tuple(one.levels.items()) for one in made}) == len(made) == 6


def test_another_axis_leaves_the_random_levels_of_the_others(tmp_path):
    design = "design: {kind: random, candidates: 5}\n"
    alone = [one.levels["depth"] for one in made_from(tmp_path, DEPTH + RATE, design)]
    spelled = spelled_from(tmp_path, DEPTH + RATE + POOLING, design)
    beside = {one.name: one.levels["depth"] for one in spelled.candidates()}
    first = [one for one in made_from(tmp_path, DEPTH + RATE, design) if one.name in beside]
    assert alone
    assert [one.levels["depth"] for one in first] == [beside[one.name] for one in first]


def test_random_candidates_are_as_many_as_asked_for_beside_those_refused(tmp_path):
    wide = '  width: {path: "tail[2].width", range: {from: 16, to: 128, step: 4}}\n'
    made = made_from(tmp_path, wide, "constraints: {params: {max: 1x base}}\ndesign: {kind: random, candidates: 6}\n")
    kinds = [type(one) for one in made]
    assert kinds.count(Candidate) == 7
    assert Refusal in kinds


def test_random_candidates_come_to_an_end_where_all_others_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("fishnet_search.space.candidates.MOST_IDLE_DRAWS", 20)
    wide = '  width: {path: "tail[2].width", range: {from: 64, to: 6400, step: 4}}\n'
    made = made_from(tmp_path, wide, "constraints: {params: {max: 1x base}}\ndesign: {kind: random, candidates: 3}\n")
    assert [type(one) for one in made] == [Candidate, *[Refusal] * 20]


# searches


def test_a_search_begins_with_the_baseline_and_asks_for_the_rest(tmp_path):
    spelled = spelled_from(tmp_path, POOLING + KERNEL, "design: {kind: tpe, candidates: 9}\n")
    assert spelled.searches
    assert names(spelled.candidates()) == ["baseline"]
    made = spelled.candidate({"pooling": "avg-2x2", "kernel": 5}, "t0003")
    assert (made.name, made.levels) == ("t0003", {"pooling": "avg-2x2", "kernel": 5})
    assert {stage.kernel for stage in made.spec.head} == {5}


def test_axes_that_are_not_asked_for_stand_at_the_baseline_and_inactive_ones_do_not_count(tmp_path):
    spelled = spelled_from(tmp_path, POOLING + KERNEL + DEPTH, "baseline: {depth: 2}\n")
    made = spelled.candidate({"kernel": 5})
    assert (made.name, made.levels) == ("pooling=max-2x2,depth=2", {"pooling": "max-2x2", "depth": 2})


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [
        ({"poling": 1}, r"mine.yaml:2: axes.poling: there is no axis 'poling'; did you mean 'pooling'"),
        ({"pooling": "avg"}, r"mine.yaml:3: axes.pooling: 'avg' is not among the levels max-2x2, avg-2x2"),
    ],
)
def test_a_level_that_is_not_there_is_refused(tmp_path, levels, sentence):
    with pytest.raises(SpaceError, match=sentence):
        spelled_from(tmp_path, POOLING).candidate(levels)


# constraints


def test_a_candidate_that_costs_too_much_is_refused_with_rule_and_value(tmp_path):
    made = made_from(tmp_path, DEPTH, "constraints:\n  macs: {max: 1x base}\n  params: {max: 1.01 x base}\n")
    base, deep = (ledger_of(build_graph(minnow(**{"tail[1].depth": depth}))).total for depth in (1, 3))
    refusal = made[-1]
    assert refusal.where == f"{tmp_path}/mine.yaml:6: constraints.params"
    assert refusal.reason.startswith(
        f"params {deep.params:,} is more than {1.01 * base.params:,.0f} (1.01x base); macs {deep.macs:,} is more than"
    )


def test_multiples_are_of_the_base_rather_than_the_baseline(tmp_path):
    made = made_from(tmp_path, DEPTH, "baseline: {depth: 2}\nconstraints: {params: {max: 1.01x base}}\n")
    assert [type(one) for one in made] == [Candidate, Candidate, Refusal]
    with pytest.raises(SpaceError, match=r"mine.yaml:5: constraints.params: the baseline: params .* is more than"):
        made_from(tmp_path, DEPTH, "baseline: {depth: 3}\nconstraints: {params: {max: 1.01x base}}\n")


def test_limits_that_cross_once_the_base_is_known_are_refused(tmp_path):
    with pytest.raises(
        SpaceError, match=r"mine.yaml:4: constraints.params: min, 2x base, is more than max, 1k: the base"
    ):
        spelled_from(tmp_path, DEPTH, "constraints: {params: {min: 2x base, max: 1k}}\n")


def test_a_measured_latency_is_held_against_its_limit_by_the_same_rules(tmp_path):
    spelled = spelled_from(tmp_path, DEPTH, "constraints:\n  latency_ms: {max: 1.2x base}\n")
    assert spelled.refused(spelled.baseline, {"latency_ms": 2.4}, {"latency_ms": 2.0}) is None
    refusal = spelled.refused(spelled.baseline, {"latency_ms": 2.5}, {"latency_ms": 2.0})
    assert refusal.where == f"{tmp_path}/mine.yaml:5: constraints.latency_ms"
    assert refusal.reason == "latency_ms 2.5 is more than 2.4 (1.2x base)"


# matching

MATCH = "match: {metric: macs, by: width, within: 1%}\n"
WAYS = "  way: {path: [tail.downsample, head.downsample], values: [max-2x2, avg-2x2, conv-3x3]}\n"


def test_a_twin_of_the_same_cost_follows_each_candidate_that_costs_something_else(tmp_path):
    made = made_from(tmp_path, WAYS, MATCH)
    assert [(one.name, one.matches) for one in made] == [
        ("max-2x2", None),
        ("avg-2x2", None),
        ("conv-3x3", None),
        ("conv-3x3-same-macs", "conv-3x3"),
    ]
    base, twin = (ledger_of(build_graph(made[i].spec)).total for i in (0, -1))
    assert abs(twin.macs - base.macs) <= base.macs / 100
    assert twin.macs == made[-1].cost.macs
    assert {stage.downsample for stage in made[-1].spec.tail} == {"conv-3x3"}
    assert made[-1].levels == made[-2].levels


def test_the_widths_that_an_axis_sets_are_not_rescaled(tmp_path):
    made = made_from(tmp_path, '  width: {path: "tail[2].width", values: [64, 128]}\n', MATCH)
    assert made[-1].name == "128-same-macs"
    assert made[-1].spec.tail[2].width == 128


def test_a_twin_that_cannot_be_had_is_refused_with_the_nearest(tmp_path):
    paths = "[stem.width, tail.width, bridge.width, body.width]"
    spelled = spelled_from(tmp_path, f"  width: {{path: {paths}, values: [16, 32]}}\n", MATCH)
    refusal = list(spelled.candidates())[-1]
    assert (refusal.name, refusal.where) == ("32-same-macs", f"{tmp_path}/mine.yaml:4: match")
    assert refusal.reason.startswith("macs come no nearer to the baseline's")


def test_a_twin_may_break_a_limit_as_well(tmp_path):
    made = made_from(tmp_path, WAYS, MATCH + "constraints: {activations: {min: 0.9x base}}\n")
    assert [type(one) for one in made[-2:]] == [Candidate, Refusal]
    assert "activations" in made[-1].reason


# any space


def spelled_out(text):
    with tempfile.TemporaryDirectory() as folder:
        return space_from(Path(folder), text)


@settings(max_examples=40, deadline=None)
@given(spaces(("grid", "random", "one-factor")))
def test_candidates_of_any_space_are_distinct_and_have_levels_of_active_axes_only(text):
    spelled = spelled_out(text)
    made = list(spelled.candidates())
    kept = [one for one in made if isinstance(one, Candidate)]
    assert made[0] == spelled.baseline
    assert len({one.name for one in made}) == len(made)
    assert len({(one.spec.identity(), one.recipe) for one in kept}) == len(kept)
    for one in made:
        assert list(one.levels) == [name for name, axis in spelled.axes.items() if axis.active(one.levels)]
        again = spelled.candidate(one.levels, one.name)
        assert isinstance(one, Refusal) or again == one


@settings(max_examples=20, deadline=None)
@given(spaces(("grid",), conditions=False))
def test_a_grid_without_conditions_has_the_product_of_its_levels(text):
    spelled = spelled_out(text)
    product = 1
    for axis in spelled.axes.values():
        product *= axis.size
    assert len(list(spelled.candidates())) == product == spelled.cardinality


@settings(max_examples=20, deadline=None)
@given(spaces(("one-factor",), conditions=False))
def test_one_factor_without_conditions_has_one_variant_a_level_beside_the_baseline_and_those_of_pairs(text):
    spelled = spelled_out(text)
    others = {name: axis.size - 1 for name, axis in spelled.axes.items()}
    pairs = spelled.space.design.pairs
    expected = 1 + sum(others.values()) + sum(others[one] * others[two] for one, two in pairs)
    assert len(list(spelled.candidates())) == expected


@settings(max_examples=15, deadline=None)
@given(spaces(("random",)), st.integers(1, 8))
def test_random_candidates_of_any_space_stay_when_there_are_more(text, more):
    spelled = spelled_out(text)
    count = spelled.space.design.candidates
    larger = spelled_out(text.replace(f"candidates: {count}", f"candidates: {count + more}"))
    few, many = ([(one.name, dict(one.levels)) for one in each.candidates()] for each in (spelled, larger))
    assert many[: len(few)] == few
