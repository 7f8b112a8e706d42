"""What an exported network costs, counted again in the file: a check of the graph's ledger by other people's code.

MACs have to be those of the ledger exactly, whatever the format. Parameters are those that the format has: all of them
in a program; in an ONNX file those of the folded network, since the exporter folds batch norms into the convolutions
before them, two numbers a channel becoming one. It also leaves out a bias of nothing but zeros, as networks have that
were never trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from fishnet_search.errors import ExportError
from fishnet_search.export.onnx_file import library
from fishnet_search.export.programs import read_program

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """What is counted in a file."""

    params: int  # learned numbers; running statistics and fixed filters are none
    macs: int  # multiply-accumulates of convolutions and linear layers for one image


def program_cost(path: Path, *, image_size: int) -> Count:
    """Count a program of torch.export by PyTorch's own counter while one image goes through.

    Args:
        path: of a file of `write_program`; for whom to trust see `load_program`.
        image_size: pixels a side.

    Raises:
        ExportError: there is no such file, or it is not a program.
    """
    from torch.utils.flop_counter import FlopCounterMode

    program = read_program(path)
    run = program.module()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        run(torch.zeros(1, 3, image_size, image_size))
    # it counts a multiply-accumulate as two operations, and bias as none
    return Count(sum(param.numel() for param in program.parameters()), counter.get_total_flops() // 2)


def onnx_cost(path: Path, *, image_size: int) -> Count:
    """Count an ONNX file by its nodes, for one image, with shapes by ONNX's own inference.

    Args:
        path: of a file of `write_onnx`.
        image_size: pixels a side.

    Raises:
        ExportError: ONNX is missing, or a shape cannot be inferred.
    """
    onnx = library("onnx")
    # weights in a second file stay there: inference needs none of them, and cannot take a model of more than 2 GB
    proto = onnx.load(str(path), load_external_data=False)
    weights: dict[str, TensorProto] = {weight.name: weight for weight in proto.graph.initializer}
    sizes = _shapes(proto, image_size) | {name: tuple(weight.dims) for name, weight in weights.items()}
    params = macs = 0
    for node in proto.graph.node:
        if node.op_type in _MACS:
            missing = [value for value in (node.input[0], node.output[0]) if value not in sizes]
            if missing:
                raise ExportError(f"{path}: node {node.name!r}: the shape of {missing[0]!r} cannot be inferred")
            macs += _MACS[node.op_type](node, sizes)
        taken = [node.input[place] for place in _LEARNED.get(node.op_type, ()) if place < len(node.input)]
        params += sum(
            math.prod(sizes[name])
            for name in taken
            if name in weights and sizes[name] and not _is_blur(weights[name], path.parent)
        )
    return Count(params, macs)


def _shapes(proto: ModelProto, image_size: int) -> dict[str, Sizes]:
    """Return the shapes of a model's values for one image, without those that ONNX cannot tell."""
    onnx = library("onnx")
    fixed = onnx.ModelProto()
    fixed.CopyFrom(proto)
    del fixed.graph.value_info[:]  # by the exporter, with a batch that is left open
    for size, known in zip(
        fixed.graph.input[0].type.tensor_type.shape.dim, (1, 3, image_size, image_size), strict=True
    ):
        size.dim_value = known
    fixed.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    return {name: tuple(shape) for name, shape in shapes.items() if all(shape)}


def _conv_macs(node: NodeProto, sizes: Mapping[str, Sizes]) -> int:
    """Each output is a sum over the weights of its channel."""
    return math.prod(sizes[node.output[0]]) * math.prod(sizes[node.input[1]][1:])


def _transposed_conv_macs(node: NodeProto, sizes: Mapping[str, Sizes]) -> int:
    """Each input is multiplied with the weights of its channel."""
    return math.prod(sizes[node.input[0]]) * math.prod(sizes[node.input[1]][1:])


def _matrix_macs(node: NodeProto, sizes: Mapping[str, Sizes]) -> int:
    """Each output is a sum over a row of what enters."""
    return math.prod(sizes[node.output[0]]) * sizes[node.input[0]][-1]


_MACS: dict[str, Callable[[NodeProto, Mapping[str, Sizes]], int]] = {
    "Conv": _conv_macs,
    "ConvTranspose": _transposed_conv_macs,
    "Gemm": _matrix_macs,
    "MatMul": _matrix_macs,
}

_LEARNED: dict[str, tuple[int, ...]] = {
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (1, 2),
    "MatMul": (1,),
    "BatchNormalization": (1, 2),
    "Mul": (0, 1),  # scale and shift of a group norm, which is written as an instance norm before them
    "Add": (0, 1),
}
"""By operator, the inputs that are learned if they lie in the file; those of activations are scalars.

They are counted at every use: the exporter keeps numbers that happen to be equal once.
"""


def _is_blur(weights: TensorProto, folder: Path) -> bool:
    """Return whether weights, of a file in a folder, are the fixed filter of `fishnet_search.graph.ops.Blur`."""
    if weights.dims[1:] != [1, 3, 3]:
        return False
    row = np.array([1.0, 2.0, 1.0])
    numbers = library("onnx").numpy_helper.to_array(weights, str(folder))
    return bool(np.all(numbers == np.outer(row, row) / 16))
