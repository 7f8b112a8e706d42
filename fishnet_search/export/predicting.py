"""Loading a model from a trial's weights or any exported form of it, and what classifiers take images for."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from pydantic import BaseModel
from torch import Tensor

from fishnet_search.data.folders import EXTENSIONS, is_image
from fishnet_search.data.modes import read_image
from fishnet_search.data.pictures import Pictures
from fishnet_search.errors import BrokenImage, DataError, ExportError
from fishnet_search.export.folder import CONFIG, WEIGHTS, Prepared, load_hub, read_config
from fishnet_search.export.model import Model, Preparation, model_of
from fishnet_search.spec.loading import preset_names
from fishnet_search.study.evaluating import SAFETENSORS, trained
from fishnet_search.task.settings import CLASSIFICATION, Task
from fishnet_search.train.cropping import central_boxes, cut

ONNX: Final = ".onnx"
PROGRAM: Final = ".pt2"

_STUDIES = Path("studies")
"""Where names of studies are looked up, to say what to do with one."""

Logits = Callable[[Tensor], Tensor]
"""Takes normalised images (N, 3, H, W), float32, and returns (N, classes)."""

Guesses = tuple[tuple[str, float], ...]
"""Classes by name, or by number where there are no names, with their probabilities, the best first."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A classifier that can be asked, whatever form it was kept in."""

    name: str
    classes: tuple[str, ...]  # names, in the order of the outputs; none where they are not known
    preparation: Preparation
    logits: Logits
    trained: bool = True  # or its weights are those that training starts from


@dataclass(frozen=True)
class Prediction:
    """What a model takes an image for, or why it could not be asked."""

    path: Path
    classes: Guesses | None
    problem: str | None  # a sentence, where there are no classes


class ImageFiles(NamedTuple):
    """Files that are taken for images, and how many others lie in the same folders."""

    files: tuple[Path, ...]
    others: int


class _Facts(BaseModel):
    """What the metadata of an ONNX file says."""

    name: str
    classes: tuple[str, ...]
    preparation: Prepared
    trained: bool = True
    task: Task = CLASSIFICATION


def load_model(path: Path) -> Loaded | Model:
    """Return the classifier that a path leads to, or the model for another task.

    Such models are asked by `export.finding`. They are loaded from weights alone, since programs and ONNX files take
    images of a size of their own.

    Programs (.pt2) of strangers are better left alone: PyTorch's loader evaluates expressions that stand in them.

    Args:
        path: of a trial's weights, `TRIAL.safetensors` with its record beside it; of an exported folder; or of one file
            of it: `model.safetensors` or a program (.pt2), with `config.json` beside it, or an ONNX file (.onnx).

    Raises:
        ExportError: there is no model, or it is damaged or not of fishnet-search, or a library is missing.
        StudyError: the record of a trial is damaged.
        WeightsError: the weights of a trial are.
    """
    if path.is_dir():
        return _from_folder(path)
    if not path.is_file():
        raise ExportError(_missing(path))
    if path.suffix not in _LOADERS:
        raise ExportError(
            f"{path}: is no model by its name; name a file that ends in one of {', '.join(_LOADERS)}, or a folder "
            "that a model was exported to"
        )
    return _LOADERS[path.suffix](path)


def image_files(paths: Iterable[Path]) -> ImageFiles:
    """Return the files that are named, and the images of the folders that are, sorted, those of inner folders too.

    What is named itself may have any ending. In folders, names that begin with a dot are left out, and not counted.

    Raises:
        DataError: something is missing, or a folder has no images or cannot be read.
    """
    found = [_files_of(path) for path in paths]
    files = dict.fromkeys(file for each in found for file in each.files)
    return ImageFiles(tuple(files), sum(each.others for each in found))


def predict(loaded: Loaded, images: Iterable[Path], *, top: int = 5, batch: int = 32) -> Iterator[Prediction]:
    """Yield what a model takes images for, in their order.

    They are decoded, resized, cut and normalised as `evaluate` does it; an image that is broken stops no other.

    Args:
        loaded: from `load_model`.
        images: files.
        top: classes that are given of each, at most.
        batch: images that go through the network at once.
    """
    rest = iter(images)
    while paths := tuple(islice(rest, batch)):
        yield from _predicted(loaded, paths, top)


def prepared(path: Path, preparation: Preparation) -> Tensor:
    """Return what is seen of an image, uint8 (3, image_size, image_size).

    Raises:
        BrokenImage: it cannot be decoded.
        DataError: the file cannot be read.
    """
    _, image = read_image(str(path))
    sides = (preparation.short_side, preparation.short_side)
    # the square in the middle, as data/decoding.py has it where nothing beside it is looked at
    square = ImageOps.fit(image, sides, Image.Resampling.BILINEAR)
    pictures = Pictures.of(torch.from_numpy(np.array(square).transpose(2, 0, 1))[None])
    size, first = preparation.image_size, torch.zeros(1, dtype=torch.int64)
    boxes_N4 = central_boxes(pictures.sides_N2, size)
    return cut(pictures, first, boxes_N4, torch.zeros(1, dtype=torch.bool), size)[0]


def _predicted(loaded: Loaded, paths: tuple[Path, ...], top: int) -> Iterator[Prediction]:
    seen = [_seen(path, loaded.preparation) for path in paths]
    images = [image for image in seen if isinstance(image, Tensor)]
    guesses = iter(_guesses(loaded, torch.stack(images), top) if images else ())
    for path, image in zip(paths, seen, strict=True):
        if isinstance(image, Tensor):
            classes = next(guesses)
            yield Prediction(path, classes, None if classes else "the model's outputs for it are no finite numbers")
        else:
            yield Prediction(path, None, image)


def _seen(path: Path, preparation: Preparation) -> Tensor | str:
    """Return an image, or what is wrong with it."""
    try:
        return prepared(path, preparation)
    except BrokenImage as problem:
        return problem.problem
    except DataError as problem:
        return str(problem).removeprefix(f"{path}: ")


@torch.inference_mode()
def _guesses(loaded: Loaded, images_NCHW: Tensor, top: int) -> list[Guesses | None]:
    """Return the best classes of each image; None where the model's outputs are no finite numbers."""
    preparation = loaded.preparation
    shares_NK = loaded.logits(preparation.normalisation(images_NCHW)).float().softmax(1)
    best_NT, numbers_NT = shares_NK.topk(min(top, shares_NK.shape[1]))
    names = loaded.classes or tuple(map(str, range(shares_NK.shape[1])))
    named = zip(best_NT.tolist(), numbers_NT.tolist(), strict=True)
    return [
        tuple((names[number], share) for share, number in zip(best, numbers, strict=True))
        if np.isfinite(best).all()
        else None
        for best, numbers in named
    ]


def _files_of(path: Path) -> ImageFiles:
    if path.is_file():
        return ImageFiles((path,), 0)
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder; check the path")
    found, others = [], 0
    for inner, folders, names in os.walk(path, onerror=_refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        images = [Path(inner, name) for name in names if is_image(name)]
        found += images
        others += sum(not name.startswith(".") for name in names) - len(images)
    if not found:
        raise DataError(f"{path}: has no images; an image ends in one of {', '.join(EXTENSIONS)}")
    return ImageFiles(tuple(sorted(found)), others)


def _refuse(problem: OSError) -> None:
    raise DataError(f"{problem.filename}: cannot be read: {problem.strerror}; check the folder's rights") from problem


def _missing(path: Path) -> str:
    """Say that there is no such model; names of studies and presets are the likeliest in its place."""
    name, study = str(path), _STUDIES / path
    kind = "study" if (study / "study.json").is_file() else "preset" if name in preset_names() else None
    if kind is None:
        return f"{path}: no such file or folder; check the path"
    return f"{path}: is a {kind}; export it first: fishnet-search export {name} --to DIR"


def _from_folder(folder: Path) -> Loaded | Model:
    """Return the model of an exported folder: the form that was trained before those that were made of it."""
    if (folder / "study.json").is_file():
        raise ExportError(
            f"{folder}: is a study; export it first: fishnet-search export {shlex.quote(str(folder))} --to DIR; or "
            f"name the weights of one of its trials, trials/TRIAL{SAFETENSORS}"
        )
    described = (folder / CONFIG).is_file()
    if described and (folder / WEIGHTS).is_file():
        return _from_weights(folder / WEIGHTS)
    for kind in (ONNX, PROGRAM) if described else (ONNX,):
        found = sorted(folder.glob(f"*{kind}"))
        if len(found) > 1:
            raise ExportError(f"{folder}: has {len(found):,} models that end in {kind}; name one of them")
        if found:
            return _LOADERS[kind](found[0])
    inner = sorted({file.parent.name for kind in (CONFIG, f"*{ONNX}") for file in folder.glob(f"*/{kind}")})
    if inner:
        raise ExportError(f"{folder}: holds other folders with models; name one of them: {', '.join(inner)}")
    raise ExportError(
        f"{folder}: has neither {WEIGHTS} nor a file that ends in {PROGRAM} beside {CONFIG}, nor one that ends in "
        f"{ONNX}; name a folder that a model was exported to"
    )


def _from_weights(path: Path) -> Loaded | Model:
    model = _model_of(path)
    model.network.eval().to(memory_format=torch.channels_last)  # as it was tested
    if model.task.kind != "classification":
        return model
    return Loaded(model.name, model.classes, model.preparation, model.network, model.trained)


def _model_of(path: Path) -> Model:
    if path.with_suffix(".json").is_file():
        known = trained(path, None, None)
        if known.record is not None:
            return model_of(known.record.trial, known)
    if path.name == WEIGHTS and (path.parent / CONFIG).is_file():
        return load_hub(path.parent)
    raise ExportError(
        f"{path}: nothing beside it says of which network it is; a trial's weights stand beside their record "
        f"{path.stem}.json, and exported ones, {WEIGHTS}, beside {CONFIG}"
    )


def _from_program(path: Path) -> Loaded:
    from fishnet_search.export.programs import load_program

    config = read_config(path.parent)
    _refuse_other_task(path, config.task)
    return Loaded(config.name, config.classes, config.preparation, load_program(path), config.trained)


def _from_onnx(path: Path) -> Loaded:
    from fishnet_search.export.onnx_file import load_onnx, onnx_facts

    logits = load_onnx(path)
    try:
        facts = _Facts.model_validate(onnx_facts(path))
    except ValueError as problem:  # pydantic's and json's errors are of this kind
        raise ExportError(
            f"{path}: its metadata does not say what it is called, its classes and how images are prepared for it, as "
            "fishnet-search writes them; export the model with fishnet-search"
        ) from problem
    _refuse_other_task(path, facts.task)
    return Loaded(facts.name, facts.classes, facts.preparation, logits, facts.trained)


def _refuse_other_task(path: Path, task: Task) -> None:
    if task.kind != "classification":
        raise ExportError(
            f"{path}: is for {task.kind} and takes images of sizes of its own; name {WEIGHTS} of its export "
            f"(--format safetensors), which takes all images"
        )


_LOADERS: dict[str, Callable[[Path], Loaded | Model]] = {
    SAFETENSORS: _from_weights,
    ONNX: _from_onnx,
    PROGRAM: _from_program,
}
