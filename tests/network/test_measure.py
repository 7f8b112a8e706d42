"""Measured cost: figures that fit together, a peak that can be worked out by hand, and sentences where it cannot be."""

import functools
import os
from pathlib import Path

import pytest
import torch

from fishnet_search.cost.ledger import cost_of
from fishnet_search.errors import MeasureError
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import GraphBuilder, features_only
from fishnet_search.graph.ops import Activate, Concat, Shape
from fishnet_search.network import measure as module
from fishnet_search.network.measure import Latency, device_of, latencies_in_turn, measure, measure_network
from fishnet_search.network.network import Network, build_network
from tests.fishes import MINNOW, minnow

CPU = torch.device("cpu")
FLOAT_BYTES = 4
IMAGE_BYTES = FLOAT_BYTES * 3 * 32 * 32


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def compiler(monkeypatch):
    """Have something else compile: the real one takes a minute."""

    def use(compiled):
        monkeypatch.setattr(torch, "compile", compiled)
        monkeypatch.setattr(torch.compiler, "reset", lambda: None)

    return use


@pytest.fixture
def quick(monkeypatch):
    """Have the command line time for a moment only."""
    monkeypatch.setattr(module, "measure", functools.partial(measure, seconds=0.01))


@pytest.fixture(autouse=True)
def fish_file(tmp_path):
    """The folder that the command line runs in holds a small fish."""
    (tmp_path / "minnow.yaml").write_text(MINNOW)


def test_networks_are_timed_in_turn(monkeypatch):
    asked = []

    class Form(torch.nn.Module):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def forward(self, images_NCHW):
            if asked[-1:] != [self.name]:
                asked.append(self.name)
            return images_NCHW

    first, second = latencies_in_turn([Form("a"), Form("b")], Shape(3, 8, 8), seconds=0.01)
    assert asked == ["a", "b"] * module.ROUNDS
    assert min(first.p25, second.p25) > 0


def test_a_latency_has_two_digits():
    assert str(Latency(3.14159, 0.0995, 123.4)) == "3.1 ms (quartiles 0.10–120)"


def test_the_figures_are_positive_and_in_order():
    measured = measure(build_graph(minnow()), device=CPU, batch=2, seconds=0.05)
    assert 0 < measured.latency_p25_ms <= measured.latency_ms <= measured.latency_p75_ms
    assert measured.images_per_second == pytest.approx(2 / (measured.latency_ms / 1000))
    assert measured.images_per_second_p25 <= measured.images_per_second <= measured.images_per_second_p75
    assert measured.timed_passes >= module.LEAST_TIMINGS // 2  # fewer than asked for if the machine was slower before
    assert measured.warm_up_passes >= 1
    assert (measured.form, measured.precision, measured.batch) == ("eager", "float32", 2)


def by_hand():
    """Three operators on an image, none of which needs memory of its own."""
    g = GraphBuilder("by hand", image=Shape(3, 32, 32))
    g.add("act", Activate("relu"), "image")  # an image more
    g.add("concat", Concat(), "act", "image")  # two more; then `act` is let go
    g.add("last", Activate("relu"), "concat")  # two more beside these two
    return g.build()


def test_a_network_that_is_there_already_is_measured_like_one_that_is_built_for_it():
    graph = build_graph(minnow())
    network = build_network(graph, seed=3).eval()
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    measured = measure_network(network, graph.input_shapes[0], device=CPU, batch=2, seconds=0.01)
    assert measured.peak_memory_bytes == measure(graph, device=CPU, batch=2, seconds=0.01).peak_memory_bytes
    assert (measured.form, measured.batch) == ("eager", 2)
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("batch", [1, 5])
def test_the_peak_is_what_can_be_worked_out_by_hand(batch):
    measured = measure(by_hand(), device=CPU, batch=batch, seconds=0.01)
    assert measured.peak_memory_bytes == batch * (1 + 2 + 2) * IMAGE_BYTES


def test_earlier_measurements_change_nothing_in_the_peak():
    peaks = {measure(by_hand(), device=CPU, batch=3, seconds=0.01).peak_memory_bytes for _ in range(3)}
    assert len(peaks) == 1


def test_the_peak_holds_weights_and_the_largest_activations_and_grows_with_the_batch():
    graph = build_graph(minnow())
    one, four = (measure(graph, device=CPU, batch=batch, seconds=0.01).peak_memory_bytes for batch in (1, 4))
    weights = FLOAT_BYTES * cost_of(graph).params
    stem = FLOAT_BYTES * 8 * 32 * 32  # behind its convolution, before its normalisation, which needs as much again
    assert one >= weights + IMAGE_BYTES + 2 * stem
    assert four >= one + 3 * (IMAGE_BYTES + 2 * stem)
    assert four < 4 * one  # the weights are there once


def test_a_compiled_network_is_measured_with_a_cache_of_its_own(compiler, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "mine")
    caches = []

    def compiled(network):
        caches.append(Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]))
        assert caches[-1].is_dir()
        return network

    compiler(compiled)
    measured = [measure(by_hand(), device=CPU, batch=2, compiled=True, seconds=0.01) for _ in range(2)]
    assert [one.form for one in measured] == ["compiled", "compiled"]
    assert len(set(caches)) == 2
    assert not any(cache.exists() for cache in caches)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "mine"


@pytest.mark.slow
def test_the_compiler_changes_nothing_in_the_output():
    network = build_network(features_only(build_graph(minnow()), ["tail0"])).eval()  # all of it takes minutes
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with module._cache_of_its_own(), torch.inference_mode():
        torch.testing.assert_close(module._compile(network, images)(images), network(images), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_machine_without_a_c_compiler_is_said_in_a_sentence(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MeasureError, match=r"^torch.compile failed: .*g\+\+.*; measure without --compile$"):
        measure(by_hand(), device=CPU, batch=2, compiled=True, seconds=0.01)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_measured():
    graph = build_graph(minnow())
    one, four = (measure(graph, device=device_of("cuda"), batch=batch, seconds=0.05) for batch in (1, 4))
    assert one.latency_ms > 0
    assert FLOAT_BYTES * cost_of(graph).params < one.peak_memory_bytes < four.peak_memory_bytes


def test_an_empty_batch_is_refused():
    with pytest.raises(MeasureError, match="batch 0: a pass takes at least 1 image"):
        measure(build_graph(minnow()), device=CPU, batch=0)


def test_a_batch_that_would_fill_the_memory_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(module, "_available_bytes", lambda: 50 * 2**20)
    measure(build_graph(minnow()), device=CPU, batch=2, seconds=0.01)
    with pytest.raises(MeasureError, match="cpu has too little memory for a batch of 1,000 images of 3×32×32; use a"):
        measure(build_graph(minnow()), device=CPU, batch=1000)


@pytest.mark.parametrize(
    "problem", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("[enforce fail] can't allocate memory")]
)
def test_memory_that_runs_out_is_said_in_a_sentence(monkeypatch, problem):
    def fail(*_):
        raise problem

    monkeypatch.setattr(Network, "forward", fail)
    with pytest.raises(MeasureError, match="too little memory for a batch of 2 images"):
        measure(build_graph(minnow()), device=CPU, batch=2)


def test_any_other_failure_of_a_network_is_not_hidden(monkeypatch):
    monkeypatch.setattr(Network, "forward", lambda *_: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        measure(build_graph(minnow()), device=CPU, batch=2)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:one", "cpu:0", "CPU", ""])
def test_a_device_that_is_none_is_refused(name):
    with pytest.raises(MeasureError, match=f"--device {name}: unknown device; use cpu, cuda, or cuda:1"):
        device_of(name)


@pytest.mark.parametrize(
    ("gpus", "name", "sentence"),
    [
        (0, "cuda", "--device cuda: PyTorch sees no GPU here; use cpu"),
        (0, "cuda:1", "--device cuda:1: PyTorch sees no GPU here; use cpu"),
        (2, "cuda:2", "--device cuda:2: the last GPU that PyTorch sees here is cuda:1"),
    ],
)
def test_a_gpu_that_is_not_there_is_refused(monkeypatch, gpus, name, sentence):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(MeasureError, match=sentence):
        device_of(name)


def test_the_command_shows_measured_beside_counted_cost_and_where(call, quick):
    code, out, _ = call("measure", "minnow.yaml", "--device", "cpu", "--batch", 2)
    assert code == 0
    assert "minnow.yaml, image 3×32×32, batch 2, cpu" in out
    assert [line for line in out.splitlines() if line.startswith("│ eager │")]
    assert "compiled" not in out
    cost = cost_of(build_graph(minnow()))
    assert f"counted: {cost.params:,} parameters, {cost.macs:,} MACs for one image" in out
    assert f", threads 1, torch {torch.__version__.partition('+')[0]}, float32\n" in out


@pytest.mark.parametrize(("load", "told"), [(0.2, False), (1.73, True)])
def test_the_command_tells_of_a_machine_that_was_not_idle(call, quick, monkeypatch, load, told):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 9.0, 9.0))
    _, out, _ = call("measure", "minnow.yaml", "--device", "cpu")
    assert ("programs ran here just before (load 1.7)" in out) == told


def test_the_eager_row_is_shown_before_a_compiler_fails_with_exit_code_2(call, quick, compiler):
    def broken(*_):
        raise RuntimeError("backend='inductor' raised:\nInvalidCxxCompiler: no working C++ compiler\n\nSet these")

    compiler(lambda _: broken)
    code, out, err = call("measure", "minnow.yaml", "--device", "cpu", "--compile")
    assert code == 2
    assert "│ eager │" in out
    assert err == (
        "error: torch.compile failed: backend='inductor' raised: InvalidCxxCompiler: no working C++ compiler; "
        "measure without --compile\n"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--device", "tpu"], "--device tpu: unknown device; use cpu, cuda, or cuda:1"),
        (["--image-size", "30"], "image side 30 does not fit this network"),
        (["--batch", "0"], "--batch"),
    ],
)
def test_what_cannot_be_measured_ends_with_exit_code_2(call, words, sentence):
    code, out, err = call("measure", "minnow.yaml", *words)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in out + err
