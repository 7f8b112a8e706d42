"""Folding: which batch norms fold is read off the graph, and folded networks compute the same."""

import pytest
import torch
from torch import nn

from fishnet_search.export.folding import Folds, foldable, folded, folds, latency_before_and_after
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import GraphBuilder, features_only
from fishnet_search.graph.ops import Activate, Add, BatchNorm, Conv, MaxPool, Shape
from fishnet_search.network.network import build_network
from fishnet_search.spec.loading import load_spec
from tests.export.seasoned import SMALL_RESNET, images, network_of, small_spec

pytestmark = pytest.mark.usefixtures("one_thread")

SPECS = {
    "fish": small_spec(),
    "fish with transposed convolutions": small_spec(**{"body[0].upsample": "transposed", "body[1].transfer": 0}),
    "fish with group norms": small_spec(norm="group"),
    "fish of basic blocks": small_spec(**{"tail[0].block": "basic", "tail[1].block": "bottleneck"}),
    "resnet": small_spec("resnet50", **SMALL_RESNET),
    "densenet": small_spec("densenet121", image_size=32),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@torch.no_grad()
def test_a_folded_network_computes_the_same_logits(spec):
    network = network_of(spec)
    given = images(3, spec.image_size)
    before = network(given)
    after = folded(network)(given)
    assert (after - before).abs().max() <= 1e-5 * before.abs().max()
    torch.testing.assert_close(network(given), before, rtol=0, atol=0)  # it is left as it is


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_number_of_folds_is_told_without_weights(spec):
    network = network_of(spec)
    told = folds(build_graph(spec))
    norms = [
        sum(isinstance(module, nn.BatchNorm2d) for module in form.modules()) for form in (network, folded(network))
    ]
    assert told == Folds(norms[0] - norms[1], norms[0])


@pytest.mark.parametrize(("preset", "expected"), [("resnet50", (53, 53)), ("resnet101", (104, 104))])
def test_every_norm_of_a_resnet_folds(preset, expected):
    assert folds(build_graph(load_spec(preset))) == expected


def test_norms_behind_sums_and_pooling_stay_in_blocks_with_preactivation():
    pairs = foldable(network_of(small_spec()))
    inside = [pair for pair in pairs if pair[0].startswith("tail1.block0.")]
    assert inside == [
        ("tail1.block0.conv1", "tail1.block0.norm2"),
        ("tail1.block0.conv2", "tail1.block0.norm3"),
    ]
    assert str(folds(build_graph(small_spec()))) == f"{len(pairs)} of 42 batch norms"


def pieces(*, used_twice: bool = False):
    """A convolution at the end of one part, whose norm stands at the beginning of the next."""
    image = Shape(3, 8, 8)
    first = GraphBuilder("first", x=image)
    first.add("conv", Conv(3, 4, kernel=3), first.add("act", Activate("relu"), "x"))
    second = GraphBuilder("second", x=Shape(4, 8, 8))
    normed = second.add("norm", BatchNorm(4), "x")
    second.add("add", Add(), normed, "x" if used_twice else normed)
    g = GraphBuilder("whole", image=image)
    g.add("second", second.build(), g.add("first", first.build(), "image"))
    return g.build()


def test_a_norm_folds_into_a_convolution_of_another_part():
    assert foldable(build_network(pieces())) == [("first.conv", "second.norm")]


def test_a_convolution_that_something_else_takes_as_well_is_left_alone():
    assert folds(pieces(used_twice=True)) == (0, 1)


def test_what_a_backbone_gives_away_is_not_folded():
    g = GraphBuilder("backbone", image=Shape(3, 8, 8))
    norm = g.add("norm", BatchNorm(4), g.add("conv", Conv(3, 4, kernel=3), "image"))
    g.add("pool", MaxPool(2, 2), norm)
    graph = g.build()
    assert folds(graph) == (1, 1)
    assert folds(features_only(graph, ["pool"])) == (1, 1)
    assert folds(features_only(graph, ["conv", "pool"])) == (0, 1)


def test_a_folded_network_has_a_bias_where_a_norm_was_and_keeps_its_names():
    network = network_of(small_spec())
    after = folded(network)
    assert isinstance(after.get_submodule("stem.norm1"), nn.Identity)
    assert after.get_submodule("stem.conv1").bias is not None
    assert network.get_submodule("stem.conv1").bias is None
    assert not after.training
    assert [name for name, _ in after.named_children()] == [name for name, _ in network.named_children()]


def test_both_forms_are_timed_and_neither_is_changed():
    network = network_of(small_spec())
    for found in latency_before_and_after(network, folded(network), image_size=32, seconds=0.05):
        assert 0 < found.p25 <= found.median <= found.p75
    assert all(param.is_contiguous() for param in network.parameters())
