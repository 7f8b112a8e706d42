"""The fish family as a value: every field of every stage, checked when it is made.

A fish (arXiv 1901.03495, figure 2) goes down like a ResNet (tail), turns (bridge), comes back up (body) and goes down
again (head). Body and head keep every resolution they pass: each of their stages concatenates what the part before
had at the same resolution, sent through transfer blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fishnet_search.spec.value import Value

Location = tuple[str | int, ...]
Problem = tuple[Location, str]
"""Where in the spec, and a sentence: rule, value, what to do."""

Downsample = Literal["max-2x2", "max-3x3", "avg-2x2", "conv-3x3"]

EXPANSION = 4
"""Output channels of a bottleneck over those of its 3×3 convolution."""

SQUEEZE_EXCITATION_REDUCTION = 16

_DOWNSAMPLE_HELP = (
    "how the stage halves its resolution: 'max-2x2', 'max-3x3', 'avg-2x2' pool; 'conv-3x3' is a plain convolution of "
    "stride 2 without bias or normalisation, since the next block begins with one"
)


class Stem(Value):
    """The layers in front of the tail.

    'three-conv': three 3×3 convolutions, the first of stride 2, then 3×3 max-pooling: output stride 4.
    'one-conv': one 3×3 convolution that keeps the resolution, for images of 32 pixels: output stride 1.
    'strided-conv': one 3×3 convolution of stride 2, for the same images in less time: output stride 2.
    """

    kind: Literal["three-conv", "one-conv", "strided-conv"] = "three-conv"
    width: int = Field(64, ge=4, le=65_536, multiple_of=EXPANSION, description="output channels, a multiple of 4")

    @property
    def stride(self) -> int:
        """Input resolution over output resolution."""
        return {"three-conv": 4, "one-conv": 1, "strided-conv": 2}[self.kind]


class Stage(Value):
    """What all stages share: pre-activation bottlenecks in a row."""

    depth: int = Field(ge=1, le=1_000, description="bottleneck blocks in a row")
    width: int = Field(ge=4, le=65_536, multiple_of=EXPANSION, description="output channels, a multiple of 4")
    dilation: int = Field(1, ge=1, le=64, description="of the 3×3 convolution of every block; 1 is an ordinary one")


class TailStage(Stage):
    """Blocks, then half the resolution. Changes of width happen in the first block, by a 1×1 projection shortcut."""

    downsample: Downsample = Field("max-2x2", description=_DOWNSAMPLE_HELP)


class Bridge(Stage):
    """Score layers and blocks at the lowest resolution, scaled by squeeze-and-excitation."""

    width: int = Field(ge=16, le=65_536, multiple_of=EXPANSION, description="output channels, a multiple of 4, >= 16")


class BodyStage(Stage):
    """UR-blocks, then twice the resolution by nearest neighbour, then concatenation with a transferred tail stage.

    The first block reduces the channels by k = entering channels / width, summing groups of k neighbouring channels
    on its shortcut.
    """

    transfer: int = Field(1, ge=0, le=1_000, description="transfer blocks on the tail's features; 0 passes them as is")


class HeadStage(Stage):
    """DR-blocks, then half the resolution, then concatenation with a transferred body stage."""

    width: Annotated[int, Field(ge=4, le=65_536)] | Literal["derived"] = Field(  # type: ignore[assignment]
        "derived",
        description="output channels; 'derived' keeps those that enter, so that the shortcut stays an identity",
    )
    projection: bool = Field(
        False, description="allow a width that differs from the entering one, at the price of a 1×1 convolution"
    )
    transfer: int = Field(1, ge=0, le=1_000, description="transfer blocks on the body's features; 0 passes them as is")
    downsample: Downsample = Field("max-2x2", description=_DOWNSAMPLE_HELP)


class FishSpec(Value):
    """A whole fish. Stages are listed in the order in which the image passes them."""

    family: Literal["fish"] = "fish"
    image_size: int = Field(224, ge=1, le=16_384, description="pixels a side that costs are given for by default")
    classes: int = Field(1000, ge=1, le=10_000_000, description="outputs of the classifier")
    stem: Stem = Stem()
    tail: tuple[TailStage, ...] = Field(min_length=1, max_length=12)
    bridge: Bridge
    body: tuple[BodyStage, ...] = Field(min_length=1, max_length=12)
    head: tuple[HeadStage, ...] = Field(min_length=1, max_length=12)

    @property
    def stride(self) -> int:
        """Input resolution over the lowest resolution: sides of an image must be multiples of it."""
        return int(self.stem.stride * 2 ** len(self.tail))

    @model_validator(mode="after")
    def _channels_must_fit(self) -> FishSpec:
        problems = tuple(_problems(self))
        if problems:
            text = "; ".join(f"{'.'.join(map(str, where))}: {sentence}" for where, sentence in problems)
            raise PydanticCustomError("channels", "{text}", {"text": text, "problems": problems})
        return self


def transfer_widths(spec: FishSpec) -> tuple[int, ...]:
    """Channels that are transferred into each body stage: those of the tail at the same resolution, last first."""
    return (*(stage.width for stage in reversed(spec.tail[:-1])), spec.stem.width)


def body_entering_widths(spec: FishSpec) -> tuple[int, ...]:
    """Channels that enter each body stage, and last those that leave the body."""
    leaving = [stage.width + extra for stage, extra in zip(spec.body, transfer_widths(spec), strict=True)]
    return (spec.bridge.width, *leaving)


def head_widths(spec: FishSpec) -> tuple[int, ...]:
    """Output channels of each head stage's blocks, with 'derived' spelled out."""
    return tuple(width for _, width in _head_flow(spec))


def _head_flow(spec: FishSpec) -> Iterator[tuple[int, int]]:
    """Yield the entering and the chosen width of each head stage."""
    *transferred, entering = body_entering_widths(spec)
    for stage, extra in zip(spec.head, reversed(transferred), strict=True):
        width = entering if stage.width == "derived" else stage.width
        yield entering, width
        entering = width + extra


def _problems(spec: FishSpec) -> Iterator[Problem]:
    """Yield what no single field can tell: stage counts, resolutions and how channels meet."""
    if not len(spec.tail) == len(spec.body) == len(spec.head):
        counts = f"tail {len(spec.tail)}, body {len(spec.body)}, head {len(spec.head)}"
        yield (), f"tail, body and head need the same number of stages, but have {counts}; add or remove stages"
        return
    if spec.image_size % spec.stride:
        low = max(spec.image_size // spec.stride, 1) * spec.stride
        yield (
            ("image_size",),
            f"must be a multiple of {spec.stride}, the stride of this fish, but is {spec.image_size}; "
            f"use {low} or {low + spec.stride}",
        )
    for i, (body_stage, entering) in enumerate(zip(spec.body, body_entering_widths(spec), strict=False)):
        if entering % body_stage.width:
            yield (
                ("body", i, "width"),
                f"{body_stage.width} does not divide the {entering} channels that enter it; "
                f"use {_nearest_divisors(entering, body_stage.width)}",
            )
            return  # what enters the stages behind it follows from this width
    for i, (head_stage, (entering, width)) in enumerate(zip(spec.head, _head_flow(spec), strict=True)):
        at: Location = ("head", i, "width")
        if width % EXPANSION:
            yield at, f"must be a multiple of {EXPANSION}, but is {width}; use {max(width // 4, 1) * 4}"
            return  # what enters the stages behind it follows from this width
        elif width != entering and not head_stage.projection:
            yield (
                at,
                f"{width} differs from the {entering} channels that enter it, which adds a 1×1 convolution to the "
                "shortcut; use 'derived', or set projection: true if that is meant",
            )


def _nearest_divisors(entering: int, width: int) -> str:
    """Name the one or two widths nearest to `width` that divide `entering` and suit a bottleneck."""
    fits = [d for d in range(EXPANSION, entering + 1, EXPANSION) if entering % d == 0]
    below = [d for d in fits if d < width][-1:]
    above = [d for d in fits if d > width][:1]
    nearest = sorted(above + below, key=lambda d: abs(d - width))
    return " or ".join(map(str, nearest)) or "another width before it"
