"""A folder that holds a network in standard formats, each loaded again and compared with the network."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from fishnet_search.errors import ExportError
from fishnet_search.export.card import Facts, model_card, write_drawing
from fishnet_search.export.choosing import Chosen
from fishnet_search.export.counting import Count, onnx_cost, program_cost
from fishnet_search.export.folder import CONFIG, WEIGHTS, load_hub, write_hub
from fishnet_search.export.folding import Folds, folded, folds, latency_before_and_after
from fishnet_search.export.model import Model
from fishnet_search.export.onnx_file import load_onnx, write_onnx
from fishnet_search.export.parity import Parity, compare
from fishnet_search.export.programs import load_program, write_program
from fishnet_search.export.source import class_name, python_source
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import Graph, features_only
from fishnet_search.network.measure import Measurement
from fishnet_search.network.network import build_network
from fishnet_search.study.redaction import redacted_command
from fishnet_search.study.store import write_whole

Format = Literal["safetensors", "onnx", "pt2", "python", "backbone"]
FORMATS: Final[tuple[Format, ...]] = ("safetensors", "onnx", "pt2", "python", "backbone")
DEFAULT_FORMATS: Final[tuple[Format, ...]] = ("safetensors", "onnx", "pt2")

ONNX, PROGRAM, SOURCE = "model.onnx", "model.pt2", "model.py"
CARD = "README.md"
BACKBONE_SOURCE, BACKBONE_WEIGHTS = "backbone.py", "backbone.safetensors"


@dataclass(frozen=True)
class Written:
    """One format: its files, whether it computes what the network does, and what is counted in it."""

    format: Format
    files: tuple[str, ...]
    parity: Parity
    count: Count | None  # None where the files are no more than the network's own weights


@dataclass(frozen=True, eq=False)
class Folding:
    """What folding batch norms into the convolutions before them gives on this machine's CPU, for one image."""

    folds: Folds
    before: Measurement
    after: Measurement
    parity: Parity


def write_formats(
    model: Model,
    folder: Path,
    formats: Sequence[str],
    images_NCHW: Tensor,
    *,
    dynamic_size: bool = False,
    taps: Sequence[str] | None = None,
) -> tuple[Written, ...]:
    """Write a network in several formats, load each of them again, and compare it with the network.

    Args:
        model: the network.
        folder: where to write; files of these names are replaced, others stay.
        formats: which; the Python file needs the weights of `safetensors`, which are then written too.
        images_NCHW: prepared images to compare on, of shape (N, 3, H, W).
        dynamic_size: have ONNX and the program take images of other sizes as well.
        taps: of the backbone: names of taps or stages; by default all taps of the network.

    Raises:
        ExportError: a library is missing, or an exporter fails; what was written before stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [name for name in FORMATS if name in formats or (name == "safetensors" and "python" in formats)]
    return tuple(_write(name, model, folder, images_NCHW, dynamic_size=dynamic_size, taps=taps) for name in wanted)


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
    before, after = folding.before.latency_ms, folding.after.latency_ms
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
            ("one image on a CPU", f"{before:.2f} ms"),
            (f"with {folding.folds} folded into convolutions", f"{after:.2f} ms"),
        ),
    )
    write_drawing(chosen.model, folder)
    write_whole(folder / CARD, model_card(chosen.model, facts).encode())


def fold(model: Model, images_NCHW: Tensor) -> Folding:
    """Fold batch norms into convolutions, compare the outputs, and time one image before and after."""
    network = model.network
    other = folded(network)
    before, after = latency_before_and_after(network, other, image_size=model.preparation.image_size)
    return Folding(folds(build_graph(model.spec)), before, after, compare("folded", network, other, images_NCHW))


def prepare_folder(folder: Path, *, force: bool) -> None:
    """Make a folder to export to.

    Raises:
        ExportError: it holds something already and that is not to be replaced, or it is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder}: is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ExportError(f"{folder}: is not empty; name another folder, or replace what was exported by --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ExportError(
            f"{folder}: cannot be made: {problem.strerror}; name a folder that can be written"
        ) from problem


def _write(
    name: Format, model: Model, folder: Path, images_NCHW: Tensor, *, dynamic_size: bool, taps: Sequence[str] | None
) -> Written:
    size = model.preparation.image_size
    loaded: Callable[[Tensor], Tensor]
    files: tuple[str, ...]
    count: Count | None = None
    match name:
        case "safetensors":
            write_hub(model, folder)
            loaded, files = load_hub(folder).network, (WEIGHTS, CONFIG)
        case "onnx":
            files = write_onnx(model, folder / ONNX, dynamic_size=dynamic_size)
            loaded = load_onnx(folder / ONNX)
            count = onnx_cost(folder / ONNX, image_size=size)
        case "pt2":
            write_program(model, folder / PROGRAM, dynamic_size=dynamic_size)
            loaded, files = load_program(folder / PROGRAM), (PROGRAM,)
            count = program_cost(folder / PROGRAM, image_size=size)
        case "python":
            _write_source(build_graph(model.spec), folder / SOURCE, model.name)
            loaded, files = _module_of(folder / SOURCE, folder / WEIGHTS, model.name), (SOURCE, WEIGHTS)
        case "backbone":
            return _write_backbone(model, folder, images_NCHW, taps)
    return Written(name, files, compare(name, model.network, loaded, images_NCHW), count)


def _write_backbone(model: Model, folder: Path, images_NCHW: Tensor, taps: Sequence[str] | None) -> Written:
    """Write a network without its classifier, which gives the features of several resolutions by name."""
    graph = features_only(build_graph(model.spec), taps)
    backbone = build_network(graph).eval()
    known = model.network.state_dict()
    backbone.load_state_dict({name: known[name] for name in backbone.state_dict()})
    name = f"{model.name}-backbone"
    _write_source(graph, folder / BACKBONE_SOURCE, name)
    tensors = {name: tensor.contiguous() for name, tensor in backbone.state_dict().items()}
    write_whole(folder / BACKBONE_WEIGHTS, save(tensors, {"format": "pt"}))
    loaded = _module_of(folder / BACKBONE_SOURCE, folder / BACKBONE_WEIGHTS, name)
    parity = compare("backbone", _side_by_side(backbone), _side_by_side(loaded), images_NCHW)
    return Written("backbone", (BACKBONE_SOURCE, BACKBONE_WEIGHTS), parity, None)


def _side_by_side(backbone: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return what gives all features of an image in one row."""

    def run(images_NCHW: Tensor) -> Tensor:
        return torch.cat([features.flatten(1) for features in backbone(images_NCHW).values()], dim=1)

    return run


def _write_source(graph: Graph, path: Path, name: str) -> None:
    write_whole(path, python_source(graph, name=name, title=name).encode())


def _module_of(path: Path, weights: Path, name: str) -> Any:
    """Return the network of a Python file that was just written, with its weights, in evaluation mode."""
    found = importlib.util.spec_from_file_location(f"fishnet_search_exported_{path.stem}", path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    network = getattr(module, class_name(name))()
    network.load_state_dict(load_file(weights))
    return network.eval()
