"""How long a study of 10,000 trials of 100 epochs takes to load and to report, on one core.

    python benchmarks/reporting.py

The records are made up, in the format of real ones, and written to a temporary folder: half a gigabyte at a time.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from machine import where

from fishnet_search.cost.ledger import cost_of
from fishnet_search.evidence.plan import planned_trials
from fishnet_search.graph.build import build_graph
from fishnet_search.spec.loading import load_spec, with_fields
from fishnet_search.study.environment import environment
from fishnet_search.study.record import DataRecord, EpochRecord, StudyRecord, TrialRecord, VariantRecord
from fishnet_search.study.store import trial_file, trial_name, write_record
from fishnet_search.train.recipe import Recipe

AXES: Mapping[str, Sequence[Any]] = {
    "tail[0].depth": (1, 2, 3, 4),
    "tail[1].depth": (1, 2, 3, 4),
    "bridge.depth": (1, 2, 3, 4),
    "body[0].depth": (1, 2, 3, 4),
    "head[0].depth": (1, 2, 3, 4),
    "tail.downsample": ("max-2x2", "max-3x3", "avg-2x2", "conv-3x3"),
    "body.kernel": (3, 5),
    "body.transfer": (1, 2, 3),
}
"""Fields of fishnet-nano and their values: 24,576 candidates."""

FINALISTS = 10
EPOCHS = 100

LOAD = """
import time
start = time.perf_counter()
import sys
from pathlib import Path
from fishnet_search import load_study
imported = time.perf_counter()
study = load_study(Path(sys.argv[1]))
rows = len(study.trials), len(study.curves)
loaded = time.perf_counter()
import resource
print(*rows, imported - start, loaded - imported, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

REPORT = """
import time
start = time.perf_counter()
import sys
from fishnet_search import cli
sys.argv[1:] = ["report", "study", "--studies", sys.argv[1], "--reports", sys.argv[1] + "/reports"]
sys.stdout = sys.stderr
try:
    cli.main()
except SystemExit as end:
    assert not end.code
import resource
seconds = time.perf_counter() - start
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.__stdout__)
"""


@dataclass(frozen=True)
class Kind:
    """A way in which a study comes to as many trials."""

    name: str
    design: str
    seeds: int

    def variants(self, trials: int) -> int:
        """Return how many variants make so many trials."""
        if self.design == "random":
            return trials // self.seeds
        return trials - (self.seeds - 1) * (1 + FINALISTS)  # the baseline and the finalists have all seeds


KINDS = (Kind("1,000 variants, 10 seeds each", "random", 10), Kind("a search, 10 finalists with 5 seeds", "tpe", 5))


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trials", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    print(f"| {asked.trials:,} trials of {EPOCHS} epochs | loads in s, median (all) | reports in s | most memory |")
    print("| --- | ---: | ---: | ---: |")
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as home:
            size = _write(kind, asked.trials, Path(home) / "study")
            print(_row(kind, home, asked.rounds), flush=True)
    print()
    print(f"- a record has {size / asked.trials / 1000:.0f} KB")
    for line in where("msgspec", "pandas", "matplotlib"):
        print(f"- {line}")


def _row(kind: Kind, home: str, rounds: int) -> str:
    loads = [_measured(LOAD, f"{home}/study") for _ in range(rounds)]
    reports = [_measured(REPORT, home) for _ in range(rounds)]
    cells = []
    for seconds in ([load[3] for load in loads], [report[0] for report in reports]):
        cells.append(f"{median(seconds):.1f} ({', '.join(f'{one:.1f}' for one in seconds)})")
    most = max(report[1] for report in reports)
    return f"| {kind.name} | {cells[0]} | {cells[1]} | {most:,.0f} MB |"


def _measured(script: str, argument: str) -> list[float]:
    """Run a script in a Python of its own on one core, and return the numbers that it prints."""
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", script, argument],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return [float(word) for word in done.stdout.split()]


def _write(kind: Kind, trials: int, folder: Path) -> int:
    """Write a study, and return the bytes of its trials."""
    rng = np.random.default_rng(0)
    study = _study(kind, kind.variants(trials))
    variants = {variant.name: variant for variant in study.variants}
    good = {name: 0.85 + 0.03 * rng.standard_normal() for name in variants}
    write_record(folder / "study.json", study)
    size = 0
    for name, seed in planned_trials(study):
        trial = _trial(variants[name], seed, study.data, good[name] + 0.005 * rng.standard_normal(), rng)
        path = trial_file(folder, trial.trial)
        path.parent.mkdir(exist_ok=True)
        content = trial.model_dump_json(indent=1).encode() + b"\n"
        path.write_bytes(content)  # `write_record` also waits for the disk
        size += len(content)
    return size


def _study(kind: Kind, count: int) -> StudyRecord:
    drawn = random.Random(0).sample(list(product(*AXES.values())), count)
    recipe = Recipe(epochs=EPOCHS, batch_size=64)
    variants = tuple(_variant(i, dict(zip(AXES, levels, strict=True)), recipe) for i, levels in enumerate(drawn))
    return StudyRecord(
        name="study",
        description="A study that was never run.",
        command="python benchmarks/reporting.py",
        base="fishnet-nano",
        axes={axis: (axis,) for axis in AXES},
        baseline=variants[0].name,
        design=kind.design,
        variants=variants,
        finalists=tuple(variant.name for variant in variants[1 : 1 + FINALISTS]) if kind.design == "tpe" else None,
        seeds=tuple(range(kind.seeds)),
        recipe=recipe,
        data=_DATA,
    )


def _variant(drawn: int, levels: dict[str, Any], recipe: Recipe) -> VariantRecord:
    spec = with_fields(load_spec("fishnet-nano"), levels)
    cost = cost_of(build_graph(spec))
    return VariantRecord(
        name=",".join(f"{axis}={level}" for axis, level in levels.items()),
        levels=levels,
        spec=spec,
        recipe=recipe,
        identity=f"{drawn:064x}",  # not worked out: it takes longer than all the rest
        params=cost.params,
        macs=cost.macs,
        activations=cost.activations,
    )


def _trial(variant: VariantRecord, seed: int, data: DataRecord, top1: float, rng: np.random.Generator) -> TrialRecord:
    validation = top1 * (1 - np.exp(-np.arange(1, EPOCHS + 1) / 12)) + 0.003 * rng.standard_normal(EPOCHS)
    epochs = tuple(_epochs(validation.tolist(), rng))
    best = int(validation.argmax())
    name = trial_name(variant.name, seed)
    return TrialRecord(
        trial=name,
        key=rng.bytes(32).hex(),
        variant=variant.name,
        levels=variant.levels,
        seed=seed,
        state="complete",
        spec=variant.spec,
        recipe=variant.recipe,
        data=data,
        params=variant.params,
        macs=variant.macs,
        activations=variant.activations,
        epochs=epochs,
        best_epoch=best + 1,
        test=epochs[best].validation,
        failure=None,
        precision="float32",
        started="2026-11-21T06:00:00+00:00",
        wall_seconds=sum(epoch.seconds for epoch in epochs),
        environment=environment(torch.device("cpu"), 1),
    )


def _epochs(validation: Sequence[float], rng: np.random.Generator) -> Iterator[EpochRecord]:
    noise = rng.random((len(validation), 4)).tolist()
    for i, (top1, (loss, seconds, rate, waiting)) in enumerate(zip(validation, noise, strict=True)):
        yield EpochRecord(
            epoch=i + 1,
            learning_rate=0.1 * (1 - i / len(validation)),
            train={"loss": loss + 1.2 - top1, "top1": top1 + 0.02, "top5": 0.5 + top1 / 2},
            validation={"loss": loss + 1.4 - top1, "top1": top1, "top5": 0.5 + top1 / 2.1},
            seconds=10 + seconds,
            images_per_second=4000 + 100 * rate,
            waiting=0.01 * waiting,
            peak_memory_mb=None,
        )


_DATA = DataRecord(
    source="digits",
    limit=None,
    split="stratified",
    skipped=(),
    fingerprint="5d" * 32,
    class_names=tuple("0123456789"),
    mean=(78.0, 78.0, 78.0),
    std=(90.0, 90.0, 90.0),
    image_size=32,
    train_images=1077,
    validation_images=360,
    test_images=360,
)


if __name__ == "__main__":
    main()
