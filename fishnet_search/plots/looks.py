"""How variants look: each keeps its colour, dashes and marker in all figures; the baseline is black."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import seaborn as sns

BASELINE_COLOUR = "#111111"
QUIET = "#8a8f98"
COLOURS = 8
"""Of seaborn's colour-blind palette; further variants repeat them with other dashes and markers."""

_DASHES = ((), (4, 1.5), (1.2, 1.2))
DIFFERENT = COLOURS * len(_DASHES)
"""Variants beside the baseline that look different from each other."""

_MARKERS = ("o", "s", "^")
_TWIN_DASHES = ((6, 1.5, 1.2, 1.5), (4, 1.2, 1.2, 1.2, 1.2, 1.2), (2.5, 4))
_TWIN_MARKERS = ("D", "v", "P")
_LINE = 36
"""Letters of a name that stand on one line of a figure."""


@dataclass(frozen=True)
class Look:
    """How a variant is drawn."""

    colour: str
    dashes: tuple[float, ...]
    marker: str
    width: float


def looks(variants: Sequence[str], baseline: str, twins: Mapping[str, str] | None = None) -> dict[str, Look]:
    """Give every variant a look of its own (as many as `DIFFERENT`), the baseline a thick black line.

    Args:
        variants: Their names.
        baseline: One of them.
        twins: Variant -> the one that it rescales to the baseline's cost, whose colour it gets.
    """
    twins = twins or {}
    palette = sns.color_palette("colorblind").as_hex()
    del palette[7:9]  # grey is for what matters less, yellow is too faint on white
    others = [variant for variant in variants if variant != baseline and variant not in twins]
    place = {variant: divmod(i, COLOURS) for i, variant in enumerate(others)}
    given = {variant: _look(palette, *place[variant], _DASHES, _MARKERS) for variant in others}
    given |= {twin: _look(palette, *place[raw], _TWIN_DASHES, _TWIN_MARKERS) for twin, raw in twins.items()}
    return given | {baseline: Look(BASELINE_COLOUR, (), "o", width=2.2)}


def wrapped(name: str) -> str:
    """Break a long name after commas, between the levels of which it consists."""
    lines = [""]
    for part in name.replace(",", ",\n").splitlines():
        if lines[-1] and len(lines[-1]) + len(part) > _LINE:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def in_legend(label: str) -> str:
    """Return a label that a legend shows: Matplotlib leaves out those that begin with an underscore."""
    return f" {label}" if label.startswith("_") else label


def seeds_label(variant: str, n: int, *, most: int) -> str:
    """Name a variant, and its seeds where they are fewer than those of others."""
    return in_legend(wrapped(variant)) + seeds_told(n, most=most)


def seeds_told(n: int, *, most: int) -> str:
    """Return ' (n = 2)' where a mean is over fewer seeds than others."""
    return "" if n >= most else f" (n = {n})"


def line_count(names: Sequence[str]) -> int:
    """Return how many lines the longest of these names takes."""
    return max(wrapped(name).count("\n") + 1 for name in names)


def _look(
    palette: Sequence[str], turn: int, colour: int, dashes: Sequence[tuple[float, ...]], markers: Sequence[str]
) -> Look:
    return Look(palette[colour], dashes[turn % len(dashes)], markers[turn % len(markers)], width=1.4)
