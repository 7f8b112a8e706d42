"""One torch module for each operator of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fishnet_search.graph import ops


class Add(nn.Module):
    """Sum of two."""

    def forward(self, a_NCHW: Tensor, b_NCHW: Tensor) -> Tensor:
        """Return a + b; one of them may have a single position."""
        return a_NCHW + b_NCHW


class Multiply(nn.Module):
    """Product of two."""

    def forward(self, a_NCHW: Tensor, b_NCHW: Tensor) -> Tensor:
        """Return a · b; one of them may have a single position."""
        return a_NCHW * b_NCHW


class Concat(nn.Module):
    """Channels of all inputs, one after the other."""

    def forward(self, *inputs_NCHW: Tensor) -> Tensor:
        """Return shape (N, sum of C, H, W)."""
        return torch.cat(inputs_NCHW, dim=1)


class SqueezeChannels(nn.Module):
    """Sum groups of k neighbouring channels into one."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return shape (N, C / k, H, W)."""
        n, c, h, w = x_NCHW.shape
        return x_NCHW.reshape(n, c // self.k, self.k, h, w).sum(dim=2)

    def extra_repr(self) -> str:
        """Show k."""
        return f"k={self.k}"


class Blur(nn.Module):
    """The fixed filter [1 2 1] × [1 2 1] / 16 on each channel in steps of 2."""

    weight: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("weight", torch.empty(channels, 1, 3, 3), persistent=False)

    def reset(self) -> None:
        """Fill in the filter."""
        row = torch.tensor([1.0, 2.0, 1.0], device=self.weight.device)
        self.weight.copy_(torch.outer(row, row) / 16)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return shape (N, C, H / 2, W / 2); H and W are even, so that windows reach over the first edges alone."""
        # slices rather than PyTorch's reflection padding, whose gradient on a GPU is not deterministic
        x_NCHW = torch.cat([x_NCHW[:, :, 1:2], x_NCHW], dim=2)
        x_NCHW = torch.cat([x_NCHW[:, :, :, 1:2], x_NCHW], dim=3)
        return nn.functional.conv2d(x_NCHW, self.weight, stride=2, groups=self.channels)

    def extra_repr(self) -> str:
        """Show the channels."""
        return f"channels={self.channels}"


def _conv(op: ops.Conv) -> nn.Module:
    return nn.Conv2d(
        op.in_channels,
        op.out_channels,
        op.kernel,
        stride=op.stride,
        padding=op.padding,
        dilation=op.dilation,
        groups=op.groups,
        bias=op.bias,
    )


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": lambda: nn.LeakyReLU(0.1),
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "hardswish": nn.Hardswish,
    "sigmoid": nn.Sigmoid,
}

MODULES: dict[type[ops.Op], Callable[[Any], nn.Module]] = {
    ops.Conv: _conv,
    ops.TransposedConv: lambda op: nn.ConvTranspose2d(
        op.in_channels, op.out_channels, op.stride, stride=op.stride, bias=False
    ),
    ops.Linear: lambda op: nn.Linear(op.in_features, op.out_features),
    ops.BatchNorm: lambda op: nn.BatchNorm2d(op.channels),
    ops.GroupNorm: lambda op: nn.GroupNorm(op.groups, op.channels),
    ops.Activate: lambda op: ACTIVATIONS[op.function](),
    ops.MaxPool: lambda op: nn.MaxPool2d(op.kernel, op.stride, op.padding),
    ops.AvgPool: lambda op: nn.AvgPool2d(op.kernel, op.stride, op.padding),
    ops.Blur: lambda op: Blur(op.channels),
    ops.GlobalAvgPool: lambda _: nn.AdaptiveAvgPool2d(1),
    ops.Upsample: lambda op: nn.Upsample(scale_factor=op.factor, mode=op.mode),
    ops.SqueezeChannels: lambda op: SqueezeChannels(op.k),
    ops.Add: lambda _: Add(),
    ops.Multiply: lambda _: Multiply(),
    ops.Concat: lambda _: Concat(),
    ops.Flatten: lambda _: nn.Flatten(),
}
