"""The presets as models of timm: the same numbers as the networks they are, and timm's methods."""

import copy
import importlib
import re
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

import fishnet_search.timm
from fishnet_search.errors import ExportError, SpecError
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import features_only, taps_of
from fishnet_search.network.network import Network, build_network
from fishnet_search.spec.loading import load_spec, preset_names, with_fields

pytestmark = pytest.mark.usefixtures("one_thread")

PAGE = (Path(__file__).parents[1] / "docs" / "backbones.md").read_text(encoding="utf-8")
NANO = load_spec("fishnet-nano")


def trained(spec):
    """Return a network in evaluation mode whose weights and running statistics are not the initial ones."""
    network = build_network(build_graph(spec), seed=1)
    generator = torch.Generator().manual_seed(2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


def images(side=32, seed=3, number=2):
    return torch.rand(number, 3, side, side, generator=torch.Generator().manual_seed(seed))


def registered(name, spec):
    """Register once, however many tests ask for it."""
    if not timm.is_model(name):
        fishnet_search.timm.register(name, spec)
    return name


@pytest.fixture(scope="module")
def nano():
    return trained(NANO)


@pytest.fixture(scope="module")
def weights(nano, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(nano.state_dict(), path)
    return str(path)


def test_every_preset_is_a_model_of_timm():
    names = {preset.replace("-", "_") for preset in preset_names()}
    assert {name for name in names if not timm.is_model(name)} == set()
    assert set(timm.list_models("fish*")) >= {"fishnet150", "fishnext150", "fishnet_nano"}


@pytest.mark.parametrize("name", ["resnet50", "resnet101", "resnext50_32x4d", "densenet121", "densenet161"])
def test_models_that_timm_has_stay_its_own(name):
    assert timm.models.model_entrypoint(name).__module__.startswith("timm.models.")


def without_numbers(graph, *, seed):
    """Return a network where shapes are worked out, but no numbers."""
    with torch.device("meta"):
        return Network(graph)


@pytest.mark.parametrize("preset", preset_names())
def test_what_timm_is_told_is_true_of_every_preset(preset, monkeypatch):
    monkeypatch.setattr(fishnet_search.timm, "build_network", without_numbers)
    spec = load_spec(preset)
    name = registered(f"own_{preset.replace('-', '_')}", spec)
    cfg = timm.get_pretrained_cfg(name)
    assert (cfg.input_size, cfg.num_classes) == ((3, spec.image_size, spec.image_size), spec.classes)
    network = timm.create_model(name).to("meta")
    assert network.get_submodule(cfg.classifier) is network.get_classifier()
    last, taps = network.forward_intermediates(torch.empty(1, 3, spec.image_size, spec.image_size, device="meta"))
    assert network.forward_head(last).shape == (1, spec.classes)
    assert network.forward_head(last, pre_logits=True).shape == (1, network.head_hidden_size)
    assert last.shape == (1, network.num_features, *cfg.pool_size)
    assert [(tap.shape[1], spec.image_size // tap.shape[2]) for tap in taps] == [
        (info["num_chs"], info["reduction"]) for info in network.feature_info
    ]


@pytest.mark.parametrize(("preset", "side"), [("fishnet-nano", 32), ("detnet59", 32), ("densenet121", 32)])
def test_weights_of_a_network_fit_and_give_its_logits(preset, side):
    spec = with_fields(load_spec(preset), {"classes": 5})
    network = trained(spec)
    model = timm.create_model(registered(f"own_{preset.replace('-', '_')}", load_spec(preset)), num_classes=5).eval()
    model.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(model(images(side)), network(images(side)))
    assert list(model.state_dict()) == list(network.state_dict())


def test_a_checkpoint_of_safetensors_loads(nano, weights):
    model = timm.create_model("fishnet_nano", checkpoint_path=weights).eval()
    assert torch.equal(model(images()), nano(images()))


def test_a_file_named_in_the_configuration_loads(nano, weights):
    model = timm.create_model("fishnet_nano", pretrained=True, pretrained_cfg_overlay={"file": weights}).eval()
    assert torch.equal(model(images()), nano(images()))


def test_a_file_for_other_classes_gives_all_but_the_last_layer(nano, weights):
    overlay = {"file": weights}
    model = timm.create_model("fishnet_nano", pretrained=True, pretrained_cfg_overlay=overlay, num_classes=3).eval()
    assert model(images()).shape == (2, 3)
    given, found = nano.state_dict(), model.state_dict()
    differ = {name for name in given if not torch.equal(given[name], found[name])}
    assert differ == {"classifier.conv2.weight", "classifier.conv2.bias"}


@pytest.mark.parametrize("indices", [None, (0,), (1, 2), (0, 2), (-1,), (2, 0)])
def test_features_are_those_of_the_backbone(nano, weights, indices):
    overlay, chosen = {"file": weights}, {} if indices is None else {"out_indices": indices}
    model = timm.create_model(
        "fishnet_nano", pretrained=True, pretrained_cfg_overlay=overlay, features_only=True, **chosen
    ).eval()
    graph = features_only(build_graph(NANO))
    backbone = build_network(graph).eval()
    backbone.load_state_dict(nano.state_dict(), strict=False)
    taps = [taps_of(graph)[i] for i in (indices or range(3))]
    expected = backbone(images(64))
    for tap, features in zip(taps, model(images(64)), strict=True):
        assert torch.equal(features, expected[tap.name])
    assert model.feature_info.channels() == [tap.channels for tap in taps]
    assert model.feature_info.reduction() == [tap.stride for tap in taps]


def test_features_keep_no_parameters_that_get_no_gradient():
    model = timm.create_model("fishnet_nano", features_only=True, out_indices=(0, 1))
    assert not hasattr(model.model, "head1")
    sum(features.sum() for features in model(images())).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_a_pruned_network_goes_as_far_as_its_last_stage(nano):
    model = timm.create_model("fishnet_nano").eval()
    model.load_state_dict(nano.state_dict())
    expected = model.forward_intermediates(images(), [0], intermediates_only=True)[0]
    assert model.prune_intermediate_layers([0]) == [0]
    assert torch.equal(model(images()), expected)
    assert (model.num_features, model.num_classes, type(model.get_classifier())) == (48, 0, nn.Identity)
    with pytest.raises(ExportError, match="classifier was dropped"):
        model.reset_classifier(4)
    model.reset_classifier(0)
    assert torch.equal(model(images()), expected)


def test_a_network_of_which_nothing_is_dropped_stays_whole(nano):
    model = timm.create_model("fishnet_nano").eval()
    model.load_state_dict(nano.state_dict())
    assert model.prune_intermediate_layers(1, prune_head=False) == [2]
    assert torch.equal(model(images()), nano(images()))


def test_intermediates_come_with_the_last_features_or_alone():
    model = timm.create_model("fishnet_nano").eval()
    last, features = model.forward_intermediates(images(), indices=2)
    assert [tuple(one.shape[1:]) for one in features] == [(144, 8, 8), (208, 4, 4)]
    assert torch.equal(last, model.forward_features(images()))
    last, (first,) = model.forward_intermediates(images(), indices=[0], stop_early=True)
    assert torch.equal(last, first)
    assert len(model.forward_intermediates(images(), intermediates_only=True)) == 3


@pytest.mark.parametrize("indices", [4, [3], [-4], [], 0])
def test_features_that_there_are_not_are_refused(indices):
    model = timm.create_model("fishnet_nano")
    with pytest.raises(ExportError, match="indices: this network has features 0 to 2, but asked for is"):
        model.forward_intermediates(images(), indices=indices)


def test_features_in_another_format_are_refused():
    with pytest.raises(ExportError, match="give NCHW, not 'NLC'"):
        timm.create_model("fishnet_nano").forward_intermediates(images(), output_fmt="NLC")


def test_logits_are_the_last_layer_on_the_pooled_features():
    model = timm.create_model("fishnet_nano").eval()
    pooled = model.forward_head(model.forward_features(images()), pre_logits=True)
    layer = model.get_classifier()
    expected = nn.functional.linear(pooled, layer.weight.flatten(1), layer.bias)
    torch.testing.assert_close(model(images()), expected)


def test_without_classes_the_pooled_features_come_out():
    model = timm.create_model("fishnet_nano").eval()
    pooled = model.forward_head(model.forward_features(images()), pre_logits=True)
    model.reset_classifier(0)
    assert torch.equal(model(images()), pooled)
    assert timm.create_model("fishnet_nano", num_classes=0)(images()).shape == (2, 104)
    unpooled = timm.create_model("fishnet_nano", num_classes=0, global_pool="")
    assert unpooled(images(64)).shape == (2, 104, 8, 8)


@pytest.mark.parametrize("name", ["fishnet_nano", "detnet59"])
def test_a_new_classifier_has_other_outputs_and_the_published_initial_weights(name):
    model = timm.create_model(name, num_classes=0)
    model.double().reset_classifier(400)
    assert model(images().double()).shape == (2, 400)
    weight, spec = model.get_classifier().weight, load_spec(name.replace("_", "-"))
    expected = build_network(build_graph(with_fields(spec, {"classes": 400}))).get_submodule(
        model.default_cfg["classifier"]
    )
    torch.testing.assert_close(weight.std().float(), expected.weight.std(), rtol=0.05, atol=0)
    assert model.num_classes == 400


def test_dropout_changes_training_only():
    model = timm.create_model("fishnet_nano", drop_rate=0.5)
    x = model.forward_features(images()).detach()
    model.classifier.eval()
    assert not torch.equal(model.forward_head(x), model.forward_head(x))
    model.eval()
    assert torch.equal(model.forward_head(x), model.forward_head(x))


def test_weights_follow_from_the_global_seed():
    def weight(seed):
        torch.manual_seed(seed)
        return timm.create_model("fishnet_nano").stem.conv1.weight

    assert torch.equal(weight(1), weight(1))
    assert not torch.equal(weight(1), weight(2))


def test_copies_and_exported_programs_give_the_same(nano):
    model = timm.create_model("fishnet_nano").eval()
    model.load_state_dict(nano.state_dict())
    assert torch.equal(copy.deepcopy(model)(images()), nano(images()))
    exported = torch.export.export(model, (images(),)).module()
    torch.testing.assert_close(exported(images()), nano(images()))


def test_timm_prepares_images_as_the_network_takes_them():
    config = timm.data.resolve_model_data_config(timm.create_model("fishnet_nano"))
    assert (config["input_size"], config["crop_pct"], config["interpolation"]) == ((3, 32, 32), 1.0, "bilinear")
    assert timm.get_pretrained_cfg("fishnet150").crop_pct == 0.875


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(SpecError, match="multiples of its stride 8; use 32 or 40"):
        timm.create_model("fishnet_nano")(images(36))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"in_chans": 1}, ExportError, "in_chans: these networks take 3 channels, not 1"),
        ({"global_pool": "max"}, ExportError, "global_pool: must be 'avg', or '' with num_classes=0, but is 'max'"),
        ({"global_pool": ""}, ExportError, "but is ''"),
        ({"num_classes": -1}, SpecError, "classes: .*-1"),
        ({"pretrained": True}, ExportError, "no weights of fishnet_nano are hosted anywhere; leave it out, or give"),
    ],
)
def test_what_the_networks_cannot_do_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        timm.create_model("fishnet_nano", **options)


def test_an_architecture_of_ones_own_becomes_a_model():
    name = registered("nano_of_three", with_fields(NANO, {"classes": 3, "taps": {"out": "head1", "stem": "tail0"}}))
    assert timm.create_model(name)(images()).shape == (2, 3)
    assert sorted(fishnet_search.timm.__all__) == ["TimmNetwork", "register"]
    model = timm.create_model(name, features_only=True, out_indices=(0,))
    assert (model.feature_info.module_name(), model.feature_info.get("name")) == (["tail0"], ["stem"])
    assert [tuple(one.shape) for one in model(images())] == [(2, model.feature_info.channels()[0], 8, 8)]


@pytest.mark.parametrize(("name", "words"), [("resnet50", "has a model 'resnet50' already"), ("a-b", "cannot name")])
def test_names_that_are_taken_or_do_not_fit_are_refused(name, words):
    with pytest.raises(ExportError, match=words):
        fishnet_search.timm.register(name, NANO)


def test_without_timm_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ExportError, match=r"timm is not installed.*pip install -e '\.\[timm\]'"):
        importlib.reload(fishnet_search.timm)


def test_hooks_find_the_same_features():
    model = timm.create_model("fishnet_nano", features_only=True, feature_cls="hook").eval()
    expected = model["body"].forward_intermediates(images(), intermediates_only=True)
    assert all(torch.equal(one, other) for one, other in zip(model(images()), expected, strict=True))


def test_the_python_of_the_page_runs(capsys):
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(block, names)
    shown = capsys.readouterr().out
    assert "head0 144 4" in shown
    assert "[144, 208] [4, 8]" in shown
    assert set(names["found"][0]) == {"boxes", "labels", "scores"}
