"""What benchmarks share: the smallest fish, and where they ran, for the lines below their tables."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import torch

from fishnet_search.study.environment import environment

SMALLEST = """\
image_size: 8
classes: 10
stem: {kind: one-conv, width: 8}
tail: [{depth: 1, width: 8}]
bridge: {depth: 1, width: 16}
body: [{depth: 1, width: 8}]
head: [{depth: 1}]
"""
"""A network that trains in no time, as a space's base."""


def where(*packages: str) -> Iterator[str]:
    """Yield what the machine is, with versions of the packages, and the commit of the code."""
    machine = environment(torch.device("cpu"), torch.get_num_threads())
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    yield f"{machine.processor}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}"
    folder = Path(__file__).parent
    commit, changes = (
        subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
        for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--", "../fishnet_search"])
    )
    yield f"commit {commit}{', with changes that are not committed' if changes else ''}"
