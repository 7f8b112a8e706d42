"""Exported folders, and what the Hugging Face Hub's mixin makes of them."""

import json
import shutil
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file

from fishnet_search import __version__, build_graph, build_network, load_spec
from fishnet_search.errors import ExportError
from fishnet_search.export.folder import load_hub, write_hub
from fishnet_search.export.hub import PretrainedNetwork
from tests.export.small_models import CLASSES, PREPARATION, small_model, some_images


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    write_hub(model, folder)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(written, tmp_path / "copy")


@pytest.fixture
def _no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def edited(folder, **fields):
    config = json.loads((folder / "config.json").read_text())
    for name, value in fields.items():
        config.pop(name) if value is None else config.update({name: value})
    (folder / "config.json").write_text(json.dumps(config))


def test_the_weights_file_has_the_names_that_a_built_network_has(model, written):
    network = build_network(build_graph(model.spec)).eval()
    tensors = load_file(written / "model.safetensors")
    assert sorted(tensors) == sorted(network.state_dict())
    network.load_state_dict(tensors, strict=True)
    assert torch.equal(network(some_images()), model.network(some_images()))


def test_the_config_says_everything_but_the_weights(model, written):
    config = json.loads((written / "config.json").read_text())
    assert config == {
        "format": 1,
        "name": "nano-seed1",
        "spec": model.spec.model_dump(mode="json"),
        "classes": list(CLASSES),
        "preparation": {
            "image_size": 32,
            "short_side": 36,
            "mean": [120.0, 110.0, 100.0],
            "std": [60.0, 61.5, 62.25],
            "longer_side": None,
        },
        "task": {"kind": "classification"},
        "trained": True,
        "fishnet_search": __version__,
    }


def test_a_folder_gives_the_model_back(model, written):
    loaded = load_hub(written)
    facts = (model.name, model.spec, model.classes, model.preparation, None)
    assert (loaded.name, loaded.spec, loaded.classes, loaded.preparation, loaded.record) == facts
    assert not loaded.network.training
    assert torch.equal(loaded.network(some_images()), model.network(some_images()))


@pytest.mark.parametrize("fields", [{"tail.downsample": "blur", "norm": "group"}, {"activation": "gelu"}])
def test_other_networks_come_back_too(fields, tmp_path):
    model = small_model(**fields)
    write_hub(model, tmp_path)
    network = PretrainedNetwork.from_pretrained(tmp_path)
    assert torch.equal(network(some_images()), model.network(some_images()))


def test_a_model_without_names_of_classes_comes_back_without_them(tmp_path):
    write_hub(small_model(classes=()), tmp_path)
    assert load_hub(tmp_path).classes == ()


@pytest.mark.usefixtures("_no_network")
def test_from_pretrained_gives_the_network_back_without_the_network(model, written):
    random = torch.get_rng_state()
    network = PretrainedNetwork.from_pretrained(written)
    facts = ("nano-seed1", load_spec("fishnet-nano"), CLASSES, PREPARATION)
    assert (network.name, network.spec, network.classes, network.preparation) == facts
    assert not any(module.training for module in network.modules())
    assert torch.equal(network(some_images()), model.network(some_images()))
    assert network.state_dict().keys() == model.network.state_dict().keys()
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.usefixtures("_no_network")
def test_a_network_that_was_trained_on_is_saved_with_a_card_and_comes_back(written, tmp_path):
    network = PretrainedNetwork.from_pretrained(written)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.01)
    network.save_pretrained(tmp_path / "again")
    assert {file.name for file in (tmp_path / "again").iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert (tmp_path / "again/config.json").read_bytes() == (written / "config.json").read_bytes()
    assert "library_name: fishnet-search" in (tmp_path / "again/README.md").read_text()
    again = PretrainedNetwork.from_pretrained(str(tmp_path / "again"))
    assert torch.equal(again(some_images()), network(some_images()))


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize("name", ["user/model", "no/such/folder at all"])
def test_what_is_no_folder_is_refused_without_asking_the_network(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError, match=f"{name}: is no folder, and no model in the cache .*local_files_only=False"):
        PretrainedNetwork.from_pretrained(name, cache_dir=tmp_path)


def test_a_model_that_was_downloaded_before_is_found_in_the_cache(model, written, tmp_path):
    kept = tmp_path / "models--user--model"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs/main").write_text("0" * 40)
    shutil.copytree(written, kept / "snapshots" / ("0" * 40))
    network = PretrainedNetwork.from_pretrained("user/model", cache_dir=tmp_path)
    assert torch.equal(network(some_images()), model.network(some_images()))


def test_writing_again_gives_the_same_bytes(model, written, folder):
    write_hub(model, folder)
    for name in ("config.json", "model.safetensors"):
        assert (folder / name).read_bytes() == (written / name).read_bytes()


def test_a_folder_without_a_config_is_refused(folder):
    (folder / "config.json").unlink()
    with pytest.raises(ExportError, match=r"config\.json: cannot be read: No such file .*; name a folder"):
        load_hub(folder)


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ExportError, match=r"model\.safetensors: no such file, .*; export the model again"):
        load_hub(folder)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"format": None}, "is not of fishnet-search: it has no `format`; name a folder"),
        ({"format": 2}, "has the format 2 of another version of fishnet-search; load it with that version"),
        ({"name": None}, "is damaged at name: Field required; export the model again"),
        ({"spec": {"family": "bird"}}, "is damaged at spec: .*'bird'.*; export the model again"),
        ({"classes": ["a", "b"]}, "is damaged: .*there are 2 names for the network's 10 classes; export"),
        ({"extra": 1}, "is damaged at extra: Extra inputs are not permitted; export"),
        (
            {"preparation": {"image_size": 32, "short_side": 30, "mean": [0, 0, 0], "std": [1, 1, 1]}},
            "is damaged at preparation: .*image_size must be from 1 to short_side, 30, but is 32",
        ),
        (
            {"preparation": {"image_size": 32, "short_side": 32, "mean": [0, 0, 0], "std": [1, 0, 1]}},
            r"is damaged at preparation: .*std must be three numbers above 0, but is \(1.0, 0.0, 1.0\)",
        ),
        (
            {"preparation": {"image_size": 32, "short_side": 32, "mean": [0, float("nan"), 0], "std": [1, 1, 1]}},
            "is damaged at preparation.*finite",
        ),
    ],
)
def test_a_config_that_is_not_as_it_was_written_is_refused(folder, fields, sentence):
    edited(folder, **fields)
    with pytest.raises(ExportError, match=rf"copy/config\.json: {sentence}"):
        load_hub(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_a_config_that_is_no_object_is_refused(folder, content):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ExportError, match=r"config\.json: is damaged: .*; export the model again"):
        load_hub(folder)


def test_weights_that_were_cut_short_are_refused(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ExportError, match=r"model\.safetensors: is no whole safetensors file: "):
        load_hub(folder)


def test_weights_of_another_network_are_refused_by_name(folder):
    tensors = load_file(folder / "model.safetensors")
    first = min(tensors)
    shape = tensors.pop(first).shape
    save_file(tensors | {"stranger": torch.zeros(shape)}, folder / "model.safetensors")
    with pytest.raises(
        ExportError, match=f"does not fit the network of config.json: 2 weights are .*: {first}, stranger; export"
    ):
        load_hub(folder)
    save_file(tensors | {first: torch.zeros(7, 7)}, folder / "model.safetensors")
    with pytest.raises(ExportError, match=f"1 weights are missing, extra or of another shape: {first}; export"):
        PretrainedNetwork.from_pretrained(folder)


def test_a_pickle_in_place_of_the_weights_is_not_opened(folder):
    torch.save({"weights": torch.zeros(3)}, folder / "model.safetensors")
    with pytest.raises(ExportError, match="is no whole safetensors file"):
        load_hub(folder)
