"""How many bits the network computes with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.amp import GradScaler

from fishnet_search.errors import TrainingError


@dataclass(frozen=True)
class Precision:
    """What convolutions and linear layers compute in. Weights and losses are float32 always."""

    dtype: torch.dtype
    device: torch.device

    @property
    def name(self) -> str:
        """As recipes have it: "float32"."""
        return str(self.dtype).removeprefix("torch.")

    def autocast(self) -> torch.autocast:
        """Return a context in which networks compute so. The backward pass does without being in it."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32)

    def scaler(self) -> GradScaler:
        """Return what keeps the gradients of float16 from vanishing, and leaves those of others alone."""
        return GradScaler(self.device.type, enabled=self.dtype is torch.float16)


def precision_of(name: str, device: torch.device) -> Precision:
    """Return a recipe's precision on a device; "auto" is bfloat16 on a GPU that has it, and else float32.

    Raises:
        TrainingError: the device does not have it.
    """
    if name == "auto":
        name = "bfloat16" if _has_bfloat16(device) else "float32"
    if name == "float16" and device.type == "cpu":
        raise TrainingError(
            "recipe.precision: float16 needs a GPU, and this is trained on the CPU; use bfloat16, float32 or auto"
        )
    if name == "bfloat16" and device.type == "cuda" and not _has_bfloat16(device):
        raise TrainingError(
            f"recipe.precision: {torch.cuda.get_device_name(device)} does not have bfloat16; use float16 or auto"
        )
    return Precision(getattr(torch, name), device)


def _has_bfloat16(device: torch.device) -> bool:
    """Return whether a device is a GPU with bfloat16 in hardware: emulated, it is slower than float32."""
    if device.type != "cuda":
        return False
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
