"""What the tests of the statistics share."""

from __future__ import annotations

import gc

import pytest
import statsmodels.stats.multitest  # noqa: F401 (before the objects are counted that it need not look at)


@pytest.fixture(autouse=True, scope="module")
def _quick_collection():
    """statsmodels collects garbage before every correction, which takes long beside all that pytest has loaded."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
