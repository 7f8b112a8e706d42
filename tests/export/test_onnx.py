"""ONNX files: the same logits by ONNX Runtime for every batch and size, with classes and preparation inside."""

import dataclasses
import json
import sys

import onnx
import onnxruntime
import pytest
import torch

from fishnet_search.errors import ExportError
from fishnet_search.export import onnx_file
from fishnet_search.export.onnx_file import load_onnx, onnx_facts, write_onnx
from tests.export.seasoned import MEAN, STD, VARIED, images, model_of, small_spec

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model():
    named = model_of()
    return dataclasses.replace(named, name="größe", classes=("Größe", *named.classes[1:]))


@pytest.fixture(scope="module")
def varied():
    return model_of(small_spec(**VARIED))


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    write_onnx(model, path)
    return path


@pytest.fixture(scope="module")
def sizeable(varied, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "varied.onnx"
    write_onnx(varied, path, dynamic_size=True)
    return path


def close(logits, expected):
    return (logits - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
def test_a_file_computes_the_logits_of_batches_of_any_size(model, file):
    run = load_onnx(file)
    for batch in (1, 2, 5):
        assert close(run(images(batch)), model.network(images(batch)))


@pytest.mark.slow
@torch.no_grad()
def test_a_file_of_free_size_computes_the_logits_of_all_multiples_of_the_stride(varied, sizeable):
    run = load_onnx(sizeable)
    for batch, *sides in [(1, 32, 32), (2, 16, 16), (5, 16, 80), (1, 64, 24)]:
        assert close(run(images(batch, *sides)), varied.network(images(batch, *sides)))


def test_a_file_of_fixed_size_refuses_other_images(file):
    with pytest.raises(Exception, match=r"image for the following indices\n index: 2 Got: 40 Expected: 32"):
        load_onnx(file)(images(1, 40))


def names_and_sizes(path):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,), (result,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type) == ("image", "tensor(float)")
    assert (result.name, result.type, result.shape) == ("logits", "tensor(float)", ["batch", 10])
    return given.shape


def test_inputs_and_outputs_go_by_their_names_and_open_sizes(file):
    assert names_and_sizes(file) == ["batch", 3, 32, 32]


@pytest.mark.slow
def test_a_file_of_free_size_says_of_what_its_sides_are_multiples(sizeable):
    assert names_and_sizes(sizeable) == ["batch", 3, "8*h", "8*w"]


def test_a_file_tells_its_name_classes_and_preparation(model, file):
    facts = onnx_facts(file)
    assert set(facts) == {"name", "task", "classes", "preparation", "trained"}
    assert facts["name"] == "größe"
    assert tuple(facts["classes"]) == model.classes
    seen = {"image_size": 32, "short_side": 40, "longer_side": None, "mean": list(MEAN), "std": list(STD)}
    assert facts["preparation"] == seen


def test_the_facts_are_json_that_onnx_itself_shows(model, file):
    shown = {fact.key: fact.value for fact in onnx.load(str(file)).metadata_props}
    assert json.loads(shown["classes"]) == list(model.classes)


def test_a_file_says_nothing_of_this_package_or_machine_and_is_the_only_one(file):
    content = file.read_bytes()
    assert b"fishnet_search" not in content
    assert b".py" not in content
    assert list(file.parent.iterdir()) == [file]


def test_the_exporter_is_quiet_and_leaves_warnings_as_they_were(model, tmp_path, capfd, recwarn):
    write_onnx(model, tmp_path / "small.onnx")
    load_onnx(tmp_path / "small.onnx")(images(1))
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


@torch.no_grad()
def test_weights_that_one_file_cannot_hold_go_beside_it_also_when_it_is_written_again(
    model, file, tmp_path, monkeypatch
):
    monkeypatch.setattr(onnx_file, "LARGEST_FILE_BYTES", 1000)
    monkeypatch.setattr(onnx_file, "_exported", lambda *_, **__: onnx.load(str(file)))
    sizes = set()
    for _ in range(2):
        write_onnx(model, tmp_path / "small.onnx")
        for batch in (1, 2):
            assert close(load_onnx(tmp_path / "small.onnx")(images(batch)), model.network(images(batch)))
        whole, weights = ((tmp_path / name).stat() for name in ("small.onnx", "small.onnx.data"))
        assert weights.st_mode == whole.st_mode
        sizes.add(weights.st_size)
    assert len(sizes) == 1
    assert (tmp_path / "small.onnx").stat().st_size < file.stat().st_size
    (tmp_path / "small.onnx.data").unlink()
    with pytest.raises(ExportError, match=r"small\.onnx: ONNX Runtime cannot load it: .*small\.onnx\.data"):
        load_onnx(tmp_path / "small.onnx")


def test_a_failure_of_the_exporter_is_said_in_a_sentence(model, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise torch.onnx.errors.OnnxExporterError("Failed to export.\n## Advice") from RuntimeError(
            "no such operator\n"
        )

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ExportError, match=r"^größe: torch.onnx.export failed: no such operator$"):
        write_onnx(model, tmp_path / "small.onnx")


def test_a_file_that_onnx_refuses_is_said_in_a_sentence(model, tmp_path, monkeypatch):
    node = onnx.helper.make_node("Unheard", ["image"], ["logits"])
    image, logits = (onnx.helper.make_tensor_value_info(name, 1, [1]) for name in ("image", "logits"))
    wrong = onnx.helper.make_model(onnx.helper.make_graph([node], "wrong", [image], [logits]))
    monkeypatch.setattr(onnx_file, "_exported", lambda *_, **__: wrong)
    with pytest.raises(ExportError, match=r"small.onnx: ONNX refuses what was exported: .*Unheard"):
        write_onnx(model, tmp_path / "small.onnx")


def test_a_file_that_cannot_be_loaded_is_said_in_a_sentence(tmp_path):
    (tmp_path / "text.onnx").write_text("no model")
    for name in ("text", "none"):
        with pytest.raises(ExportError, match=rf"{name}.onnx: ONNX Runtime cannot load it: "):
            load_onnx(tmp_path / f"{name}.onnx")


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_a_missing_library_is_named_with_what_installs_it(model, tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ExportError, match=rf"library {missing}, which is not installed; pip install -e '\.\[export\]'"):
        write_onnx(model, tmp_path / "small.onnx")


def test_a_missing_runtime_is_named_with_what_installs_it(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for use in (load_onnx, onnx_facts):
        with pytest.raises(ExportError, match=r"library onnxruntime, which is not installed"):
            use(file)
