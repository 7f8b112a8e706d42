"""How each operator is written in plain PyTorch: as a module that is made once, or as a function in `forward`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from fishnet_search.export.source_text import Call, Expression
from fishnet_search.graph import ops
from fishnet_search.graph.blocks import LEAST_CHANNELS_A_NORM_GROUP, MOST_NORM_GROUPS

Told = Callable[[str], str]
"""How a field of an operator is written: a number, or an expression of a class's arguments."""


def numbers_of(op: ops.Op) -> dict[str, int]:
    """Return an operator's fields that are numbers and stand in its text."""
    if isinstance(op, ops.GroupNorm):
        return {"channels": op.channels}  # its groups follow from them
    values = ((field.name, getattr(op, field.name)) for field in fields(op))
    return {name: value for name, value in values if type(value) is int}


def module(op: ops.Op, told: Told) -> Expression:
    """Return the expression that makes an operator's module."""
    return _MODULES[type(op)](op, told)


def is_function(op: object) -> bool:
    """Whether an operator needs no module in a class with its own `forward`."""
    return type(op) in _FUNCTIONS


def function(op: Any, arguments: Sequence[str]) -> str:
    """Return the expression that computes an operator without a module."""
    return _FUNCTIONS[type(op)](op, arguments)


def _options(told: Told, **defaults: str) -> tuple[tuple[str, Expression], ...]:
    return tuple((name, told(name)) for name, default in defaults.items() if told(name) != default)


def _conv(op: ops.Conv, told: Told) -> Call:
    padding = _padding(told("kernel"), told("dilation"))
    named: list[tuple[str, Expression]] = [("kernel_size", told("kernel")), *_options(told, stride="1")]
    named += [("padding", padding)] if padding != "0" else []
    named += _options(told, dilation="1", groups="1")
    named += [] if op.bias else [("bias", "False")]
    return Call("nn.Conv2d", (told("in_channels"), told("out_channels")), tuple(named))


def _padding(kernel: str, dilation: str) -> str:
    """Write dilation · (kernel // 2)."""
    half = str(int(kernel) // 2) if kernel.isdigit() else f"{kernel} // 2"
    if half == "0" or dilation == "1":
        return half
    if half.isdigit() and dilation.isdigit():
        return str(int(half) * int(dilation))
    if half == "1":
        return dilation
    return f"{half} * {dilation}" if half.isdigit() else f"{dilation} * ({half})"


def _transposed(_: ops.TransposedConv, told: Told) -> Call:
    named = (("kernel_size", told("stride")), ("stride", told("stride")), ("bias", "False"))
    return Call("nn.ConvTranspose2d", (told("in_channels"), told("out_channels")), named)


def _pool(name: str) -> Callable[[ops.Pool, Told], Call]:
    def make(_: ops.Pool, told: Told) -> Call:
        named = (("kernel_size", told("kernel")), ("stride", told("stride")), *_options(told, padding="0"))
        return Call(name, (), named)

    return make


def _upsample(op: ops.Upsample, told: Told) -> Call:
    return Call("nn.Upsample", (), (("scale_factor", told("factor")), ("mode", f'"{op.mode}"')))


def _of_fields(name: str, *names: str) -> Callable[[ops.Op, Told], Call]:
    return lambda _, told: Call(name, tuple(told(field) for field in names))


_ACTIVATIONS = {  # as a module, and as a function
    "relu": ("nn.ReLU()", "F.relu({})"),
    "leaky-relu": ("nn.LeakyReLU(0.1)", "F.leaky_relu({}, 0.1)"),
    "silu": ("nn.SiLU()", "F.silu({})"),
    "gelu": ("nn.GELU()", "F.gelu({})"),
    "hardswish": ("nn.Hardswish()", "F.hardswish({})"),
    "sigmoid": ("nn.Sigmoid()", "torch.sigmoid({})"),
}

_MODULES: dict[type[ops.Op], Callable[[Any, Told], Expression]] = {
    ops.Conv: _conv,
    ops.TransposedConv: _transposed,
    ops.Linear: _of_fields("nn.Linear", "in_features", "out_features"),
    ops.BatchNorm: _of_fields("nn.BatchNorm2d", "channels"),
    ops.GroupNorm: _of_fields("group_norm", "channels"),
    ops.Activate: lambda op, _: _ACTIVATIONS[op.function][0],
    ops.MaxPool: _pool("nn.MaxPool2d"),
    ops.AvgPool: _pool("nn.AvgPool2d"),
    ops.Blur: _of_fields("Blur", "channels"),
    ops.GlobalAvgPool: lambda _, __: "nn.AdaptiveAvgPool2d(1)",
    ops.Upsample: _upsample,
    ops.SqueezeChannels: _of_fields("SqueezeChannels", "k"),
    ops.Flatten: lambda _, __: "nn.Flatten()",
}

_FUNCTIONS: dict[type[ops.Op], Callable[[Any, Sequence[str]], str]] = {
    ops.Activate: lambda op, inputs: _ACTIVATIONS[op.function][1].format(*inputs),
    ops.Add: lambda _, inputs: " + ".join(inputs),
    ops.Multiply: lambda _, inputs: " * ".join(inputs),
    ops.Concat: lambda _, inputs: f"torch.cat([{', '.join(inputs)}], dim=1)",
}

SEQUENTIAL = '''\
def sequential(**modules: nn.Module) -> nn.Sequential:
    """Return modules that are computed one after the other, each with its name."""
    return nn.Sequential(OrderedDict(modules))
'''

HELPERS: dict[type[ops.Op], str] = {
    ops.GroupNorm: f'''\
def group_norm(channels: int) -> nn.GroupNorm:
    """Return a group norm of at most {MOST_NORM_GROUPS} groups of {LEAST_CHANNELS_A_NORM_GROUP} channels or more."""
    groups = math.gcd({MOST_NORM_GROUPS}, channels)
    while groups > 1 and channels < groups * {LEAST_CHANNELS_A_NORM_GROUP}:
        groups //= 2
    return nn.GroupNorm(groups, channels)
''',
    ops.Blur: '''\
class Blur(nn.Module):
    """The fixed filter [1 2 1] × [1 2 1] / 16 on each channel in steps of 2, edges mirrored."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("weight", (torch.outer(row, row) / 16).repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x[:, :, 1:2], x], dim=2)  # sides are even: windows reach over the first edges alone
        x = torch.cat([x[:, :, :, 1:2], x], dim=3)
        return F.conv2d(x, self.weight, stride=2, groups=x.shape[1])
''',
    ops.SqueezeChannels: '''\
class SqueezeChannels(nn.Module):
    """Sums groups of k neighbouring channels into one."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return x.reshape(n, c // self.k, self.k, h, w).sum(dim=2)
''',
}
"""What stands in front of the classes where an operator is used that PyTorch has no module for."""
