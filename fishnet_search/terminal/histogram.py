"""How figures spread, as bars of text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.text import Text

MOST_BINS = 8
LONGEST_BAR = 60


def histogram(figures: Sequence[int], title: str, width: int) -> Iterator[Text]:
    """Yield a line for each interval of figures, with a bar of how many lie in it; equal figures give one line."""
    low, high = min(figures), max(figures)
    unit, divisor = next((unit, size) for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1)) if high >= size)
    if low == high:
        yield Text(f"{title}: {low:,} in all")
        return
    bins = min(MOST_BINS, len(set(figures)), high - low)
    wide = high / max(1, low) > 20  # intervals of equal ratio then
    bottom, top = (math.log(max(1, low)), math.log(high)) if wide else (low, high)

    def bin_of(figure: int) -> int:
        place = math.log(max(1, figure)) if wide else figure
        return min(bins - 1, int((place - bottom) / (top - bottom) * bins))

    def edge(i: int) -> str:
        place = bottom + (top - bottom) * i / bins
        return f"{(math.exp(place) if wide else place) / divisor:,.2f}"

    counts = Counter(map(bin_of, figures))
    edges = [edge(i) for i in range(bins + 1)]
    left, right = max(map(len, edges)), len(f"{max(counts.values()):,}")
    room = min(LONGEST_BAR, width - 2 * left - right - len(unit) - 12)
    yield Text(f"{title}, {len(figures):,} candidates")
    for i in range(bins):
        bar = "█" * max(round(counts[i] / max(counts.values()) * room), 1 if counts[i] else 0)
        yield Text.assemble(
            f"  {edges[i]:>{left}} – {edges[i + 1]:>{left}} {unit}  {counts[i]:>{right},}  ", (bar, "cyan")
        )
