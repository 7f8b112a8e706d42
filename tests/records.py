"""Small studies made by hand: no network is built or trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fishnet_search.spec.architecture import Stem
from fishnet_search.spec.fish import BodyStage, Bridge, FishSpec, HeadStage, TailStage
from fishnet_search.study.record import (
    DataRecord,
    Environment,
    EpochRecord,
    Failure,
    RefusedRecord,
    StudyRecord,
    TrialRecord,
    VariantRecord,
)
from fishnet_search.train.recipe import Recipe

SPEED = {"images_per_second": 800.0, "waiting": 0.01, "peak_memory_mb": None}
OF_CLASSIFICATION = ("top1", "top5")
"""Figures of its frames, as from `measured`."""

RECIPE = Recipe(epochs=2, batch_size=64)
DATA = DataRecord(
    source="digits",
    fingerprint="5d" * 32,
    class_names=tuple("0123456789"),
    limit=None,
    split="stratified",
    skipped=(),
    mean=(78.0, 78.0, 78.0),
    std=(90.0, 90.0, 90.0),
    image_size=32,
    train_images=1_200,
    validation_images=300,
    test_images=297,
)
ENVIRONMENT = Environment(
    python="3.11.9",
    platform="Linux-6.1-x86_64",
    processor="Example CPU",
    device="cpu",
    threads=2,
    packages={"torch": "2.14.1", "numpy": "2.4.6"},
    git_commit="0123456789abcdef0123456789abcdef01234567",
    git_dirty=True,
)
SPEC = FishSpec(
    image_size=32,
    classes=10,
    stem=Stem(kind="one-conv", width=16),
    tail=(TailStage(depth=1, width=32), TailStage(depth=1, width=64)),
    bridge=Bridge(depth=1, width=64),
    body=(BodyStage(depth=1, width=64), BodyStage(depth=1, width=48)),
    head=(HeadStage(depth=1), HeadStage(depth=1)),
)


def variant(name: str, **fields: Any) -> VariantRecord:
    """A variant; all of them have one spec, and costs of their own only if they are given."""
    return VariantRecord(
        **{
            "name": name,
            "levels": {},
            "spec": SPEC,
            "recipe": RECIPE,
            "identity": "1d" * 32,
            "params": 123_456,
            "macs": 12_345_678,
            "activations": 98_765,
        }
        | fields
    )


def study_of(variants: Sequence[str], seeds: Sequence[int] = (1, 2, 3), **fields: Any) -> StudyRecord:
    """A study whose first variant is the baseline."""
    return StudyRecord(
        **{
            "name": "pooling",
            "description": "Which way of halving the resolution is best?",
            "command": "fishnet-search run spaces/pooling.yaml",
            "base": "fishnet-nano",
            "axes": {"pooling": ("tail.downsample", "head.downsample")},
            "baseline": variants[0],
            "design": "grid",
            "variants": tuple(map(variant, variants)),
            "seeds": tuple(seeds),
            "recipe": RECIPE,
            "data": DATA,
        }
        | fields
    )


def complete(variant: str, seed: int, top1: float, **fields: Any) -> TrialRecord:
    """A complete trial with this test top-1."""
    test = {"loss": 0.1, "top1": top1, "top5": 0.999}
    epochs = tuple(
        EpochRecord(epoch=epoch, learning_rate=0.1, train=test, validation=test, seconds=1.5, **SPEED)
        for epoch in (1, 2)
    )
    return TrialRecord(
        **{
            "trial": f"{variant}-seed{seed}",
            "key": f"key of {variant} with seed {seed}",
            "variant": variant,
            "levels": {},
            "seed": seed,
            "state": "complete",
            "spec": SPEC,
            "recipe": RECIPE,
            "data": DATA,
            "params": 123_456,
            "macs": 12_345_678,
            "activations": 98_765,
            "epochs": epochs,
            "best_epoch": 2,
            "test": test,
            "failure": None,
            "started": "2026-11-21T06:00:00+00:00",
            "wall_seconds": 83.4,
            "environment": ENVIRONMENT,
        }
        | fields
    )


def failed(variant: str, seed: int, message: str = "loss is nan in epoch 1") -> TrialRecord:
    """A trial that ended in its first epoch."""
    failure = Failure(type="TrainingError", message=message, traceback="Traceback (most recent call last): ...")
    nothing = {"epochs": (), "best_epoch": None, "test": None}
    return complete(variant, seed, 0.0).model_copy(update={"state": "failed", "failure": failure, **nothing})


def pruned(variant: str, seed: int, epochs: int = 1) -> TrialRecord:
    """A trial that was stopped early with a validation top-1 of 0.5."""
    low = {"loss": 1.0, "top1": 0.5, "top5": 0.9}
    made = tuple(
        EpochRecord(epoch=epoch, learning_rate=0.1, train=low, validation=low, seconds=1.5, **SPEED)
        for epoch in range(1, epochs + 1)
    )
    return complete(variant, seed, 0.0, state="pruned", epochs=made, best_epoch=1, test=None)


def duplicate(variant: str, of: TrialRecord, study: str = "") -> TrialRecord:
    """A trial that has the figures of an equal one, of this study or another."""
    told = {"trial": f"{variant}-seed{of.seed}", "variant": variant, "state": "duplicate"}
    origin = f"{study}trials/{of.trial}.json"
    return of.model_copy(update={**told, "duplicate_of": origin})


def refused(name: str, rule: str, reason: str = "params 130000 is more than 120000") -> RefusedRecord:
    """A candidate that a rule refused."""
    return RefusedRecord(name=name, levels={}, where=f"spaces/pooling.yaml:14: {rule}", reason=reason)


def trials_of(top1: Mapping[str, Sequence[float]]) -> list[TrialRecord]:
    """Complete trials with seeds 1, 2, … of each variant."""
    return [complete(variant, seed, value) for variant, values in top1.items() for seed, value in enumerate(values, 1)]
