"""What does a trial cost on the ray engine, beside bare Ray Tune?

    python benchmarks/ray_tune.py

prints two Markdown tables in about five minutes. Nothing is trained on either side. It ends with code 1 if ours costs
more than 1.2 times what Ray Tune does with the search, the journal and the early stopping that ours has.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import optuna
import ray
from machine import SMALLEST, where
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from fishnet_search.engine import ray_tune
from fishnet_search.engine.plan import Plan, plan_study
from fishnet_search.engine.ray import set_up
from fishnet_search.engine.ray_trial import RayTrial
from fishnet_search.engine.run import Settings, run_study
from fishnet_search.study.record import EpochRecord, RefusedRecord, TrialRecord
from fishnet_search.study.training import Steps
from fishnet_search.study.trial import Trial, draft_of

MOST = 1.2
"""Times what Ray Tune takes with Optuna's search, its journal and ASHA, in the first table."""

SPACE = """\
base: base.yaml
axes: {downsample: {path: [tail.downsample, head.downsample], values: [max-2x2]}}
recipe: {epochs: EPOCHS, batch_size: 16, learning_rate: 0.05}
resources: {cpu: 1}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time a trial on the ray engine and on bare Ray Tune; print a table.")
    parser.add_argument("--trials", type=int, default=100, help="in each round")
    parser.add_argument("--epochs", type=int, nargs="+", default=[5, 1], help="that each trial reports, in turn")
    parser.add_argument("--rounds", type=int, default=3, help="of each of the two, in turns")
    wanted = parser.parse_args()
    set_up()
    ray_tune.RayTrial = Untrained  # type: ignore[misc]
    ratios = [_compared(wanted.trials, epochs, wanted.rounds) for epochs in wanted.epochs]
    for line in where("ray", "optuna", "torch"):
        print(f"- {line}")
    sys.exit(ratios[0] > MOST)


def _compared(trials: int, epochs: int, rounds: int) -> float:
    """Print a table, and return how many times what its peer takes the ray engine takes."""
    takes: dict[str, list[float]] = {name: [] for name in _WAYS}
    for _ in range(rounds):
        for name, way in _WAYS.items():
            takes[name].append(way(trials, epochs))
    ours = median(takes[OURS])
    reports = "1 report" if epochs == 1 else f"{epochs} reports"
    print(f"| {trials} trials, {reports} each | ms a trial, median (range) | ray engine / this |")
    print("| --- | ---: | ---: |")
    for name, each in takes.items():
        print(f"| {name} | {median(each):.1f} ({min(each):.1f}–{max(each):.1f}) | {ours / median(each):.2f} |")
    print(flush=True)
    return ours / median(takes[PEER])


class Untrained(RayTrial):  # type: ignore[misc]
    """Goes through the motions of a trial."""

    def reset_config(self, config: dict[str, str]) -> bool:
        """Begin with the next trial."""
        super().reset_config(config)
        self._steps = _motions(self._trial, self._orders.study)
        return True


def _motions(trial: Trial, study: Any) -> Steps:
    figures, draft = {"loss": 1.0, "top1": 0.5, "top5": 0.9}, draft_of(trial, study)
    speed = {"seconds": 0.0, "images_per_second": 0.0, "waiting": 0.0, "peak_memory_mb": None}
    epochs: tuple[EpochRecord, ...] = ()
    yield draft
    for number in range(1, trial.variant.recipe.epochs + 1):
        epochs += (EpochRecord(epoch=number, learning_rate=0.1, train=figures, validation=figures, **speed),)
        yield draft.model_copy(update={"epochs": epochs})
    yield draft.model_copy(update={"state": "complete", "epochs": epochs, "best_epoch": 1, "test": figures})


class Bare(tune.Trainable):
    """The same without a toolkit."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begin with the first trial."""
        self.reset_config(config)

    def reset_config(self, config: dict[str, Any]) -> bool:
        """Begin with the next trial."""
        self.epoch, self.epochs = 0, config["epochs"]
        return True

    def step(self) -> dict[str, Any]:
        """Report an epoch."""
        self.epoch += 1
        return {"loss": 1.0, "top1": 0.5, "done": self.epoch == self.epochs}


def _ours(trials: int, epochs: int) -> float:
    clock = Clock()
    with tempfile.TemporaryDirectory() as home:
        run_study(_plan(Path(home), trials, epochs), Path(home) / "study", clock, Settings(engine="ray"))
    return clock.ms_a_trial


def _plan(home: Path, trials: int, epochs: int) -> Plan:
    (home / "base.yaml").write_text(SMALLEST)
    space = home / "space.yaml"
    space.write_text(SPACE.replace("EPOCHS", str(epochs)))
    return plan_study(space, home / "study", command="benchmark", seeds=trials, limit=20)


def _bare(trials: int, epochs: int) -> float:
    return _tuned({"epochs": epochs, "seed": tune.grid_search(list(range(trials)))}, lambda _: {})


def _with_optuna(trials: int, epochs: int) -> float:
    def asked(home: Path) -> dict[str, Any]:
        storage = JournalStorage(JournalFileBackend(str(home / "journal.log")))
        space = {"epochs": IntDistribution(epochs, epochs), "rate": FloatDistribution(0.0, 1.0)}
        search = OptunaSearch(space, metric="top1", mode="max", sampler=RandomSampler(seed=0), storage=storage)
        return {
            "search_alg": search,
            "scheduler": ASHAScheduler(metric="top1", mode="max", max_t=epochs + 1),
            "num_samples": trials,
        }

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return _tuned({}, asked)


def _tuned(config: dict[str, Any], asked: Callable[[Path], dict[str, Any]]) -> float:
    clock = Clock()
    with tempfile.TemporaryDirectory() as home:
        ray.init("local", log_to_driver=False, logging_level="CRITICAL", include_dashboard=False)
        try:
            tune.run(
                Bare,
                config=config,
                resources_per_trial={"cpu": 1},
                reuse_actors=True,
                callbacks=[Ended(clock)],
                storage_path=home,
                verbose=0,
                **asked(Path(home)),
            )
        finally:
            ray.shutdown()
    return clock.ms_a_trial


class Clock:
    """An observer that notes when trials end."""

    def __init__(self) -> None:
        self.times: list[float] = []

    @property
    def ms_a_trial(self) -> float:
        """From the first one's end, when Ray and its actors have started, to the last one's."""
        return 1000 * (self.times[-1] - self.times[0]) / (len(self.times) - 1)

    def trial_ended(self, record: TrialRecord | None = None) -> None:
        """Note it."""
        self.times.append(time.perf_counter())

    def study_started(self, *, planned: int, done: Iterable[TrialRecord]) -> None:
        """See `Observer`."""

    def plan_changed(self, planned: int) -> None:
        """See `Observer`."""

    def trial_started(self, snapshot: TrialRecord) -> None:
        """See `Observer`."""

    def epoch_ended(self, snapshot: TrialRecord) -> None:
        """See `Observer`."""

    def candidate_refused(self, refusal: RefusedRecord) -> None:
        """See `Observer`."""

    def noticed(self, sentence: str) -> None:
        """See `Observer`."""
        sys.exit(sentence)


class Ended(tune.Callback):
    """Tells a clock of Ray Tune's trials."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """See `tune.Callback`."""
        self._clock.trial_ended()


OURS, PEER = "ray engine", "Ray Tune, OptunaSearch in a journal, ASHA"
_WAYS: Mapping[str, Callable[[int, int], float]] = {
    OURS: _ours,
    PEER: _with_optuna,
    "Ray Tune, a list, nothing kept": _bare,
}


if __name__ == "__main__":
    main()
