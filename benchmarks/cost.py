"""How fast is spec -> cost, beside counters that need the built network?

    python benchmarks/cost.py

prints a Markdown table in half a minute. benchmarks/README.md says what is measured and what not.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from machine import where
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fishnet_search.cost.ledger import cost_of
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.stages import body_graph, bridge_graph, head_graph, tail_graph
from fishnet_search.network.network import build_network
from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.loading import load_spec, with_fields

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it uses what torch deprecates
    from fvcore.nn import FlopCountAnalysis

STAGES = 10  # of each fish, behind the stem
FIRST = 100  # specs, in which most stages are new
WIDTHS = {
    "stem.width": 64,
    "tail[0].width": 128,
    "tail[1].width": 256,
    "tail[2].width": 512,
    "bridge.width": 512,
    "body[0].width": 512,
    "body[1].width": 384,
    "body[2].width": 256,
}
"""Of fishnet150."""
SCALE = "scale"
AXES: Mapping[str, Sequence[Any]] = {
    SCALE: (0.75, 1, 1.25),  # of all widths at once: a body stage's width must divide what enters it
    "tail[0].depth": (1, 2, 3),
    "tail[1].depth": (2, 4, 6),
    "tail[2].depth": (6, 8, 10),
    "bridge.depth": (2, 4, 6),
    "body[0].depth": (1, 2, 3),
    "body[1].depth": (1, 2, 3),
    "body[2].depth": (1, 2, 3),
    "head[0].depth": (1, 2, 3),
    "head[1].depth": (1, 2, 3),
    "head[2].depth": (3, 4, 5),
    "body[0].dilation": (1, 2),
    "body[1].dilation": (1, 2, 4),
    "body[2].dilation": (2, 4, 8),
    "body.transfer": (1, 2, 3),
    "head.transfer": (1, 2, 3),
    "tail.downsample": ("max-2x2", "max-3x3", "conv-3x3"),
    "head.downsample": ("max-2x2", "avg-2x2"),
    "body.upsample": ("nearest", "bilinear"),
    "tail.squeeze_excitation": (False, True),
    "body.kernel": (3, 5),
    "head.expansion": (2, 4),
}
"""The fields of fishnet150 that are set, each to one of its values, drawn uniformly and independently."""


@dataclass(frozen=True)
class Row:
    """What one counter took."""

    name: str
    takes: str
    seconds: Sequence[float]  # one a spec


def main() -> None:
    """Measure, check and print."""
    parser = argparse.ArgumentParser(description="Time spec -> cost beside other counters; print a Markdown table.")
    parser.add_argument("--specs", type=int, default=2000, help="specs to time, and as many others to warm up with")
    parser.add_argument("--sample", type=int, default=5, help="of them for the counters that take seconds for one")
    wanted = parser.parse_args()
    core = _on_one_core()
    start = time.perf_counter()
    specs = _distinct_specs(2 * wanted.specs, random.Random(0))
    making = time.perf_counter() - start
    assert len({spec.model_dump_json() for spec in specs}) == len(specs)

    cold = [_timed(_count, spec)[0] for spec in specs[: wanted.specs]]
    known = _stages_built()
    start = time.perf_counter()
    warm = [_timed(_count, spec)[0] for spec in specs[wanted.specs :]]
    wall = time.perf_counter() - start
    found = 1 - (_stages_built() - known) / (STAGES * wanted.specs)
    sample = random.Random(1).sample(specs[wanted.specs :], wanted.sample)
    rows = [
        Row("`cost_of(build_graph(spec))`, warm", "spec", warm),
        Row("the same, from empty memos", "spec", cold),
        Row(f"the first {FIRST} of these", "spec", cold[:FIRST]),
        *_others(sample),
    ]

    print("\n".join(_table(rows)))
    print()
    print(f"- warm: {found:.2%} of the stages were in the memos from other specs")
    print(f"- by the clock on the wall, warm: {wanted.specs / wall:,.0f} specs a second")
    print(
        f"- `with_fields` made the {len(specs):,} distinct specs, {len(specs) / making:,.0f} a second, not timed above"
    )
    print(f"- all counters found the same MACs in {wanted.sample} of the specs")
    for line in (core, *where("torch", "fvcore", "pydantic")):
        print(f"- {line}")


def _count(spec: Architecture) -> int:
    return cost_of(build_graph(spec)).macs


def _timed(function: Callable[..., int], *arguments: Any) -> tuple[float, int]:
    """Return seconds of processor time, which other programs on the same core do not count towards, and the result."""
    start = time.process_time()
    result = function(*arguments)
    return time.process_time() - start, result


def _stages_built() -> int:
    return sum(make.cache_info().misses for make in (tail_graph, bridge_graph, body_graph, head_graph))


def _distinct_specs(count: int, rng: random.Random) -> list[Architecture]:
    """Return fish of about the size of fishnet150, no two of them equal."""
    base = load_spec("fishnet150")
    drawn: dict[tuple[Any, ...], Architecture] = {}
    while len(drawn) < count:
        values = tuple(rng.choice(choices) for choices in AXES.values())
        if values not in drawn:
            fields = dict(zip(AXES, values, strict=True))
            scale = fields.pop(SCALE)
            drawn[values] = with_fields(base, fields | {path: int(scale * width) for path, width in WIDTHS.items()})
    return list(drawn.values())


def _others(sample: Sequence[Architecture]) -> Iterator[Row]:
    """Run the other counters on the same specs, and stop if one of them finds other MACs."""
    building: list[float] = []
    seconds: dict[str, list[float]] = {name: [] for name in _COUNTERS}
    for spec in sample:
        start = time.process_time()
        network = build_network(build_graph(spec)).eval()
        building.append(time.process_time() - start)
        for name, (counter, device) in _COUNTERS.items():
            image = torch.zeros(1, 3, spec.image_size, spec.image_size, device=device)
            took, macs = _timed(counter, network.to(device), image)
            if macs != _count(spec):
                sys.exit(f"{name} finds {macs:,} MACs where the spec has {_count(spec):,}: {spec!r}")
            seconds[name].append(took)
    for name, took_each in seconds.items():
        yield Row(name, "built network", took_each)
    yield Row("`build_network` alone", "graph", building)


@torch.inference_mode()
def _fvcore(network: nn.Module, image_NCHW: torch.Tensor) -> int:
    analysis = FlopCountAnalysis(network, image_NCHW).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_operator = analysis.by_operator()
    return int(by_operator["conv"] + by_operator["linear"])


@torch.inference_mode()
def _flop_counter_mode(network: nn.Module, image_NCHW: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        network(image_NCHW)
    return int(counter.get_total_flops()) // 2


_COUNTERS: Mapping[str, tuple[Callable[[nn.Module, torch.Tensor], int], str]] = {
    "fvcore `FlopCountAnalysis`": (_fvcore, "cpu"),
    "PyTorch `FlopCounterMode` on meta tensors": (_flop_counter_mode, "meta"),
}


def _table(rows: Sequence[Row]) -> Iterator[str]:
    ours = float(np.median(rows[0].seconds))
    yield "| counter | takes | specs | ms a spec, median (25–75 %) | specs a second | times ours |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    for row in rows:
        low, median, high = np.percentile(row.seconds, (25, 50, 75))
        rate = len(row.seconds) / sum(row.seconds)
        yield (
            f"| {row.name} | {row.takes} | {len(row.seconds):,} "
            f"| {_digits(median * 1000)} ({_digits(low * 1000)}–{_digits(high * 1000)}) "
            f"| {_digits(rate)} | {_digits(median / ours)} |"
        )


def _digits(figure: float) -> str:
    """Write three digits, or all of those in front of the point."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:#.3g}"


def _on_one_core() -> str:
    """Keep this process to one core and torch to one thread; say what the system gave."""
    torch.set_num_threads(1)
    if not hasattr(os, "sched_setaffinity"):
        return "one thread, on whichever core the system chose"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return "one thread, pinned to one core"


if __name__ == "__main__":
    main()
