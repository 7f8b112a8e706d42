"""What was exported, and what a network sees on images, as tables and sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fishnet_search.export.finding import InImage, Unread, shares
from fishnet_search.task.findings import SeenObject
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
    who, what = ("An image takes the backbone", "features") if folding.of_backbone else ("An image takes", "logits")
    return (
        f"{who} {folding.before}, and with {folding.folds} folded into convolutions {folding.after}, on "
        f"{folding.machine}; {what} then differ by {folding.parity.relative:.1e} of the largest."
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


def found_rows(found: InImage | Unread, classes: Sequence[str], least_score: float) -> list[tuple[Text | str, ...]]:
    """Return the rows of `found_table` on an image: one an object, or one with the share of each class.

    Args:
        found: in the image.
        classes: by their numbers.
        least_score: of the objects that are told.
    """
    image = literal(str(found.path))
    if isinstance(found, Unread):
        return [(image, literal(found.problem, "red"))]
    if found.map_HW is not None:
        told = (f"{label} {share:.1%}" for label, share in shares(found.map_HW, classes).items())
        return [(image, literal(", ".join(told)))]
    rows = [
        (image, literal(classes[one.label]), f"{one.score:.2f}", ", ".join(f"{side:.0f}" for side in one.box))
        for one in found.objects or ()
    ]
    return list(rows) or [(image, f"nothing with a score of {least_score:g} or more")]


def found_table(name: str, rows: Iterable[Sequence[Text | str]], *, maps: bool) -> Table:
    """Return what a model of this name finds, objects or maps, in a row each."""
    table = Table(title=literal(name), title_justify="left")
    for head in ("image", "share of each class") if maps else ("image", "class", "score", "box: x1, y1, x2, y2"):
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def found_line(found: InImage | Unread, classes: Sequence[str]) -> str:
    """Return what was found in an image as one line of JSON: `image`, then what is known of it, or `problem`.

    Pixels are those of the image when it is upright; masks are COCO's run lengths.
    """
    told: dict[str, object] = {"image": str(found.path)}
    if isinstance(found, Unread):
        return json.dumps(told | {"problem": found.problem})
    height, width = found.sides
    told |= {"height": height, "width": width}
    if found.map_HW is not None:
        told["classes"] = [{"class": name, "share": share} for name, share in shares(found.map_HW, classes).items()]
    else:
        told["objects"] = [_object(one, found.sides, classes) for one in found.objects or ()]
    return json.dumps(told, ensure_ascii=False)


def _object(one: SeenObject, sides: tuple[int, int], classes: Sequence[str]) -> dict[str, object]:
    box = [round(side, 2) for side in one.box]
    told: dict[str, object] = {"class": classes[one.label], "score": round(one.score or 0.0, 4), "box": box}
    return told if one.mask is None else told | {"mask": {"size": sides, "counts": one.mask}}


def prediction_line(prediction: Prediction) -> str:
    """Return an image's classes as one line of JSON: `image`, then `classes` or `problem`."""
    told: dict[str, object] = {"image": str(prediction.path)}
    if prediction.classes is None:
        return json.dumps(told | {"problem": prediction.problem})
    classes = [{"class": label, "probability": share} for label, share in prediction.classes]
    return json.dumps(told | {"classes": classes}, ensure_ascii=False)
