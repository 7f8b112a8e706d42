"""A trial of every task, trained in a moment on drawn shapes of 48 pixels a side."""

from pathlib import Path

from fishnet_search.engine.plan import plan_study
from fishnet_search.spec.reading import Document
from tests.engine.tiny import run

BASE = """\
image_size: 48
classes: 8
stem: {kind: three-conv, width: 8}
tail: [{depth: 1, width: 8}, {depth: 1, width: 8}]
bridge: {depth: 1, width: 16}
body: [{depth: 1, width: 8}, {depth: 1, width: 8}]
head: [{depth: 1}, {depth: 1}]
"""
HEADS = {"pyramid_channels": 8, "head_channels": 16, "smallest_anchor": 8, "train_boxes": 16, "train_proposals": 50}
HEADS |= {"test_proposals": 20}
TASKS = {
    "detection": {"kind": "detection", **HEADS},
    "instance-segmentation": {"kind": "instance-segmentation", **HEADS, "mask_channels": 8},
    "semantic-segmentation": {"kind": "semantic-segmentation", "head_channels": 8},
}
RECIPES = {
    "detection": "shapes-detection",
    "instance-segmentation": "shapes-instances",
    "semantic-segmentation": "shapes-pixels",
}
LIMIT = 16


def trained_study(kind: str, folder: Path) -> Path:
    """Run a study of one trial in a folder, and return the study's folder."""
    (folder / "base.yaml").write_text(BASE)
    asked = {
        "base": str(folder / "base.yaml"),
        "recipe": {"base": RECIPES[kind], "epochs": 1, "warmup_epochs": 0},
        "task": TASKS[kind],
        "data": "shapes:32",
        "seeds": [0],
    }
    study = folder / kind
    run(plan_study(Document("test", asked, {}), study, command="test", limit=LIMIT), study)
    return study
