"""Networks compute what the published implementations compute, with their weights."""

import pytest
import torch
import torchvision

from fishnet_search.errors import WeightsError
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import features_only
from fishnet_search.network.network import Network, build_network
from fishnet_search.network.reference import load_reference_weights, reference_names
from fishnet_search.spec.loading import load_spec, with_fields
from tests import golden
from tests.fishes import minnow

TORCHVISION = {
    "resnet50": "resnet50",
    "resnet101": "resnet101",
    "resnext50-32x4d": "resnext50_32x4d",
    "densenet121": "densenet121",
    "densenet161": "densenet161",
}


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
    assert name not in golden.FISH or len(features) == len(published["features"])
    for output, known in zip(features, published["features"].values(), strict=False):
        assert list(output.shape) == known["shape"]
        assert output.double().mean().item() == pytest.approx(known["mean"], rel=1e-5)
        assert output.double().std().item() == pytest.approx(known["std"], rel=1e-3)  # whether n or n - 1 is unsaid


@pytest.mark.parametrize("name", golden.NAMES)
def test_every_published_name_and_shape_has_its_place(name):
    published = golden.read(name)
    with torch.device("meta"):
        network = Network(build_graph(golden.spec_of(name)))
    own = network.state_dict()
    assert {theirs: list(own[ours].shape) for ours, theirs in reference_names(network).items()} == published["shapes"]


@pytest.mark.parametrize(("name", "theirs"), TORCHVISION.items())
@torch.no_grad()
def test_a_torchvision_network_and_ours_are_the_same_with_the_same_weights(name, theirs):
    published = getattr(torchvision.models, theirs)(weights=None).eval()
    state = {key: golden.tensor(key, list(value.shape)) for key, value in published.state_dict().items() if value.ndim}
    published.load_state_dict(state, strict=False)
    network = build_network(build_graph(load_spec(name))).eval()
    load_reference_weights(network, published.state_dict())
    images = golden.images(2, 64)
    expected = published(images)
    assert (network(images) - expected).norm() / expected.norm() < 1e-5


@pytest.mark.parametrize(("name", "theirs"), [("resnet50", "resnet50"), ("densenet121", "densenet121")])
def test_initial_weights_are_drawn_as_torchvision_draws_them(name, theirs):
    published = getattr(torchvision.models, theirs)(weights=None).state_dict()
    network = build_network(build_graph(load_spec(name)))
    for ours, key in reference_names(network).items():
        if published[key].ndim == 4 and published[key].numel() > 30_000:
            assert network.state_dict()[ours].std().item() == pytest.approx(published[key].std().item(), rel=0.05), key


def weights_of(name):
    return golden.state_dict(golden.read(name)["shapes"])


def untouched(network, before):
    return all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_weights_that_do_not_belong_are_refused_and_nothing_is_loaded():
    network = build_network(build_graph(golden.small()), seed=3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    weights = weights_of("fishnet-small")
    del weights["conv1.0.weight"]
    weights["fc.weight"] = torch.zeros(1)
    weights["fish.fish.9.4.1.bias"] = torch.zeros(1000)

    with pytest.raises(WeightsError) as refusal:
        load_reference_weights(network, weights)

    assert "1 missing: conv1.0.weight" in str(refusal.value)
    assert "1 extra: fc.weight" in str(refusal.value)
    assert "1 of another shape: fish.fish.9.4.1.bias is (1000,), not (10,)" in str(refusal.value)
    assert untouched(network, before)


def save_checkpoint(path, name):
    """Write a file as the published ones are: fishnet*_ckpt.tar with its training state, detnet59.pth bare."""
    state = weights_of(name)
    if name in golden.FISH:
        prefixed = {f"module.{key}": value for key, value in state.items()}
        state = {"epoch": 100, "arch": name, "state_dict": prefixed, "best_prec1": torch.tensor(77.0)}
        state["optimizer"] = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
    torch.save(state, path, _use_new_zipfile_serialization=name not in golden.FISH)  # those of 2018 are no archives
    return path


@pytest.mark.parametrize(("name", "file"), [("fishnet99", "fishnet99_ckpt.tar"), ("detnet59", "detnet59.pth")])
@torch.no_grad()
def test_a_published_checkpoint_is_read_from_its_file(name, file, tmp_path):
    network = build_network(build_graph(load_spec(name))).eval()
    load_reference_weights(network, save_checkpoint(tmp_path / file, name))
    published = golden.read(name)
    expected = torch.tensor(published["logits"])
    assert (network(golden.images(**published["input"])) - expected).norm() / expected.norm() < 1e-5


def test_a_checkpoint_from_before_batches_were_counted_is_read_too():
    network = build_network(build_graph(golden.small()))
    weights = {key: value for key, value in weights_of("fishnet-small").items() if not key.endswith("_tracked")}
    load_reference_weights(network, weights)
    assert network.stem.norm1.num_batches_tracked == 0


def test_a_backbone_takes_its_part_of_the_weights():
    backbone = build_network(features_only(build_graph(golden.small()), ["body2"]))
    load_reference_weights(backbone, weights_of("fishnet-small"))
    assert torch.equal(backbone.stem.conv1.weight, weights_of("fishnet-small")["conv1.0.weight"])


def test_a_backbone_refuses_weights_that_fill_its_stages_only_in_part():
    deeper = torchvision.models.resnet101(weights=None).state_dict()
    backbone = build_network(features_only(build_graph(load_spec("resnet50"))))
    with pytest.raises(WeightsError, match=r"306 extra: layer3\.10\.bn1\.bias"):
        load_reference_weights(backbone, deeper)
    shallow = build_network(features_only(build_graph(load_spec("resnet50")), ["stage1"]))
    load_reference_weights(shallow, torchvision.models.resnet50(weights=None).state_dict())


class Harmful:
    """Would run code when it is read as an ordinary pickle."""

    def __reduce__(self):
        return (open, ("harm-was-done", "w"))


@pytest.mark.parametrize("content", [Harmful(), {"state_dict": {"a": Harmful()}}])
def test_a_file_that_would_run_code_is_refused_and_nothing_in_it_runs(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "bad.pth")
    network = build_network(build_graph(golden.small()))
    with pytest.raises(WeightsError, match=r"bad\.pth: is no checkpoint of plain tensors, and nothing in it was run"):
        load_reference_weights(network, tmp_path / "bad.pth")
    assert not (tmp_path / "harm-was-done").exists()


def test_files_that_are_no_checkpoints_are_refused_with_what_they_are(tmp_path):
    network = build_network(build_graph(golden.small()), seed=1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    whole = save_checkpoint(tmp_path / "whole.pth", "fishnet-small").read_bytes()
    files = {
        "empty": (b"", "is truncated or no torch file"),
        "text": (b"not a checkpoint at all, only words " * 9, "is no checkpoint|is truncated or no torch file"),
        "half": (whole[: len(whole) // 2], "is truncated or no torch file"),
        "tail": (whole[len(whole) // 2 :], "is truncated or no torch file|is no checkpoint"),
    }
    for name, (content, sentence) in files.items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=f"{name}.pth: ({sentence})"):
            load_reference_weights(network, path)
    for name, (content, sentence) in {
        "list": ([1, 2], "holds no state dict but list"),
        "numbers": ({"a": 1}, "holds no tensor under 'a'"),
        "nothing": ({}, "holds no state dict"),
    }.items():
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(WeightsError, match=sentence):
            load_reference_weights(network, tmp_path / f"{name}.pth")
    with pytest.raises(WeightsError, match="no such file; check the path"):
        load_reference_weights(network, tmp_path / "absent.pth")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_reference_weights(network, tmp_path)
    assert untouched(network, before)


def test_the_file_is_named_when_its_weights_are_of_another_network(tmp_path):
    path = save_checkpoint(tmp_path / "small.tar", "fishnet-small")
    network = build_network(build_graph(load_spec("fishnet99")))
    with pytest.raises(WeightsError, match=r"small\.tar: the weights are not of this architecture: \d+ missing: fish"):
        load_reference_weights(network, path)


def test_a_projection_in_a_head_has_the_reference_name_too():
    spec = with_fields(golden.small(), {"head[2].width": 96, "head[2].shortcut": "projection"})
    names = reference_names(build_network(build_graph(spec)))
    assert names["head2.block0.shortcut.conv1.weight"] == "fish.fish.9.0.0.shortcut.2.weight"


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"tail.downsample": "conv-3x3"}, r"tail0\.downsample\.weight"),
        ({"body.upsample": "transposed"}, r"body0\.upsample\.weight"),
        ({"stem.kind": "residual", "image_size": 64}, r"stem\.block0\.conv1\.weight"),
        ({"tail.squeeze_excitation": True}, r"tail0\.block0\.attention\.conv1\.weight"),
    ],
)
def test_what_was_never_published_has_no_published_weights(fields, part):
    with pytest.raises(WeightsError, match=f"nothing like {part}"):
        reference_names(build_network(build_graph(minnow(**fields))))
