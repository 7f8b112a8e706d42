"""Telling that memory has run out from other errors."""

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
