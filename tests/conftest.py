"""Shared by all tests."""

import os

from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: one thread each, before torch reads it
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("ci", derandomize=True)  # a change is judged by the same examples every time
if "CI" in os.environ:
    settings.load_profile("ci")
