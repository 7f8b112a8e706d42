"""What was exported, and what a network sees on images, as tables and sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from fishnet_search.export.model import Model
    from fishnet_search.export.predicting import Prediction
    from fishnet_search.export.write import Folding, Written


def exported(
    model: Model, folder: Path, written: Sequence[Written], folding: Folding, images: str
) -> Iterator[Table | str]:
    """Yield a row a format, then what folding gives, and where it all lies.

    Args:
        model: that was exported.
        folder: that it was written to.
        written: the formats.
        folding: of batch norms.
        images: what the formats were compared on, such as "16 test images of digits".
    """
    table = Table(title=f"compared on {images}", title_justify="left")
    table.add_column("format")
    table.add_column("files", overflow="fold")
    for name in ("MB", "parameters", "MACs", "largest difference", "relative"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in written:
        size = sum((folder / file).stat().st_size for file in one.files) / 1e6
        count = ("", "") if one.count is None else (f"{one.count.params:,}", f"{one.count.macs:,}")
        differences = (f"{one.parity.largest:.1e}", f"{one.parity.relative:.1e}")
        verdict = "agrees" if one.parity.holds else "[bold red]differs[/]"
        table.add_row(one.format, ", ".join(one.files), f"{size:.2f}", *count, *differences, verdict)
    yield table
    yield folded_in_words(folding)
    yield f"model card: {escape(str(folder / 'README.md'))}"


def folded_in_words(folding: Folding) -> str:
    """Say what folding batch norms gives."""
    before, after = folding.before.latency_ms, folding.after.latency_ms
    return (
        f"With {folding.folds} folded into convolutions, an image takes {after:.2f} ms in place of {before:.2f} ms "
        f"(median on this CPU), and logits differ by {folding.parity.relative:.1e} of the largest."
    )


def prediction_table(name: str, predictions: Sequence[Prediction]) -> Table:
    """Return a row an image with its classes, the most probable first."""
    table = Table(title=escape(name), title_justify="left")
    table.add_column("image", overflow="fold")
    table.add_column("classes, the most probable first", overflow="fold")
    for one in predictions:
        told = ", ".join(f"{escape(label)} {share:.1%}" for label, share in one.classes or ())
        table.add_row(escape(str(one.path)), told or f"[red]{escape(str(one.problem))}[/]")
    return table


def prediction_line(prediction: Prediction) -> str:
    """Return an image's classes as one line of JSON: `image`, then `classes` or `problem`."""
    told: dict[str, object] = {"image": str(prediction.path)}
    if prediction.classes is None:
        return json.dumps(told | {"problem": prediction.problem})
    classes = [{"class": label, "probability": share} for label, share in prediction.classes]
    return json.dumps(told | {"classes": classes}, ensure_ascii=False)
