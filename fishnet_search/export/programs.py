"""A network as a program of torch.export: one file that PyTorch alone loads and runs."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.fx import Node

from fishnet_search.errors import ExportError
from fishnet_search.export.model import Model

EXAMPLE_BATCH = 2
"""With an example of one image, the exporter would take the batch for a constant."""

LEAST_STRIDES = 2
"""A side of one stride would leave deep features of a single pixel, whose side the exporter takes for a constant."""


def write_program(model: Model, path: Path, *, dynamic_size: bool = False) -> None:
    """Write a network as a program of torch.export (.pt2) for batches of any size.

    The program takes prepared images of shape (N, 3, H, W), float32, and gives logits of shape (N, classes), or (N,
    classes, H, W) for maps. It holds no pickled object, no line of this package's code and no path of this machine.

    Args:
        model: what is exported.
        path: of the file, which ends in .pt2.
        dynamic_size: take sides of all multiples of the network's stride from two strides on, rather than images of
            `preparation.image_size` alone.

    Raises:
        ExportError: the exporter fails.
    """
    try:
        program = torch.export.export(
            model.network,
            (example_of(model, dynamic_size=dynamic_size),),
            dynamic_shapes=(dynamic_shapes_of(model, dynamic_size=dynamic_size),),
            strict=False,
        )
    except (RuntimeError, ValueError) as problem:  # torch's own errors on shapes and operators are of these kinds
        reason = str(problem).strip().partition("\n")[0]
        raise ExportError(f"{model.name}: torch.export failed: {reason}") from problem
    for node in program.graph.nodes:
        _forget_source(node)
    program.example_inputs = None  # would be pickled into the file
    torch.export.save(program, path)


def load_program(path: Path) -> Callable[[Tensor], Tensor]:
    """Return what computes the logits of prepared images, from a file of `write_program`.

    PyTorch's loader is not made for files of strangers: it evaluates the expressions in them. Load your own only.

    Raises:
        ExportError: there is no such file, or it is not a program.
    """
    return read_program(path).module()


def read_program(path: Path) -> ExportedProgram:
    """Return the program in a file; for whom to trust see `load_program`.

    Raises:
        ExportError: there is no such file, or it is not a program.
    """
    if not path.is_file():
        raise ExportError(f"{path}: there is no such file; export the network first")
    if not zipfile.is_zipfile(path):
        raise ExportError(f"{path}: not a program, which is a zip archive; export the network again")
    try:
        return torch.export.load(path)
    except (RuntimeError, ValueError, AssertionError) as problem:
        raise ExportError(
            f"{path}: not a program that PyTorch {torch.__version__} can load; export it again"
        ) from problem


def example_of(model: Model, *, dynamic_size: bool) -> Tensor:
    """Return the images of shape (N, 3, H, W) with which an exporter follows a network."""
    side = model.preparation.image_size
    if dynamic_size:
        side = max(side, LEAST_STRIDES * model.backbone.stride)
    return torch.zeros(EXAMPLE_BATCH, 3, side, side)


def dynamic_shapes_of(model: Model, *, dynamic_size: bool) -> dict[int, Any]:
    """Return which sizes of the images' shape (N, 3, H, W) are free, by their place in it."""
    batch = {0: Dim("batch", min=1)}
    if not dynamic_size:
        return batch
    stride = model.backbone.stride
    return batch | {2: stride * Dim("h", min=LEAST_STRIDES), 3: stride * Dim("w", min=LEAST_STRIDES)}


def _forget_source(node: Node) -> None:
    """Take away lines of code with their files, and name modules of this package as what they are to PyTorch."""
    node.meta.pop("stack_trace", None)
    stack = node.meta.get("nn_module_stack")
    if stack:
        node.meta["nn_module_stack"] = {key: (place, _known_type(kind)) for key, (place, kind) in stack.items()}


def _known_type(kind: str | type) -> str:
    name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    return name if name.startswith("torch.") else "torch.nn.modules.module.Module"
