"""What the specs of all families have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from fishnet_search.spec.naming import nearest
from fishnet_search.spec.stage import Activation, Norm, Style
from fishnet_search.spec.value import Location, Names, Problem, Value, Whole

if TYPE_CHECKING:
    from typing_extensions import Self

StemKind = Literal["three-conv", "conv-7x7", "residual", "one-conv", "strided-conv"]


class Stem(Value):
    """The layers in front of the first stage.

    'three-conv': three 3×3 convolutions, the first of stride 2, then 3×3 max-pooling: output stride 4.
    'conv-7x7': one 7×7 convolution of stride 2, then 3×3 max-pooling: output stride 4.
    'residual': two basic residual blocks, the first of stride 2, then 3×3 max-pooling: output stride 4.
    'one-conv': one 3×3 convolution that keeps the resolution, for images of 32 pixels: output stride 1.
    'strided-conv': one 3×3 convolution of stride 2, for the same images in less time: output stride 2.
    """

    kind: StemKind = Field("three-conv", description="the layers, and with them the stride that leaves the stem")
    width: Whole = Field(64, ge=2, le=65_536, multiple_of=2, description="output channels, a multiple of 2")

    @property
    def stride(self) -> int:
        """Input resolution over output resolution."""
        return {"one-conv": 1, "strided-conv": 2}.get(self.kind, 4)


class Architecture(Value):
    """A network for images. Each family adds its parts."""

    family: str = Field(description="the kind of network")
    image_size: Whole = Field(224, ge=1, le=16_384, description="pixels a side that costs are given for by default")
    classes: Whole = Field(1000, ge=1, le=10_000_000, description="outputs of the classifier")
    activation: Activation = Field("relu", description="of every stage that asks for no other")
    norm: Norm = Field("batch", description="normalisation of every stage that asks for no other")
    stem: Stem = Stem()
    taps: Annotated[dict[str, str], AfterValidator(Names)] = Field(
        default_factory=Names,
        description="name -> stage whose output goes by it when the network is a backbone; by default the last stage "
        "of each resolution, by its own name",
    )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields set otherwise, checked as every spec is."""
        data = {field: getattr(self, field) for field in type(self).model_fields} | dict(update or {})
        return type(self).model_validate(deepcopy(data) if deep else data)

    @cached_property
    def stride(self) -> int:
        """Input resolution over the lowest resolution: sides of an image must be multiples of it."""
        return max(stride for stride, _ in self.stage_outputs.values())

    @cached_property
    def style(self) -> Style:
        """What stands between the convolutions."""
        return Style(self.activation, self.norm)

    @cached_property
    def stage_outputs(self) -> Mapping[str, tuple[int, int]]:
        """Each stage's output stride and channels by its name, in the order of computation."""
        raise NotImplementedError

    @cached_property
    def named_taps(self) -> Mapping[str, str]:
        """The taps, with the default spelled out: the last stage of each resolution."""
        last = {stride: name for name, (stride, _) in self.stage_outputs.items()}
        return dict(self.taps) or {name: name for _, name in sorted(last.items())}

    def identity(self) -> str:
        """Return a hash of the network that is built: equal for equal networks, however they are written.

        The size of the images is no part of it, nor are names, taps and initial weights.
        """
        return str(_further_up("graph.identity", "identity")(self._graph()))

    def _repr_html_(self) -> str:
        return str(_further_up("drawing.pages", "spec_html")(self))

    def _repr_svg_(self) -> str:
        return str(_further_up("drawing.fish", "draw")(self._graph()))

    def _graph(self) -> Any:
        return _further_up("graph.build", "build_graph")(self)


def _further_up(module: str, function: str) -> Any:
    """Return what a spec knows of itself only by way of its graph; imported when it is asked for."""
    return getattr(import_module(f"fishnet_search.{module}"), function)


def refuse(problems: Iterable[Problem]) -> None:
    """Raise all problems at once, for the reader to name with their lines.

    Raises:
        PydanticCustomError: there is a problem.
    """
    if found := tuple(problems):
        text = "; ".join(f"{'.'.join(map(str, where))}: {sentence}" for where, sentence in found)
        raise PydanticCustomError("channels", "{text}", {"text": text, "problems": found})


def shared_problems(spec: Architecture) -> Iterator[Problem]:
    """Yield what is wrong with the image's size and the taps."""
    if spec.image_size % spec.stride:
        low = max(spec.image_size // spec.stride, 1) * spec.stride
        yield (
            ("image_size",),
            f"must be a multiple of {spec.stride}, the stride of this network, but is {spec.image_size}; "
            f"use {low} or {low + spec.stride}",
        )
    names = list(spec.stage_outputs)
    for name, stage in spec.taps.items():
        at: Location = ("taps", name)
        if not name.isidentifier():
            yield at, f"{name!r} cannot name an output; use letters, digits and underscores, and begin with no digit"
        if stage not in names:
            yield at, f"there is no stage {stage!r}{nearest(stage, names)}"
