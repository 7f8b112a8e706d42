"""The graph of a fish: resolutions, channels and transfers as published."""

import pytest

from fishnet_search.errors import SpecError
from fishnet_search.graph.fish import build_graph
from fishnet_search.graph.graph import GraphBuilder
from fishnet_search.graph.ops import Add, Concat, Conv, GlobalAvgPool, MaxPool, ReLU, Shape, SqueezeChannels
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


def test_a_head_that_projects_says_so():
    spec = minnow(**{"head[0].width": 64, "head[0].projection": True})
    labels = {node.name: node.op.label for node in build_graph(spec).nodes}
    assert labels["head0"] == "1 DR-block, 1 transfer, max-2x2, projection 40 to 64"
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
        (ReLU(), [(8, 3, 3)], (8, 3, 3)),
    ],
)
def test_operators_know_the_shape_that_comes_out(op, inputs, output):
    assert op.output_shape(*(Shape(*shape) for shape in inputs)) == output


@pytest.mark.parametrize(
    ("op", "inputs", "sentence"),
    [
        (Conv(3, 8, kernel=1), [(4, 7, 7)], "a convolution of 3 channels cannot take 4"),
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
    g.add("a", ReLU(), "x")
    with pytest.raises(SpecError, match="two: two nodes are named 'a'"):
        g.add("a", ReLU(), "x")
    with pytest.raises(SpecError, match="two: 'b' takes 'c', which is not there yet"):
        g.add("b", ReLU(), "c")


def test_a_graph_takes_only_the_shapes_it_was_made_for():
    g = GraphBuilder("inner", x=Shape(3, 8, 8))
    g.add("a", ReLU(), "x")
    outer = GraphBuilder("outer", x=Shape(3, 4, 4))
    with pytest.raises(SpecError, match="inner was made for"):
        outer.add("inner", g.build(), "x")
