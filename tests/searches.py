"""Small searches and grids made by hand: twelve candidates or so, with curves that end in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fishnet_search.study.record import EpochRecord, StudyRecord, TrialRecord, VariantRecord
from fishnet_search.train.recipe import Recipe
from tests.records import SPEED, complete, study_of, variant

RECIPE = Recipe(epochs=4, batch_size=64)


def trial(one: VariantRecord, seed: int, curve: Sequence[float], minute: int = 0, **fields: Any) -> TrialRecord:
    """A trial with this validation top-1 after each epoch, the best of which is also that on test images."""
    epochs = tuple(
        EpochRecord(epoch=i, learning_rate=0.1, train=each, validation=each, seconds=1.0, **SPEED)
        for i, each in enumerate(({"loss": 1.0, "top1": top1, "top5": 1.0} for top1 in curve), 1)
    )
    best = list(curve).index(max(curve)) + 1
    told = {"recipe": RECIPE, "macs": one.macs, "levels": one.levels, "epochs": epochs, "best_epoch": best}
    started = f"2026-11-21T06:{minute:02}:00+00:00"
    return complete(one.name, seed, max(curve), **told, started=started, **fields)


def stopped(one: VariantRecord, seed: int, curve: Sequence[float], minute: int) -> TrialRecord:
    """A trial that was stopped early after these epochs."""
    return trial(one, seed, curve, minute, state="pruned").model_copy(update={"test": None})


def space(n: int = 12, **fields: Any) -> StudyRecord:
    """Variants with two axes, the deeper the dearer: twelve are all combinations of six depths and two pools."""
    variants = tuple(
        variant(f"v{i}", levels={"depth": i // 2, "pool": "ab"[i % 2]}, macs=1_000_000 * (1 + i // 2), recipe=RECIPE)
        for i in range(n)
    )
    told = {
        "design": "tpe",
        "recipe": RECIPE,
        "axes": {"depth": ("body.depth",), "pool": ("tail.downsample",)},
        **fields,
    }
    return study_of(["v0"], **told).model_copy(update={"variants": variants})


def curve_of(i: int) -> list[float]:
    """Validation top-1 over four epochs: it ends at 0.80, 0.81, ..., in the order of the variants from the first on."""
    return [round(0.80 + 0.01 * i - lag, 3) for lag in (0.3, 0.2, 0.1, 0.0)]


def whole(study: StudyRecord, seeds: Sequence[int] = (1,)) -> list[TrialRecord]:
    """A complete trial of each variant with each seed."""
    return [trial(one, seed, curve_of(i), i) for seed in seeds for i, one in enumerate(study.variants)]
