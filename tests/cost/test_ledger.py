"""Costs are exact: equal to the published counts and to those of other counters on the built network."""

import math

import pytest
import torch
from hypothesis import given, settings

from fishnet_search.cost.ledger import cost_of, ledger_of
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import Graph, features_only
from fishnet_search.graph.ops import BatchNorm
from fishnet_search.network.network import Network, build_network
from fishnet_search.spec.loading import load_spec, preset_names, with_fields
from fishnet_search.spec.resnet import ResNetSpec
from tests import golden
from tests.counters import flop_counter_macs, fvcore_activations, fvcore_macs, saved_bytes
from tests.fishes import minnow
from tests.spec.strategies import densenet_specs, fish_specs, resnet_specs, specs


@pytest.mark.parametrize("name", golden.NAMES)
def test_parameters_are_the_published_ones(name):
    assert cost_of(build_graph(golden.spec_of(name))).params == golden.read(name)["params"]


@pytest.mark.parametrize(
    ("name", "macs"),  # GMACs counted on the official code by PyTorch's counter, to the digits known
    [("fishnet99", 4.263656704), ("fishnet150", 6.398), ("fishnet201", 10.514), ("resnet50", 4.089)],
)
def test_macs_at_224_are_those_of_the_published_code(name, macs):
    assert cost_of(build_graph(load_spec(name))).macs / 1e9 == pytest.approx(macs, abs=5e-4)
    assert name != "fishnet99" or cost_of(build_graph(load_spec(name))).macs == 4_263_656_704


def built(graph):
    return build_network(graph).eval(), torch.zeros(1, *graph.input_shapes[0])


def shapes_alone(graph):
    """The same without numbers, which fvcore cannot trace."""
    with torch.device("meta"):
        return Network(graph).eval(), torch.zeros(1, *graph.input_shapes[0])


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_costs_what_its_network_has_and_what_two_other_counters_find(name):
    spec = load_spec(name)
    graph = build_graph(spec)
    cost = cost_of(graph)
    network, image = shapes_alone(graph)
    assert cost.params == sum(p.numel() for p in network.parameters())
    assert cost.macs == flop_counter_macs(network, image)
    small = build_graph(spec, 2 * spec.stride)
    network, image = built(small)
    assert cost_of(small).macs == fvcore_macs(network, image)
    assert cost_of(small).activations == fvcore_activations(network, image)


def whole_fish_specs():
    return fish_specs().filter(lambda spec: spec.body and spec.head)


def agrees_with_both_counters(spec):
    graph = build_graph(spec)
    network, image = built(graph)
    cost = cost_of(graph)
    assert cost.params == sum(p.numel() for p in network.parameters())
    assert cost.macs == flop_counter_macs(network, image) == fvcore_macs(network, image)
    assert cost.activations == fvcore_activations(network, image)


@settings(max_examples=15, deadline=None)  # hundreds, below
@given(specs())
def test_any_network_costs_what_both_counters_find(spec):
    agrees_with_both_counters(spec)


@pytest.mark.slow
@pytest.mark.parametrize("family", [fish_specs, whole_fish_specs, resnet_specs, densenet_specs])
def test_hundreds_of_networks_cost_what_both_counters_find(family):
    examples = 80 if family is densenet_specs else 100
    settings(max_examples=examples, deadline=None)(given(family())(agrees_with_both_counters))()


def batch_norm_statistics(graph: Graph) -> int:
    """Mean and standard deviation of each channel: kept once for any batch, and too little to be in the estimate."""
    inner = (node.op for node in graph.nodes)
    return sum(
        batch_norm_statistics(op) if isinstance(op, Graph) else 8 * op.channels
        for op in inner
        if isinstance(op, (Graph, BatchNorm))
    )


@settings(max_examples=50, deadline=None)
@given(specs())
def test_what_a_training_step_keeps_is_what_pytorch_saves(spec):
    graph = build_graph(spec)
    assert 3 * cost_of(graph).saved_bytes + batch_norm_statistics(graph) == saved_bytes(graph, batch=3)


def test_training_memory_is_weights_gradients_momentum_and_what_a_batch_keeps():
    cost = cost_of(build_graph(minnow()))
    assert cost.training_bytes(batch=10) == 12 * cost.params + 10 * cost.saved_bytes


@settings(max_examples=25, deadline=None)
@given(specs())
def test_stages_parts_and_nodes_each_add_up_to_the_whole(spec):
    graph = build_graph(spec)
    ledger, total = ledger_of(graph), cost_of(graph)
    assert ledger.total == total
    nodes = ledger.nodes
    for figure in ("params", "macs", "activations", "layers", "saved_bytes"):
        whole = getattr(total, figure)
        assert sum(getattr(part.cost, figure) for part in ledger.parts) == whole
        assert sum(getattr(node.cost, figure) for node in nodes) == whole
    classifier = ledger.stages[-1]
    assert ledger.backbone.params == total.params - classifier.cost.params
    assert nodes[-1].receptive_field == classifier.receptive_field == math.inf


def test_parts_and_nodes_go_by_their_names():
    ledger = ledger_of(build_graph(minnow()))
    assert [line.path for line in ledger.parts] == ["stem", "tail", "bridge", "body", "head", "classifier"]
    body, last = ledger.parts[3], ledger.stages[7]
    assert (body.label, body.shape, body.stride, body.receptive_field) == (
        "3 stages",
        last.shape,
        last.stride,
        last.receptive_field,
    )
    line = next(line for line in ledger.nodes if line.path == "body1.block0.conv2")
    assert line.cost.params == 9 * 12 * 12
    assert (line.part, line.shape, line.stride, line.label) == ("body", (12, 8, 8), 4, "Conv 3×3, dilation 2")


def test_a_backbone_costs_as_much_as_the_stages_it_needs():
    graph = build_graph(minnow())
    ledger = ledger_of(graph)
    assert cost_of(features_only(graph)).params == ledger.backbone.params
    tail = cost_of(features_only(graph, ["tail1"]))
    assert tail.params == sum(line.cost.params for line in ledger.stages[:3])


def test_operators_without_macs_are_named_and_numbered():
    assert cost_of(build_graph(load_spec("fishnet150"))).uncounted == {
        "batch norm": 150,  # one for each convolution, which gives the network its name
        "relu": 151,
        "max pool": 7,
        "add": 47,
        "global average pool": 2,
        "sigmoid": 1,
        "multiply": 1,
        "nearest upsampling": 3,
        "channel squeeze": 2,
    }


def test_layers_are_convolutions_and_linear_layers():
    counts = {"resnet50": 50 + 4, "densenet121": 121, "fishnet150": 151, "detnet59": 59 + 5}
    for name, layers in counts.items():  # the published names leave out projections, and the first fish one layer
        assert cost_of(build_graph(load_spec(name))).layers == layers


def test_four_times_the_pixels_cost_four_times_the_macs_but_for_what_sees_single_positions():
    spec = minnow()
    small, large = (cost_of(build_graph(spec, side)) for side in (32, 64))
    single = 128 * 4 + 4 * 64 + 132 * 10  # squeeze-and-excitation and the classifier's last layer
    assert large.macs - single == 4 * (small.macs - single)
    assert large.params == small.params


def seen_pixels(graph: Graph, stage: str) -> int:
    """Pixels a side that change the centre of a stage's output, by the gradient of the built network."""
    network = build_network(features_only(graph, [stage])).eval().double()
    images = torch.rand(1, *graph.input_shapes[0], dtype=torch.double, requires_grad=True)
    output = network(images)[stage]
    output[0, :, output.shape[2] // 2, output.shape[3] // 2].sum().backward()
    rows = images.grad.abs().sum((0, 1, 3)).nonzero()
    return int(rows.max() - rows.min()) + 1


@pytest.mark.parametrize("downsample", ["none", "stride", "stride-first", "avg-2x2", "conv-3x3", "conv-1x1", "blur"])
@pytest.mark.parametrize("stem", ["one-conv", "strided-conv"])
def test_the_receptive_field_is_what_the_gradient_reaches(downsample, stem):
    spec = ResNetSpec.model_validate(
        {
            "image_size": 128,
            "activation": "silu",
            "stem": {"kind": stem, "width": 4},
            "stages": [
                {"depth": 2, "width": 8, "downsample": "none", "dilation": [1, 2]},
                {"depth": 1, "width": 8, "downsample": downsample, "kernel": 5},
                {"depth": 1, "width": 8, "downsample": "stride", "block": "basic"},
            ],
        }
    )
    graph = build_graph(spec)
    for line in ledger_of(graph).stages[:-1]:
        assert line.receptive_field == seen_pixels(graph, line.path)


@pytest.mark.parametrize("upsample", ["nearest", "bilinear", "transposed"])
def test_the_receptive_field_of_a_fish_is_near_what_the_gradient_reaches(upsample):
    fields = {"activation": "gelu", "bridge.attention": False, "body.upsample": upsample, "image_size": 192}
    fields |= {f"{part}.downsample": "avg-2x2" for part in ("tail", "head")}
    graph = build_graph(with_fields(load_spec("fishnet-nano"), fields))
    for line in ledger_of(graph).stages[:-1]:
        seen = seen_pixels(graph, line.path)
        near = 4 if line.part in {"body", "head"} else 0  # behind an upsampling it depends on the position
        assert abs(line.receptive_field - seen) <= near, line.path


def test_a_fish_sees_further_with_every_stage_of_its_body_by_dilation():
    spec = minnow(**{"body.dilation": 1, "bridge.attention": False})
    plain = {line.path: line.receptive_field for line in ledger_of(build_graph(spec)).stages}
    dilated = {line.path: line.receptive_field for line in ledger_of(build_graph(minnow())).stages}
    # one 3×3 convolution of dilation 2 at stride 4, then one of dilation 4 at stride 2, instead of dilation 1
    assert dilated["body1"] - plain["body1"] == 2 * 4
    assert dilated["body2"] - plain["body2"] == 2 * 4 + 6 * 2
