"""Widths rescaled so that a network costs what another one does."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from fishnet_search.cost.ledger import Cost
from fishnet_search.errors import SpecError
from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.fish import FishSpec
from fishnet_search.spec.loading import with_fields
from fishnet_search.spec.naming import dotted, shown
from fishnet_search.spec.stage import DERIVED, Stage
from fishnet_search.spec.value import Location, Value
from fishnet_search.task.cost import whole_cost
from fishnet_search.task.settings import Task

Widths = Mapping[Location, int]

MOST_ROUNDS = 8
MOST_PAIRS = 40
"""Changes of two widths that are tried in one round, those first that promise most."""


def _share(value: Any) -> Fraction:
    """Read 1% or 0.01."""
    text = str(value).strip() if isinstance(value, (int, float, str)) and not isinstance(value, bool) else ""
    if match := re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*(%?)", text):
        share = Fraction(match[1]) / (100 if match[2] else 1)
        if 0 < share <= Fraction(1, 2):
            return share
    raise ValueError(f"should be a share of more than 0 and at most 50%, such as 1%, but is {shown(value)}")


class Match(Value):
    """Each candidate gets a twin whose widths are such that it costs what the baseline does."""

    metric: Literal["params", "macs", "activations"] = Field("macs", description="what is to be the same")
    by: Literal["width"] = Field("width", description="what is rescaled")
    within: Annotated[Any, BeforeValidator(_share)] = Field(
        Fraction(1, 100), description="how far off it may be, such as 1%"
    )


@dataclass(frozen=True)
class Attempt:
    """A network with other widths, and how far from the target it costs, as a share of it."""

    widths: Widths  # that were asked for; those of a fish's body decide some others
    spec: Architecture
    cost: Cost
    off: float


def rescaled(
    spec: Architecture, task: Task, metric: str, target: int, within: Fraction, kept: Collection[Location]
) -> Attempt:
    """Return the network nearest to a cost that is found by other widths.

    First all widths are multiplied by a common factor; if that does not come near enough, one or two stages are made
    wider or narrower. In the body of a fish each width remains the same fraction of the channels that enter it.

    Args:
        spec: where to start from.
        task: whose whole model is to have that cost.
        metric: "params", "macs" or "activations".
        target: its value.
        within: the share of the target that the cost may differ by.
        kept: widths that stay as they are.
    """
    search = _Search(spec, task, metric, target, kept)
    best = search.by_common_factor(float(within))
    for _ in range(MOST_ROUNDS):
        if best.off <= within:
            break
        nearer = search.beside(best, float(within))
        if nearer.off >= best.off:
            break
        best = nearer
    return best


def width_fields(spec: Architecture) -> dict[Location, int]:
    """Return the widths that a spec names as numbers, and the growths of a DenseNet."""
    found: dict[Location, int] = {("stem", "width"): spec.stem.width}
    for name in type(spec).model_fields:
        part = getattr(spec, name)
        stages = [((name, i), stage) for i, stage in enumerate(part)] if isinstance(part, tuple) else [((name,), part)]
        for at, stage in stages:
            for width in ("width", "growth"):
                if isinstance(value := getattr(stage, width, None), int):
                    location: Location = (*at, width)
                    found[location] = value
    return found


class _Search:
    """Attempts at one network."""

    def __init__(self, spec: Architecture, task: Task, metric: str, target: int, kept: Collection[Location]) -> None:
        self.spec, self.task, self.metric, self.target, self.kept = spec, task, metric, target, kept
        self.all = width_fields(spec)
        self.step = math.lcm(2, *map(_step, _stages(spec)))
        self.links = tuple(_links(spec, kept)) if isinstance(spec, FishSpec) else ()
        follow = {link.decided for link in self.links}
        self.free = [at for at in self.all if at not in kept and at not in follow]
        self.tried: dict[tuple[tuple[Location, int], ...], Attempt | None] = {}
        self.start = self._made(spec, self.all)

    def by_common_factor(self, within: float) -> Attempt:
        """Return the best that one factor on all widths gives."""
        best = self.start
        low, high = 1 / 32, 32.0
        while high / low > 1.0005 and best.off > within:
            factor = math.sqrt(low * high)
            attempt = self._attempt({at: self._round(width * factor) for at, width in self.all.items()})
            if attempt is None:
                too_much = factor**2 * self._figure(self.start) > self.target
            else:
                too_much = self._figure(attempt) > self.target
                best = min(best, attempt, key=lambda one: one.off)
            low, high = (low, factor) if too_much else (factor, high)
        return best

    def beside(self, centre: Attempt, within: float) -> Attempt:
        """Return the best that differs from an attempt in one free width, or else in two."""
        changes: list[tuple[Location, int, float]] = []
        best = centre
        for at, steps in itertools.product(self.free, (1, -1, 2, -2, 4, -4)):
            width = centre.widths.get(at, self.all[at]) + steps * self.step
            attempt = self._attempt({**centre.widths, at: width})
            if attempt is not None:
                changes.append((at, width, self._figure(attempt) - self._figure(centre)))
                best = min(best, attempt, key=lambda one: one.off)
        if best.off <= within:
            return best
        missing = self.target - self._figure(centre)
        pairs = [(one, two) for one, two in itertools.combinations(changes, 2) if one[0] != two[0]]
        pairs.sort(key=lambda pair: abs(pair[0][2] + pair[1][2] - missing))
        for (one, width, _), (two, other, _) in pairs[:MOST_PAIRS]:
            attempt = self._attempt({**centre.widths, one: width, two: other})
            if attempt is not None:
                best = min(best, attempt, key=lambda one: one.off)
            if best.off <= within:
                break
        return best

    def _attempt(self, wanted: Widths) -> Attempt | None:
        """Return the network with these widths, or None if there is none."""
        widths = self._linked(wanted)
        key = tuple(widths.items())
        if key not in self.tried:
            self.tried[key] = None
            if min(widths.values()) > 0:
                fields = {dotted(at): width for at, width in widths.items()}
                with suppress(SpecError):
                    self.tried[key] = self._made(with_fields(self.spec, fields), widths)
        return self.tried[key]

    def _made(self, spec: Architecture, widths: Widths) -> Attempt:
        cost = whole_cost(spec, self.task)
        return Attempt(widths, spec, cost, abs(getattr(cost, self.metric) / self.target - 1))

    def _linked(self, wanted: Widths) -> Widths:
        """Return all widths, with what enters each stage of a fish's body the same multiple of its width as before."""
        widths = {at: width if at in self.kept else wanted[at] for at, width in self.all.items()}
        for link in self.links:
            others = sum(widths[at] for at in link.beside)
            if link.decided is not None and (needed := link.times * widths[link.body] - others) >= self.step:
                widths[link.decided] = needed
            elif link.body not in self.kept:
                entering = others + (widths[link.decided] if link.decided is not None else 0)
                widths[link.body] = self._divisor(entering, widths[link.body])
        return widths

    def _divisor(self, entering: int, wanted: int) -> int:
        fits = (width for width in range(self.step, entering + 1, self.step) if entering % width == 0)
        return min(fits, key=lambda width: abs(width - wanted), default=0)

    def _round(self, width: float) -> int:
        return max(round(width / self.step), 1) * self.step

    def _figure(self, attempt: Attempt) -> int:
        return int(getattr(attempt.cost, self.metric))


class _Link(NamedTuple):
    """The channels that enter a stage of the body are a multiple of its width."""

    body: Location
    times: int
    beside: tuple[Location, ...]  # widths whose sum enters, but for
    decided: Location | None  # the one that is made to fit; None if none can be


def _links(spec: FishSpec, kept: Collection[Location]) -> Iterator[_Link]:
    outputs: dict[str | None, tuple[Location, ...]] = {None: (), "stem": (("stem", "width"),)}
    entering = outputs["stem"]
    taken = set(kept)
    for plan in spec.plan[: len(spec.tail) + 1 + len(spec.body)]:
        at: Location = (*plan.at, "width")
        width = entering if plan.stage.width == DERIVED else (at,)
        if plan.at[0] == "body":
            if plan.shortcut != "projection" and width == (at,):
                free = [one for one in entering if one not in taken]
                decided = free[-1] if free else None
                beside = list(entering)
                if decided is not None:
                    beside.remove(decided)
                yield _Link(at, plan.entering // plan.width, tuple(beside), decided)
            taken |= {at, *entering}
        entering = outputs[plan.name] = width + outputs[plan.source]


def _stages(spec: Architecture) -> Iterator[Stage]:
    for name in type(spec).model_fields:
        part = getattr(spec, name)
        yield from (stage for stage in (part if isinstance(part, tuple) else (part,)) if isinstance(stage, Stage))


def _step(stage: Stage) -> int:
    """Return what a stage's widths must be multiples of."""
    grouped = [number for number in (stage.groups, stage.group_width) if number != DERIVED]
    if stage.basic or len(grouped) == 2:
        return 1
    return math.prod((stage.expansion, *grouped))
