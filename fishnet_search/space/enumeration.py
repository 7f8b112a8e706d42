"""The combinations of levels that a design asks for."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence

from fishnet_search.space.axes import SpelledAxis, label_of, same
from fishnet_search.space.design import Level

Levels = Mapping[str, Level]

BASELINE = "baseline"
LONGEST_NAME = 120


def active_levels(axes: Mapping[str, SpelledAxis], wanted: Levels) -> dict[str, Level]:
    """Return the levels of the axes that are active; those that are not wanted otherwise are at the baseline's."""
    levels: dict[str, Level] = {}
    for name, axis in axes.items():
        if axis.active(levels):
            levels[name] = wanted.get(name, axis.baseline)
    return levels


def every_combination(axes: Sequence[SpelledAxis], above: Levels | None = None) -> Iterator[dict[str, Level]]:
    """Yield each combination of active axes' levels once; all axes have finitely many."""
    levels = dict(above or {})
    if not axes:
        yield levels
    elif not axes[0].active(levels):
        yield from every_combination(axes[1:], levels)
    else:
        for i in range(axes[0].size or 0):
            yield from every_combination(axes[1:], {**levels, axes[0].name: axes[0].level(i)})


def one_at_a_time(
    axes: Mapping[str, SpelledAxis], pairs: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, dict[str, Level]]]:
    """Yield the name and the changes of each variant that differs from the baseline by one axis, or by a pair."""
    changes = {
        name: [level for level in map(axis.level, range(axis.size or 0)) if not same(level, axis.baseline)]
        for name, axis in axes.items()
    }
    for chosen in [*((name,) for name in axes), *pairs]:
        for levels in itertools.product(*(changes[name] for name in chosen)):
            change = dict(zip(chosen, levels, strict=True))
            active = active_levels(axes, change)
            if all(name in active for name in chosen):
                yield name_of(change, alone=len(axes) == 1), change


def most_changes(axes: Mapping[str, SpelledAxis], pairs: Sequence[tuple[str, str]]) -> int:
    """Count the variants that `one_at_a_time` yields where all axes are active, and the baseline."""
    changes = {name: (axis.size or 1) - 1 for name, axis in axes.items()}
    return 1 + sum(changes.values()) + sum(changes[one] * changes[two] for one, two in pairs)


def drawn(axes: Mapping[str, SpelledAxis], seed: int, number: int) -> dict[str, Level]:
    """Return one random combination, which hangs on the seed, its number and the axes' names alone."""
    levels: dict[str, Level] = {}
    for name, axis in axes.items():
        if axis.active(levels):
            levels[name] = axis.at(random.Random(f"{seed}/{number}/{name}").random())
    return levels


def name_of(levels: Levels, *, alone: bool) -> str:
    """Write levels as a name that fits a file.

    Args:
        levels: of one axis or several.
        alone: whether the space has one axis only, whose name goes without saying.
    """
    name = ",".join(label_of(level) if alone else f"{axis}={label_of(level)}" for axis, level in levels.items())
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def key_of(levels: Levels) -> tuple[tuple[str, str], ...]:
    """Return levels as something that can be looked up."""
    return tuple((axis, label_of(level)) for axis, level in levels.items())
