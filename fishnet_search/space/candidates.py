"""Candidates: combinations of levels with their networks, recipes and exact costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path

from fishnet_search.cost.ledger import Cost
from fishnet_search.errors import SpaceError, SpecError
from fishnet_search.space.asked import spelled_pairs, spelled_variants
from fishnet_search.space.axes import BASE, RECIPE, SpelledAxis, cardinality
from fishnet_search.space.design import ExplicitList, Grid, Level, OneFactor, Random, Search
from fishnet_search.space.enumeration import (
    BASELINE,
    Levels,
    active_levels,
    drawn,
    every_combination,
    key_of,
    name_of,
    one_at_a_time,
)
from fishnet_search.space.limits import Limits, written
from fishnet_search.space.matching import rescaled
from fishnet_search.space.model import Space
from fishnet_search.space.published import PublishedFigure, refuse_unknown_variants
from fishnet_search.space.spelling import known_level, with_recipe
from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.loading import field_locations, with_fields
from fishnet_search.spec.reading import Document
from fishnet_search.task.cost import whole_cost
from fishnet_search.train.recipe import Recipe

MOST_IDLE_DRAWS = 1_000
"""Random combinations in a row that give no new candidate, after which there are taken to be no more."""


@dataclass(frozen=True)
class Candidate:
    """One combination of the axes' levels."""

    name: str
    levels: Levels  # of the active axes
    spec: Architecture
    recipe: Recipe
    cost: Cost  # of one image of the base's size
    matches: str | None = None  # name of the candidate that this one rescales to the baseline's cost


@dataclass(frozen=True)
class Refusal:
    """A combination that is not to be trained."""

    name: str
    levels: Levels
    where: str  # "spaces/mine.yaml:14: constraints.params"
    reason: str  # rule and value
    duplicate_of: str | None = None  # name of the candidate that is the same network, trained by the same recipe


@dataclass(frozen=True)
class SpelledSpace:
    """A space held against its base."""

    name: str
    space: Space
    base: Architecture  # with the classes of the data
    axes: Mapping[str, SpelledAxis]  # in the file's order, those `per: stage` once for each stage
    document: Document = field(repr=False)
    published: tuple[PublishedFigure, ...] = ()

    @property
    def limits(self) -> Limits:
        """What candidates may cost; the latency is for those to check who can measure it."""
        return self.space.constraints

    @property
    def searches(self) -> bool:
        """Whether candidates are proposed one by one, by what was seen before."""
        return isinstance(self.space.design, Search)

    @property
    def cardinality(self) -> int | None:
        """How many combinations of levels there are; None if no one can count them."""
        return cardinality(tuple(self.axes.values()))

    @cached_property
    def base_cost(self) -> Cost:
        """What limits such as "1.1x base" go by.

        Raises:
            SpaceError: the base does not have what the task takes of it.
        """
        try:
            return whole_cost(self.base, self.space.task)
        except SpecError as problem:
            raise SpaceError(f"{self._where('task')}: the base: {problem}") from problem

    @cached_property
    def baseline(self) -> Candidate:
        """The candidate that the others are compared with.

        Raises:
            SpaceError: it is no network, or breaks a limit.
        """
        made = self.candidate({}, self._baseline_name())
        if isinstance(made, Refusal):
            raise SpaceError(f"{made.where}: the baseline: {made.reason}")
        return made

    def candidate(self, levels: Mapping[str, Level], name: str | None = None) -> Candidate | Refusal:
        """Return one combination.

        Args:
            levels: axis -> level; axes that are missing stand at the baseline's, inactive ones do not count.
            name: of the candidate; by default its levels.

        Raises:
            SpaceError: there is no such axis or level.
        """
        wanted: dict[str, Level] = {}
        for axis, level in levels.items():
            wanted |= known_level(axis, level, self.axes, self._where("axes", axis))
        chosen = active_levels(self.axes, wanted)
        name = name_of(chosen, alone=len(self.axes) == 1) if name is None else name
        fields = {path: self.axes[axis].value_of(chosen[axis]) for axis in chosen for path in self.axes[axis].paths}
        own = {path.removeprefix(RECIPE): value for path, value in fields.items() if path.startswith(RECIPE)}
        base = fields.pop(BASE, self.base)
        try:
            spec = with_fields(base, {path: fields[path] for path in fields if not path.startswith(RECIPE)}, "")
            recipe = with_recipe(self.space.recipe, own, "")
        except SpecError as problem:
            reason = "; ".join(line.removeprefix(": ") for line in str(problem).splitlines())
            return Refusal(name, chosen, self._where("axes"), reason)
        try:
            cost = whole_cost(spec, self.space.task)
        except SpecError as problem:
            return Refusal(name, chosen, self._where("task"), str(problem))
        return self._within_limits(Candidate(name, chosen, spec, recipe, cost))

    def candidates(self) -> Iterator[Candidate | Refusal]:
        """Yield what the design asks for: the baseline, then each network and recipe once; of a search the baseline.

        A twin of matched cost follows the candidate that it rescales, unless that one has the cost already.

        Raises:
            SpaceError: a variant that the design asks for by name is no network that can be built, or published figures
                are given to one that it does not ask for.
        """
        names = []
        for one in self._enumerated():
            names.append(one.name)
            yield one
        refuse_unknown_variants(self.space.published, names, self.document)

    def _enumerated(self) -> Iterator[Candidate | Refusal]:
        seen = _Seen()
        seen.earlier(self.baseline)
        yield self.baseline
        for made in self._designed(seen):
            one = self._unless_seen(made, seen)
            if one is not made and isinstance(self.space.design, Random):
                continue  # another one is drawn in its place
            yield one
            twin = self.matched(one) if isinstance(one, Candidate) else None
            if twin is not None:
                yield self._unless_seen(twin, seen)

    def matched(self, candidate: Candidate) -> Candidate | Refusal | None:
        """Return the candidate with its widths rescaled to the baseline's cost.

        None if the space does not ask for it, or the candidate costs that already.
        """
        match = self.space.match
        if match is None:
            return None
        target = getattr(self.baseline.cost, match.metric)
        if abs(getattr(candidate.cost, match.metric) - target) <= match.within * target:
            return None
        paths = (path for axis in candidate.levels for path in self.axes[axis].paths)
        fields = (path for path in paths if path != BASE and not path.startswith(RECIPE))
        kept = {location for path in fields for location in field_locations(candidate.spec, path, "")}
        nearest = rescaled(candidate.spec, self.space.task, match.metric, target, match.within, kept)
        name = f"{candidate.name}-same-{match.metric}"
        if nearest.off > match.within:
            reached = written(getattr(nearest.cost, match.metric))
            reason = (
                f"{match.metric} come no nearer to the baseline's {written(target)} by other widths than {reached}, "
                f"which is {100 * nearest.off:.2g}% off, more than {100 * float(match.within):.2g}%"
            )
            return Refusal(name, candidate.levels, self._where("match"), reason)
        twin = Candidate(name, candidate.levels, nearest.spec, candidate.recipe, nearest.cost, candidate.name)
        return self._within_limits(twin)

    def refused(self, candidate: Candidate, figures: Mapping[str, float], base: Mapping[str, float]) -> Refusal | None:
        """Hold a candidate's figures, such as a measured latency, against the limits.

        Args:
            candidate: whose they are.
            figures: by metric; those that are missing break nothing.
            base: the same of the base.
        """
        broken = self.limits.broken(figures, base)
        if not broken:
            return None
        reason = "; ".join(sentence for _, sentence in broken)
        return Refusal(candidate.name, candidate.levels, self._where("constraints", broken[0][0]), reason)

    def _within_limits(self, candidate: Candidate) -> Candidate | Refusal:
        return self.refused(candidate, _figures(candidate.cost), _figures(self.base_cost)) or candidate

    def _designed(self, seen: _Seen) -> Iterator[Candidate | Refusal]:
        """Yield what the design asks for beside the baseline; but for random ones, a network may come twice."""
        match self.space.design:
            case Grid():
                for levels in every_combination(tuple(self.axes.values())):
                    if key_of(levels) != key_of(self.baseline.levels):
                        yield self.candidate(levels)
            case OneFactor() as design:
                for name, change in one_at_a_time(self.axes, spelled_pairs(design, self.axes, self.document)):
                    yield self._asked_for(change, name, self._where("axes"))
            case ExplicitList() as design:
                for name, change in spelled_variants(design, self.axes, self.document).items():
                    if name != self.baseline.name:
                        yield self._asked_for(change, name, self._where("design", "variants", name))
            case Random() as design:
                yield from self._drawn(design, seen)

    def _drawn(self, design: Random, seen: _Seen) -> Iterator[Candidate | Refusal]:
        """Yield random combinations until there are enough candidates, or no more to be found."""
        cardinality = self.cardinality
        drawn_before = {key_of(self.baseline.levels)}
        found = idle = 0
        for number in count():
            if found == design.candidates or idle == MOST_IDLE_DRAWS or len(drawn_before) == cardinality:
                return
            levels = drawn(self.axes, design.seed, number)
            idle += 1
            if key_of(levels) in drawn_before:
                continue
            drawn_before.add(key_of(levels))
            before = seen.count
            yield self.candidate(levels, f"r{number:04}")
            if seen.count > before:
                found, idle = found + 1, 0

    def _asked_for(self, change: Levels, name: str, where: str) -> Candidate | Refusal:
        """Return a variant that the design names; one that is no network is a mistake of who wrote it."""
        made = self.candidate(change, name)
        if isinstance(made, Refusal) and made.where == self._where("axes"):
            raise SpaceError(f"{where}: variant {name}: {made.reason}")
        return made

    def _unless_seen(self, made: Candidate | Refusal, seen: _Seen) -> Candidate | Refusal:
        if isinstance(made, Refusal) or (known := seen.earlier(made)) is None:
            return made
        reason = f"is the network of {known}, trained by the same recipe"
        return Refusal(made.name, made.levels, self._where("axes"), reason, duplicate_of=known)

    def _baseline_name(self) -> str:
        design = self.space.design
        levels = active_levels(self.axes, {})
        if not self.axes:
            return Path(self.space.base).stem
        if isinstance(design, Grid) or (isinstance(design, OneFactor) and len(self.axes) == 1):
            return name_of(levels, alone=len(self.axes) == 1)
        if isinstance(design, ExplicitList):
            for name, change in spelled_variants(design, self.axes, self.document).items():
                if key_of(active_levels(self.axes, change)) == key_of(levels):
                    return name
        return BASELINE

    def _where(self, *location: str) -> str:
        return self.document.where(location)


def _figures(cost: Cost) -> dict[str, float]:
    return {metric: getattr(cost, metric) for metric in ("params", "macs", "activations")}


class _Seen:
    """The networks and recipes that came before. An identity is worked out only where costs are equal."""

    def __init__(self) -> None:
        self.count = 0
        self.alone: dict[tuple[object, ...], Candidate | None] = {}  # by cost; None where there were several
        self.names: dict[tuple[str, Recipe], str] = {}

    def earlier(self, candidate: Candidate) -> str | None:
        """Return the name of the candidate that came before with this network and recipe, or remember this one."""
        cost = candidate.cost
        key = (cost.params, cost.macs, cost.activations, cost.layers, candidate.recipe)
        if key not in self.alone:
            self.alone[key] = candidate
        else:
            if (first := self.alone[key]) is not None:
                self.names[first.spec.identity(), first.recipe] = first.name
                self.alone[key] = None
            same = (candidate.spec.identity(), candidate.recipe)
            if same in self.names:
                return self.names[same]
            self.names[same] = candidate.name
        self.count += 1
        return None
