"""What the tests of the statistics share."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(autouse=True, scope="package")
def _quick_collection():
    """statsmodels collects garbage before every correction, which takes long beside all that pytest has loaded."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
