"""What was exported, and what a network sees on images, as tables and sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from fishnet_search.terminal.words import literal

if TYPE_CHECKING:
    from fishnet_search.export.predicting import Prediction
    from fishnet_search.export.write import Folding, Written


def exported(folder: Path, written: Sequence[Written], folding: Folding, images: str) -> Iterator[Table | str]:
    """Yield a row a format, then what folding gives.

    Args:
        folder: that the formats were written to.
        written: the formats.
        folding: of batch norms.
        images: what the formats were compared on, such as "16 test images of digits".
    """
    table = Table(title=literal(f"compared on {images}"), title_justify="left")
    table.add_column("format")
    table.add_column("files", overflow="fold")
    for name in ("MB", "parameters", "MACs", "largest difference", "relative"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in written:
        size = sum((folder / file).stat().st_size for file in one.files) / 1e6
        counts = (f"{one.params:,}", "" if one.macs is None else f"{one.macs:,}")
        differences = (f"{one.parity.largest:.1e}", f"{one.parity.relative:.1e}")
        verdict = literal("agrees") if one.parity.holds else literal("differs", "bold red")
        table.add_row(one.format, ", ".join(one.files), f"{size:.2f}", *counts, *differences, verdict)
    yield table
    yield folded_in_words(folding)


def folded_in_words(folding: Folding) -> str:
    """Say what folding batch norms gives."""
    return (
        f"An image takes {folding.before}, and with {folding.folds} folded into convolutions {folding.after}, on "
        f"{folding.machine}; logits then differ by {folding.parity.relative:.1e} of the largest."
    )


def prediction_table(name: str, predictions: Sequence[Prediction]) -> Table:
    """Return a row an image with its classes, the most probable first."""
    table = Table(title=literal(name), title_justify="left")
    table.add_column("image", overflow="fold")
    table.add_column("classes, the most probable first", overflow="fold")
    for one in predictions:
        told = ", ".join(f"{label} {share:.1%}" for label, share in one.classes or ())
        table.add_row(literal(str(one.path)), literal(told) if told else literal(str(one.problem), "red"))
    return table


def prediction_line(prediction: Prediction) -> str:
    """Return an image's classes as one line of JSON: `image`, then `classes` or `problem`."""
    told: dict[str, object] = {"image": str(prediction.path)}
    if prediction.classes is None:
        return json.dumps(told | {"problem": prediction.problem})
    classes = [{"class": label, "probability": share} for label, share in prediction.classes]
    return json.dumps(told | {"classes": classes}, ensure_ascii=False)
