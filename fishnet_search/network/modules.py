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


def _conv(op: ops.Conv) -> nn.Module:
    return nn.Conv2d(
        op.in_channels,
        op.out_channels,
        op.kernel,
        stride=op.stride,
        padding=op.padding,
        dilation=op.dilation,
        bias=op.bias,
    )


MODULES: dict[type[ops.Op], Callable[[Any], nn.Module]] = {
    ops.Conv: _conv,
    ops.BatchNorm: lambda op: nn.BatchNorm2d(op.channels),
    ops.ReLU: lambda _: nn.ReLU(),
    ops.Sigmoid: lambda _: nn.Sigmoid(),
    ops.MaxPool: lambda op: nn.MaxPool2d(op.kernel, op.stride, op.padding),
    ops.AvgPool: lambda op: nn.AvgPool2d(op.kernel, op.stride, op.padding),
    ops.GlobalAvgPool: lambda _: nn.AdaptiveAvgPool2d(1),
    ops.UpsampleNearest: lambda op: nn.Upsample(scale_factor=op.factor, mode="nearest"),
    ops.SqueezeChannels: lambda op: SqueezeChannels(op.k),
    ops.Add: lambda _: Add(),
    ops.Multiply: lambda _: Multiply(),
    ops.Concat: lambda _: Concat(),
    ops.Flatten: lambda _: nn.Flatten(),
}
