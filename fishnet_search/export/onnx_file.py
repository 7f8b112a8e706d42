"""A network as an ONNX file, with what a person needs to use it inside: classes, and how images are prepared."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fishnet_search.errors import ExportError
from fishnet_search.export.model import Model
from fishnet_search.export.programs import dynamic_shapes_of, example_of

if TYPE_CHECKING:
    from onnx import ModelProto

IMAGE = "image"
LOGITS = "logits"

LARGEST_FILE_BYTES = 2_000_000_000
"""Of weights in one file: protocol buffers end at 2³¹ bytes, nodes and metadata included."""


def write_onnx(model: Model, path: Path, *, dynamic_size: bool = False) -> None:
    """Write a network as an ONNX file for batches of any size, and have it checked by ONNX itself.

    Its input `image` is prepared images of shape (N, 3, H, W), float32, its output `logits` of shape (N, classes),
    or (N, classes, H, W) for maps. The exporter folds batch norms into the convolutions before them. Weights of more
    than 2 GB go to a second file beside it, named like it with `.data` behind.

    Args:
        model: what is exported.
        path: of the file, which ends in .onnx.
        dynamic_size: take sides of all multiples of the network's stride from two strides on, rather than images of
            `preparation.image_size` alone.

    Raises:
        ExportError: a library is missing, or the exporter or the check fails.
    """
    onnx = library("onnx")
    proto = _exported(model, dynamic_size=dynamic_size)
    _forget_source(proto)
    facts = {
        "name": model.name,
        "classes": model.classes,
        "preparation": dataclasses.asdict(model.preparation),
        "trained": model.trained,
        "task": model.task.model_dump(),
    }
    onnx.helper.set_model_props(proto, {key: json.dumps(fact, ensure_ascii=False) for key, fact in facts.items()})
    weight_bytes = sum(len(weights.raw_data) for weights in proto.graph.initializer)
    beside = f"{path.name}.data"
    path.with_name(beside).unlink(missing_ok=True)  # weights would be appended to those of an earlier export
    apart = weight_bytes > LARGEST_FILE_BYTES
    onnx.save_model(proto, path, save_as_external_data=apart, location=beside)
    if apart:
        path.with_name(beside).chmod(path.stat().st_mode)  # ONNX keeps it from everybody but its owner
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as problem:
        raise ExportError(f"{path}: ONNX refuses what was exported: {_first_line(problem)}") from problem


def load_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    """Return what computes the logits of prepared images by ONNX Runtime on the CPU.

    Raises:
        ExportError: ONNX Runtime is missing or cannot load the file.
    """
    session = _session(path)

    def run(images_NCHW: Tensor) -> Tensor:
        (logits,) = session.run([LOGITS], {IMAGE: images_NCHW.numpy()})
        return torch.from_numpy(logits)

    return run


def onnx_facts(path: Path) -> dict[str, Any]:
    """Return what a file of `write_onnx` says of itself: its `name`, `classes`, `preparation` and `task`.

    Raises:
        ExportError: ONNX Runtime is missing or cannot load the file.
    """
    return {key: json.loads(fact) for key, fact in _session(path).get_modelmeta().custom_metadata_map.items()}


def library(name: str) -> Any:
    """Return a library that ONNX files need.

    Raises:
        ExportError: it is missing.
    """
    try:
        return import_module(name)
    except ImportError as missing:
        raise ExportError(
            f"ONNX files need the library {name}, which is not installed; pip install -e '.[export]'"
        ) from missing


def _exported(model: Model, *, dynamic_size: bool) -> ModelProto:
    library("onnxscript")
    with _quiet():
        try:
            program = torch.onnx.export(
                model.network,
                (example_of(model, dynamic_size=dynamic_size),),
                dynamic_shapes=(dynamic_shapes_of(model, dynamic_size=dynamic_size),),
                input_names=[IMAGE],
                output_names=[LOGITS],
                dynamo=True,
                verbose=False,
            )
        except (RuntimeError, ValueError) as problem:  # among them torch's OnnxExporterError
            reason = _first_line(problem.__cause__ or problem)
            raise ExportError(f"{model.name}: torch.onnx.export failed: {reason}") from problem
    assert program is not None  # None comes from the former exporter alone
    return program.model_proto


def _session(path: Path) -> Any:
    runtime = library("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors alone: it warns of every weight that it folds away
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # its errors have no common type, and all mean that the file is of no use
        raise ExportError(f"{path}: ONNX Runtime cannot load it: {_first_line(problem)}") from problem


def _forget_source(proto: ModelProto) -> None:
    """Take away the exporter's notes: lines of code with their files on this machine, on every node and value."""
    graph = proto.graph
    for noted in (proto, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del noted.metadata_props[:]
        noted.ClearField("doc_string")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the exporter warns of and logs while it works; what it raises comes through."""
    exporter = logging.getLogger("torch.onnx")
    former = exporter.level
    exporter.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # onnxscript 0.6 prints what it rewrote
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(former)


def _first_line(problem: BaseException) -> str:
    return str(problem).strip().partition("\n")[0]
