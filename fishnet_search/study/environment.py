"""Where a trial runs: machine, versions, commit."""

from __future__ import annotations

import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from fishnet_search.study.record import Environment
from fishnet_search.train.device import device_name

_PACKAGES = ("fishnet-search", "torch", "torchvision", "numpy", "optuna", "scikit-learn", "pillow")


@cache
def environment(device: torch.device, threads: int) -> Environment:
    """Describe this process, which computes with so many threads, and the device it trains on.

    The commit is that of the first call: later changes are not in the code that runs.
    """
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=no")
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        processor=_processor(),
        device=device_name(device),
        threads=threads,
        packages={name: found for name in _PACKAGES if (found := _version(name))},
        git_commit=commit,
        git_dirty=None if commit is None or status is None else bool(status),
    )


def _git(*arguments: str) -> str | None:
    """Return what git says of the working directory, or None outside a repository or without git."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


@cache
def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
