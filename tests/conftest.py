"""Shared by all tests."""

import os
import signal
import sys

import pytest
from hypothesis import settings

from fishnet_search import cli

# a shell that starts the suite in the background has it ignore Ctrl-C, and so would all that the tests start
signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: one thread each, before torch reads it
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("ci", derandomize=True)  # a change is judged by the same examples every time
if "CI" in os.environ:
    settings.load_profile("ci")


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_the_disk():
    """What a power cut would leave is not tested here; that the disk is waited for is, in tests/study/test_store.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def processes(tmp_path):
    """Start a function of `tests.engine.survival` in a process of its own; at the end all of them are ended."""
    from tests.engine.survival import Process  # with all that studies need

    started = []

    def start(function, *arguments, home=tmp_path):
        started.append(Process(home, function, home, *arguments))
        return started[-1]

    yield start
    for process in started:
        process.end_all()


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


@pytest.fixture(name="plain_figures")
def _plain_figures():
    """Reports are not the matter: their figures are SVG alone."""
    from tests.figures import plain_figures

    with plain_figures():
        yield


@pytest.fixture
def one_thread():
    """With tensors this small, and other tests beside them, threads only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
