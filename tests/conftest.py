"""Shared by all tests."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: one thread each, before torch reads it
    os.environ.setdefault("OMP_NUM_THREADS", "1")
