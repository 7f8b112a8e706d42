"""Random numbers and kernels that are the same every time, and torch's settings as they were afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_global_state(seed: int, device: torch.device) -> None:
    """Seed the generators that dropout draws from, and no other GPU's."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@contextmanager
def reproducible(device: torch.device, *, regions: bool = False) -> Iterator[None]:
    """Have torch choose deterministic kernels, and leave the global generators as they were.

    Args:
        device: that is trained on.
        regions: whether regions are pooled. On a GPU torchvision's deterministic way is to compile a version in Python
            that takes many times the memory, so there all kernels are left as they are.
    """
    cudnn = torch.backends.cudnn
    former = cudnn.deterministic, cudnn.benchmark
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            torch.use_deterministic_algorithms(device.type == "cpu" or not regions, warn_only=True)
            # nothing here reads memory before it is written, and small networks pay a tenth of their time for filling
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            cudnn.deterministic, cudnn.benchmark = True, False
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = former
            torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
