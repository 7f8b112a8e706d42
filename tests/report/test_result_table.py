"""The main table: levels, corrected p, and published values beside the measured ones."""

from __future__ import annotations

import math

import pandas as pd

from fishnet_search.evidence.analysis import analyse
from fishnet_search.report.published import published_table, sources, with_published
from fishnet_search.report.table import (
    are_spelled_out,
    level_table,
    result_table,
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
        ["other", "statement", math.nan, "", "the paper", "better than average pooling"],
    ],
    columns=["variant", "metric", "value", "setting", "source", "note"],
)


def results(levels=None):
    effects = analyse(
        study_of(["base", "other"]), trials_of({"base": [0.90, 0.92, 0.97], "other": [0.88, 0.91]})
    ).effects
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
    assert table["published params"].tolist() == ["26.40 M [2]", ""]
    assert sources(PUBLISHED) == ("[1] README of the release", "[2] the paper", "[3] the talk")


def test_a_study_without_published_values_has_no_column_for_them():
    assert list(with_published(results(), PUBLISHED[:0])) == list(results())
    assert sources(PUBLISHED[:0]) == ()


def test_all_published_values_are_listed_with_setting_source_and_note():
    table = published_table(PUBLISHED)
    assert table.iloc[0].tolist() == [
        "base", "gain in AP (points)", "+2.60", "COCO", "[3] the talk", "above ResNet-50",
    ]  # fmt: skip
    assert table["metric"].tolist()[1:] == [
        "top-1 (%)", "top-1 (%)", "params", "top-5 (%)", "mAP (%)", "statement",
    ]  # fmt: skip
    assert table["published"].tolist()[1:] == ["78.14", "78.07", "26.40 M", "90.00", "75.90", "–"]
