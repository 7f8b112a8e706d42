"""What the local engine adds to training, as ratios and times of one run.

    python benchmarks/engine.py

First, the toolkit's own time a trial: everything but making ready, training and evaluating the network. Then eight
trials, two at a time, against plain training loops in two processes started by hand, each from its start to its end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import torch
from machine import SMALLEST, where

from fishnet_search.engine.plan import plan_study
from fishnet_search.engine.run import Settings, run_study
from fishnet_search.engine.together import Together
from fishnet_search.train.loop import Training

SPACE = """\
base: {base}
axes: {{rate: {{path: recipe.learning_rate, values: {rates}}}}}
seeds: {seeds}
recipe: {{epochs: {epochs}, batch_size: 64, schedule: cosine}}
"""

TOOLKIT = """
import sys
from pathlib import Path
if __name__ == "__main__":
    from fishnet_search.engine.processes import prepare
    prepare()
    from fishnet_search.engine.plan import plan_study
    from fishnet_search.engine.run import Settings, run_study
    from fishnet_search.engine.together import Together
    folder = Path(sys.argv[1]) / "studies" / sys.argv[2]
    plan = plan_study(Path(sys.argv[1]) / "space.yaml", folder, command="benchmark")
    records = run_study(plan, folder, Together(), Settings(jobs=2))
    assert [record.state for record in records] == ["complete"] * 8
"""

BY_HAND = """
import sys
import torch
from torch.nn.functional import cross_entropy
from fishnet_search import build_graph, build_network, load_spec
from fishnet_search.data.description import Data
from fishnet_search.data.load import load_images

torch.set_num_threads(1)
images = load_images(Data(source="digits"), side=32, square=True)
mean = images.train.images_NCHW.float().mean((0, 2, 3), keepdim=True)
std = images.train.images_NCHW.float().std((0, 2, 3), keepdim=True)

def figures(network, part):
    network.eval()
    with torch.no_grad():
        logits = torch.cat([network((batch.float() - mean) / std) for batch in part.images_NCHW.split(256)])
        return cross_entropy(logits, part.labels_N).item(), (logits.argmax(1) == part.labels_N).float().mean().item()

for rate in map(float, sys.argv[2:]):
    network = build_network(build_graph(load_spec("fishnet-nano")), seed=0).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(network.parameters(), rate, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, int(sys.argv[1]))
    for epoch in range(int(sys.argv[1])):
        network.train()
        for indices in torch.randperm(len(images.train)).split(64):
            logits = network((images.train.images_NCHW[indices].float() - mean) / std)
            loss = cross_entropy(logits, images.train.labels_N[indices])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        figures(network, images.validation)
        schedule.step()
    figures(network, images.test)
"""

RATES = (0.1, 0.05, 0.02, 0.01)


def main() -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trials", type=int, default=40, help="of the first part")
    options.add_argument("--epochs", type=int, default=4, help="of each of the eight trials of the second part")
    options.add_argument("--rounds", type=int, default=3, help="of the second part")
    asked = options.parse_args()
    for line in (*_own_time(asked.trials), "", *_by_hand(asked.epochs, asked.rounds), ""):
        print(line, flush=True)
    for line in where("torch", "optuna"):
        print(f"- {line}")


def _own_time(trials: int) -> Iterator[str]:
    """Run trials of a network that takes no time, in process, and take off what goes into training it all the same."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "base.yaml").write_text(SMALLEST)
        rates = [round(0.001 * (1 + i), 4) for i in range(trials)]
        (Path(home) / "space.yaml").write_text(SPACE.format(base="base.yaml", rates=rates, seeds=1, epochs=2))
        plan = plan_study(Path(home) / "space.yaml", Path(home) / "studies" / "own", command="benchmark", limit=40)
        with _timed(Training, ("__init__", "next_epoch", "outcome")) as training:
            start = time.perf_counter()
            run_study(plan, Path(home) / "studies" / "own", Together(), Settings())
            whole = time.perf_counter() - start
    yield "| local engine, in process | trials | ms a trial |"
    yield "| --- | ---: | ---: |"
    yield f"| all | {trials} | {1000 * whole / trials:.1f} |"
    yield f"| of that making ready, training and evaluating | {trials} | {1000 * sum(training) / trials:.1f} |"
    yield f"| the toolkit's own | {trials} | {1000 * (whole - sum(training)) / trials:.1f} |"


@contextmanager
def _timed(owner: type, methods: Sequence[str]) -> Iterator[list[float]]:
    """Collect how long each call of some methods takes."""
    seconds: list[float] = []

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*arguments, **keywords)
            finally:
                seconds.append(time.perf_counter() - start)

        return call

    with mock.patch.multiple(owner, **{name: timed(getattr(owner, name)) for name in methods}):
        yield seconds


def _by_hand(epochs: int, rounds: int) -> Iterator[str]:
    """Run the same eight trainings both ways, in turn, so that a slow minute of the machine meets both."""
    ours, plain = [], []
    with tempfile.TemporaryDirectory() as home:
        space = SPACE.format(base="fishnet-nano", rates=list(RATES), seeds=2, epochs=epochs)
        (Path(home) / "space.yaml").write_text(space)
        toolkit = Path(home) / "toolkit.py"  # workers import the script that starts them
        toolkit.write_text(TOOLKIT)
        for number in range(rounds):
            ours.append(_seconds([[str(toolkit), home, f"study{number}"]]))
            plain.append(_seconds([["-c", BY_HAND, str(epochs), *map(str, RATES)]] * 2))
    what = f"8 trials of fishnet-nano on digits, {epochs} epochs, two at a time"
    yield f"| {what} | seconds, median (all) | times by hand |"
    yield "| --- | ---: | ---: |"
    for name, seconds in (("plain loops in two processes", plain), ("fishnet-search, --jobs 2", ours)):
        every = ", ".join(f"{one:.1f}" for one in seconds)
        yield f"| {name} | {median(seconds):.1f} ({every}) | {median(seconds) / median(plain):.2f} |"
    yield ""
    ratios = [one / other for one, other in zip(ours, plain, strict=True)]
    yield f"- round by round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}"


def _seconds(commands: Sequence[Sequence[str]]) -> float:
    """Return how long Python takes for commands that start together."""
    start = time.perf_counter()
    processes = [subprocess.Popen([sys.executable, *command]) for command in commands]
    codes = [process.wait() for process in processes]
    if any(codes):
        sys.exit(f"exit codes {codes}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
