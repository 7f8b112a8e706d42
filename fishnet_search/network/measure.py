"""What a network's forward pass takes where it runs: time and memory, measured, beside what `cost` counts."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from fishnet_search.errors import MeasureError
from fishnet_search.graph.graph import Graph
from fishnet_search.graph.ops import Shape
from fishnet_search.network.network import build_network

if TYPE_CHECKING:
    from torch.utils.benchmark import Measurement as Timings
    from torch.utils.benchmark import Timer

TIMED_SECONDS = 3.0
LEAST_TIMINGS = 10
"""Quartiles of fewer say little."""

ROUNDS = 10
"""In which several networks are timed in turn."""

_CPU_OUT_OF_MEMORY = "can't allocate memory"
"""How PyTorch's allocator for the CPU says it; that of a GPU has an exception of its own."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One form of a network on one device. The spread is that of the timings, from 25 % to 75 %."""

    form: Literal["eager", "compiled"]
    precision: str  # "float32", or "float32, TF32 in convolutions" where a GPU's libraries round their inputs
    batch: int
    latency_ms: float  # median, of a forward pass of the whole batch
    latency_p25_ms: float
    latency_p75_ms: float
    peak_memory_bytes: int  # weights, buffers, the batch, and the most that the pass held beside them
    warm_up_passes: int  # before those that count, beside what the search for the length of a block takes
    timed_passes: int

    @property
    def images_per_second(self) -> float:
        """At the median latency."""
        return self.batch / self.latency_ms * 1000

    @property
    def images_per_second_p25(self) -> float:
        """A quarter of the timings were slower than this."""
        return self.batch / self.latency_p75_ms * 1000

    @property
    def images_per_second_p75(self) -> float:
        """A quarter of the timings were faster than this."""
        return self.batch / self.latency_p25_ms * 1000


class Latency(NamedTuple):
    """What one image takes, in milliseconds, with the spread of the timings."""

    median: float
    p25: float
    p75: float

    def __str__(self) -> str:
        return f"{two_digits(self.median)} ms (quartiles {two_digits(self.p25)}–{two_digits(self.p75)})"


def two_digits(figure: float) -> str:
    """Write a figure above 0 with two digits that count."""
    rounded = float(f"{figure:.1e}")
    return f"{rounded:,.{max(0, 1 - math.floor(math.log10(rounded)))}f}"


def device_of(name: str) -> torch.device:
    """Return the device that "cpu", "cuda" or "cuda:1" stands for.

    Raises:
        MeasureError: the name is none of these, or PyTorch sees no such GPU.
    """
    named = re.fullmatch(r"cpu|cuda(?::(\d{1,4}))?", name)
    if named is None:
        raise MeasureError(f"--device {name}: unknown device; use cpu, cuda, or cuda:1 for the second GPU")
    if name == "cpu":
        return torch.device(name)
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if seen == 0:
        raise MeasureError(f"--device {name}: PyTorch sees no GPU here; use cpu")
    if named[1] is not None and int(named[1]) >= seen:
        raise MeasureError(f"--device {name}: the last GPU that PyTorch sees here is cuda:{seen - 1}")
    return torch.device("cuda", int(named[1] or torch.cuda.current_device()))


def measure(
    graph: Graph, *, device: torch.device, batch: int, compiled: bool = False, seconds: float = TIMED_SECONDS
) -> Measurement:
    """Time the forward pass of a network with random weights, and measure its peak memory.

    Inference mode, float32, weights in channels_last and images as they come, as in training and its evaluation.
    The warm-up takes a third of `seconds` and comes after compiling. Passes too short for the clock, or for waiting
    for a GPU, are timed in blocks, each of which gives the mean of its passes as one timing.

    The peak counts what goes through PyTorch's allocator: weights and buffers, the batch, and the most that one pass
    held at once beside them (activations and the kernels' scratch memory). Libraries, code and, on a GPU, the
    driver's context come on top. On a GPU it is the allocator's own peak; on the CPU the profiler's record of every
    allocation in one more pass.

    Args:
        graph: of a network or a backbone, from `build_graph` or `features_only`.
        device: where.
        batch: images a pass.
        compiled: by `torch.compile`, with a cache of its own: a compiler that was killed leaves broken files behind.
        seconds: the least time for the passes that count.

    Raises:
        MeasureError: the batch is empty, does not fit into the device's memory, or the compiler fails.
    """
    shape = graph.input_shapes[0]
    with _current(device), torch.inference_mode(), _told_if_too_large(batch, shape, device):
        network = build_network(graph).eval().to(device)
    return measure_network(network, shape, device=device, batch=batch, compiled=compiled, seconds=seconds)


def measure_network(
    network: nn.Module,
    shape: Shape,
    *,
    device: torch.device,
    batch: int,
    compiled: bool = False,
    seconds: float = TIMED_SECONDS,
) -> Measurement:
    """Time the forward pass of a network that is there already, and measure its peak memory, as `measure` does.

    Args:
        network: in evaluation mode, on the device. Its weights are laid out in channels_last, and stay so.
        shape: of one image.
        device: where.
        batch: images a pass.
        compiled: by `torch.compile`.
        seconds: the least time for the passes that count.

    Raises:
        MeasureError: the batch is empty, does not fit into the device's memory, or the compiler fails.
    """
    if batch < 1:
        raise MeasureError(f"batch {batch}: a pass takes at least 1 image")
    cache = _cache_of_its_own() if compiled else nullcontext()
    with _current(device), cache, torch.inference_mode(), _told_if_too_large(batch, shape, device):
        network = network.to(memory_format=torch.channels_last)
        _check_room(network, batch, shape, device)
        images_NCHW = _images(batch, shape, device)
        run = _compile(network, images_NCHW) if compiled else network
        warm, timed = _timings(run, images_NCHW, seconds)
        beside = _MOST_HELD[device.type](run, images_NCHW)
    p25, median, p75 = (float(quartile) for quartile in np.percentile(timed.times, (25, 50, 75)) * 1000)
    held = sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers(), images_NCHW))
    return Measurement(
        form="compiled" if compiled else "eager",
        precision=_precision(device),
        batch=batch,
        latency_ms=median,
        latency_p25_ms=p25,
        latency_p75_ms=p75,
        peak_memory_bytes=held + beside,
        warm_up_passes=_passes(warm),
        timed_passes=_passes(timed),
    )


def latencies_in_turn(networks: Sequence[nn.Module], shape: Shape, *, seconds: float) -> tuple[Latency, ...]:
    """Time networks on the CPU, one image a pass, round by round: what else the machine does meets all of them alike.

    Args:
        networks: in evaluation mode. Their weights are laid out in channels_last, and stay so.
        shape: of the image.
        seconds: the least time for the passes that count, of each.
    """
    image_1CHW = _images(1, shape, torch.device("cpu"))
    timers = [_timer(network.to(memory_format=torch.channels_last), image_1CHW) for network in networks]
    times: list[list[float]] = [[] for _ in timers]
    with torch.inference_mode():
        for _ in range(ROUNDS):
            for timer, own in zip(timers, times, strict=True):  # each begins with passes that do not count
                own.extend(timer.blocked_autorange(min_run_time=seconds / ROUNDS).times)
    return tuple(Latency(*np.percentile(own, (50, 25, 75)) * 1000) for own in times)


def _images(batch: int, shape: Shape, device: torch.device) -> Tensor:
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(0)).to(device)


def _timings(run: nn.Module, images_NCHW: Tensor, seconds: float) -> tuple[Timings, Timings]:
    """Return the timings of the warm-up and those that count."""
    timer = _timer(run, images_NCHW)
    warm = timer.blocked_autorange(min_run_time=seconds / 3)
    block_seconds = warm.number_per_run * warm.median
    return warm, timer.blocked_autorange(min_run_time=max(seconds, LEAST_TIMINGS * block_seconds))


def _timer(run: nn.Module, images_NCHW: Tensor) -> Timer:
    # what it imports warns of a machine that has the CUDA toolkit but no GPU
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    from torch.utils.benchmark import Timer

    return Timer("run(images)", globals={"run": run, "images": images_NCHW}, num_threads=torch.get_num_threads())


def _passes(timings: Timings) -> int:
    return timings.number_per_run * len(timings.times)


def _precision(device: torch.device) -> str:
    rounds = device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return "float32, TF32 in convolutions" if rounds else "float32"


def _most_held_by_gpu(run: nn.Module, images_NCHW: Tensor) -> int:
    """Return the most bytes that one pass held at once beside what lay there before."""
    device = images_NCHW.device
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run(images_NCHW)
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _most_held_by_cpu(run: nn.Module, images_NCHW: Tensor) -> int:
    """Return the most bytes that one pass held at once beside what lay there before."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler tells of its start, its end and missing GPUs
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        run(images_NCHW)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(trace))
        events: list[dict[str, Any]] = json.loads(trace.read_bytes())["traceEvents"]
    changes = [event["args"] for event in events if event["name"] == "[memory]"]
    # the total goes on from what earlier profiles left, and is never lower than at the start
    start = min(change["Total Allocated"] - change["Bytes"] for change in changes)
    return int(max(change["Total Allocated"] for change in changes) - start)


_MOST_HELD: dict[str, Callable[[nn.Module, Tensor], int]] = {"cpu": _most_held_by_cpu, "cuda": _most_held_by_gpu}


def _compile(network: nn.Module, images_NCHW: Tensor) -> nn.Module:
    """Return the network in compiled form, after a pass that makes torch compile it for these images."""
    compiled: nn.Module = torch.compile(network)  # type: ignore[assignment]
    try:
        compiled(images_NCHW)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as problem:
        reason = " ".join(str(problem).split("\n")[:2]).strip()  # who, and why; advice and a compiler's pages follow
        raise MeasureError(f"torch.compile failed: {reason}; measure without --compile") from problem
    return compiled


@contextmanager
def _cache_of_its_own() -> Iterator[None]:
    """Have compiled code written to a folder that goes away: a compiler that is killed leaves broken files behind."""
    former = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        try:
            yield
        finally:
            torch.compiler.reset()
            os.environ.pop("TORCHINDUCTOR_CACHE_DIR")
            if former is not None:
                os.environ["TORCHINDUCTOR_CACHE_DIR"] = former


@contextmanager
def _current(device: torch.device) -> Iterator[None]:
    """Make a GPU the current one, which is the one that the timer waits for."""
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        yield


def _check_room(network: nn.Module, batch: int, shape: Shape, device: torch.device) -> None:
    """Refuse a batch that would fill the machine's memory, where the system ends programs rather than refusing.

    Raises:
        MeasureError: judged by a pass of one image, the batch does not fit.
    """
    available = _available_bytes() if device.type == "cpu" else math.inf
    if available < math.inf:
        image_1CHW = _images(1, shape, device)
        needed = batch * (image_1CHW.nbytes + _most_held_by_cpu(network, image_1CHW))
        if needed > available:
            raise _too_large(batch, shape, device)


def _available_bytes() -> float:
    """Return what programs can have of the machine's memory; infinite where the system does not tell."""
    told = Path("/proc/meminfo")
    found = re.search(r"MemAvailable: +(\d+) kB", told.read_text(encoding="ascii")) if told.exists() else None
    return int(found[1]) * 1024 if found else math.inf


@contextmanager
def _told_if_too_large(batch: int, shape: Shape, device: torch.device) -> Iterator[None]:
    """Say in a sentence that memory ran out."""
    try:
        yield
    except RuntimeError as problem:
        if isinstance(problem, torch.OutOfMemoryError) or _CPU_OUT_OF_MEMORY in str(problem):
            raise _too_large(batch, shape, device) from problem
        raise


def _too_large(batch: int, shape: Shape, device: torch.device) -> MeasureError:
    return MeasureError(
        f"{device} has too little memory for a batch of {batch:,} images of {shape}; use a smaller batch or image"
    )
