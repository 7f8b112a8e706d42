"""A small study of detectors made by hand: nothing is built or trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fishnet_search.study.record import EpochRecord, StudyRecord, TrialRecord
from fishnet_search.task.settings import Detection
from tests.records import SPEED, complete, study_of

WITHOUT_SMALL_OBJECTS = ("deep", 2)
"""Variant and seed of the trial that has no AP of small objects."""


def study_of_detectors(variants: Sequence[str] = ("base", "deep"), seeds: Sequence[int] = (1, 2, 3), **fields: Any):
    """A study whose networks are chosen by AP."""
    return study_of(variants, seeds, **{"task": Detection(), "objectives": ("ap",)} | fields)


def detector(variant: str, seed: int, ap: float, **fields: Any) -> TrialRecord:
    """A complete trial of three epochs, the second of which is the best on validation images."""
    epochs = tuple(
        EpochRecord(
            epoch=i,
            learning_rate=0.02,
            train={"loss": 1.5 / i},
            validation=figures(variant, seed, round(ap - lag, 4)),
            seconds=2.0,
            **SPEED,
        )
        for i, lag in enumerate((0.10, 0.01, 0.03), 1)
    )
    test = figures(variant, seed, ap)
    return complete(
        variant,
        seed,
        ap,
        **{"task": Detection(), "metric": "ap", "epochs": epochs, "best_epoch": 2, "test": test} | fields,
    )


def figures(variant: str, seed: int, ap: float) -> dict[str, float]:
    """An evaluation without a loss, and without small objects where there are none."""
    found = {"ap": ap, "ap50": ap + 0.2, "ap75": ap - 0.05, "ap_small": ap / 2}
    return {name: one for name, one in found.items() if name != "ap_small" or (variant, seed) != WITHOUT_SMALL_OBJECTS}


def detectors(study: StudyRecord) -> list[TrialRecord]:
    """A complete trial of each variant with each seed, the later variants the better."""
    return [
        detector(one.name, seed, round(0.30 + 0.05 * i + 0.002 * seed * (1 + i), 4), macs=one.macs, levels=one.levels)
        for i, one in enumerate(study.variants)
        for seed in study.seeds
    ]
