"""Axes: fields that are varied together, and the levels that they take."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from fishnet_search.space.design import Level
from fishnet_search.spec.architecture import refuse
from fishnet_search.spec.naming import shown
from fishnet_search.spec.value import Location, Number, Problem, Value, Whole

MOST_LEVELS = 10_000
"""Levels of one axis where they are spelled out."""

RECIPE = "recipe."
"""What paths begin with that lead to a field of the recipe."""

BASE = "base"
"""The path of an axis whose levels are whole networks."""

Bound = (
    Annotated[Whole, Field(ge=-(10**15), le=10**15)] | Annotated[Number, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
)


def same(one: Any, other: Any) -> bool:
    """Tell whether two levels are one: `true` is not 1, but 1.0 is."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def label_of(level: Any) -> str:
    """Write a level so that it can be part of a name: true, 0.1, avg-2x2; a list as its items with dashes between."""
    if isinstance(level, bool):
        return str(level).lower()
    if isinstance(level, (list, tuple)):
        return "-".join(map(label_of, level))
    return str(level)


def name_problem(name: str) -> str | None:
    """Return what is wrong with the name of an axis, a level or a variant, which become part of the name of a file."""
    if re.fullmatch("[A-Za-z0-9._-]{1,60}", name):
        return None
    return f"{shown(name)} cannot be a name; use up to 60 letters, digits, '.', '_' and '-'"


class Range(Value):
    """Numbers from one to another, both included: whole ones if both are, and the step."""

    low: Bound = Field(alias="from", description="the least")
    high: Bound = Field(alias="to", description="the greatest")
    step: Bound | None = Field(None, description="between two levels; without one every number in between is a level")
    log: bool = Field(False, strict=True, description="whether equal ratios count the same rather than differences")

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Range:
        refuse(self._problems())
        return self

    def _problems(self) -> Iterator[Problem]:
        if self.low >= self.high:
            yield ("to",), f"should be more than `from`, {self.low}, but is {self.high}"
        elif self.log and self.step is not None:
            yield ("step",), "does not go with log, whose levels are no equal steps apart; remove one, or use values"
        elif self.log and self.low <= 0:
            yield ("from",), f"should be more than 0 for log, but is {self.low}"
        elif self.step is not None and not 0 < self.step <= self.high - self.low:
            yield ("step",), f"should be more than 0 and at most {self.high - self.low}, but is {self.step}"
        elif self.step is not None:
            low, step = _exact(self.low), _exact(self.step)
            last = low + (_exact(self.high) - low) // step * step
            if last != _exact(self.high):
                yield ("to",), f"{self.high} is not met in steps of {self.step}; use {last} or {last + step}"

    @property
    def whole(self) -> bool:
        """Whether levels are whole numbers."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step) if number is not None)

    def as_decimals(self) -> Range:
        """Return the same range for a field that is no whole number."""
        step = None if self.step is None else float(self.step)
        return self.model_validate({"from": float(self.low), "to": float(self.high), "step": step, "log": self.log})

    @property
    def size(self) -> int | None:
        """How many levels there are; None if no one can count them."""
        if self.step is None and not self.whole:
            return None
        return int((_exact(self.high) - _exact(self.low)) / _exact(self.step or 1)) + 1

    def level(self, index: int) -> int | float:
        """Return one of finitely many levels, counted from 0."""
        number = _exact(self.low) + index * _exact(self.step or 1)
        return int(number) if self.whole else float(number)

    def at(self, share: float) -> int | float:
        """Return the level at a share, from 0 (included) to 1 (excluded), of the way."""
        if self.size is not None and not self.log:
            return self.level(int(share * self.size))
        if self.whole:  # each number has the width from half below to half above it
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return min(max(round(math.exp(low + share * (high - low))), int(self.low)), int(self.high))
        if self.log:
            number = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            number = self.low + share * (self.high - self.low)
        return min(max(float(f"{number:.6g}"), float(self.low)), float(self.high))

    def nearest(self, number: Any) -> int | float | None:
        """Return the level that a number stands for but for rounding errors; None if it is none."""
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            return None
        if self.size is None:
            return float(number) if self.low <= number <= self.high else None
        steps = round((number - self.low) / (self.step or 1))
        if not 0 <= steps < self.size:
            return None
        level = self.level(steps)
        return level if math.isclose(level, number, rel_tol=1e-9, abs_tol=1e-12) else None

    def __str__(self) -> str:
        step = "" if self.step is None else f" in steps of {self.step}"
        return f"the {'whole ' if self.whole else ''}numbers from {self.low} to {self.high}{step}"


def _exact(number: float) -> Decimal:
    return Decimal(str(number))


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _levels_of(value: Any) -> Any:
    """Take one level for a list of one."""
    return value if isinstance(value, list) else [value]


Levels = Annotated[tuple[Level, ...], Field(min_length=1)]
NamedLevels = Annotated[dict[str, Level], Field(min_length=1)]


class Axis(Value):
    """Fields that take the same value together, and the values that they take."""

    path: Annotated[tuple[str, ...], BeforeValidator(_one_or_many)] = Field(
        min_length=1,
        description="one field or several, of the spec or the recipe: tail.downsample, body[1].dilation, "
        "recipe.learning_rate; or base alone, whose values are presets or paths",
    )
    values: Levels | NamedLevels | None = Field(None, description="the levels, or the name of each and its value")
    range: Range | None = Field(None, description="in place of values: the numbers from one to another")
    per: Literal["stage"] | None = Field(None, description="'stage' makes an axis of its own of each stage of a part")
    when: dict[str, Annotated[Levels, BeforeValidator(_levels_of)]] = Field(
        default_factory=dict,
        description="axis -> the level or levels at which this axis is active; else its fields stay as in the base",
    )

    @field_validator("values")
    @classmethod
    def _levels_differ(cls, values: Levels | NamedLevels | None) -> Levels | NamedLevels | None:
        if isinstance(values, dict):
            refuse(((name,), sentence) for name in values if (sentence := name_problem(name)))
            return values
        levels = values or ()
        labels = [label_of(level) for level in levels]
        for i, level in enumerate(levels):
            if any(same(level, other) for other in levels[:i]):
                raise ValueError(f"has {level!r} twice; keep one")
            if labels[i] in labels[:i]:
                raise ValueError(f"has two levels that are written {labels[i]}; give them names")
        refuse(((i,), sentence) for i, label in enumerate(labels) if (sentence := name_problem(label)))
        return values

    @model_validator(mode="after")
    def _values_or_range(self) -> Axis:
        if (self.values is None) == (self.range is None):
            told = "has neither values nor a range" if self.values is None else "has both values and a range"
            raise ValueError(f"{told}; give one of them")
        if BASE in self.path and (len(self.path) > 1 or self.range is not None or self.per is not None):
            raise ValueError("sets the base, a whole network, which takes one path, values, and neither range nor per")
        return self


@dataclass(frozen=True)
class SpelledAxis:
    """An axis of a space whose base is known; an axis `per: stage` is one for each stage."""

    name: str  # "downsample", "depth.body0"
    origin: str  # its name in the file
    paths: tuple[str, ...]  # the fields that it sets: "tail.downsample", "body[0].depth", "recipe.epochs"
    locations: tuple[Location, ...]  # the same, one by one; ("recipe", "epochs") for those of the recipe
    levels: tuple[Level, ...] | None  # None for a range
    values: tuple[Any, ...] | None  # what the fields are set to at each level
    range: Range | None
    when: Mapping[str, tuple[Level, ...]]
    baseline: Level

    @property
    def of_bases(self) -> bool:
        """Whether its levels are whole networks, which other axes change."""
        return self.paths == (BASE,)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The levels as they are written in names, no two of which are equal; None for a range."""
        return None if self.levels is None else tuple(map(label_of, self.levels))

    @property
    def size(self) -> int | None:
        """How many levels there are; None if no one can count them."""
        return self.range.size if self.range is not None else len(self.levels or ())

    def level(self, index: int) -> Level:
        """Return one of finitely many levels, counted from 0."""
        return (self.levels or ())[index] if self.range is None else self.range.level(index)

    def at(self, share: float) -> Level:
        """Return the level at a share, from 0 (included) to 1 (excluded), of the way from the first to the last."""
        levels = self.levels or ()
        return levels[int(share * len(levels))] if self.range is None else self.range.at(share)

    def known(self, level: Any) -> Level | None:
        """Return the axis' own level that a value, such as one from a record, stands for; None if it is none."""
        if self.range is not None:
            return self.range.nearest(level)
        wanted = list(level) if isinstance(level, tuple) else level
        return next((own for own in self.levels or () if same(own, wanted)), None)

    def value_of(self, level: Level) -> Any:
        """Return what the fields are set to at a level."""
        if self.levels is None or self.values is None:
            return level
        return self.values[next(i for i, own in enumerate(self.levels) if same(own, level))]

    def active(self, levels: Mapping[str, Level]) -> bool:
        """Tell whether the axis counts, given the levels of those active ones that are written above it."""
        return all(
            axis in levels and any(same(levels[axis], level) for level in accepted)
            for axis, accepted in self.when.items()
        )

    def excludes(self, other: SpelledAxis) -> bool:
        """Tell whether this and another axis are never active together, by different levels of one axis."""
        return any(
            axis in other.when and not any(same(one, two) for one in accepted for two in other.when[axis])
            for axis, accepted in self.when.items()
        )

    @property
    def choices(self) -> str:
        """The levels, for a sentence."""
        return f"the levels {', '.join(self.labels)}" if self.labels is not None else str(self.range)


def cardinality(axes: Sequence[SpelledAxis], levels: Mapping[str, Level] | None = None) -> int | None:
    """Count the combinations of active axes' levels; None if no one can count them."""
    levels = levels or {}
    if not axes:
        return 1
    axis, *others = axes
    if not axis.active(levels):
        return cardinality(others, levels)
    decisive = [level for other in others for level in other.when.get(axis.name, ())]
    decisive = [level for i, level in enumerate(decisive) if not any(same(level, one) for one in decisive[:i])]
    counts = [cardinality(others, {**levels, axis.name: level}) for level in decisive]
    if axis.size is None or None in counts:
        return None
    left = axis.size - len(decisive)
    rest = cardinality(others, levels) if left else 0  # at the other levels nothing hangs on this axis
    return None if rest is None else sum(count or 0 for count in counts) + left * rest
