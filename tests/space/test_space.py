"""A space spells out its variants, or says which line is wrong."""

from pathlib import Path

import pytest

from fishnet_search.errors import SpaceError
from fishnet_search.space.space import load_space
from fishnet_search.spec.loading import load_spec
from tests.fishes import MINNOW, minnow

GOOD = """\
base: minnow.yaml
axes:
  pooling:
    path: [tail.downsample, head.downsample]
    values: [max-2x2, avg-2x2]
  depth: {path: "tail[1].depth", values: [1, 2]}
seeds: 2
recipe: {epochs: 1, batch_size: 8}
"""


def space_from(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "minnow.yaml").write_text(MINNOW)
    return load_space(tmp_path / "mine.yaml")


def test_every_combination_is_a_variant_and_the_first_is_the_baseline(tmp_path):
    spelled = space_from(tmp_path, GOOD)
    assert spelled.name == "mine"
    assert [variant.name for variant in spelled.variants] == [
        "pooling=max-2x2,depth=1",
        "pooling=max-2x2,depth=2",
        "pooling=avg-2x2,depth=1",
        "pooling=avg-2x2,depth=2",
    ]
    last = spelled.variants[-1]
    assert last.levels == {"pooling": "avg-2x2", "depth": 2}
    assert [stage.downsample for stage in last.spec.tail + last.spec.head] == ["avg-2x2"] * 6
    assert [stage.depth for stage in last.spec.tail] == [1, 2, 1]
    assert spelled.variants[0].spec == minnow()
    assert spelled.space.seeds == (0, 1)


def test_the_baseline_can_be_named_and_comes_first(tmp_path):
    spelled = space_from(tmp_path, GOOD + "baseline: {pooling: avg-2x2, depth: 2}\n")
    assert spelled.variants[0].name == "pooling=avg-2x2,depth=2"


def test_one_axis_names_variants_by_their_level_alone_and_seeds_can_be_listed(tmp_path):
    text = "base: minnow.yaml\naxes: {d: {path: body.dilation, values: [1, 2]}}\nseeds: [7, 3]\n"
    spelled = space_from(tmp_path, text)
    assert [variant.name for variant in spelled.variants] == ["1", "2"]
    assert spelled.space.seeds == (7, 3)


def test_a_base_can_be_a_file_beside_the_space(tmp_path):
    (tmp_path / "base.json").write_text(load_spec("fishnet-cifar").model_dump_json())  # JSON is YAML
    spelled = space_from(tmp_path, GOOD.replace("minnow.yaml", "base.json").replace("[1, 2]", "[2]"))
    assert spelled.variants[0].spec == load_spec("fishnet-cifar")


def test_a_base_can_be_a_preset(tmp_path):
    spelled = space_from(tmp_path, GOOD.replace("minnow.yaml", "fishnet-cifar").replace("[1, 2]", "[2]"))
    assert spelled.variants[0].spec == load_spec("fishnet-cifar")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("max-2x2, avg-2x2", "max-2x2, avg"),
            "mine.yaml:5: axes.pooling.values[1]: tail[0].downsample: should be 'max-2x2', 'max-3x3'",
        ),
        (
            ("tail[1].depth", "tail[9].depth"),
            "mine.yaml:6: axes.depth.path: tail[9]: there are only 3 stages, counted from 0",
        ),
        (("values: [1, 2]", "values: [1, 1]"), "mine.yaml:6: axes.depth.values: has 1 twice; keep one"),
        (("values: [1, 2]", "values: []"), "mine.yaml:6: axes.depth.values: should have at least one item"),
        (("values: [1, 2]", "value: [1, 2]"), "mine.yaml:6: axes.depth.value: unknown field; did you mean 'values'?"),
        (
            ("minnow.yaml", "fishnet-nana"),
            "mine.yaml:1: base: fishnet-nana: neither a YAML file nor a preset; did you mean",
        ),
        (
            ("seeds: 2", "seeds: 0"),
            "mine.yaml:7: seeds: should be a number of seeds from 1 to 10000, or",
        ),
        (("seeds: 2", "seeds: 2000000000"), "mine.yaml:7: seeds: should be a number of seeds from 1 to 10000"),
        (("seeds: 2", f"seeds: [{2**63}]"), "mine.yaml:7: seeds[0]: should be less than 9223372036854775808"),
        (("base: minnow.yaml", 'base: "a\\0.yaml"'), "mine.yaml:1: base: "),
        (("seeds: 2", "seeds: [1, 1]"), "mine.yaml:7: seeds: has a seed twice; keep one"),
        (("seeds: 2", "seeds: [-1]"), "mine.yaml:7: seeds[0]: should be greater than or equal to 0, but is -1"),
        (("epochs: 1", "epoch: 1"), "mine.yaml:8: recipe.epoch: unknown field; did you mean 'epochs'?"),
        (("epochs: 1", "epochs: 0"), "mine.yaml:8: recipe.epochs: should be greater than or equal to 1, but is 0"),
        (("seeds: 2", "baseline: {pool: 1}"), "mine.yaml:7: baseline: names no axis; did you mean 'pooling'?"),
        (("seeds: 2", "baseline: {depth: 9}"), "mine.yaml:7: baseline: depth: 9 is not among the axis' values [1, 2]"),
        (
            ("tail[1].depth", "image_size"),
            "mine.yaml:6: axes.depth.path: image_size cannot be an axis: the images",
        ),
        (("base: minnow.yaml\n", ""), "mine.yaml:1: base: is missing; add it"),
        (("tail[1].depth", "classes"), "mine.yaml:6: axes.depth.path: classes cannot be an axis: the images give it"),
        (
            ("tail[1].depth", "tail.downsampel"),
            "mine.yaml:6: axes.depth.path: tail[0].downsampel: unknown field; did",
        ),
        (
            ("tail[1].depth", "head[2].downsample"),
            "mine.yaml:6: axes.depth.path: head[2].downsample is set by axis pooling already; keep it in one place",
        ),
        (("values: [1, 2]", f"values: {list(range(1, 6000))}"), "mine.yaml:2: axes: make 11998 variants"),
        (
            ("recipe: {epochs: 1, batch_size: 8}", "recipe: {epochs: on, learning_rate: 1e-4, momentum: no}"),
            "mine.yaml:8: recipe.epochs: should be a whole number, but is on, which YAML reads as true",
        ),
    ],
)
def test_a_mistake_is_answered_with_its_line(tmp_path, change, sentence):
    with pytest.raises(SpaceError) as refusal:
        space_from(tmp_path, GOOD.replace(*change))
    assert sentence in str(refusal.value)


def test_levels_that_only_together_make_no_network_are_named_together(tmp_path):
    text = GOOD.replace("tail[1].depth", "body[2].width").replace("values: [1, 2]", "values: [32, 64]")
    text = text.replace("path: [tail.downsample, head.downsample]", 'path: ["tail[0].width"]')
    with pytest.raises(SpaceError) as refusal:
        space_from(tmp_path, text.replace("max-2x2, avg-2x2", "16, 48"))
    assert "mine.yaml:2: axes: variant pooling=48,depth=64: body[2].width: 64 does not divide the 96" in str(
        refusal.value
    )


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "spaces").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_space_that_comes_with_the_project_can_be_spelled_out(path):
    assert load_space(path).variants
