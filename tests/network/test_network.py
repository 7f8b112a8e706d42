"""Networks: any size the strides allow, friendly to PyTorch's tools, reproducible."""

import pytest
import torch
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from fishnet_search.cost.ledger import _COST
from fishnet_search.errors import SpecError
from fishnet_search.graph import ops
from fishnet_search.graph.fish import build_graph
from fishnet_search.graph.graph import Graph
from fishnet_search.network.modules import MODULES
from fishnet_search.network.network import build_network
from fishnet_search.spec.loading import load_spec, preset_names
from tests.fishes import minnow
from tests.golden import small


def leaves(graph: Graph, prefix=""):
    for node in graph.nodes:
        if isinstance(node.op, Graph):
            yield from leaves(node.op, f"{prefix}{node.name}.")
        else:
            yield f"{prefix}{node.name}", node


@pytest.mark.parametrize("name", preset_names())
def test_every_node_of_every_preset_has_the_shape_the_graph_says(name):
    graph = build_graph(load_spec(name))
    shapes = {}
    with torch.device("meta"):
        network = build_network(graph).to("meta").eval()
        for path, _ in leaves(graph):
            network.get_submodule(path).register_forward_hook(
                lambda _, __, output, path=path: shapes.update({path: tuple(output.shape[1:])})
            )
        network(torch.empty(2, *graph.input_shapes[0]))
    expected = {path: tuple(node.shape) for path, node in leaves(graph)}
    expected["classifier.flatten"] = expected["classifier.flatten"][:1]
    assert shapes == expected


@pytest.mark.parametrize("downsample", ["max-2x2", "max-3x3", "avg-2x2", "conv-3x3"])
def test_downsampling_computes_what_its_name_says(downsample):
    network = build_network(build_graph(minnow(**{"tail.downsample": downsample})))
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    module = network.tail0.downsample
    expected = {
        "max-2x2": lambda: x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2)),
        "avg-2x2": lambda: x.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)),
        "max-3x3": lambda: nn.functional.max_pool2d(x, 3, 2, 1),
        "conv-3x3": lambda: nn.functional.conv2d(x, module.weight, stride=2, padding=1),
    }[downsample]()
    assert module(x).shape == (2, 16, 4, 4)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("sides", [(8, 8), (32, 32), (40, 16), (64, 24)])
def test_any_image_whose_sides_are_multiples_of_the_stride_passes(sides):
    network = build_network(build_graph(minnow())).eval()
    assert network(torch.zeros(3, 3, *sides)).shape == (3, 10)


@pytest.mark.parametrize("sides", [(33, 32), (32, 28), (4, 32)])
def test_other_images_are_refused_with_the_sides_that_would_do(sides):
    network = build_network(build_graph(minnow()))
    with pytest.raises(SpecError, match=r"image side \d+ does not fit .* multiples of its stride 8; use \d+ or \d+"):
        network(torch.zeros(2, 3, *sides))


def test_all_parameters_learn():
    network = build_network(build_graph(minnow()))
    network(torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_torch_compile_sees_one_graph_and_computes_the_same():
    network = build_network(build_graph(minnow())).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images), network(images))


def test_stages_can_be_taken_out_by_name_with_torchvisions_feature_extractor():
    network = build_network(build_graph(minnow())).eval()
    features = create_feature_extractor(network, ["body2.concat", "head2.concat"])(torch.zeros(1, 3, 32, 32))
    assert {name: tuple(value.shape) for name, value in features.items()} == {
        "body2.concat": (1, 40, 32, 32),
        "head2.concat": (1, 264, 4, 4),
    }


def test_the_forward_pass_changes_neither_its_input_nor_the_modules():
    network = build_network(build_graph(minnow())).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before, modules = images.clone(), list(network.modules())
    network(images)
    assert torch.equal(images, before)
    assert list(network.modules()) == modules


def test_one_seed_gives_one_network_whatever_the_global_random_state():
    torch.manual_seed(1)
    first = build_network(build_graph(minnow()), seed=5).state_dict()
    state = torch.manual_seed(2).get_state()
    second = build_network(build_graph(minnow()), seed=5).state_dict()
    other = build_network(build_graph(minnow()), seed=6).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["stem.conv1.weight"], other["stem.conv1.weight"])


def test_initial_weights_have_the_published_scale():
    network = build_network(build_graph(small()))
    weight = network.head2.block0.conv1.weight  # 100 × 400 numbers
    assert weight.std().item() == pytest.approx((2 / 100) ** 0.5, rel=0.02)
    assert network.head2.block0.bn1.weight.eq(1).all()
    assert network.head2.block0.bn1.running_var.eq(1).all()
    assert network.classifier.conv2.bias.abs().max() <= 1 / 264**0.5


def test_every_operator_has_a_module_and_a_cost():
    operators = {op for op in vars(ops).values() if isinstance(op, type) and issubclass(op, ops.Op)}
    operators -= {ops.Op, ops.Pool}  # what the others have in common
    assert set(MODULES) == operators == set(_COST)
