"""Shared by the tests of the engines."""

import pytest

from tests.engine.survival import Process


@pytest.fixture
def processes(tmp_path):
    """Start a function of `tests.engine.survival` in a process of its own; at the end all of them are ended."""
    started = []

    def start(function, *arguments, home=tmp_path):
        started.append(Process(home, function, home, *arguments))
        return started[-1]

    yield start
    for process in started:
        process.end_all()
