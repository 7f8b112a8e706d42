"""torch.compile for one training, with a cache that no other process has left anything in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from tempfile import TemporaryDirectory
from typing import cast

import torch
from torch import nn

_CACHE = "TORCHINDUCTOR_CACHE_DIR"


@contextmanager
def compiled(network: nn.Module) -> Iterator[nn.Module]:
    """Give the network compiled, with the same parameters, and forget all that was compiled afterwards.

    It is compiled when it is first called, and anew for each size of batches. Gradients are deterministic as far as
    torch's compiler is.
    """
    former = os.environ.get(_CACHE)
    os.environ.setdefault(_CACHE, _own_cache().name)
    try:
        yield cast("nn.Module", torch.compile(network, dynamic=False))
    finally:
        # torch counts how often it compiled the same code for other networks, and silently stops after some
        torch.compiler.reset()
        if former is None:
            del os.environ[_CACHE]


@cache
def _own_cache() -> TemporaryDirectory[str]:
    """Return a folder of this process, in which another training of the same network finds it compiled.

    A process that is killed while it compiles leaves empty files that would break the next one's compilation.
    """
    return TemporaryDirectory(prefix="fishnet-search-compiled-")
