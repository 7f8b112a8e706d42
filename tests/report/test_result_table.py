"""The main table: levels, corrected p, and published values beside the measured ones."""

from __future__ import annotations

from math import inf, nan

import pandas as pd

from fishnet_search.evidence.analysis import analyse
from fishnet_search.report.published import published_numbers, published_table, sources, with_published
from fishnet_search.report.table import (
    are_spelled_out,
    axis_numbers,
    effect_table,
    level_table,
    result_table,
    shortened,
    without_names,
    word_columns,
)
from tests.records import study_of, trials_of

LEVELS = {
    "baseline": {"depth": 1, "SE": False, "kernels": [3, 5]},
    "deep": {"depth": 2, "SE": False, "kernels": [3, 5]},
    "other": {"depth": 1, "SE": True},
}
PUBLISHED = pd.DataFrame(
    [
        ["base", "ap_gain", 0.026, "COCO", "the talk", "above ResNet-50"],
        ["base", "top1", 0.7814, "ImageNet", "README of the release", "single crop"],
        ["base", "top1", 0.7807, "ImageNet", "the paper", ""],
        ["base", "params", 26.4e6, "", "the paper", "differs from the code's"],
        ["gone", "top5", 0.9, "", "the paper", ""],
        ["other", "map", 0.759, "VOC 2007", "the paper", ""],
        ["other", "statement", nan, "", "the paper", "better than average pooling"],
    ],
    columns=["variant", "metric", "value", "setting", "source", "note"],
)


def effects_of(top1, seeds=(1, 2, 3)):
    return analyse(study_of(list(top1), seeds), trials_of(top1)).effects


def results(levels=None):
    effects = effects_of({"base": [0.90, 0.92, 0.97], "other": [0.88, 0.91]})
    return result_table(effects, pd.DataFrame(levels or {}, index=range(len(effects))))


def test_a_switch_is_a_check_mark_and_every_other_level_its_value():
    table = level_table(["depth", "SE", "kernels"], LEVELS, list(LEVELS))
    assert table.to_dict("list") == {
        "depth": ["1", "2", "1"],
        "SE": ["–", "–", "✓"],
        "kernels": ["3-5", "3-5", ""],  # an axis that does not count here
    }
    assert word_columns(table) == ["SE", "kernels"]


def test_an_axis_that_only_repeats_the_names_or_has_no_level_is_no_column():
    levels = {name: {"pooling": name, "size": 3} for name in ("max", "avg")}
    assert list(level_table(["pooling", "size", "gone"], levels, ["max", "avg"])) == ["size"]


def test_an_axis_called_like_a_column_is_told_apart():
    levels = {"a": {"params": 1}, "b": {"params": 2}}
    assert list(level_table(["params"], levels, ["a", "b"])) == ["axis params"]


def test_what_matters_most_stands_first():
    assert list(results({"SE": ["✓", "–"]}))[:6] == [
        "variant", "SE", "params", "MACs", "test top-1 (%)", "difference (points)",
    ]  # fmt: skip
    assert list(results())[-2:] == ["test top-5 (%)", "validation top-1 (%)"]


def test_names_go_where_levels_tell_the_rows_apart():
    assert "variant" not in without_names(results({"SE": ["✓", "–"]}), ["SE"])
    assert "variant" in without_names(results({"SE": ["✓", "✓"]}), ["SE"])
    assert "variant" in without_names(results({"SE": ["✓", ""]}), ["SE"])
    assert "variant" in without_names(results(), [])


def test_names_of_a_grid_are_nothing_but_levels():
    grid = {"depth=1,SE=true": {"depth": 1, "SE": True}, "depth=2,SE=false": {"depth": 2, "SE": False}}
    assert are_spelled_out(list(grid), grid)
    assert not are_spelled_out([*grid, "baseline"], grid | {"baseline": {"depth": 3, "SE": True}})


def test_published_values_stand_beside_the_measured_with_the_number_of_their_source():
    table = with_published(results(), PUBLISHED)
    assert list(table)[:6] == [
        "variant", "params", "published params", "MACs", "test top-1 (%)", "published top-1 (%)",
    ]  # fmt: skip
    assert table["published top-1 (%)"].tolist() == ["78.14 [1], 78.07 [2]", ""]
    assert table["published params"].tolist() == ["26.4 M [3]", ""]
    assert sources(PUBLISHED, table) == (
        "[1] README of the release (ImageNet)",
        "[2] the paper (ImageNet)",
        "[3] the paper",
    )
    assert sources(PUBLISHED, table[1:]) == ()


def test_a_study_without_published_values_has_no_column_for_them():
    assert list(with_published(results(), PUBLISHED[:0])) == list(results())
    assert sources(PUBLISHED[:0], results()) == ()


def test_all_published_values_are_listed_with_setting_source_and_note():
    table = published_table(PUBLISHED)
    assert table.iloc[0].tolist() == [
        "base", "gain in AP (points)", "+2.6", "COCO", "[4] the talk", "above ResNet-50",
    ]  # fmt: skip
    assert table["metric"].tolist()[1:] == [
        "top-1 (%)", "top-1 (%)", "params", "top-5 (%)", "mAP (%)", "statement",
    ]  # fmt: skip
    assert table["published"].tolist()[1:] == ["78.14", "78.07", "26.4 M", "90", "75.9", "–"]


def test_effect_sizes_stand_beside_p():
    effects = effects_of({"base": [0.9, 0.9], "a": [0.8, 0.8], "b": [0.8, 0.8], "c": [0.8, 0.8]})
    table = result_table(effects.assign(effect_size=[nan, -1.256, inf, -inf]), pd.DataFrame(index=range(4)))
    assert table["effect size"].tolist() == ["–", "−1.26", "∞", "−∞"]
    assert list(table).index("effect size") == list(table).index("p (Holm)") + 1


def test_a_bootstrap_interval_has_a_column_where_there_is_any():
    effects = effects_of({"base": [0.90, 0.91], "other": [0.92, 0.93]})
    assert "bootstrap (points)" not in result_table(effects, pd.DataFrame(index=range(2)))
    table = result_table(effects.assign(boot_low=[nan, -0.011], boot_high=[nan, 0.02]), pd.DataFrame(index=range(2)))
    assert table["bootstrap (points)"].tolist() == ["–", "−1.10 to +2.00"]
    assert list(table)[list(table).index("effect size") + 1] == "bootstrap (points)"


def test_the_pairs_are_kept_where_they_are_fewer_than_the_seeds():
    short = shortened(effect_table(effects_of({"base": [0.90, 0.91, 0.92], "other": [0.92, 0.93]})))
    assert "pairs" not in short  # the other has 2 of 3 seeds, all of them paired
    assert "validation top-1 (%)" not in short
    told = shortened(effect_table(effects_of({"base": [0.90, 0.91], "other": [0.92, 0.93, 0.94]})))
    assert told["pairs"].tolist() == ["–", "2"]


def test_levels_and_published_values_are_columns_of_numbers():
    variants = pd.Series(["baseline", "other"])
    axes = axis_numbers(["depth", "kernels"], LEVELS, variants)
    assert axes.to_dict("list") == {"axis depth": ["1", "1"], "axis kernels": ["3-5", None]}
    numbers = published_numbers(PUBLISHED, pd.Series(["other", "base"])).fillna("")
    assert numbers.to_dict("list") == {
        "published_ap_gain": ["", "0.026"],
        "published_top1": ["", "0.7814; 0.7807"],
        "published_params": ["", "26400000"],
        "published_map": ["0.759", ""],
    }
