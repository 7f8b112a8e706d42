"""Does early stopping find a grid's best variant for a third of its epochs?

    python benchmarks/stopping.py

trains 24 small fish on digits with three seeds, once all to the end and once with `stop: asha`, and prints a Markdown
table in ten minutes. It ends with code 1 if the answer is no.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from machine import where
from scipy import stats

MOST_EPOCHS = 1 / 3
"""Of the grid's."""

BASE = """\
image_size: 8
classes: 10
stem: {kind: one-conv, width: 8}
tail: [{depth: 1, width: 8}]
bridge: {depth: 1, width: 16}
body: [{depth: 1, width: derived}]
head: [{depth: 1}]
"""
"""A fish of one stage a part, which sees a digit at the 8 pixels a side that it has."""

SPACE = """\
base: base.yaml
axes:
  downsample: {path: [tail.downsample, head.downsample], values: [max-2x2, conv-3x3, avg-2x2]}
  width: {path: tail.width, values: [8, 32, 4, 16]}
  stem: {path: stem.width, values: [16, 4]}
seeds: 3
data: digits
recipe: {epochs: 9, batch_size: 32, learning_rate: 0.05, schedule: cosine}
"""


@dataclass(frozen=True)
class Outcome:
    """What a study came to."""

    epochs: int  # trained, over all variants and seeds
    accuracies: Mapping[str, Sequence[float]]  # variant -> validation top-1 of the seeds that were trained to the end

    @property
    def best(self) -> str:
        """The variant of the greatest mean; one that was stopped with any seed comes after all that were not."""
        return max(self.accuracies, key=lambda name: (len(self.accuracies[name]), mean(self.accuracies[name])))


def main() -> None:
    """Run both studies, compare and print."""
    parser = argparse.ArgumentParser(description="Compare early stopping with a whole grid; print a Markdown table.")
    parser.add_argument("--studies", type=Path, help="folder that keeps the studies, which go on if they are there")
    parser.add_argument("--jobs", type=int, default=2, help="trials at a time")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = wanted.studies or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "base.yaml").write_text(BASE)
        grid = _run(folder, "grid", SPACE, wanted.jobs)
        stopped = _run(folder, "asha", f"{SPACE}stop: asha\n", wanted.jobs)
    print("\n".join(_table(grid, stopped)))
    for line in where("torch", "optuna"):
        print(f"- {line}")
    sys.exit(0 if _is_found(grid, stopped) and stopped.epochs <= MOST_EPOCHS * grid.epochs else 1)


def _run(folder: Path, name: str, space: str, jobs: int) -> Outcome:
    (folder / f"{name}.yaml").write_text(space)
    command = [str(Path(sys.executable).with_name("fishnet-search")), "run", f"{name}.yaml", "--jobs", str(jobs)]
    subprocess.run([*command, "--studies", "studies", "--reports", "reports"], cwd=folder, check=True)
    records = [json.loads(file.read_text()) for file in sorted((folder / "studies" / name / "trials").glob("*.json"))]
    accuracies: dict[str, list[float]] = {}
    for record in records:
        if record["state"] == "complete":
            accuracies.setdefault(record["variant"], []).append(_validation(record))
    return Outcome(sum(len(record["epochs"]) for record in records), accuracies)


def _validation(record: Mapping[str, Any]) -> float:
    return float(record["epochs"][record["best_epoch"] - 1]["validation"]["top1"])


def _half_width(accuracies: Sequence[float]) -> float:
    """Return half the width of the 95 % interval over seeds, Student's t."""
    quantile = float(stats.t.ppf(0.975, len(accuracies) - 1))
    return quantile * stdev(accuracies) / math.sqrt(len(accuracies))


def _is_found(grid: Outcome, stopped: Outcome) -> bool:
    """Tell whether the pick, by its figures in the grid, is the grid's best or within the interval of that."""
    best, pick = grid.accuracies[grid.best], grid.accuracies[stopped.best]
    return mean(pick) >= mean(best) - _half_width(best)


def _table(grid: Outcome, stopped: Outcome) -> Sequence[str]:
    best = grid.accuracies[grid.best]
    within = "within" if _is_found(grid, stopped) else "outside"
    return [
        "| | variants with all seeds | epochs | of the grid's | best variant | its top-1 in the grid |",
        "| --- | ---: | ---: | ---: | --- | ---: |",
        *(
            f"| {name} | {sum(len(seeds) == len(best) for seeds in outcome.accuracies.values())} | {outcome.epochs:,} "
            f"| {outcome.epochs / grid.epochs:.1%} | {outcome.best} | {mean(grid.accuracies[outcome.best]):.2%} |"
            for name, outcome in (("grid", grid), ("asha", stopped))
        ),
        "",
        f"- top-1 on validation images, mean over {len(best)} seeds; the best has {mean(best):.2%} "
        f"± {_half_width(best):.2%} (95 % interval), and asha's pick is {within} it",
    ]


if __name__ == "__main__":
    main()
