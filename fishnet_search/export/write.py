"""A folder that holds a model in standard formats, each loaded again and compared with the model."""

from __future__ import annotations

import os
import runpy
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from fishnet_search.errors import ExportError
from fishnet_search.evidence.wording import listed
from fishnet_search.export.card import Facts, model_card, write_drawing
from fishnet_search.export.choosing import Chosen
from fishnet_search.export.counting import onnx_cost, program_cost
from fishnet_search.export.folder import CONFIG, WEIGHTS, load_hub, write_hub
from fishnet_search.export.folding import Folds, folded, folds, latency_before_and_after
from fishnet_search.export.model import Model, side_by_side
from fishnet_search.export.onnx_file import load_onnx, write_onnx
from fishnet_search.export.parity import Agreement, compare, compare_found
from fishnet_search.export.programs import load_program, write_program
from fishnet_search.export.source import class_name, python_source
from fishnet_search.graph.graph import Graph, features_only
from fishnet_search.network.measure import Latency
from fishnet_search.network.network import build_network
from fishnet_search.spec.naming import nearest
from fishnet_search.study.environment import environment
from fishnet_search.study.redaction import redacted_command
from fishnet_search.study.store import write_whole
from fishnet_search.task.figures import TaskName
from fishnet_search.task.settings import Detection, Task

Format = Literal["safetensors", "onnx", "pt2", "python", "backbone"]
FORMATS: Final[tuple[Format, ...]] = ("safetensors", "onnx", "pt2", "python", "backbone")

_OF_DETECTORS: Final[tuple[Format, ...]] = ("safetensors", "backbone")
FORMATS_OF: Final[Mapping[TaskName, tuple[Format, ...]]] = {
    "classification": FORMATS,
    "detection": _OF_DETECTORS,
    "instance-segmentation": _OF_DETECTORS,
    "semantic-segmentation": ("safetensors", "onnx", "pt2", "backbone"),
}
"""Plain code is written of a backbone alone, and programs where shapes do not depend on what is found."""

ONNX, PROGRAM, SOURCE = "model.onnx", "model.pt2", "model.py"
CARD = "README.md"
BACKBONE_SOURCE, BACKBONE_WEIGHTS = "backbone.py", "backbone.safetensors"

PARTIAL = ".partial"
"""What the name of a folder ends in that is still being written."""


@dataclass(frozen=True)
class Written:
    """One format: its files, whether it computes what the network does, and what is counted in it."""

    format: Format
    files: tuple[str, ...]
    parity: Agreement
    params: int  # that are counted in it
    macs: int | None = None  # likewise; None where the files hold no computation that could be counted


@dataclass(frozen=True, eq=False)
class Folding:
    """What folding batch norms into the convolutions before them gives on this machine's CPU, for one image.

    It is done to the network of a classifier, and to the backbone of other models.
    """

    folds: Folds
    before: Latency
    after: Latency
    machine: str  # they were measured on, and how
    parity: Agreement
    of_backbone: bool = False


def _to_nobody(doing: str) -> None:
    pass


def write_formats(
    model: Model,
    folder: Path,
    formats: Sequence[str],
    images_NCHW: Tensor,
    *,
    dynamic_size: bool = False,
    taps: Sequence[str] | None = None,
    tell: Callable[[str], object] = _to_nobody,
) -> tuple[Written, ...]:
    """Write a model in several formats, load each of them again, and compare it with the model.

    Args:
        model: what is written.
        folder: where to write; files of these names are replaced, others stay.
        formats: which of `FORMATS_OF` its task; the Python file needs the weights of `safetensors`, which are then
            written too.
        images_NCHW: prepared images to compare on, of shape (N, 3, H, W).
        dynamic_size: have ONNX and the program take images of other sizes as well.
        taps: of the backbone: names of taps or stages; by default all that it has, or that the task's head takes.
        tell: is called with what is being done, such as "writing onnx".

    Raises:
        ExportError: a library is missing, or an exporter fails; what was written before stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [name for name in FORMATS if name in formats or (name == "safetensors" and "python" in formats)]
    found = []
    for name in wanted:
        tell(f"writing {name}")
        _write(name, model, folder, dynamic_size=dynamic_size, taps=taps)
        tell(f"checking {name}")
        found.append(_checked(name, model, folder, images_NCHW, taps))
    return tuple(found)


def write_card(
    chosen: Chosen,
    folder: Path,
    written: Sequence[Written],
    folding: Folding,
    images: str,
    *,
    licence: str | None,
) -> None:
    """Write `README.md`, a model card, and the drawing that it shows.

    Args:
        chosen: what was exported.
        folder: that it was written to.
        written: the formats.
        folding: of batch norms.
        images: what was compared on, such as "16 test images of digits".
        licence: of the weights; None if nothing is said of it.
    """
    of_backbone = ", of the backbone" if folding.of_backbone else ""
    facts = Facts(
        formats=tuple(one.format for one in written),
        files=tuple(file for one in written for file in one.files),
        why=chosen.why,
        licence=licence,
        command=None if chosen.study is None else redacted_command(chosen.study.command),
        effect=chosen.effect,
        images=images,
        parity=tuple(f"{one.parity.sentence()}." for one in written),
        latency=(
            (f"median time of one image on a CPU{of_backbone}", str(folding.before)),
            (f"with {folding.folds} folded into convolutions", str(folding.after)),
            ("measured on", folding.machine),
        ),
    )
    write_drawing(chosen.model, folder)
    write_whole(folder / CARD, model_card(chosen.model, facts).encode())


def fold(model: Model, images_NCHW: Tensor) -> Folding:
    """Fold batch norms into convolutions, compare the outputs, and time one image before and after."""
    network = model.backbone
    other = folded(network)
    before, after = latency_before_and_after(network, other, image_size=model.preparation.image_size)
    here = environment(torch.device("cpu"), torch.get_num_threads())
    machine = f"{here.processor}, {here.threads} thread{'' if here.threads == 1 else 's'}, batch of one, float32"
    if model.task.kind == "classification":
        return Folding(folds(model.graph), before, after, machine, compare("folded", network, other, images_NCHW))
    parity = compare("folded", side_by_side(network), side_by_side(other), images_NCHW)
    return Folding(folds(model.graph), before, after, machine, parity, of_backbone=True)


def default_formats(task: Task) -> tuple[Format, ...]:
    """Return what is written if nothing else is asked for."""
    return ("safetensors", "onnx", "pt2") if "onnx" in FORMATS_OF[task.kind] else FORMATS_OF[task.kind]


def check_options(
    models: Sequence[Model], formats: Sequence[str], *, dynamic_size: bool, taps: Sequence[str] | None
) -> None:
    """Refuse formats that there are not, and options that none of the formats looks at.

    Raises:
        ExportError: there is one.
        SpecError: a network has no such tap.
    """
    for name in formats:
        if name not in FORMATS:
            raise ExportError(f"--format {name}: there is no such format{nearest(name, FORMATS)}")
        for model in models:
            _refuse_format(name, model.task)
    if dynamic_size and not {"onnx", "pt2"} & set(formats):
        raise ExportError("--dynamic-size: is of the formats onnx and pt2; leave it out, or ask for one of them")
    if taps is not None and "backbone" not in formats:
        raise ExportError(f"--tap {taps[0]}: is of the format backbone; leave it out, or add --format backbone")
    for model in models if taps is not None else ():
        features_only(model.graph, taps)


def _refuse_format(name: str, task: Task) -> None:
    known = FORMATS_OF[task.kind]
    if name not in known:
        raise ExportError(
            f"--format {name}: models for {task.kind} are not written so; their formats are {listed(known)}"
        )


@contextmanager
def new_folder(folder: Path, *, force: bool) -> Iterator[Path]:
    """Give a hidden folder to write into, which becomes the one that is asked for when all is done.

    If anything fails, or somebody stops it, it goes away, and what is at its place stays as it was.

    Args:
        folder: to make.
        force: replace files of the same names in it; others stay.

    Raises:
        ExportError: it holds something already and that is not to be replaced, or it cannot be made.
    """
    _refuse(folder, force=force)
    hidden = f".{folder.resolve().name}.{os.getpid()}{PARTIAL}"
    # within a folder that is there: it may be a mount, or the only place here that can be written
    place = (folder if folder.is_dir() else folder.parent) / hidden
    try:
        place.mkdir(parents=True)
    except OSError as problem:
        raise ExportError(
            f"{folder}: cannot be made: {problem.strerror}; name a folder that can be written"
        ) from problem
    try:
        yield place
        _put(place, folder)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _refuse(folder: Path, *, force: bool) -> None:
    try:
        found = [each.name for each in folder.iterdir()] if folder.exists() else []
    except NotADirectoryError as problem:
        raise ExportError(f"{folder}: is a file; name a folder") from problem
    except OSError as problem:
        raise ExportError(f"{folder}: cannot be read: {problem.strerror}; name another folder") from problem
    if not force and not all(name.endswith(PARTIAL) for name in found):
        raise ExportError(f"{folder}: is not empty; name another folder, or replace what was exported by --force")


def _put(place: Path, folder: Path) -> None:
    """Move what was written to where it belongs: as a whole, or file by file into a folder that is there."""
    if not folder.is_dir():
        place.replace(folder)
        return
    for file in sorted(path for path in place.rglob("*") if path.is_file()):
        target = folder / file.relative_to(place)
        target.parent.mkdir(exist_ok=True)
        file.replace(target)


def _write(name: Format, model: Model, folder: Path, *, dynamic_size: bool, taps: Sequence[str] | None) -> None:
    match name:
        case "safetensors":
            write_hub(model, folder)
        case "onnx":
            write_onnx(model, folder / ONNX, dynamic_size=dynamic_size)
        case "pt2":
            write_program(model, folder / PROGRAM, dynamic_size=dynamic_size)
        case "python":
            _write_source(model.graph, folder / SOURCE, model.name)
        case "backbone":
            _write_backbone(model, folder, taps)


def _checked(name: Format, model: Model, folder: Path, images_NCHW: Tensor, taps: Sequence[str] | None) -> Written:
    """Load what was written, compare it with the network, and count it."""
    size = model.preparation.image_size
    network: Callable[[Tensor], Tensor] = model.network
    match name:
        case "safetensors":
            loaded = load_hub(folder).network
            if isinstance(model.task, Detection):
                found = compare_found(name, model.network, loaded, list(images_NCHW))
                return Written(name, (WEIGHTS, CONFIG), found, _params(loaded))
            return Written(name, (WEIGHTS, CONFIG), compare(name, network, loaded, images_NCHW), _params(loaded))
        case "onnx":
            parity = compare(name, network, load_onnx(folder / ONNX), images_NCHW)
            count = onnx_cost(folder / ONNX, image_size=size)
            return Written(name, _files_of_onnx(folder), parity, count.params, count.macs)
        case "pt2":
            parity = compare(name, network, load_program(folder / PROGRAM), images_NCHW)
            count = program_cost(folder / PROGRAM, image_size=size)
            return Written(name, (PROGRAM,), parity, count.params, count.macs)
        case "python":
            module = _module_of(folder / SOURCE, folder / WEIGHTS, model.name)
            return Written(name, (SOURCE, WEIGHTS), compare(name, network, module, images_NCHW), _params(module))
        case "backbone":
            module = _module_of(folder / BACKBONE_SOURCE, folder / BACKBONE_WEIGHTS, _backbone_name(model))
            known, other = side_by_side(_backbone_of(model, taps)), side_by_side(module)
            files = (BACKBONE_SOURCE, BACKBONE_WEIGHTS)
            return Written(name, files, compare(name, known, other, images_NCHW), _params(module))


def _files_of_onnx(folder: Path) -> tuple[str, ...]:
    """Return the file and, where its weights are too large for it, the one beside it."""
    return tuple(name for name in (ONNX, f"{ONNX}.data") if (folder / name).is_file())


def _params(network: nn.Module) -> int:
    return sum(param.numel() for param in network.parameters())


def _write_backbone(model: Model, folder: Path, taps: Sequence[str] | None) -> None:
    """Write a model without its head: what gives the features of several resolutions by name."""
    graph = features_only(model.graph, taps)
    _write_source(graph, folder / BACKBONE_SOURCE, _backbone_name(model))
    tensors = {name: tensor.contiguous() for name, tensor in _backbone_of(model, taps).state_dict().items()}
    write_whole(folder / BACKBONE_WEIGHTS, save(tensors, {"format": "pt"}))


def _backbone_of(model: Model, taps: Sequence[str] | None) -> nn.Module:
    backbone = build_network(features_only(model.graph, taps)).eval()
    known = model.backbone.state_dict()
    backbone.load_state_dict({name: known[name] for name in backbone.state_dict()})
    return backbone


def _backbone_name(model: Model) -> str:
    return f"{model.name}-backbone"


def _write_source(graph: Graph, path: Path, name: str) -> None:
    write_whole(path, python_source(graph, name=name, title=name).encode())


def _module_of(path: Path, weights: Path, name: str) -> Any:
    """Return the network of a Python file that was just written, with its weights, in evaluation mode."""
    network = runpy.run_path(str(path))[class_name(name)]()  # which leaves no __pycache__ beside it
    network.load_state_dict(load_file(weights))
    return network.eval()
