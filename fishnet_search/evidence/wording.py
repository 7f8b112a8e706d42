"""Numbers as a person reads them: per cent, points, thousands and millions."""

from __future__ import annotations

import math
from collections.abc import Sequence

NOTHING = "–"
MINUS = "−"


def counts(values: Sequence[int]) -> list[str]:
    """Return counts in the unit that suits the largest, which gets four significant digits: '12.34 M'."""
    largest = max(values)
    unit, name = next(
        ((unit, name) for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")) if largest >= unit), (1, "")
    )
    decimals = 0 if unit == 1 else max(4 - len(str(int(largest / unit))), 0)
    return [f"{value / unit:.{decimals}f}{name}" for value in values]


def percent(fraction: float, ci95: float | None = None) -> str:
    """Return a fraction in per cent, with the half-width of its interval if it has one: '97.31 ± 0.42'."""
    return NOTHING if math.isnan(fraction) else f"{100 * fraction:.2f}{_interval(ci95)}"


def points(difference: float, ci95: float | None = None) -> str:
    """Return a difference of fractions in percentage points, signed, with its interval if any: '−0.93 ± 0.42'."""
    if math.isnan(difference):
        return NOTHING
    rounded = round(100 * difference, 2)
    sign = "" if rounded == 0 else "+" if rounded > 0 else MINUS
    return f"{sign}{abs(rounded):.2f}{_interval(ci95)}"


def p_value(p: float) -> str:
    """Return a p value with two digits that count, down to 0.001: '0.041', '< 0.001'."""
    if math.isnan(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def change(fraction: float) -> str:
    """Return by what part a cost differs, signed, in per cent: '+12 %', '−0.4 %'."""
    if math.isnan(fraction):
        return NOTHING
    rounded = round(100 * fraction) if abs(fraction) >= 0.0995 else round(100 * fraction, 1)
    sign = "" if rounded == 0 else "+" if rounded > 0 else MINUS
    return f"{sign}{abs(rounded):,} %"


def listed(names: Sequence[str], most: int = 12) -> str:
    """Return names side by side, of many the first ones and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def duration(seconds: float) -> str:
    """Return a time span with the two units that matter: '3 min 20 s'."""
    if math.isnan(seconds):
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def seed_count(n: int) -> str:
    """Return a number of seeds in words: '1 seed', '3 seeds'."""
    return f"{n} seed" if n == 1 else f"{n} seeds"


def the_baseline(name: str) -> str:
    """Return how the baseline is called in a sentence; where spaces have several axes, its name may be just that."""
    return "the baseline" if name == "baseline" else f"the baseline {name}"


def _interval(ci95: float | None) -> str:
    return "" if ci95 is None or math.isnan(ci95) else f" ± {100 * ci95:.2f}"
