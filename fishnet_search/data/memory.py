"""Bytes that come piece by piece, and how much memory there is for them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_BLOCK_BYTES = 2**26  # more than any malloc keeps for itself when it is freed


class Memory:
    """Takes bytes until there are no more, and gives them in one piece without ever holding two copies of all."""

    def __init__(self) -> None:
        self.bytes = 0
        self._blocks: list[NDArray[np.uint8]] = []
        self._loose: list[NDArray[np.uint8]] = []

    def add(self, bytes_B: NDArray[np.uint8]) -> None:
        """Take the next bytes."""
        self.bytes += len(bytes_B)
        self._loose.append(bytes_B)
        if sum(map(len, self._loose)) >= _BLOCK_BYTES:
            self._pack()

    def whole(self) -> Tensor:
        """Return all bytes, and keep none."""
        self._pack()
        everything_B, start = np.empty(self.bytes, np.uint8), 0
        while self._blocks:
            block = self._blocks.pop(0)
            everything_B[start : start + len(block)] = block
            start += len(block)
        return torch.from_numpy(everything_B)

    def _pack(self) -> None:
        if self._loose:
            self._blocks.append(np.concatenate(self._loose))
            self._loose = []


def free_memory_bytes() -> int:
    """Return what Linux says it can give without swapping; elsewhere the whole memory, for want of a better figure."""
    meminfo = Path("/proc/meminfo")
    available = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text()) if meminfo.exists() else None
    if available:
        return int(available[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
