"""How much memory a training takes, and telling that none is left from other errors."""

from __future__ import annotations

import torch

_SIGNS = (
    "DefaultCPUAllocator: can't allocate memory",  # Linux and macOS
    "DefaultCPUAllocator: not enough memory",  # Windows
    "std::bad_alloc",  # C++ that torch calls, oneDNN for one
    "could not create a primitive",  # oneDNN says no more; what it cannot do at all fails again in half batches
    "CUDA error: out of memory",  # what is allocated outside torch's own allocator
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there is no memory left, also on the CPU, where torch has no type for that.

    Source: the messages in PyTorch's c10/core/impl/alloc_cpu.cpp and ATen/cuda/Exceptions.h.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def forget_peak(device: torch.device) -> None:
    """Have `peak_mb` tell of what is taken from now on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_mb(device: torch.device) -> float | None:
    """Return the most memory in 2**20 bytes that tensors have held on a GPU; None on the CPU, which does not count."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None
