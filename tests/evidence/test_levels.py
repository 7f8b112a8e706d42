"""Main effects of levels against numbers worked out by hand."""

from __future__ import annotations

import math
from itertools import product

import pytest
from scipy import stats

from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.levels import LEVEL_COLUMNS, part_of
from fishnet_search.evidence.naming import names_of
from fishnet_search.report.levels import level_sentences, levels_section
from tests.records import DATA, OF_CLASSIFICATION, complete, duplicate, pruned, study_of, variant

MANY = 1_000_000
"""Test images, of which rounding does not show."""

AXES = {"pooling": ("tail.downsample", "head.downsample"), "depth": ("body[0].depth",)}


def name_of(levels):
    return ",".join(map(str, levels.values()))


def crossed(top1, axes=AXES, seeds=(1, 2, 3), images=MANY, **fields):
    """A study with a variant for each of these levels, the first of which is the baseline, and its trials."""
    variants = tuple(variant(name_of(levels), levels=levels) for levels, _ in top1)
    study = study_of([variants[0].name], seeds, axes=axes, design="grid").model_copy(
        update={"variants": variants, **fields}
    )
    data = DATA.model_copy(update={"test_images": images})
    trials = [
        complete(name_of(levels), seed, value, data=data) for levels, values in top1 for seed, value in values.items()
    ]
    return study, trials


def at(pooling, depth, *values):
    return {"pooling": pooling, "depth": depth}, dict(enumerate(values, 1))


FOUR = [
    at("max", 1, 0.90, 0.91, 0.92),
    at("max", 2, 0.93, 0.93, 0.96),  # depth with max: + 3, 2, 4 points
    at("avg", 1, 0.90, 0.93, 0.93),  # avg at depth 1: 0, 2, 1
    at("avg", 2, 0.95, 0.95, 0.95),  # depth with avg: + 5, 2, 2; avg at depth 2: + 2, 2, − 1
]


def levels_of(*study):
    return analyse(*study).levels.set_index(["axis", "level"])


def test_a_main_effect_is_the_mean_over_cells_within_a_seed_and_then_over_seeds():
    levels = levels_of(*crossed(FOUR))
    # by hand: depth by seed (3 + 5) / 2, (2 + 2) / 2, (4 + 2) / 2 = 4, 2, 3; pooling (0 + 2) / 2, 2, 0 = 1, 2, 0
    assert levels["difference_top1"].to_dict() == pytest.approx({("pooling", "avg"): 0.01, ("depth", "2"): 0.03})
    depth, pooling = stats.ttest_1samp([0.04, 0.02, 0.03], 0), stats.ttest_1samp([0.01, 0.02, 0.0], 0)
    assert levels.loc[("depth", "2"), "p"] == pytest.approx(depth.pvalue)
    assert levels.loc[("depth", "2"), "p_holm"] == pytest.approx(2 * depth.pvalue)  # 0.0358 is the smaller of two
    assert levels.loc[("pooling", "avg"), "p_holm"] == pytest.approx(pooling.pvalue)
    interval = depth.confidence_interval(0.95)
    assert levels.loc[("depth", "2"), "difference_ci95"] == pytest.approx((interval.high - interval.low) / 2)
    assert levels.loc[("depth", "2"), "effect_size"] == pytest.approx(3.0)
    assert levels[["cells", "cells_least", "pairs"]].to_numpy().tolist() == [[2, 2, 3], [2, 2, 3]]
    assert levels["baseline_level"].tolist() == ["max", "1"]
    assert levels["part"].tolist() == ["tail and head", "body"]
    assert set(levels.reset_index().columns) == set(names_of(LEVEL_COLUMNS, OF_CLASSIFICATION))


def test_a_cell_that_one_level_lacks_with_a_seed_is_not_in_its_mean():
    study, trials = crossed(FOUR)
    without = [each for each in trials if (each.variant, each.seed) != ("avg,2", 3)]
    stopped = [*without, pruned("avg,2", 3)]
    for some in (without, stopped):
        depth = levels_of(study, some).loc[("depth", "2")]
        assert depth.difference_top1 == pytest.approx((0.04 + 0.02 + 0.04) / 3)  # seed 3: max alone
        assert (depth.cells, depth.cells_least, depth.pairs) == (2, 1, 3)


def test_a_seed_without_any_cell_is_not_paired():
    study, trials = crossed(FOUR)
    some = [each for each in trials if each.seed != 3 or each.levels or not each.variant.endswith("2")]
    assert levels_of(study, some).loc[("depth", "2"), "pairs"] == 2


def test_rounding_to_whole_images_weighs_less_the_more_cells_there_are():
    # + 10 points by depth with every seed, in both cells or in one alone
    same = [at(p, d, *(0.8 + 0.1 * (d - 1) + seed / 100 for seed in range(3))) for p in ("max", "avg") for d in (1, 2)]
    two, one = (levels_of(*crossed(some, images=300)).loc[("depth", "2")] for some in (same, same[:3]))
    # by hand: t(0.975, 2) = 4.302653 times 1 / (300 · √6), over √3 for the seeds, and √2 for two cells
    assert one.difference_ci95 == pytest.approx(4.302653 / (300 * math.sqrt(18)))
    assert two.difference_ci95 == pytest.approx(4.302653 / (300 * math.sqrt(36)))
    assert two.effect_size == pytest.approx(0.1 * 300 * math.sqrt(12))


def test_a_seed_that_the_study_no_longer_has_counts_and_a_variant_that_it_no_longer_has_does_not():
    study, trials = crossed(FOUR, seeds=(1, 2))  # the trials are of three
    former = [complete("former", seed, 0.1, levels={"pooling": "max", "depth": 2}) for seed in (1, 2, 3)]
    levels = levels_of(study, [*trials, *former])
    assert levels.loc[("depth", "2"), "pairs"] == 3
    assert levels.loc[("depth", "2"), "difference_top1"] == pytest.approx(0.03)


def test_a_variant_that_no_other_matches_is_left_out():
    study, trials = crossed([*FOUR, at("conv", 3, 0.1, 0.1, 0.1)])
    levels = levels_of(study, trials)
    assert set(levels.index) == {("pooling", "avg"), ("depth", "2")}
    assert levels.loc[("depth", "2"), "difference_top1"] == pytest.approx(0.03)


def test_variants_rescaled_to_the_baselines_cost_are_left_out():
    study, trials = crossed(FOUR)
    twin = variant("max,2-same-macs", levels={"pooling": "max", "depth": 2}, matches="max,2")
    study = study.model_copy(update={"variants": (*study.variants, twin), "match": "macs"})
    more = [complete(twin.name, seed, 0.1) for seed in (1, 2, 3)]
    assert levels_of(study, [*trials, *more]).loc[("depth", "2"), "difference_top1"] == pytest.approx(0.03)


def test_one_factor_designs_have_levels_where_parts_differ():
    study, trials = crossed(FOUR[:3])
    assert levels_of(study, trials)["cells"].tolist() == [1, 1]
    same_part = study.model_copy(update={"axes": {"pooling": ("body.upsample",), "depth": ("body.depth",)}})
    assert levels_of(same_part, trials).empty


def test_one_axis_and_searches_have_no_levels():
    single = crossed([({"pooling": "max"}, {1: 0.9, 2: 0.9}), ({"pooling": "avg"}, {1: 0.9, 2: 0.91})])
    assert levels_of(*single).empty
    study, trials = crossed(FOUR)
    assert levels_of(study.model_copy(update={"design": "tpe", "finalists": ("avg,2",)}), trials).empty


def test_an_axis_that_changes_nothing_is_no_comparison():
    study, trials = crossed(FOUR[:2])
    names = {"max,1": "avg,1", "max,2": "avg,2"}
    again = [duplicate(names[each.variant], each) for each in trials]
    full, _ = crossed(FOUR)
    levels = levels_of(full, [*trials, *again])
    assert levels["verdict"].tolist()[0] == "same network"
    assert levels["difference_ci95"].tolist()[0] == 0
    # + 3, 2, 4 points: p = 0.0358 alone, and it is alone
    assert levels.loc[("depth", "2"), "p_holm"] == pytest.approx(stats.ttest_1samp([0.03, 0.02, 0.04], 0).pvalue)
    assert study.seeds == full.seeds


def test_levels_that_are_true_and_1_are_not_one():
    axes = {"attention": ("bridge.attention",), "depth": ("body.depth",)}
    top1 = [({"attention": a, "depth": d}, {1: 0.9, 2: 0.91}) for a, d in product((True, False), (1, 2))]
    levels = levels_of(*crossed(top1, axes))
    assert set(levels.index) == {("attention", "false"), ("depth", "2")}
    assert levels.loc[("attention", "false"), "baseline_level"] == "true"


@pytest.mark.parametrize(
    ("paths", "part"),
    [
        (["tail.downsample", "head.downsample"], "tail and head"),
        (["body[0].dilation"], "body"),
        (["stages[2].depth", "stages[3].depth"], "stages"),
        (["recipe.learning_rate"], "recipe"),
        (["tail.width", "body.width", "head.width"], "tail, body and head"),
        (["activation"], "whole"),
        (["stem.kind"], "stem"),
        (["bridge.attention"], "bridge"),
        (["tail.width", "norm"], "whole"),
    ],
)
def test_a_part_is_what_the_fields_of_an_axis_belong_to(paths, part):
    assert part_of(paths) == part


CLEAR = [
    at("max", 1, 0.90, 0.91, 0.92),
    at("max", 2, 0.95, 0.96, 0.971),
    at("avg", 1, 0.90, 0.911, 0.92),
    at("avg", 2, 0.95, 0.961, 0.971),
]


def test_the_part_that_matters_most_is_named_where_that_is_borne_out():
    # by hand: depth + 5, 5, 5.1 points; pooling 0, 0.1, 0
    assert level_sentences(analyse(*crossed(CLEAR)).levels) == (
        "Of the parts, body matters most: depth 2 against 1 (body) changes top-1 by +5.03 ± 0.14 points, no other part "
        "as much.",
        "1 of 2 main effects is larger than the noise: depth 2 against 1 (body) +5.03 ± 0.14 points.",
    )


def test_no_part_is_named_where_nothing_is_larger_than_the_noise():
    # by hand: the smaller p is 0.0358 · 2 = 0.0742 with its correction
    assert level_sentences(analyse(*crossed(FOUR)).levels) == ("None of 2 main effects is larger than the noise.",)


def test_no_part_is_named_where_intervals_overlap():
    both = [*CLEAR[:2], at("avg", 1, 0.95, 0.96, 0.971), at("avg", 2, 1.0, 1.01, 1.022)]
    # by hand: + 5, 5 and 5.1 points by either axis
    assert level_sentences(analyse(*crossed(both)).levels)[0] == (
        "Which part matters most is not settled: the intervals of the largest effects of two parts or more overlap."
    )


def test_one_seed_gives_no_verdict():
    study, trials = crossed([(levels, {1: values[1]}) for levels, values in FOUR], seeds=(1,))
    assert level_sentences(analyse(study, trials).levels) == (
        "No level can be judged against the noise: that takes two seeds or more.",
    )


def test_the_section_draws_a_row_a_level_below_its_axis():
    section = levels_section(analyse(*crossed(CLEAR)))
    ax = section.figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["pooling", "avg", "depth", "2"]
    drawn = {float(bar[0].get_ydata()[0]): bar[0] for bar in ax.containers}
    assert drawn[3].get_xdata()[0] == pytest.approx(5.0333, abs=1e-4)
    assert drawn[3].get_markerfacecolor() == drawn[3].get_color()
    assert drawn[1].get_markerfacecolor() == "white"
    assert section.table.iloc[1].tolist() == [
        "depth", "body", "2", "1", "2", "3", "+5.03 ± 0.14", "< 0.001", "larger than the noise",
    ]  # fmt: skip
    assert levels_section(analyse(study_of(["base"]), [complete("base", 1, 0.9)])) is None


def test_of_very_many_levels_those_of_the_largest_effects_are_drawn():
    depths = [at("max", depth, 0.5 + depth / 1000, 0.51 + depth / 1000) for depth in range(1, 72)]
    section = levels_section(analyse(*crossed([*depths, at("avg", 1, 0.5, 0.51)])))
    labels = [label.get_text() for label in section.figure.axes[0].get_yticklabels()]
    assert labels == ["depth", *map(str, range(12, 72))]  # by hand: 2 to 71 differ by 0.1 to 7 points, avg by 0.1
    assert section.caption.endswith("Of 71 levels the 60 of largest effect are drawn.")
    assert len(section.table) == 71


def test_the_section_says_which_seeds_lack_cells():
    study, trials = crossed(FOUR)
    notes = " ".join(levels_section(analyse(study, trials[:-1])).notes)
    assert (
        "Not every seed has all cells, so its mean is over fewer: pooling avg against max (tail and head), depth"
        in notes
    )
