"""Images a second of training against the plain way (float32, channels first, eager), in one run.

    python benchmarks/training.py [--spec fishnet150] [--batch 8] [--compile]

The plain way is a loop written by hand over tensors that lie ready. Ours is what `fishnet-search train` does, images
cut, mirrored and normalised included, with one switch changed a row.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from statistics import median
from time import perf_counter

import torch
from machine import where
from torch import nn

from fishnet_search import build_graph, build_network, cost_of, load_spec
from fishnet_search.data.images import ImageSet, Part
from fishnet_search.data.pictures import Pictures
from fishnet_search.network.network import Network
from fishnet_search.train.device import choose_device, device_name
from fishnet_search.train.loop import Training
from fishnet_search.train.recipe import Recipe

SWITCHES = {
    "ours, as the device's default is": {},
    "ours, channels first": {"channels_last": False},
    "ours, float32": {"precision": "float32"},
    "ours, bfloat16": {"precision": "bfloat16"},
    "ours, insides of stages computed again": {"checkpointing": True},
    "ours, compiled": {"compile": True},
}


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--spec", default="fishnet150", help="a preset or a YAML file")
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--steps", type=int, default=3, help="of each round")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--compile", action="store_true", help="measure that too: minutes on a CPU")
    asked = options.parse_args()
    for line in _table(asked):
        print(line, flush=True)
    print()
    for line in where("torch"):
        print(f"- {line}")


def _table(asked: argparse.Namespace) -> Iterator[str]:
    device, spec = choose_device(), load_spec(asked.spec)
    graph, side = build_graph(spec), spec.image_size
    images = _drawn(asked.batch * asked.steps, side, spec.classes)
    with ExitStack() as open_trainings:
        ways = {"plain: float32, channels first, eager": _plain(build_network(graph), images, asked.batch, device)}
        for name, switch in SWITCHES.items():
            if asked.compile or "compile" not in switch:
                recipe = Recipe(epochs=asked.rounds + 1, batch_size=asked.batch, crop="resized", flip=True, **switch)
                training = Training(build_network(graph), images, recipe, seed=0, device=device)
                ways[name] = partial(_epoch, open_trainings.enter_context(training))
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(asked.rounds + 1):  # in turn, so that a slow minute of the machine meets all
            for name, way in ways.items():
                rates[name].append(way())
    warm = {name: every[1:] for name, every in rates.items()}  # the first round makes ready
    plain = median(next(iter(warm.values())))
    yield f"{asked.spec} at {side} pixels, batches of {asked.batch}, {device_name(device)}"
    yield ""
    yield "| training | images a second, median (all) | times the plain way | GMACs a second |"
    yield "| --- | ---: | ---: | ---: |"
    for name, every in warm.items():
        told, macs = ", ".join(f"{rate:.3g}" for rate in every), 3e-9 * cost_of(graph).macs * median(every)
        yield f"| {name} | {median(every):.3g} ({told}) | {median(every) / plain:.2f} | {macs:,.0f} |"
    yield ""
    yield f"- {torch.get_num_threads()} threads"


def _drawn(count: int, side: int, classes: int) -> ImageSet:
    """Return noise with labels; what is on images takes no more or less time."""
    noise = torch.Generator().manual_seed(0)
    images_NCHW = torch.randint(256, (count, 3, side, side), generator=noise, dtype=torch.uint8)
    train = Part(Pictures.of(images_NCHW), torch.randint(classes, (count,), generator=noise))
    one = Part(Pictures.of(images_NCHW[:1]), train.labels_N[:1])
    return ImageSet("noise", tuple(map(str, range(classes))), side, train, one, one, fingerprint="")


def _plain(network: Network, images: ImageSet, batch: int, device: torch.device) -> Callable[[], float]:
    network = network.to(device).train()
    optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    loss_of, steps = nn.CrossEntropyLoss(), len(images.train) // batch
    images_NCHW = images.train.images_NCHW[:batch].to(device, torch.float32) / 255 - 0.5
    labels_N = images.train.labels_N[:batch].to(device)

    def images_a_second() -> float:
        start = perf_counter()
        for _ in range(steps):
            optimiser.zero_grad()
            loss = loss_of(network(images_NCHW), labels_N)
            loss.backward()
            optimiser.step()
        loss.item()  # waits for the GPU
        return batch * steps / (perf_counter() - start)

    return images_a_second


def _epoch(training: Training) -> float:
    """Return the images a second of one pass, without its single validation image."""
    return training.next_epoch().images_per_second


if __name__ == "__main__":
    main()
