"""Seeds that follow from what they are for."""

from __future__ import annotations

import numpy as np


def derived_seed(*numbers: int) -> int:
    """Return a seed that has nothing to do with that of any other numbers, but for zeros at their end."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
