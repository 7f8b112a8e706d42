"""A folder that holds a model: its weights as `model.safetensors`, and `config.json`, which says what they belong to.

The names in the weights file are those of `build_network`, so that timm, plain PyTorch and the Hub's mixin all read
this one file. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from fishnet_search import __version__
from fishnet_search.errors import ExportError
from fishnet_search.export.model import Model, Preparation
from fishnet_search.spec.families import Spec
from fishnet_search.spec.value import Value
from fishnet_search.study.store import write_whole
from fishnet_search.task.models import build_model
from fishnet_search.task.settings import CLASSIFICATION, Task

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"
_NAMED = 5  # weights in one sentence
_REMEDY = "export the model again"


def _sensible(preparation: Preparation) -> Preparation:
    size, short, longer = preparation.image_size, preparation.short_side, preparation.longer_side
    if longer is None and not 1 <= size <= short:
        raise ValueError(f"image_size must be from 1 to short_side, {short}, but is {size}")
    if longer is not None and not (size >= 1 and 1 <= short <= longer):
        raise ValueError(f"short_side must be from 1 to longer_side, {longer}, but is {short}")
    if not all(map(math.isfinite, preparation.mean)):
        raise ValueError(f"mean must be three finite numbers, but is {preparation.mean}")
    if not all(0 < deviation < math.inf for deviation in preparation.std):
        raise ValueError(f"std must be three numbers above 0, but is {preparation.std}")
    return preparation


Prepared = Annotated[Preparation, AfterValidator(_sensible)]
"""A preparation that is read from a file."""


class Config(Value):
    """All that is known of a model but its weights."""

    format: Literal[1]
    name: str
    spec: Spec
    classes: tuple[str, ...] = Field(description="names in the order of the outputs; none where they are not known")
    preparation: Prepared
    trained: bool = Field(default=True, description="False where the weights are those that training starts from")
    task: Task = CLASSIFICATION
    fishnet_search: str = Field(description="the version that wrote it")

    @model_validator(mode="after")
    def _classes_are_those_of_the_network(self) -> Config:
        if self.classes and len(self.classes) != self.spec.classes:
            raise ValueError(f"there are {len(self.classes):,} names for the network's {self.spec.classes:,} classes")
        return self

    @model_validator(mode="after")
    def _images_are_prepared_for_the_task(self) -> Config:
        if (self.task.kind == "classification") != (self.preparation.longer_side is None):
            raise ValueError(f"longer_side is {self.preparation.longer_side}, which does not fit {self.task.kind}")
        return self


def config_of(model: Model) -> Config:
    """Return what `config.json` says of a model."""
    return Config(
        format=1,
        name=model.name,
        spec=model.spec,
        classes=model.classes,
        preparation=model.preparation,
        trained=model.trained,
        task=model.task,
        fishnet_search=__version__,
    )


def write_hub(model: Model, folder: Path) -> None:
    """Write a model's weights and `config.json` into a folder, which is made if there is none.

    Raises:
        OSError: it cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.network.state_dict().items()}
    # without its format timm and transformers do not take the file
    write_whole(folder / WEIGHTS, to_safetensors(tensors, {"format": "pt"}))
    write_whole(folder / CONFIG, config_of(model).model_dump_json(indent=1).encode() + b"\n")


def load_hub(folder: Path) -> Model:
    """Return the model that a folder holds, in evaluation mode on the CPU, without a record.

    Raises:
        ExportError: a file is missing, damaged or not of fishnet-search, or the weights do not fit the network.
    """
    config = read_config(folder)
    network = build_model(config.spec, config.task, config.spec.classes, seed=0)
    _fill(network, folder / WEIGHTS)
    return Model(
        config.name,
        config.spec,
        network.eval(),
        config.classes,
        config.preparation,
        record=None,
        trained=config.trained,
        task=config.task,
    )


def read_config(folder: Path) -> Config:
    """Return what a folder's `config.json` says.

    Raises:
        ExportError: there is none, or it is damaged or not of this version.
    """
    path = folder / CONFIG
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ExportError(
            f"{path}: cannot be read: {problem.strerror}; name a folder that a model was exported to"
        ) from problem
    try:
        return Config.model_validate_json(content)
    except ValidationError as problem:
        raise ExportError(f"{path}: {_told(problem)}") from problem


def _told(problem: ValidationError) -> str:
    found = problem.errors(include_url=False)
    for one in found:
        if one["loc"] == ("format",) and one["type"] == "missing":
            return "is not of fishnet-search: it has no `format`; name a folder that fishnet-search exported to"
        if one["loc"] == ("format",):
            return f"has the format {one['input']!r} of another version of fishnet-search; load it with that version"
    where = ".".join(map(str, found[0]["loc"]))
    rule = found[0]["msg"].removeprefix("Value error, ")
    return f"is damaged{f' at {where}' if where else ''}: {rule}; {_REMEDY}"


def _fill(network: nn.Module, path: Path) -> None:
    if not path.is_file():
        raise ExportError(f"{path}: no such file, but {CONFIG} stands beside its place; {_REMEDY}")
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as problem:
        raise ExportError(f"{path}: is no whole safetensors file: {problem}; {_REMEDY}") from problem
    own = network.state_dict()
    others = [name for name in sorted(own.keys() | tensors.keys()) if _shape(own, name) != _shape(tensors, name)]
    if others:
        raise ExportError(
            f"{path}: does not fit the network of {CONFIG}: {len(others):,} weights are missing, extra or of another "
            f"shape: {', '.join(others[:_NAMED])}; {_REMEDY}, or put the two files that belong together side by side"
        )
    network.load_state_dict(tensors)


def _shape(tensors: dict[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None
