"""Plain PyTorch files: they stand alone, take the same weights, compute the same numbers, and read well."""

import ast
import inspect
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from fishnet_search.cost.ledger import cost_of
from fishnet_search.export.source import class_name, python_source
from fishnet_search.export.source_ops import _ACTIVATIONS, _FUNCTIONS, _MODULES, HELPERS
from fishnet_search.graph import ops
from fishnet_search.graph.blocks import norm_op
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import GraphBuilder, features_only
from fishnet_search.network.modules import ACTIVATIONS, MODULES
from fishnet_search.network.network import Network, build_network
from fishnet_search.spec.loading import load_spec, preset_names, with_fields
from tests.fishes import minnow
from tests.spec.strategies import specs


def plain(graph, *, name="a network", title="A network."):
    """Return what the file of a graph defines."""
    namespace = {"__name__": "plain"}
    exec(compile(python_source(graph, name=name, title=title), "plain.py", "exec"), namespace)
    return namespace


def plain_network(graph):
    return plain(graph)["ANetwork"]()


def lived(graph):
    """Return a network whose norms have seen something."""
    network = build_network(graph)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0, 0.2, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network


def images_for(graph, n=2):
    return torch.randn(n, *graph.input_shapes[0], generator=torch.Generator().manual_seed(2))


def same(found, expected):
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(torch.equal(found[name], expected[name]) for name in expected)
    return torch.equal(found, expected)


def check_equal(graph):
    """Hold the plain network to the network: names, shapes, and numbers in evaluation and in training."""
    network, other = lived(graph), plain_network(graph)
    weights = network.state_dict()
    assert [(k, v.shape) for k, v in other.state_dict().items()] == [(k, v.shape) for k, v in weights.items()]
    other.load_state_dict(weights, strict=True)
    images = images_for(graph)
    with torch.no_grad():
        assert same(other.eval()(images), network.eval()(images))
        try:
            expected = network.train()(images)
        except ValueError as refused:  # of batch norm, where a single number a channel is left
            with pytest.raises(ValueError, match=re.escape(str(refused))):
                other.train()(images)
            return
        assert same(other.train()(images), expected)
    after = other.state_dict()
    assert all(torch.equal(after[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_has_the_names_and_shapes_of_its_weights(name):
    graph = build_graph(load_spec(name))
    with torch.device("meta"):
        network, other = Network(graph), plain_network(graph)
    expected = {key: value.shape for key, value in network.state_dict().items()}
    assert {key: value.shape for key, value in other.state_dict().items()} == expected
    assert list(dict(other.named_parameters())) == list(dict(network.named_parameters()))


@pytest.mark.parametrize("name", ["fishnet-nano", "fishnet-cifar-light", "fishnet-tiny-light"])
def test_a_preset_computes_the_same_numbers(name):
    check_equal(build_graph(load_spec(name)))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("resnet50", {"stages.depth": 2, "stages.expansion": 8}),
        ("resnext50-32x4d", {"stages.depth": 1}),
        ("densenet121", {"stages.depth": 3, "stages.growth": 8}),
        ("detnet59", {"stages.depth": 2, "stages.expansion": 8}),
        ("fishnext150", {"tail.depth": 1, "body.depth": 1, "head.depth": 1}),
    ],
)
def test_other_families_compute_the_same_numbers(name, fields):
    check_equal(build_graph(with_fields(load_spec(name), fields), 64))


@pytest.mark.parametrize(
    "fields",
    [
        {"tail.downsample": "blur", "head.downsample": "avg-2x2"},
        {"tail.downsample": "conv-3x3", "head.downsample": "conv-1x1", "body.upsample": "transposed"},
        {"tail.downsample": "conv-3x3", "tail.block": "bottleneck", "tail[0].norm": "group"},
        {"tail.downsample": "max-3x3", "body.upsample": "bilinear", "activation": "leaky-relu"},
        {"norm": "group", "activation": "gelu", "tail.squeeze_excitation": True, "head.squeeze_excitation": True},
        {"activation": "silu", "tail.block": "basic", "head.block": "preact-basic", "stem.kind": "residual"},
        {"activation": "hardswish", "tail.kernel": 5, "body.kernel": 3, "head.dilation": 2, "bridge.attention": False},
        {"tail.kernel": 1, "bridge.kernel": 7, "body[1].transfer": 0, "body[2].transfer_from": "none"},
        {"tail.depth": 3, "body.depth": 2, "body[0].dilation": [1, 3], "bridge.depth": 3, "head.transfer": 3},
        {"tail[0].block": "detnet-b", "head.expansion": 2, "head[1].groups": 2},
    ],
    ids=lambda fields: ",".join(f"{name}={value}" for name, value in fields.items())[:60],
)
def test_every_option_computes_the_same_numbers(fields):
    side = {"image_size": 64} if fields.get("stem.kind") == "residual" else {}
    check_equal(build_graph(minnow(**fields, **side)))


def test_a_backbone_gives_the_same_features_by_the_same_names():
    graph = build_graph(minnow(taps={"class": "body2", "größe": "head2"}))
    check_equal(features_only(graph))
    check_equal(features_only(graph, ["stem", "body1", "bridge"]))
    check_equal(features_only(build_graph(load_spec("densenet121"), 32), ["stem", "stage0"]))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs())
def test_any_network_computes_the_same_numbers(spec):
    graph = build_graph(spec)
    check_equal(graph)
    check_equal(features_only(graph))


def test_the_file_stands_alone(tmp_path):
    graph = build_graph(minnow(**{"tail.downsample": "blur", "head.norm": "group"}))
    network, images = lived(graph).eval(), images_for(graph)
    torch.save(
        {"weights": network.state_dict(), "images": images, "logits": network(images).detach()}, tmp_path / "x.pt"
    )
    (tmp_path / "plain.py").write_text(python_source(graph, name="minnow", title="A minnow."), encoding="utf-8")
    (tmp_path / "fishnet_search.py").write_text("raise ImportError('not here')")
    code = (
        "import sys, torch, plain\n"
        "x = torch.load('x.pt', weights_only=True)\n"
        "network = plain.Minnow().eval()\n"
        "network.load_state_dict(x['weights'], strict=True)\n"
        "assert torch.equal(network(x['images']), x['logits'])\n"
        "assert 'torchvision' not in sys.modules and 'safetensors' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.parametrize("sides", [(33, 32), (32, 28), (4, 32)])
def test_other_images_are_refused_with_what_would_do(sides):
    network = plain_network(build_graph(minnow()))
    with pytest.raises(ValueError, match=f"multiples of 8, not {sides[0]} × {sides[1]}"):
        network(torch.zeros(2, 3, *sides))


def test_images_of_other_sizes_pass():
    assert plain_network(build_graph(minnow()))(torch.zeros(2, 3, 40, 24)).shape == (2, 10)


def test_the_head_says_what_goes_in_and_comes_out_and_what_it_costs():
    graph = build_graph(minnow())
    head = ast.get_docstring(ast.parse(python_source(graph, name="minnow", title="A minnow of ours.")))
    cost = cost_of(graph)
    words = " ".join(head.split())
    assert words.startswith("A minnow of ours.")
    for part in (
        "`Minnow` takes images of shape (N, 3, H, W), H and W multiples of 8, and returns logits of shape (N, 10).",
        f"{cost.params:,} parameters and takes {cost.macs:,} multiply-accumulates for an image of 32 × 32 pixels",
        'network.load_state_dict(load_file("model.safetensors"))',
    ):
        assert part in words
    backbone = python_source(features_only(graph, ["body2"]), name="minnow", title="A backbone.")
    assert "features by name: body2 (40 channels, stride 1)" in " ".join(ast.get_docstring(ast.parse(backbone)).split())


def test_fresh_weights_are_drawn_from_the_same_distributions():
    dense = with_fields(load_spec("densenet121"), {"stages.depth": 2})
    for graph in (build_graph(minnow(**{"body.upsample": "transposed"})), build_graph(dense)):
        torch.manual_seed(0)
        pairs = zip(plain_network(graph).named_parameters(), build_network(graph).parameters(), strict=True)
        for (name, found), expected in pairs:
            if expected.eq(expected.flatten()[0]).all():  # scales and shifts of norms, a DenseNet's last bias
                assert torch.equal(found, expected), name
            elif expected.numel() > 1_000:
                error = 5 * expected.std().item() / math.sqrt(expected.numel())
                assert found.std().item() == pytest.approx(expected.std().item(), abs=error), name
                assert found.mean().item() == pytest.approx(0, abs=error), name
            else:
                assert found.abs().max() <= 4 * expected.abs().max(), name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fishnet150", "Fishnet150"),
        ("downsample-max-2x2-seed0", "DownsampleMax2x2Seed0"),
        ("", "Network"),
        ("2x", "Network2x"),
        ("none", "NoneNetwork"),
        ("True", "TrueNetwork"),
        ("value_error", "ValueErrorNetwork"),
        ("tensor", "TensorNetwork"),
        ("Größe", "GroE"),
        ("日本", "Network"),
        ("x\n\nimport os #", "XImportOs"),
        ('"""\nraise SystemExit', "RaiseSystemExit"),
    ],
)
def test_a_class_has_a_name_of_its_own_whatever_the_network_is_called(name, expected):
    assert class_name(name) == expected
    graph = build_graph(minnow())
    assert issubclass(plain(graph, name=name)[expected], nn.Module)


@pytest.mark.parametrize("name", ["body0", "bridge", "ur-block", "PreActBottleneck", "Blur", "squeeze channels", "F"])
def test_a_network_named_after_one_of_its_parts_is_still_itself(name):
    graph = build_graph(minnow(**{"tail.downsample": "blur"}))
    network = plain(graph, name=name)[class_name(name)]()
    assert list(network.state_dict()) == list(build_network(graph).state_dict())


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_no_name_and_no_title_can_put_code_into_the_file(name, title):
    graph = build_graph(load_spec("fishnet-nano"))
    usual = ast.parse(python_source(graph, name="X", title="A title."))
    found = ast.parse(python_source(graph, name=name, title=title))
    usual.body[0].value.value = found.body[0].value.value = ""
    assert ast.dump(found).replace(class_name(name), "X") == ast.dump(usual).replace(class_name(name), "X")


@pytest.mark.parametrize(
    "title", ['"""\nraise SystemExit\n"""', "back\\", '\\"', '"', "a\u202eb\x00c\ud800d", "x " * 200]
)
def test_a_title_is_told_as_text(title):
    source = python_source(build_graph(load_spec("fishnet-nano")), name="x", title=title)
    told = ast.get_docstring(ast.parse(source.encode()), clean=False).split("\n\n")[0]
    printable = "".join(char if char.isprintable() else " " for char in title.replace('"', "'"))
    assert told.split() == printable.split()


def test_the_same_network_is_written_the_same_way_every_time():
    sources = {python_source(build_graph(minnow()), name="x", title="X.") for _ in range(3)}
    code = (
        "from fishnet_search.export.source import python_source\n"
        "from fishnet_search.graph.build import build_graph\n"
        "from tests.fishes import minnow\n"
        "import sys\n"
        "sys.stdout.buffer.write(python_source(build_graph(minnow()), name='x', title='X.').encode())\n"
    )
    root = Path(__file__).parents[2]
    elsewhere = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True).stdout.decode()
    assert sources == {elsewhere}


SPECIAL = minnow(
    **{
        "head.width": 48,
        "head.shortcut": "projection",
        "head.block": "bottleneck",
        "head.squeeze_excitation": True,
        "head.dilation": 3,
        "head.activation": "leaky-relu",
        "head.norm": "group",
        "head.kernel": 5,
        "tail.kernel": 5,
        "taps": {f"a_rather_long_name_of_a_resolution_{i}": f"body{i}" for i in range(3)},
    }
)


@pytest.mark.parametrize("spec", [SPECIAL, *map(load_spec, ("fishnet-nano", "fishnet150", "densenet161", "detnet59"))])
def test_the_file_is_formatted_and_keeps_within_its_lines(spec):
    pytest.importorskip("ruff")
    for graph in (build_graph(spec), features_only(build_graph(spec))):
        source = python_source(graph, name="a network", title="A network " + "of which much can be told, " * 9)
        assert max(map(len, source.splitlines())) <= 120
        for check in (["format", "--check"], ["check", "--select", "E,F,W,I,UP,B"]):
            command = [sys.executable, "-m", "ruff", *check, "--isolated", "--line-length", "120", "-"]
            subprocess.run(command, input=source.encode(), check=True, capture_output=True)


def test_blocks_that_differ_in_numbers_alone_are_one_class():
    found = plain(build_graph(load_spec("fishnet150")), name="fishnet150")
    classes = [name for name, each in found.items() if inspect.isclass(each) and each.__module__ == "plain"]
    blocks = ["PreActBottleneck", "URBlock", "PreActBottleneckWithProjection"]
    stages = ["Bridge", *(f"{part}{i}" for part in ("Body", "Head") for i in range(3))]
    assert classes == ["SqueezeChannels", *blocks, *stages, "Fishnet150"]
    arguments = {name: list(inspect.signature(found[name]).parameters) for name in blocks}
    assert arguments == {
        "PreActBottleneck": ["channels", "dilation"],
        "URBlock": ["in_channels", "out_channels", "dilation"],
        "PreActBottleneckWithProjection": ["in_channels", "out_channels"],
    }


def test_blocks_of_several_styles_are_told_apart_by_their_names():
    source = python_source(
        build_graph(minnow(**{"tail[0].activation": "gelu", "head[0].norm": "group"})), name="x", title="X."
    )
    classes = re.findall(r"^class (\w+)", source, re.MULTILINE)
    assert len(set(classes)) == len(classes)
    assert {"PreActBottleneckWithProjectionAndGelu", "PreActBottleneckWithReluAndGroupNorm"} <= set(classes)


def test_dense_layers_are_a_loop():
    source = python_source(build_graph(load_spec("densenet121")), name="x", title="X.")
    assert source.count("x = torch.cat([x, layer(x)], dim=1)") == 4


def test_every_operator_can_be_written():
    assert set(_MODULES) | set(_FUNCTIONS) == set(MODULES)
    assert set(_ACTIVATIONS) == set(ACTIVATIONS)


def test_group_norm_counts_its_groups_as_the_network_does():
    namespace = {"math": math, "nn": nn}
    exec(HELPERS[ops.GroupNorm], namespace)
    for channels in range(1, 700):
        assert namespace["group_norm"](channels).num_groups == norm_op("group", channels).groups


def test_a_block_inside_a_block_is_a_class_of_its_own():
    inner = build_graph(minnow()).node("tail0").op.node("block0").op
    block = GraphBuilder("block of blocks", x=inner.input_shapes[0])
    block.add("add", ops.Concat(), block.add("inside", inner, "x"), "x")
    stage = GraphBuilder("stage", x=inner.input_shapes[0])
    stage.add("block0", block.build(), "x")
    graph = GraphBuilder("fish", image=inner.input_shapes[0])
    graph.add("stage0", stage.build(), "image")
    check_equal(graph.build())
    assert "self.inside = PreActBottleneckWithProjection(" in python_source(graph.build(), name="x", title="X.")
