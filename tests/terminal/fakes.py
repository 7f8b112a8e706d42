"""Records of trials that nobody trained."""

from fishnet_search.spec.loading import load_spec
from fishnet_search.study.record import (
    DataRecord,
    Environment,
    EpochRecord,
    Failure,
    StudyRecord,
    TrialRecord,
    VariantRecord,
)
from fishnet_search.train.recipe import Recipe

SPEC = load_spec("fishnet-nano")
RECIPE = Recipe(epochs=4)
DATA = DataRecord(source="digits", limit=None, split="", skipped=(), fingerprint="0" * 64,
                  class_names=tuple("0123456789"), image_size=32,
                  mean=(1.0, 1.0, 1.0), std=(1.0, 1.0, 1.0), train_images=20, validation_images=20,
                  test_images=20)  # fmt: skip
WHERE = Environment(python="3", platform="x", processor="x", device="cpu", threads=1, packages={},
                    git_commit=None, git_dirty=None)  # fmt: skip


def figures(top1):
    return {"loss": 1.0 - top1, "top1": top1, "top5": 1.0}


def trial(name="max-2x2-seed0", top1s=(), *, state="interrupted", epochs=4, seconds=2.0, **changes):
    """Return a record with these validation figures, the epochs of `seconds` each."""
    best = max(top1s, default=None)
    passes = tuple(
        EpochRecord(
            epoch=i,
            learning_rate=0.1,
            train=figures(top1 / 2),
            validation=figures(top1),
            seconds=seconds,
            images_per_second=10.0,
            waiting=0.0,
            peak_memory_mb=None,
        )
        for i, top1 in enumerate(top1s, 1)
    )
    fields = {
        "trial": name,
        "key": "0" * 64,
        "variant": name.rpartition("-seed")[0],
        "levels": {"downsample": "max-2x2"},
        "seed": 0,
        "state": state,
        "spec": SPEC,
        "recipe": RECIPE.model_copy(update={"epochs": epochs}),
        "data": DATA,
        "params": 1000,
        "macs": 5000,
        "activations": 100,
        "epochs": passes,
        "best_epoch": None if best is None else top1s.index(best) + 1,
        "test": figures(best - 0.1) if state in ("complete", "duplicate") else None,
        "failure": None,
        "started": "2026-11-21T12:00:00+00:00",
        "wall_seconds": seconds * len(top1s),
        "environment": WHERE,
    }
    return TrialRecord(**fields | changes)


def failed(name="max-2x2-seed0", top1s=(), message="epoch 2, step 1: training loss is nan\nmore", **changes):
    failure = Failure(type="TrainingError", message=message, traceback="")
    return trial(name, top1s, state="failed", failure=failure, **changes)


def study(variants=("max-2x2", "avg-2x2"), seeds=(0, 1), **changes):
    rows = tuple(
        VariantRecord(name=name, levels={"downsample": name}, spec=SPEC, recipe=RECIPE, identity="0" * 64,
                      params=1000, macs=5000, activations=100)
        for name in variants
    )  # fmt: skip
    fields = {
        "name": "tiny",
        "description": "",
        "command": "fishnet-search run spaces/tiny.yaml",
        "base": "fishnet-nano",
        "axes": {"downsample": ("tail.downsample",)},
        "baseline": variants[0],
        "design": "grid",
        "variants": rows,
        "seeds": seeds,
        "recipe": RECIPE,
        "data": DATA,
    }
    return StudyRecord(**fields | changes)
