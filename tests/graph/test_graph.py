"""The graph of a fish: resolutions, channels and transfers as published."""

import pytest

from fishnet_search.errors import SpecError
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import GraphBuilder, features_only, taps_of
from fishnet_search.graph.ops import (
    Activate,
    Add,
    Blur,
    Concat,
    Conv,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Shape,
    SqueezeChannels,
    TransposedConv,
    Upsample,
)
from fishnet_search.spec.loading import load_spec
from tests.fishes import minnow


def test_fishnet150_has_the_published_resolutions_and_channels():
    shapes = {node.name: tuple(node.shape) for node in build_graph(load_spec("fishnet150")).nodes}
    assert shapes == {  # comment in models/net_factory.py for sides, features of the golden files for channels
        "stem": (64, 56, 56),
        "tail0": (128, 28, 28),
        "tail1": (256, 14, 14),
        "tail2": (512, 7, 7),
        "bridge": (512, 7, 7),
        "body0": (768, 14, 14),
        "body1": (512, 28, 28),
        "body2": (320, 56, 56),
        "head0": (832, 28, 28),
        "head1": (1600, 14, 14),
        "head2": (2112, 7, 7),
        "classifier": (1000, 1, 1),
    }


def test_stages_are_transferred_as_the_published_map_says():
    inputs = {node.name: node.inputs for node in build_graph(load_spec("fishnet99")).nodes}
    stages = ["stem", "tail0", "tail1", "tail2", "bridge", "body0", "body1"]  # all_feat[0] to all_feat[6]
    published = (2, 1, 0, 6, 5, 4)
    later = ["body0", "body1", "body2", "head0", "head1", "head2"]
    assert [inputs[name][1] for name in later] == [stages[i] for i in published]


@pytest.mark.parametrize("side", [0, 16, 100, -32])
def test_a_side_that_cannot_be_halved_often_enough_is_refused(side):
    with pytest.raises(SpecError, match=f"image side {side} does not fit .* multiples of its stride 32; use"):
        build_graph(load_spec("fishnet150"), side)


def labels_of(spec):
    return {node.name: node.op.label for node in build_graph(spec).nodes}


def test_a_head_that_projects_says_so():
    spec = minnow(**{"head[0].width": 64, "head[0].shortcut": "projection"})
    labels = labels_of(spec)
    assert labels["head0"] == "1 DR-block (projection shortcut), 1 transfer, max-2x2, projection 40 to 64"
    assert labels["body2"] == "1 UR-block of dilation 4, k 2, 1 transfer, nearest"


@pytest.mark.parametrize(
    ("op", "inputs", "output"),
    [
        (Conv(3, 8, kernel=3, stride=2), [(3, 7, 8)], (8, 4, 4)),
        (Conv(3, 8, kernel=3, dilation=4), [(3, 7, 8)], (8, 7, 8)),
        (MaxPool(3, 2, 1), [(4, 9, 8)], (4, 5, 4)),
        (SqueezeChannels(2), [(8, 3, 3)], (4, 3, 3)),
        (Concat(), [(8, 3, 3), (2, 3, 3)], (10, 3, 3)),
        (Add(), [(8, 3, 3), (8, 1, 1)], (8, 3, 3)),
        (GlobalAvgPool(), [(8, 3, 3)], (8, 1, 1)),
        (Activate("relu"), [(8, 3, 3)], (8, 3, 3)),
        (Blur(8), [(8, 6, 4)], (8, 3, 2)),
        (TransposedConv(8, 8, stride=2), [(8, 3, 4)], (8, 6, 8)),
        (Upsample("bilinear", 2), [(8, 3, 4)], (8, 6, 8)),
        (Linear(8, 5), [(8, 1, 1)], (5, 1, 1)),
    ],
)
def test_operators_know_the_shape_that_comes_out(op, inputs, output):
    assert op.output_shape(*(Shape(*shape) for shape in inputs)) == output


@pytest.mark.parametrize(
    ("op", "inputs", "sentence"),
    [
        (Conv(3, 8, kernel=1), [(4, 7, 7)], "a convolution of 3 channels cannot take 4"),
        (TransposedConv(3, 8, stride=2), [(4, 7, 7)], "a transposed convolution of 3 channels cannot take 4"),
        (Linear(8, 5), [(8, 2, 2)], "a linear layer of 8 numbers cannot take 8×2×2"),
        (SqueezeChannels(3), [(8, 3, 3)], "8 channels cannot be squeezed by 3"),
        (Concat(), [(8, 3, 3), (8, 3, 4)], "cannot concatenate features of different resolutions: 8×3×3, 8×3×4"),
        (Add(), [(8, 3, 3), (4, 3, 3)], "cannot add features of shapes 8×3×3 and 4×3×3"),
    ],
)
def test_operators_refuse_what_does_not_fit(op, inputs, sentence):
    with pytest.raises(SpecError, match=sentence):
        op.output_shape(*(Shape(*shape) for shape in inputs))


def test_nodes_come_after_what_they_take_and_have_names_of_their_own():
    g = GraphBuilder("two", x=Shape(3, 8, 8))
    g.add("a", Activate("relu"), "x")
    with pytest.raises(SpecError, match="two: two nodes are named 'a'"):
        g.add("a", Activate("relu"), "x")
    with pytest.raises(SpecError, match="two: 'b' takes 'c', which is not there yet"):
        g.add("b", Activate("relu"), "c")


def test_a_graph_takes_only_the_shapes_it_was_made_for():
    g = GraphBuilder("inner", x=Shape(3, 8, 8))
    g.add("a", Activate("relu"), "x")
    outer = GraphBuilder("outer", x=Shape(3, 4, 4))
    with pytest.raises(SpecError, match="inner was made for"):
        outer.add("inner", g.build(), "x")


def test_a_stage_says_what_is_not_ordinary_about_it():
    fields = {"block": "bottleneck", "group_width": 2, "kernel": 5, "squeeze_excitation": True, "norm": "group"}
    labels = labels_of(minnow(**{f"tail[1].{field}": value for field, value in fields.items()}))
    assert (
        labels["tail1"] == "1 block (bottleneck, kernel 5, group width 2, squeeze-and-excitation, group norm), max-2x2"
    )
    assert labels_of(minnow(activation="silu"))["head0"] == "1 DR-block (silu), 1 transfer, max-2x2"
    assert ", k " not in labels_of(minnow(**{"body[1].block": "detnet-b"}))["body1"]
    labels = labels_of(minnow(**{"body[2].depth": 2, "body[2].dilation": [1, 2], "body[2].transfer_from": "none"}))
    assert labels["body2"] == "2 UR-blocks of dilation 1-2, k 2, no transfer, nearest"


def test_a_detnet_keeps_its_resolution_from_its_third_stage_on():
    graph = build_graph(load_spec("detnet59"))
    assert [node.shape.height for node in graph.nodes] == [56, 56, 28, 14, 14, 14, 1]


def test_a_transfer_map_may_be_any():
    spec = minnow(
        **{"head[0].transfer_from": "tail0", "body[2].transfer_from": "none", "head[1].transfer_from": "tail1"}
    )
    inputs = {node.name: node.inputs for node in build_graph(spec).nodes}
    assert inputs["body2"] == ("body1",)
    assert inputs["head0"] == ("body2", "tail0")
    assert inputs["head1"] == ("head0", "tail1")


def test_a_fish_without_body_and_head_goes_down_only():
    spec = minnow()
    short = spec.model_copy(update={"body": (), "head": ()})
    assert [node.name for node in build_graph(short).nodes] == [
        "stem", "tail0", "tail1", "tail2", "bridge", "classifier"
    ]  # fmt: skip


def test_taps_are_the_last_stage_of_each_resolution_unless_the_spec_names_others():
    taps = taps_of(build_graph(load_spec("fishnet150")))
    assert [(tap.name, tap.channels, tap.stride) for tap in taps] == [
        ("body2", 320, 4),
        ("head0", 832, 8),
        ("head1", 1600, 16),
        ("head2", 2112, 32),
    ]
    taps = taps_of(build_graph(load_spec("detnet59")))
    assert [(tap.name, tap.node, tap.stride) for tap in taps] == [
        ("c2", "stage0", 4),
        ("c3", "stage1", 8),
        ("c4", "stage2", 16),
        ("c5", "stage3", 16),
        ("c6", "stage4", 16),
    ]


def test_a_backbone_has_only_the_stages_that_its_taps_need():
    graph = build_graph(minnow())
    backbone = features_only(graph, ["body1", "stem"])
    assert [node.name for node in backbone.nodes] == [
        "stem", "tail0", "tail1", "tail2", "bridge", "body0", "body1"
    ]  # fmt: skip
    assert [(tap.name, tap.channels, tap.stride) for tap in taps_of(backbone)] == [("body1", 64, 2), ("stem", 8, 1)]


def test_a_tap_that_is_not_there_is_refused_with_the_nearest():
    graph = build_graph(minnow())
    with pytest.raises(SpecError, match="there is no stage 'body9'; did you mean 'body2'\\?"):
        features_only(graph, ["body9"])
    with pytest.raises(SpecError, match="needs at least one tap; those of this network are body2, head0"):
        features_only(graph, [])


def test_equal_specs_give_equal_graphs_with_equal_hashes():
    one, other = build_graph(minnow()), build_graph(minnow())
    assert one == other
    assert hash(one) == hash(other)
    assert one != build_graph(minnow(**{"tail[0].downsample": "blur"}))
