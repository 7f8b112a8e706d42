"""What stages of every family share: a row of residual blocks, each field of which can be set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field

from fishnet_search.spec.value import Location, Problem, Value, Whole

Activation = Literal["relu", "leaky-relu", "silu", "gelu", "hardswish"]
Norm = Literal["batch", "group"]
Downsample = Literal["max-2x2", "max-3x3", "avg-2x2", "conv-3x3", "conv-1x1", "blur"]
Upsample = Literal["nearest", "bilinear", "transposed"]
BlockKind = Literal["preact-bottleneck", "preact-basic", "bottleneck", "basic", "detnet-a", "detnet-b"]
Shortcut = Literal["identity", "projection", "squeeze"]

DERIVED: Literal["derived"] = "derived"
DETNET_DILATION = 2

DOWNSAMPLE_HELP = (
    "how the stage halves its resolution: 'max-2x2', 'max-3x3', 'avg-2x2' pool; 'conv-3x3' and 'conv-1x1' are "
    "convolutions of stride 2 without bias; 'blur' is a fixed binomial 3×3 filter in steps of 2"
)
UPSAMPLE_HELP = (
    "how the stage doubles its resolution: 'nearest' and 'bilinear' interpolate; 'transposed' is a 2×2 transposed "
    "convolution of stride 2 without bias"
)


class Style(NamedTuple):
    """What stands between the convolutions."""

    activation: Activation
    norm: Norm


Width = Annotated[Whole, Field(ge=1, le=65_536)] | Literal["derived"]


def _odd(value: int) -> int:
    if not value % 2:
        raise ValueError("must be odd, so that the output keeps its place")
    return value


Odd = Annotated[Whole, AfterValidator(_odd)]
Dilation = Annotated[Whole, Field(ge=1, le=64)]


class Stage(Value):  # noqa: PLW1641 - pydantic gives frozen models their hash
    """Residual blocks in a row. Only the first can meet other channels than the stage's width."""

    depth: Whole = Field(ge=1, le=1_000, description="blocks in a row")
    width: Width = Field(description="output channels; 'derived' keeps those that enter")
    block: BlockKind = Field(
        "preact-bottleneck",
        description="'preact-bottleneck' (1×1, 3×3, 1×1, each behind norm and activation), 'preact-basic' (two 3×3 "
        "likewise), 'bottleneck' and 'basic' (activation after the sum, as in ResNet); 'detnet-a' is a dilated "
        "'bottleneck', 'detnet-b' the same with a 1×1 projection beside the first block (DetNet, arXiv 1804.06215)",
    )
    kernel: Odd = Field(3, ge=1, le=15, description="side of the blocks' spatial convolutions, an odd number")
    dilation: Dilation | tuple[Dilation, ...] | Literal["derived"] = Field(
        DERIVED,
        description="of the spatial convolutions: a number, or a list with one number a block; 'derived' is 2 in "
        "DetNet's blocks and 1 in others",
    )
    groups: Annotated[Whole, Field(ge=1, le=65_536)] | Literal["derived"] = Field(
        DERIVED,
        description="of a bottleneck's spatial convolution, as in ResNeXt; 'derived' follows from group_width, or is 1",
    )
    group_width: Annotated[Whole, Field(ge=1, le=65_536)] | Literal["derived"] = Field(
        DERIVED, description="channels of a group; with both given the bottleneck has groups × group_width channels"
    )
    expansion: Whole = Field(4, ge=1, le=64, description="channels that leave a bottleneck over those inside it")
    squeeze_excitation: bool = Field(
        False, strict=True, description="scale each block's result by squeeze-and-excitation before the sum"
    )
    shortcut: Shortcut | Literal["derived"] = Field(
        DERIVED,
        description="beside the first block: 'identity', 'projection' (a 1×1 convolution) or 'squeeze' (sums groups of "
        "k neighbouring channels); 'derived' is the identity where it fits and else what the part is known for",
    )
    activation: Activation | Literal["derived"] = Field(DERIVED, description="'derived' is the network's")
    norm: Norm | Literal["derived"] = Field(
        DERIVED, description="'batch', or 'group' with at most 32 groups; 'derived' is the network's"
    )

    def __eq__(self, other: object) -> bool:
        """Compare fields at once: stages are the keys under which graphs are remembered, looked up by the million."""
        return self is other or (type(self) is type(other) and self.__dict__ == other.__dict__)

    @property
    def preact(self) -> bool:
        """Whether a block begins with norm and activation and ends with a bare sum."""
        return self.block.startswith("preact")

    @property
    def basic(self) -> bool:
        """Whether a block is two spatial convolutions without a bottleneck around them."""
        return self.block.endswith("basic")

    @property
    def dilations(self) -> tuple[int, ...]:
        """One a block."""
        if isinstance(self.dilation, tuple):
            return self.dilation
        if self.dilation == DERIVED:
            return (DETNET_DILATION if self.block.startswith("detnet") else 1,) * self.depth
        return (self.dilation,) * self.depth


@dataclass(frozen=True, slots=True)
class Block:
    """A residual block with nothing left to derive."""

    preact: bool
    widths: tuple[int, ...]  # output channels of each convolution: three in a bottleneck, two in a basic block
    kernel: int
    dilation: int
    groups: int
    squeeze_excitation: bool
    shortcut: Shortcut
    style: Style
    stride: int = 1
    stride_first: bool = False  # on the first convolution rather than on the first spatial one


def blocks_of(
    stage: Stage,
    entering: int,
    width: int,
    *,
    change: Shortcut,
    style: Style,
    stride: int = 1,
    stride_first: bool = False,
) -> tuple[Block, ...]:
    """Return a stage's blocks, spelled out.

    Args:
        stage: what is asked for; `stage_problems` has found nothing wrong with it.
        entering: channels that enter the first block.
        width: channels that leave each block.
        change: the first shortcut where the identity does not fit and the stage asks for none.
        style: the network's.
        stride: of the first block.
        stride_first: whether its first convolution takes the stride, rather than its first spatial one.
    """
    shortcut = first_shortcut(stage, entering, width, change, stride)
    middle = middle_width(stage, width)
    first = Block(
        preact=stage.preact,
        widths=(width, width) if stage.basic else (middle, middle, width),
        kernel=stage.kernel,
        dilation=stage.dilations[0],
        groups=1 if stage.basic else groups_of(stage, width),
        squeeze_excitation=stage.squeeze_excitation,
        shortcut=shortcut,
        style=style_of(stage, style),
        stride=stride,
        stride_first=stride_first,
    )
    others = replace(first, shortcut="identity", stride=1, stride_first=False)
    return (first, *(replace(others, dilation=dilation) for dilation in stage.dilations[1:]))


def style_of(stage: Stage, style: Style) -> Style:
    """Return a stage's own style, derived from the network's."""
    return Style(
        style.activation if stage.activation == DERIVED else stage.activation,
        style.norm if stage.norm == DERIVED else stage.norm,
    )


def first_shortcut(stage: Stage, entering: int, width: int, change: Shortcut, stride: int = 1) -> Shortcut:
    """Return what stands beside the first block."""
    if stage.shortcut != DERIVED:
        return stage.shortcut
    if stage.block == "detnet-b":
        return "projection"
    return "identity" if entering == width and stride == 1 else change


def middle_width(stage: Stage, width: int) -> int:
    """Return the channels inside a bottleneck that `width` channels leave."""
    if stage.groups != DERIVED != stage.group_width:
        return stage.groups * stage.group_width
    return width // stage.expansion


def groups_of(stage: Stage, width: int) -> int:
    """Return the groups of the spatial convolution of a bottleneck that `width` channels leave."""
    if stage.groups != DERIVED:
        return stage.groups
    return 1 if stage.group_width == DERIVED else middle_width(stage, width) // stage.group_width


def stage_problems(
    stage: Stage, at: Location, entering: int, width: int, change: Shortcut, *, stride: int = 1
) -> Iterator[Problem]:
    """Yield what no single field can tell of a stage's blocks."""
    yield from own_problems(stage, at, width)
    match first_shortcut(stage, entering, width, change, stride):
        case "squeeze" if stride != 1:
            yield (
                (*at, "shortcut"),
                "is 'squeeze', which keeps the resolution, but the first block halves it; use 'projection', or a "
                "downsample such as 'max-2x2'",
            )
        case "squeeze" if entering % width:
            yield (
                (*at, "width"),
                f"{width} does not divide the {entering} channels that enter it; "
                f"use {_nearest_divisors(stage, entering, width)}",
            )
        case "identity" if entering != width or stride != 1:
            yield (
                (*at, "shortcut"),
                "is 'identity', but "
                + (f"the channels change from {entering} to {width}" if stride == 1 else "the first block is strided")
                + "; use 'projection' or 'derived'",
            )


def own_problems(stage: Stage, at: Location, width: int | None = None) -> Iterator[Problem]:
    """Yield what is wrong with a stage whatever enters it; `width` is its own where it is derived."""
    if len(stage.dilations) != stage.depth:
        yield (
            (*at, "dilation"),
            f"has {len(stage.dilations)} numbers for {stage.depth} blocks; give one a block, or a single number",
        )
    if width is not None or stage.width != DERIVED:
        yield from bottleneck_problems(stage, at, width or int(stage.width), "")


def bottleneck_problems(stage: Stage, at: Location, width: int, where: str) -> Iterator[Problem]:
    """Yield what keeps a stage's bottlenecks from having `width` channels; `where` says which they are."""
    grouped = [field for field in ("groups", "group_width") if getattr(stage, field) != DERIVED]
    if stage.basic:
        if grouped:
            yield (*at, grouped[0]), f"groups belong to bottlenecks, but the block is {stage.block!r}; remove it"
        return
    if len(grouped) == 2:
        return
    if width % stage.expansion:
        low = max(width // stage.expansion, 1) * stage.expansion
        yield (
            (*at, "width"),
            f"must be a multiple of the expansion {stage.expansion}, but is {width}{where}; "
            f"use {low} or {low + stage.expansion}",
        )
        return
    middle = width // stage.expansion
    for field in grouped:
        if middle % getattr(stage, field):
            yield (
                (*at, field),
                f"{getattr(stage, field)} does not divide the {middle} channels inside the bottleneck ({width}{where} "
                f"over the expansion {stage.expansion}); use {_nearest_divisor(middle, getattr(stage, field))}",
            )


def _nearest_divisor(number: int, wanted: int) -> int:
    return min((d for d in range(1, number + 1) if number % d == 0), key=lambda d: abs(d - wanted))


def _nearest_divisors(stage: Stage, entering: int, width: int) -> str:
    """Name the one or two widths nearest to `width` that divide what enters and suit the stage's blocks."""
    step = 1 if stage.basic else stage.expansion
    fits = [d for d in range(step, entering + 1, step) if entering % d == 0]
    below = [d for d in fits if d < width][-1:]
    above = [d for d in fits if d > width][:1]
    nearest = sorted(above + below, key=lambda d: abs(d - width))
    return " or ".join(map(str, nearest)) or "another width before it"
