"""A network has one identity, however it is written; any change to it gives another."""

import re

import pytest
from hypothesis import given, settings

from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import GraphBuilder, features_only
from fishnet_search.graph.identity import identity
from fishnet_search.graph.ops import Add, Conv, Shape
from fishnet_search.spec.loading import load_spec
from fishnet_search.spec.resnet import ResNetSpec
from tests.fishes import minnow
from tests.spec.strategies import specs


def test_an_identity_is_a_sha256_that_stays():
    assert re.fullmatch("[0-9a-f]{64}", minnow().identity())
    assert minnow().identity() == minnow().identity() == identity(build_graph(minnow()))


def test_order_names_comments_and_layout_of_the_file_do_not_matter(tmp_path):
    text = """\
# a comment
head: [{}, {depth: 1}]
body:
- transfer: 1
  width: 32
  depth: 1
- {depth: 1, width: 16}
bridge: {width: 32, depth: 1}
tail: [{width: 16, depth: 1}, {width: 32, depth: 1}]
stem: {width: 8, kind: one-conv}
image_size: 32
"""
    (tmp_path / "a.yaml").write_text(text.replace("[{}, ", "[{depth: 1}, "))
    (tmp_path / "b.yaml").write_text(
        "base: a.yaml\ntaps: {fine: body1}\nimage_size: 64\nfamily: fish\ntail.downsample: max-2x2\n"
    )
    assert load_spec(tmp_path / "a.yaml").identity() == load_spec(tmp_path / "b.yaml").identity()


@pytest.mark.parametrize(
    "fields",
    [
        {"image_size": 64},
        {"tail.kernel": 1, "tail.dilation": 3, "like": {"tail.kernel": 1}},  # one pixel has no neighbours to spread
        {"tail.block": "basic", "tail.expansion": 2, "like": {"tail.block": "basic"}},
        {"head.width": "derived", "head[0].width": 40, "head[1].width": 104},
        {"body[0].transfer_from": "tail1", "body.shortcut": "squeeze"},
        {"tail[0].groups": 1, "tail[0].activation": "relu", "tail[0].norm": "batch"},
        {"body[2].transfer_from": "none", "body[2].transfer": 5, "like": {"body[2].transfer_from": "none"}},
        {"tail[1].group_width": 4, "like": {"tail[1].groups": 2}},
        {"tail.block": "detnet-a", "like": {"tail.block": "bottleneck", "tail.dilation": 2}},
        {
            "tail.block": "detnet-b",
            "like": {"tail.block": "bottleneck", "tail.dilation": 2, "tail.shortcut": "projection"},
        },
    ],
)
def test_fields_without_effect_and_other_words_for_the_same_do_not_matter(fields):
    like = fields.pop("like", {})
    assert minnow(**fields).identity() == minnow(**like).identity()


@pytest.mark.parametrize(
    "fields",
    [
        {"classes": 11},
        {"activation": "silu"},
        {"norm": "group"},
        {"stem.width": 16},
        {"stem.kind": "strided-conv"},
        {"tail[0].depth": 2},
        {"tail[0].block": "bottleneck"},
        {"tail[0].kernel": 5},
        {"tail[0].dilation": 2},
        {"tail[0].groups": 2},
        {"tail[0].expansion": 2},
        {"tail[0].squeeze_excitation": True},
        {"tail[0].downsample": "max-3x3"},
        {"tail[0].downsample": "avg-2x2"},
        {"bridge.attention": False},
        {"body[1].upsample": "bilinear"},
        {"body[1].transfer": 0},
        {"body[2].transfer_from": "none"},
        {"body[1].shortcut": "projection"},
        {"body[2].width": 16},
        {"head[2].shortcut": "projection"},
        {"head[0].transfer_from": "tail0"},
    ],
)
def test_any_change_to_the_network_changes_it(fields):
    assert minnow(**fields).identity() != minnow().identity()


def test_the_same_blocks_in_one_stage_or_in_two_are_the_same_network():
    stage = {"width": 16, "downsample": "none"}
    shared = {"image_size": 32, "stem": {"kind": "one-conv", "width": 16}}
    one = ResNetSpec.model_validate(shared | {"stages": [stage | {"depth": 3}]})
    two = ResNetSpec.model_validate(shared | {"stages": [stage | {"depth": 1}, stage | {"depth": 2}]})
    assert one.identity() == two.identity()


def test_two_layers_on_one_input_are_not_one_layer_used_twice():
    conv = Conv(3, 8, kernel=3)
    twice = GraphBuilder("twice", image=Shape(3, 8, 8))
    twice.add("a", conv, "image")
    twice.add("sum", Add(), "a", "a")
    two = GraphBuilder("two", image=Shape(3, 8, 8))
    two.add("a", conv, "image")
    two.add("b", conv, "image")
    two.add("sum", Add(), "a", "b")
    assert identity(twice.build()) != identity(two.build())


def test_a_backbone_is_another_network_by_what_it_gives():
    graph = build_graph(minnow())
    backbones = [features_only(graph), features_only(graph, ["body2"]), features_only(graph, ["head2"]), graph]
    assert len({identity(each) for each in backbones}) == 4


@settings(max_examples=30, deadline=None)
@given(specs())
def test_a_spec_and_its_json_are_the_same_network(spec):
    again = type(spec).model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.identity() == spec.identity()
