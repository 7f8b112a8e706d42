"""A model's card: a README.md as the Hugging Face Hub reads it, of what the records say.

What records, names and commands say is shown as text: it can neither be markup nor leave its place in the front matter.
Paths are not told: of the images only their kind, of the environment versions, processor and threads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from fishnet_search.cost.ledger import ledger_of
from fishnet_search.drawing.fish import draw
from fishnet_search.drawing.formats import picture
from fishnet_search.evidence.wording import counts, listed, percent, seed_count
from fishnet_search.export.card_code import how_to_use
from fishnet_search.export.markdown import code_block, plain, table
from fishnet_search.export.model import Model
from fishnet_search.study.record import DataRecord, Environment, TrialRecord
from fishnet_search.study.store import write_whole
from fishnet_search.task.cost import PartCost, model_cost
from fishnet_search.task.figures import MEANINGS
from fishnet_search.task.levels import levels_of
from fishnet_search.task.settings import Detection, InstanceSegmentation, SemanticSegmentation
from fishnet_search.train.recipe import Recipe

DRAWING: Final = "network.svg"

ALWAYS_TOLD = ("epochs", "batch_size", "optimiser", "learning_rate", "momentum", "weight_decay", "schedule")
"""Fields of the recipe; others are told where they are not the default."""

_ON_THE_HUB = {"cifar10": "uoft-cs/cifar10", "cifar100": "uoft-cs/cifar100", "imagenet": "ILSVRC/imagenet-1k"}
"""Sources whose images the Hub has, and their names there."""

_LICENCES = (
    *("agpl-3.0", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
    *("cc-by-sa-4.0", "cc0-1.0", "gpl-3.0", "lgpl-3.0", "mit", "mpl-2.0", "unlicense"),
)
"""As the Hub names them; it takes others as `other` with a name of their own."""

_MOST_CLASSES = 20
_FAMILIES = {"fish": "FishNet", "resnet": "ResNet", "densenet": "DenseNet"}

_TESTED = "The figures hold for images like those that it was tested on."

_UNTRAINED = """\
The weights are those that training starts from, so what it says of an image means nothing. Its normalisation is \
ImageNet's, by convention."""

_LIMITS = {
    "classification": (
        "It names one of its classes for any image, also for one that shows none of them, and the shares that it gives "
        "are no calibrated probabilities."
    ),
    "detection": "It misses objects, finds some that are not there, and its scores are no calibrated probabilities.",
    "semantic-segmentation": "It gives each pixel one of its classes, also where there is none of them.",
}
_UNKNOWN = """\
Nobody has looked into how it does on other images, or whom it might treat worse; do so before anything depends on \
it."""

_PIPELINES = {
    "classification": "image-classification",
    "detection": "object-detection",
    "instance-segmentation": "image-segmentation",
    "semantic-segmentation": "image-segmentation",
}
"""Tasks as the Hub names them."""

_METRICS = {"classification": ["accuracy"], "semantic-segmentation": ["mean_iou"]}
"""Likewise, where the Hub has them."""


@dataclass(frozen=True, eq=False)
class Facts:
    """What a card tells beside the model and its record."""

    formats: tuple[str, ...]  # that were written beside it: "safetensors", "onnx", "pt2", "python", "backbone"
    files: tuple[str, ...]  # of these formats
    why: str  # it is this network, as a sentence
    licence: str | None  # of the weights
    command: str | None  # that makes it again, without credentials
    effect: Any | None  # the row of its variant, as from `variant_effects`; None if it is in no study
    images: str  # that the formats were compared on, such as "16 test images of digits"
    parity: tuple[str, ...]  # what was found then, in sentences
    latency: tuple[tuple[str, str], ...]  # what was measured, and how long it takes


def model_card(model: Model, facts: Facts) -> str:
    """Return the text of a README.md, in Markdown behind front matter in YAML.

    Args:
        model: what was exported.
        facts: what else is known of it.
    """
    parts = [_front_matter(model, facts), *_what_it_is(model, facts.why), *_cost(model, facts)]
    if model.record is not None:
        parts += [*_results(model.record, facts.effect), *_training(model.record)]
    parts += [
        *how_to_use(model, facts.formats, facts.files),
        *_compared(facts),
        *_origin(model, facts),
        *_terms(model, facts.licence),
    ]
    return "\n\n".join(parts) + "\n"


def write_drawing(model: Model, folder: Path) -> None:
    """Write the drawing that a card shows into its folder.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(folder / DRAWING, picture(draw(model.graph, model.name), "svg"))


def _front_matter(model: Model, facts: Facts) -> str:
    told: dict[str, object] = {}
    pipeline = _PIPELINES[model.task.kind]
    if facts.licence is not None:
        known = facts.licence.lower()
        other = {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", known).strip("-") or "other"}
        told |= {"license": known} if known in _LICENCES else other
    told |= {
        "library_name": "fishnet-search",
        "pipeline_tag": pipeline,
        "tags": ["fishnet-search", pipeline, "pytorch", model.spec.family],
    }
    if model.record is not None:
        kind = _kind(model.record.data)
        told |= {"datasets": [_ON_THE_HUB[kind]]} if kind in _ON_THE_HUB else {}
        told |= {"metrics": _METRICS[model.task.kind]} if model.task.kind in _METRICS else {}
    return f"---\n{yaml.safe_dump(told, sort_keys=False, allow_unicode=True)}---"


def _what_it_is(model: Model, why: str) -> Iterator[str]:
    stages = [f"{part.path} of {part.label}" for part in ledger_of(model.graph).parts]
    yield f"# {plain(model.name)}"
    yield f"{_in_a_sentence(model)}: {listed(stages)}. {plain(why)}"
    yield f"![Drawing of {plain(model.name)}: its stages by resolution]({DRAWING})"
    if model.classes:
        yield f"Classes: {listed([plain(name) for name in model.classes], _MOST_CLASSES)}."


def _in_a_sentence(model: Model) -> str:
    """Say what a model does, and end where its stages are told."""
    spec, task = model.spec, model.task
    family, sides = f"A {_FAMILIES.get(spec.family, spec.family)}", f"{spec.image_size} × {spec.image_size}"
    if isinstance(task, SemanticSegmentation):
        return (
            f"{family} made for images of {sides} pixels, with a head of {task.head_channels:,} channels on its stage "
            f"{model.graph.taps[0][1]} that gives each pixel one of {spec.classes:,} classes; its backbone"
        )
    if isinstance(task, Detection):
        masks = isinstance(task, InstanceSegmentation)
        heads, found = ("Mask R-CNN", "masks") if masks else ("Faster R-CNN", "boxes")
        levels = listed([f"{level.name} of stride {level.stride}" for level in levels_of(model.graph, task)])
        return (
            f"{family} made for images of {sides} pixels, with a feature pyramid of {task.pyramid_channels:,} channels "
            f"and the heads of {heads}, which finds objects of {spec.classes:,} classes by their {found}. The levels "
            f"of the pyramid: {levels}. The backbone"
        )
    return f"{family} that sorts images of {sides} pixels into {spec.classes:,} classes"


def _cost(model: Model, facts: Facts) -> Iterator[str]:
    if model.task.kind != "classification":
        yield from _cost_of_parts(model, facts)
        return
    cost = ledger_of(model.graph).total
    numbers = {
        "parameters": cost.params,
        "multiply-accumulates (MACs) of one image": cost.macs,
        "activations of one image, of convolutions and linear layers": cost.activations,
    }
    rows = [(name, f"{counts([number])[0]} ({number:,})") for name, number in numbers.items()]
    yield "## Cost"
    yield table(("", ""), [*rows, *facts.latency])
    yield "MACs are what the FishNet tables call FLOPs. Counts are exact."


def _cost_of_parts(model: Model, facts: Facts) -> Iterator[str]:
    cost = model_cost(model.spec, model.task, model.spec.classes)
    parts = [*cost.parts, PartCost("all", cost.params, cost.macs)]
    columns = (counts([part.params for part in parts]), counts([part.macs for part in parts]))
    most = ", and of detectors for as many proposals and boxes as there can be" * isinstance(model.task, Detection)
    yield "## Cost"
    yield table(("part", "parameters", "MACs"), list(zip([part.name for part in parts], *columns, strict=True)))
    yield table(("", ""), facts.latency)
    yield (
        f"Multiply-accumulates (MACs) are those of one image of {model.spec.image_size} × {model.spec.image_size} "
        f"pixels{most}. Counts are exact."
    )


def _results(record: TrialRecord, effect: Any | None) -> Iterator[str]:
    yield "## Results"
    found = (
        ("test", record.test, record.data.test_images),
        ("validation", record.best_validation, record.data.validation_images),
    )
    names = [figure for figure in record.task.figures if any(figure in (figures or {}) for _, figures, _ in found)]
    rows = [
        (part, *(percent(figures.get(name, math.nan)) for name in names), f"{images:,}")
        for part, figures, images in found
        if figures is not None
    ]
    heads = [f"{MEANINGS[name].label} in %" for name in names]
    yield table(("images", *heads, "how many"), rows) if rows else "It was not tested."
    if record.best_epoch is not None:
        top5 = " Top-5 counts the best min(5, classes) guesses." if "top5" in names else ""
        yield (
            f"Seed {record.seed}; the weights are those after epoch {record.best_epoch} of {len(record.epochs)}, which "
            f"was chosen on the validation images.{top5}"
        )
    if effect is not None and effect.seeds > 1:
        mean, label = percent(effect.test_metric_mean, effect.test_metric_ci95), MEANINGS[record.metric].label
        yield (
            f"Mean test {label} of this architecture and recipe over {seed_count(effect.seeds)}: {mean} %, with the "
            "95 % Student-t interval over seeds. Compare this with others rather than the one seed above."
        )
    elif effect is not None:
        yield "It was trained with one seed, so how much the figures vary from training to training is not known."


def _training(record: TrialRecord) -> Iterator[str]:
    data, recipe, default = record.data, dict(record.recipe), dict(Recipe())
    told = {name: value for name, value in recipe.items() if name in ALWAYS_TOLD or value != default.get(name)}
    images = (data.train_images, data.validation_images, data.test_images)
    facts = [
        ("source", _kind(data)),
        ("images", "{:,} training, {:,} validation, {:,} test".format(*images)),
        *([("at most", f"{data.limit:,} images of each part")] if data.limit is not None else []),
        *([("split", data.split)] if data.split else []),
        *([("left out", f"{len(data.skipped):,} images that could not be read")] if data.skipped else []),
        ("classes", f"{data.classes:,}"),
        ("fingerprint", data.fingerprint),
    ]
    yield "## Data"
    yield table(("", ""), facts)
    yield "## Training"
    begun = (
        [] if record.backbone is None else [("backbone begins with", f"weights of SHA-256 {record.backbone.sha256}")]
    )
    rows = [(name.replace("_", " "), str(value)) for name, value in told.items()]
    yield table(("", ""), [("task", record.task.kind), *rows, *begun])
    yield "Other settings are the defaults of fishnet-search."


def _compared(facts: Facts) -> Iterator[str]:
    if facts.parity:
        yield f"Each format was loaded again and compared with the network on {plain(facts.images)}:"
        yield "\n".join(f"- {plain(sentence)}" for sentence in facts.parity)


def _origin(model: Model, facts: Facts) -> Iterator[str]:
    if facts.command is None and model.record is None:
        return
    yield "## Where it comes from"
    if facts.command is not None:
        yield code_block(facts.command, "sh")
    if model.record is not None:
        yield table(("", ""), _environment(model.record.environment))


def _environment(environment: Environment) -> list[tuple[str, str]]:
    changed = " with uncommitted changes" if environment.git_dirty else ""
    return [
        *([("git commit", environment.git_commit + changed)] if environment.git_commit else []),
        ("python", environment.python),
        *sorted(environment.packages.items()),
        ("device", environment.device),
        ("processor", environment.processor),
        ("threads", f"{environment.threads:,}"),
    ]


def _terms(model: Model, licence: str | None) -> Iterator[str]:
    yield "## Licence and limits"
    yield "No licence was given for these weights." if licence is None else f"Licence: {plain(licence)}."
    tested = [_TESTED] if model.record is not None else []
    limits = _LIMITS["detection" if isinstance(model.task, Detection) else model.task.kind]
    yield " ".join([*(tested if model.trained else [_UNTRAINED]), limits, _UNKNOWN])


def _kind(data: DataRecord) -> str:
    """Return the kind of images: what stands behind it in a source is a path on somebody's machine."""
    kind = data.source.partition(":")[0]
    return kind if re.fullmatch(r"[a-z0-9-]+", kind) else "images"
