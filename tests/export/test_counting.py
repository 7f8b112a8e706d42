"""Costs counted again: PyTorch and ONNX find in the files what the ledger counts in the graph."""

import sys

import numpy as np
import onnx
import pytest

from fishnet_search.cost.ledger import cost_of
from fishnet_search.errors import ExportError
from fishnet_search.export.counting import Count, onnx_cost, program_cost
from fishnet_search.export.folding import folded
from fishnet_search.export.onnx_file import write_onnx
from fishnet_search.export.programs import write_program
from fishnet_search.graph.build import build_graph
from tests.export.seasoned import SMALL_RESNET, VARIED, model_of, small_spec

pytestmark = pytest.mark.usefixtures("one_thread")

GROUPED = {
    f"{part}.{field}": value
    for part in ("tail", "bridge", "body", "head")
    for field, value in {"expansion": 2, "group_width": 4}.items()
}
"""As in FishNeXt."""

SPECS = {
    "fish": small_spec(),
    "fishnext": small_spec(**GROUPED),
    "varied fish": small_spec(**VARIED),
    "resnet": small_spec("resnet50", **SMALL_RESNET),
    "densenet": small_spec("densenet121", image_size=32),
}
SLOW = {"fishnext", "varied fish", "resnet", "densenet"}


def counted(spec):
    """What the ledger says, with the parameters that are left when batch norms are folded."""
    model = model_of(spec)
    cost = cost_of(build_graph(spec))
    left = sum(param.numel() for param in folded(model.network).parameters())
    return model, Count(cost.params, cost.macs), Count(left, cost.macs)


@pytest.mark.parametrize(
    "spec",
    # exporters take their time
    [pytest.param(spec, id=name, marks=[pytest.mark.slow] * (name in SLOW)) for name, spec in SPECS.items()],
)
def test_parameters_and_macs_are_those_of_the_ledger_with_batch_norms_folded_in_onnx(spec, tmp_path):
    model, expected, expected_folded = counted(spec)
    write_program(model, tmp_path / "small.pt2")
    assert program_cost(tmp_path / "small.pt2", image_size=spec.image_size) == expected
    write_onnx(model, tmp_path / "small.onnx")
    assert onnx_cost(tmp_path / "small.onnx", image_size=spec.image_size) == expected_folded


def test_weights_in_a_second_file_are_counted_without_being_given_to_inference(tmp_path, monkeypatch):
    helper = onnx.helper
    nodes = [
        helper.make_node("Conv", ["image", "filters"], ["features"]),
        helper.make_node("Conv", ["features", "blur"], ["logits"], group=64),
    ]
    image = helper.make_tensor_value_info("image", 1, ["batch", 3, 32, 32])
    logits = helper.make_tensor_value_info("logits", 1, ["batch", 64, 28, 28])
    row = np.array([1, 2, 1], np.float32)
    blur = np.tile(np.outer(row, row) / 16, (64, 1, 1, 1))
    arrays = {"filters": np.ones((64, 3, 3, 3), np.float32), "blur": blur}
    weights = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    model = helper.make_model(helper.make_graph(nodes, "apart", [image], [logits], weights))
    size = model.ByteSize()
    onnx.save(model, tmp_path / "apart.onnx", save_as_external_data=True, location="apart.onnx.data")
    given, infer = [], onnx.shape_inference.infer_shapes
    monkeypatch.setattr(
        onnx.shape_inference, "infer_shapes", lambda proto, **how: given.append(proto.ByteSize()) or infer(proto, **how)
    )
    macs = 64 * 30 * 30 * 27 + 64 * 28 * 28 * 9
    assert onnx_cost(tmp_path / "apart.onnx", image_size=32) == Count(arrays["filters"].size, macs)
    assert given[0] < size / 10


@pytest.mark.slow
def test_files_of_free_size_are_counted_for_the_size_that_is_asked_for(tmp_path):
    spec = small_spec(**VARIED)
    model, expected, expected_folded = counted(spec)
    write_program(model, tmp_path / "small.pt2", dynamic_size=True)
    write_onnx(model, tmp_path / "small.onnx", dynamic_size=True)
    assert program_cost(tmp_path / "small.pt2", image_size=32) == expected
    assert onnx_cost(tmp_path / "small.onnx", image_size=32) == expected_folded
    larger = cost_of(build_graph(small_spec(**VARIED, image_size=64))).macs
    assert program_cost(tmp_path / "small.pt2", image_size=64).macs == larger
    assert onnx_cost(tmp_path / "small.onnx", image_size=64).macs == larger


def test_a_shape_that_onnx_cannot_tell_is_said_in_a_sentence(tmp_path):
    helper = onnx.helper
    nodes = [
        helper.make_node("NonZero", ["image"], ["places"]),
        helper.make_node("Cast", ["places"], ["numbers"], to=1),
        helper.make_node("MatMul", ["numbers", "weight"], ["logits"], name="last"),
    ]
    image = helper.make_tensor_value_info("image", 1, ["batch", 3, 32, 32])
    logits = helper.make_tensor_value_info("logits", 1, ["batch", 1])
    weight = helper.make_tensor("weight", 1, [2, 1], [0.0, 1.0])
    model = helper.make_model(helper.make_graph(nodes, "unclear", [image], [logits], [weight]))
    onnx.save(model, tmp_path / "unclear.onnx")
    with pytest.raises(ExportError, match=r"unclear.onnx: node 'last': the shape of 'numbers' cannot be inferred"):
        onnx_cost(tmp_path / "unclear.onnx", image_size=32)


def test_without_onnx_nothing_is_counted_and_what_installs_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExportError, match=r"pip install -e '\.\[export\]'"):
        onnx_cost(tmp_path / "small.onnx", image_size=32)
