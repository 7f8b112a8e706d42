"""Shared by all tests."""

import os
import sys

import pytest
from hypothesis import settings

from fishnet_search import cli

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: one thread each, before torch reads it
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("ci", derandomize=True)  # a change is judged by the same examples every time
if "CI" in os.environ:
    settings.load_profile("ci")


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run the command line in an empty folder; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["fishnet-search", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def one_thread():
    """With tensors this small, and other tests beside them, threads only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
