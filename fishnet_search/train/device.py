"""Where a network is trained."""

from __future__ import annotations

import torch


def choose_device() -> torch.device:
    """Return the GPU if there is one that torch can use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """Return "cpu", or the name of the GPU as its driver gives it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
