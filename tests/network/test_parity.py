"""The network computes what the published implementation computes."""

import pytest
import torch

from fishnet_search.errors import WeightsError
from fishnet_search.graph.fish import build_graph
from fishnet_search.network.network import build_network
from fishnet_search.network.reference import load_reference_weights, reference_names
from fishnet_search.spec.loading import with_fields
from tests import golden
from tests.fishes import minnow


def reference_network(name):
    published = golden.read(name)
    network = build_network(build_graph(golden.spec_of(name))).eval()
    load_reference_weights(network, golden.state_dict(published["shapes"]))
    return network, published


@pytest.mark.parametrize("name", golden.NAMES)
@torch.no_grad()
def test_logits_and_every_stage_equal_the_published_ones(name):
    network, published = reference_network(name)
    features = []
    stages = [child for child, _ in network.named_children() if child != "classifier"]
    for stage in stages:
        network.get_submodule(stage).register_forward_hook(lambda _, __, output: features.append(output))

    logits = network(golden.images(**published["input"]))

    expected = torch.tensor(published["logits"])
    assert (logits - expected).norm() / expected.norm() < 1e-5
    assert len(features) == len(published["features"])
    for output, known in zip(features, published["features"].values(), strict=True):
        assert list(output.shape) == known["shape"]
        assert output.double().mean().item() == pytest.approx(known["mean"], rel=1e-5)
        assert output.double().std().item() == pytest.approx(known["std"], rel=1e-3)  # whether n or n - 1 is unsaid


@pytest.mark.parametrize("name", golden.NAMES)
def test_every_published_name_and_shape_has_its_place(name):
    published = golden.read(name)
    graph = build_graph(golden.spec_of(name))
    network = build_network(graph)
    own = network.state_dict()
    assert {theirs: list(own[ours].shape) for ours, theirs in reference_names(network).items()} == published["shapes"]


def test_weights_that_do_not_belong_are_refused_and_nothing_is_loaded():
    network = build_network(build_graph(golden.small()), seed=3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    weights = golden.state_dict(golden.read("fishnet-small")["shapes"])
    del weights["conv1.0.weight"]
    weights["fc.weight"] = torch.zeros(1)
    weights["fish.fish.9.4.1.bias"] = torch.zeros(1000)

    with pytest.raises(WeightsError) as refusal:
        load_reference_weights(network, weights)

    assert "1 missing, first conv1.0.weight" in str(refusal.value)
    assert "1 extra, first fc.weight" in str(refusal.value)
    assert "1 of another shape, first fish.fish.9.4.1.bias is (1000,), not (10,)" in str(refusal.value)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_projection_in_a_head_has_the_reference_name_too():
    spec = with_fields(golden.small(), {"head[2].width": 96, "head[2].projection": True})
    names = reference_names(build_network(build_graph(spec)))
    assert names["head2.block0.shortcut.conv.weight"] == "fish.fish.9.0.0.shortcut.2.weight"


def test_a_strided_convolution_has_no_published_weights():
    spec = minnow(**{"tail.downsample": "conv-3x3"})
    with pytest.raises(WeightsError, match=r"nothing like tail0\.downsample\.weight"):
        reference_names(build_network(build_graph(spec)))
