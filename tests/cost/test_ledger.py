"""Costs are exact: equal to the published counts and to those of two other counters on the built network."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from torch.utils.flop_counter import FlopCounterMode

from fishnet_search.cost.ledger import cost_of, node_costs
from fishnet_search.graph.fish import build_graph
from fishnet_search.network.network import build_network
from fishnet_search.spec.loading import load_spec, preset_names
from tests import golden
from tests.fishes import minnow
from tests.spec.strategies import fish_specs


def meta_network(graph):
    return build_network(graph).to("meta").eval()


def flop_counter_macs(graph):
    with FlopCounterMode(display=False) as counter:
        meta_network(graph)(torch.empty(1, *graph.input_shapes[0], device="meta"))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("name", golden.NAMES)
def test_parameters_are_the_published_ones(name):
    assert cost_of(build_graph(golden.spec_of(name))).params == golden.read(name)["params"]


@pytest.mark.parametrize(
    ("name", "macs"),  # GMACs counted on the official code by PyTorch's counter, to the digits known
    [("fishnet99", 4.263656704), ("fishnet150", 6.398), ("fishnet201", 10.514)],
)
def test_macs_at_224_are_those_of_the_published_code(name, macs):
    assert cost_of(build_graph(load_spec(name))).macs / 1e9 == pytest.approx(macs, abs=5e-4)
    assert name != "fishnet99" or cost_of(build_graph(load_spec(name))).macs == 4_263_656_704


@pytest.mark.parametrize("name", preset_names())
def test_macs_equal_pytorchs_own_flop_counter(name):
    graph = build_graph(load_spec(name))
    assert cost_of(graph).macs == flop_counter_macs(graph)


@pytest.mark.parametrize("name", preset_names())
def test_macs_equal_fvcores_count_of_convolutions_and_linear_layers(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        graph = build_graph(load_spec(name))
        analysis = FlopCountAnalysis(build_network(graph).eval(), torch.zeros(1, *graph.input_shapes[0]))
        counted = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
    assert cost_of(graph).macs == counted["conv"] + counted["linear"]


@settings(max_examples=30, deadline=None)
@given(fish_specs())
def test_any_fish_costs_what_its_network_has_and_computes(spec):
    graph = build_graph(spec)
    cost = cost_of(graph)
    assert cost.params == sum(p.numel() for p in meta_network(graph).parameters())
    assert cost.macs == flop_counter_macs(graph)


def test_the_stages_add_up_to_the_whole():
    graph = build_graph(load_spec("fishnet150"))
    stages = [cost for _, cost in node_costs(graph)]
    assert sum(stage.params for stage in stages) == cost_of(graph).params
    assert sum(stage.macs for stage in stages) == cost_of(graph).macs


def test_operators_without_macs_are_named_and_numbered():
    assert cost_of(build_graph(load_spec("fishnet150"))).uncounted == {
        "BatchNorm": 150,  # one for each convolution, which gives the network its name
        "ReLU": 151,
        "MaxPool": 7,
        "Add": 47,
        "GlobalAvgPool": 2,
        "Sigmoid": 1,
        "Multiply": 1,
        "UpsampleNearest": 3,
        "SqueezeChannels": 2,
    }


def test_four_times_the_pixels_cost_four_times_the_macs_but_for_what_sees_single_positions():
    spec = minnow()
    small, large = (cost_of(build_graph(spec, side)) for side in (32, 64))
    single = 128 * 4 + 4 * 64 + 132 * 10  # squeeze-and-excitation and the classifier's last layer
    assert large.macs - single == 4 * (small.macs - single)
    assert large.params == small.params
