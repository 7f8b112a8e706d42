"""Networks: any size the strides allow, friendly to PyTorch's tools, reproducible."""

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from fishnet_search.cost.ledger import _RULES
from fishnet_search.errors import SpecError
from fishnet_search.graph import ops
from fishnet_search.graph.blocks import norm_op
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import Graph, features_only
from fishnet_search.network.modules import MODULES
from fishnet_search.network.network import Network, build_network
from fishnet_search.spec.loading import load_spec, preset_names, with_fields
from fishnet_search.spec.stage import Downsample, Upsample
from tests.fishes import minnow
from tests.golden import small
from tests.spec.strategies import specs


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
        network = Network(graph).eval()
        for path, _ in leaves(graph):
            network.get_submodule(path).register_forward_hook(
                lambda _, __, output, path=path: shapes.update({path: tuple(output.shape[1:])})
            )
        network(torch.empty(2, *graph.input_shapes[0]))
    expected = {path: tuple(node.shape) for path, node in leaves(graph)}
    flat = ("classifier.flatten", "classifier.linear")
    expected |= {path: shape[:1] for path, shape in expected.items() if path in flat}
    assert shapes == expected


def pixels(channels, side):
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("downsample", get_args(Downsample))
def test_downsampling_computes_what_its_name_says(downsample):
    network = build_network(build_graph(minnow(**{"tail.downsample": downsample})))
    x = pixels(16, 8)
    module = network.tail0.downsample
    binomial = torch.tensor([1.0, 2.0, 1.0]) / 4
    mirrored = torch.cat([x[..., 1:2, :], x, x[..., -2:-1, :]], dim=2)
    mirrored = torch.cat([mirrored[..., 1:2], mirrored, mirrored[..., -2:-1]], dim=3)
    expected = {
        "max-2x2": lambda: x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2)),
        "avg-2x2": lambda: x.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)),
        "max-3x3": lambda: nn.functional.max_pool2d(x, 3, 2, 1),
        "conv-3x3": lambda: nn.functional.conv2d(x, module.weight, stride=2, padding=1),
        "conv-1x1": lambda: torch.einsum("oi,nihw->nohw", module.weight[:, :, 0, 0], x[:, :, ::2, ::2]),
        "blur": lambda: torch.einsum("nchwij,i,j->nchw", mirrored.unfold(2, 3, 2).unfold(3, 3, 2), binomial, binomial),
    }[downsample]()
    assert module(x).shape == (2, 16, 4, 4)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("upsample", get_args(Upsample))
def test_upsampling_computes_what_its_name_says(upsample):
    network = build_network(build_graph(minnow(**{"body.upsample": upsample})))
    x = pixels(64, 4)
    module = network.body0.upsample
    expected = {
        "nearest": lambda: x.repeat_interleave(2, 2).repeat_interleave(2, 3),
        "bilinear": lambda: nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
        "transposed": lambda: torch.einsum("nihw,ioab->nohawb", x, module.weight).reshape(2, 64, 8, 8),
    }[upsample]()
    assert module(x).shape == (2, 64, 8, 8)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        ("relu", lambda x: x.clamp(min=0)),
        ("leaky-relu", lambda x: torch.where(x > 0, x, 0.1 * x)),
        ("silu", lambda x: x * x.sigmoid()),
        ("gelu", lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5))),
        ("hardswish", lambda x: x * (x + 3).clamp(0, 6) / 6),
    ],
)
def test_activations_compute_what_their_names_say(activation, formula):
    network = build_network(build_graph(minnow(activation=activation)))
    x = pixels(4, 8)
    for module in (network.stem.act1, network.tail0.block0.act2, network.bridge.score.act1, network.classifier.act2):
        torch.testing.assert_close(module(x), formula(x))


def test_a_stage_may_have_another_style_than_the_network():
    network = build_network(
        build_graph(minnow(**{"norm": "group", "body.norm": "batch", "tail[0].activation": "silu"}))
    )
    assert isinstance(network.tail1.block0.norm1, nn.GroupNorm)
    assert isinstance(network.body1.block0.norm1, nn.BatchNorm2d)
    assert isinstance(network.tail0.block0.act1, nn.SiLU)
    assert isinstance(network.tail1.block0.act1, nn.ReLU)


def test_group_norm_has_groups_of_at_least_four_channels_and_at_most_32_of_them():
    assert [norm_op("group", channels).groups for channels in (6, 9, 8, 48, 64, 128, 512)] == [1, 1, 2, 8, 16, 32, 32]


def test_squeeze_and_excitation_scales_a_block_before_the_sum():
    block = build_network(build_graph(minnow(**{"head[0].squeeze_excitation": True}))).eval().head0.block0
    x = pixels(40, 8)
    residual = block.conv3(
        block.act3(block.norm3(block.conv2(block.act2(block.norm2(block.conv1(block.act1(block.norm1(x))))))))
    )
    pooled = residual.mean((2, 3), keepdim=True)
    weights = block.attention.conv2(block.attention.conv1(pooled).relu()).sigmoid()
    torch.testing.assert_close(block(x), x + residual * weights)


def test_a_post_activation_block_ends_with_its_activation_and_strides_where_it_is_told():
    spec = load_spec("resnet50")
    for downsample, strides in (("stride", [(1, 1), (2, 2)]), ("stride-first", [(2, 2), (1, 1)])):
        network = build_network(build_graph(with_fields(spec, {"stages[1].downsample": downsample})))
        block = network.stage1.block0
        assert [block.conv1.stride, block.conv2.stride] == strides
        assert block.shortcut.conv1.stride == (2, 2)
        assert list(dict(block.named_children()))[-1] == "act"


def test_a_backbone_gives_its_taps_by_name_as_the_whole_network_computes_them():
    graph = build_graph(minnow())
    network, backbone = build_network(graph, seed=1).eval(), build_network(features_only(graph), seed=1).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    inside = create_feature_extractor(network, [f"{name}.concat" for name in ("body2", "head0", "head1", "head2")])
    for (name, features), expected in zip(backbone(images).items(), inside(images).values(), strict=True):
        torch.testing.assert_close(features, expected)
        tap = next(tap for tap in backbone.taps if tap.name == name)
        assert features.shape == (2, tap.channels, 32 // tap.stride, 32 // tap.stride)
    assert not hasattr(backbone, "classifier")


@settings(max_examples=25, deadline=None)
@given(specs())
def test_any_network_computes_numbers_of_the_shapes_its_graph_says_and_learns(spec):
    graph = build_graph(spec)
    network = build_network(graph).eval()
    images = torch.randn(2, *graph.input_shapes[0], generator=torch.Generator().manual_seed(0))
    logits = network(images)
    assert logits.shape == (2, spec.classes)
    assert logits.isfinite().all()
    logits.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    shapes = {
        name: tuple(value.shape[1:]) for name, value in build_network(features_only(graph)).eval()(images).items()
    }
    assert shapes == {name: tuple(graph.node(node).shape) for name, node in graph.taps}


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
    assert network.head2.block0.norm1.weight.eq(1).all()
    assert network.head2.block0.norm1.running_var.eq(1).all()
    assert network.classifier.conv2.bias.abs().max() <= 1 / 264**0.5


def test_every_operator_has_a_module_and_a_cost():
    operators = {op for op in vars(ops).values() if isinstance(op, type) and issubclass(op, ops.Op)}
    operators -= {ops.Op, ops.Pool}  # what the others have in common
    assert set(MODULES) == operators == set(_RULES)
