"""Weights and inputs that anyone can rebuild from names and sizes, and the published outputs that belong to them."""

import json
import math
import zlib
from pathlib import Path

import torch

from fishnet_search.spec.fish import FishSpec
from fishnet_search.spec.loading import load_spec

HERE = Path(__file__).parent
FISH = ["fishnet-small", "fishnet99", "fishnet150", "fishnet201"]
NAMES = [*FISH, "detnet59"]


def read(name):
    return json.loads((HERE / f"{name}.json").read_text())


def spec_of(name):
    return small() if name == "fishnet-small" else load_spec(name)


def small() -> FishSpec:
    """The fish of fishnet-small.json; its arguments are network_planes, num_res_blks and num_trans_blks in order."""
    arguments = read("fishnet-small")["arguments"]
    stem, *widths = arguments["network_planes"]
    depths, transfers = arguments["num_res_blks"], arguments["num_trans_blks"]
    stages = [{"width": width, "depth": depth} for width, depth in zip(widths, depths, strict=True)]
    later = [stage | {"transfer": transfer} for stage, transfer in zip(stages[4:], transfers, strict=True)]
    return FishSpec.model_validate(
        {
            "image_size": 64,
            "classes": arguments["num_cls"],
            "stem": {"width": stem},
            "tail": stages[:3],
            "bridge": stages[3],
            "body": [stage | {"dilation": 2**i} for i, stage in enumerate(later[:3])],
            "head": later[3:],
        }
    )


def tensor(name: str, shape: list[int]) -> torch.Tensor:
    """A sine whose phase is a checksum of the name, scaled by what kind of weight the name says it is."""
    count = math.prod(shape)
    values = torch.sin(torch.arange(count, dtype=torch.float64) * 0.7 + zlib.crc32(name.encode()) % 10_000)
    if name.endswith("running_var"):
        values = values.abs() + 0.5
    elif name.endswith("running_mean") or (len(shape) == 1 and name.endswith("bias")):
        values = values * 0.1
    elif len(shape) == 1:
        values = values * 0.25 + 1
    else:
        values = values * math.sqrt(0.5 * shape[0] / count)
    return values.reshape(shape).float()


def state_dict(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    return {
        name: torch.tensor(0) if name.endswith("num_batches_tracked") else tensor(name, shape)
        for name, shape in shapes.items()
    }


def images(batch: int, size: int) -> torch.Tensor:
    pixel = torch.arange(3 * size * size, dtype=torch.float64)
    each = [torch.sin(pixel * (0.37 + 0.61 * i)) + 2 * torch.sin(pixel / (50 * (i + 1))) for i in range(batch)]
    return torch.stack(each).reshape(batch, 3, size, size).float()
