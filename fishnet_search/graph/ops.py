"""The operators an architecture is made of, as values: what they compute and what shape comes out.

An operator knows neither torch nor its cost: `cost` and `network` each hold a table by operator type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fishnet_search.errors import SpecError


class Shape(NamedTuple):
    """Of one image's features."""

    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.channels}×{self.height}×{self.width}"


@dataclass(frozen=True, slots=True)
class Op:
    """One operator. Those that keep the shape of their first input need nothing more than their name."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape that comes out when `inputs` go in.

        Raises:
            SpecError: the inputs do not fit the operator.
        """
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Conv(Op):
    """A square 2-D convolution, padded so that stride 1 keeps the resolution."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    bias: bool = False

    @property
    def padding(self) -> int:
        """Pixels added on each side."""
        return self.dilation * (self.kernel // 2)

    def output_shape(self, *inputs: Shape) -> Shape:
        """See `Op.output_shape`."""
        (entering,) = inputs
        if entering.channels != self.in_channels:
            raise SpecError(f"a convolution of {self.in_channels} channels cannot take {entering.channels}")
        reach = self.dilation * (self.kernel - 1)
        side = (_windows(n, reach + 1, self.stride, self.padding) for n in entering[1:])
        return Shape(self.out_channels, *side)


@dataclass(frozen=True, slots=True)
class TransposedConv(Op):
    """A square transposed convolution whose windows do not overlap: each pixel becomes stride × stride."""

    in_channels: int
    out_channels: int
    stride: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """See `Op.output_shape`."""
        (entering,) = inputs
        if entering.channels != self.in_channels:
            raise SpecError(f"a transposed convolution of {self.in_channels} channels cannot take {entering.channels}")
        return Shape(self.out_channels, entering.height * self.stride, entering.width * self.stride)


@dataclass(frozen=True, slots=True)
class Linear(Op):
    """A linear layer with bias, on C×1×1 features as C numbers."""

    in_features: int
    out_features: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """See `Op.output_shape`."""
        (entering,) = inputs
        if entering != (self.in_features, 1, 1):
            raise SpecError(f"a linear layer of {self.in_features} numbers cannot take {entering}")
        return Shape(self.out_features, 1, 1)


@dataclass(frozen=True, slots=True)
class BatchNorm(Op):
    """Batch normalisation with scale and shift."""

    channels: int


@dataclass(frozen=True, slots=True)
class GroupNorm(Op):
    """Group normalisation with scale and shift."""

    groups: int
    channels: int


@dataclass(frozen=True, slots=True)
class Activate(Op):
    """An activation function, by its name: 'relu', 'leaky-relu', 'silu', 'gelu', 'hardswish' or 'sigmoid'."""

    function: str


@dataclass(frozen=True, slots=True)
class Pool(Op):
    """Maximum or average over square windows."""

    kernel: int
    stride: int
    padding: int = 0

    def output_shape(self, *inputs: Shape) -> Shape:
        """See `Op.output_shape`."""
        (entering,) = inputs
        side = (_windows(n, self.kernel, self.stride, self.padding) for n in entering[1:])
        return Shape(entering.channels, *side)


@dataclass(frozen=True, slots=True)
class MaxPool(Pool):
    """Maximum over square windows."""


@dataclass(frozen=True, slots=True)
class AvgPool(Pool):
    """Average over square windows."""


@dataclass(frozen=True, slots=True)
class Blur(Op):
    """The fixed 3×3 filter [1 2 1] × [1 2 1] / 16 on each channel in steps of 2, edges mirrored; sides are even.

    Source: "Making convolutional networks shift-invariant again", arXiv 1904.11486, with the 3×3 filter.
    """

    channels: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """See `Op.output_shape`."""
        (entering,) = inputs
        return Shape(entering.channels, _windows(entering.height, 3, 2, 1), _windows(entering.width, 3, 2, 1))


@dataclass(frozen=True, slots=True)
class GlobalAvgPool(Op):
    """Average over all positions."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """See `Op.output_shape`."""
        return Shape(inputs[0].channels, 1, 1)


@dataclass(frozen=True, slots=True)
class Upsample(Op):
    """Interpolate to `factor` times the resolution: 'nearest' or 'bilinear' (pixels as areas, corners not aligned)."""

    mode: str
    factor: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """See `Op.output_shape`."""
        (entering,) = inputs
        return Shape(entering.channels, entering.height * self.factor, entering.width * self.factor)


@dataclass(frozen=True, slots=True)
class SqueezeChannels(Op):
    """Sum groups of k neighbouring channels into one (the channel reduction r(.) of the paper, section 3.1)."""

    k: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """See `Op.output_shape`."""
        (entering,) = inputs
        if entering.channels % self.k:
            raise SpecError(f"{entering.channels} channels cannot be squeezed by {self.k}")
        return Shape(entering.channels // self.k, entering.height, entering.width)


@dataclass(frozen=True, slots=True)
class Add(Op):
    """Sum of two."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """See `Op.output_shape`."""
        return _broadcast("add", *inputs)


@dataclass(frozen=True, slots=True)
class Multiply(Op):
    """Product of two."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """See `Op.output_shape`."""
        return _broadcast("multiply", *inputs)


@dataclass(frozen=True, slots=True)
class Concat(Op):
    """Channels of all inputs, one after the other."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """See `Op.output_shape`."""
        first = inputs[0]
        if any(other[1:] != first[1:] for other in inputs):
            raise SpecError(f"cannot concatenate features of different resolutions: {', '.join(map(str, inputs))}")
        return Shape(sum(shape.channels for shape in inputs), first.height, first.width)


@dataclass(frozen=True, slots=True)
class Flatten(Op):
    """C×1×1 features as C numbers."""


def _windows(side: int, kernel: int, stride: int, padding: int) -> int:
    """Count the places of a window along one side."""
    return (side + 2 * padding - kernel) // stride + 1


def _broadcast(verb: str, a: Shape, b: Shape) -> Shape:
    """Return the common shape of two features, of which one may have a single position for all."""
    if a.channels != b.channels or (a[1:] != b[1:] and (1, 1) not in (a[1:], b[1:])):
        raise SpecError(f"cannot {verb} features of shapes {a} and {b}")
    return max(a, b)
