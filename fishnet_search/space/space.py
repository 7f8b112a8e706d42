"""What is compared: a base architecture, axes along which it varies, seeds, data and a recipe."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from fishnet_search.errors import SpaceError, SpecError
from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.loading import field_locations, load_spec, preset_names, with_fields
from fishnet_search.spec.naming import dotted, nearest
from fishnet_search.spec.reading import Document, read_yaml, validated
from fishnet_search.spec.value import Location, Value
from fishnet_search.train.recipe import Recipe

Level = str | int | float | bool
MOST_VARIANTS = 10_000
MOST_SEEDS = 10_000
GIVEN_BY_THE_DATA = ("classes", "image_size")
"""Fields that all variants share, because they share the images."""


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _count_or_list(value: Any) -> Any:
    if isinstance(value, list):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SEEDS:
        return list(range(value))
    raise ValueError(f"should be a number of seeds from 1 to {MOST_SEEDS}, or a list of seeds")


class Axis(Value):
    """Fields that take the same value together, and the values they take."""

    path: Annotated[tuple[str, ...], BeforeValidator(_one_or_many)] = Field(
        min_length=1, description="one field of the spec or several, such as tail.downsample or body[1].dilation"
    )
    values: tuple[Level, ...] = Field(min_length=1, description="the levels; each is a variant")

    @field_validator("values")
    @classmethod
    def _levels_differ(cls, values: tuple[Level, ...]) -> tuple[Level, ...]:
        if twice := [value for i, value in enumerate(values) if value in values[:i]]:
            raise ValueError(f"has {twice[0]!r} twice; keep one")
        return values


class Space(Value):
    """Every combination of the axes' values is a variant, and every variant is trained with every seed."""

    description: str = Field("", description="what the study is to find out; the report begins with it")
    base: str = Field(description="a preset's name, or a spec's path seen from the space's folder")
    axes: dict[str, Axis] = Field(min_length=1, description="by name")
    baseline: dict[str, Level] = Field(
        default_factory=dict, description="axis -> level that the others are compared with; by default the first"
    )
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], BeforeValidator(_count_or_list)] = Field(
        (0, 1, 2), min_length=1, max_length=MOST_SEEDS, description="a number of seeds, or the seeds themselves"
    )
    data: str = Field("digits", description="'digits' or 'imagefolder:PATH', PATH seen from where the command runs")
    recipe: Recipe = Recipe()

    @field_validator("baseline")
    @classmethod
    def _baseline_is_on_the_axes(cls, baseline: dict[str, Level], info: ValidationInfo) -> dict[str, Level]:
        axes: Mapping[str, Axis] = info.data.get("axes", {})
        for name, level in baseline.items():
            if axes and name not in axes:
                raise ValueError(f"names no axis{nearest(name, list(axes))}")
            if axes and level not in axes[name].values:
                raise ValueError(f"{name}: {level!r} is not among the axis' values {list(axes[name].values)}")
        return baseline

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("has a seed twice; keep one")
        return seeds


@dataclass(frozen=True)
class Variant:
    """One combination of the axes' values."""

    name: str
    levels: Mapping[str, Level]
    spec: Architecture


@dataclass(frozen=True)
class SpelledSpace:
    """A space with its variants, the baseline first."""

    name: str
    space: Space
    variants: tuple[Variant, ...]


def load_space(path: Path) -> SpelledSpace:
    """Read a space and spell out its variants; nothing is trained.

    Raises:
        SpaceError: the file cannot be read, or a variant is no network that can be built; with file and line.
    """
    document = read_yaml(path, SpaceError)
    space = validated(Space, document, SpaceError)
    count = 1
    for axis in space.axes.values():
        count *= len(axis.values)
    if count > MOST_VARIANTS:
        raise SpaceError(f"{document.where(('axes',))}: make {count} variants, more than {MOST_VARIANTS}; shorten them")
    base = _base(space, document, path)
    _refuse_shared_fields(space, base, document)
    combinations = itertools.product(*(range(len(axis.values)) for axis in space.axes.values()))
    variants = [_variant(space, base, document, combination) for combination in combinations]
    defaults = {name: axis.values[0] for name, axis in space.axes.items()} | space.baseline
    variants.sort(key=lambda variant: variant.levels != defaults)
    return SpelledSpace(path.stem, space, tuple(variants))


def _base(space: Space, document: Document, path: Path) -> Architecture:
    where = document.where(("base",))
    if space.base not in preset_names() and Path(space.base).suffix not in {".yaml", ".yml", ".json"}:
        raise SpaceError(
            f"{where}: {space.base}: neither a YAML file nor a preset{nearest(space.base, preset_names())}"
        )
    try:
        return load_spec(space.base if space.base in preset_names() else path.parent / Path(space.base).expanduser())
    except SpecError as problem:
        raise SpaceError(f"{where}: {problem}") from problem


def _refuse_shared_fields(space: Space, base: Architecture, document: Document) -> None:
    """Each field belongs to one axis at most, or a variant would not have the level that its name says."""
    owners: dict[Location, str] = {}
    for name, axis in space.axes.items():
        where = document.where(("axes", name, "path"))
        for path in axis.path:
            try:
                locations = field_locations(base, path, where)
            except SpecError as problem:
                raise SpaceError(str(problem)) from problem
            if path in GIVEN_BY_THE_DATA:
                raise SpaceError(f"{where}: {path} cannot be an axis: the images give it to all variants; remove it")
            for location in locations:
                if location in owners:
                    raise SpaceError(
                        f"{where}: {dotted(location)} is set by {owners[location]} already; keep it in one place"
                    )
                owners[location] = f"axis {name}"


def _variant(space: Space, base: Architecture, document: Document, combination: tuple[int, ...]) -> Variant:
    levels = {name: axis.values[i] for (name, axis), i in zip(space.axes.items(), combination, strict=True)}
    fields = {axis: dict.fromkeys(space.axes[axis].path, level) for axis, level in levels.items()}
    name = ",".join(str(level) if len(levels) == 1 else f"{axis}={level}" for axis, level in levels.items())
    try:
        together = {path: level for each in fields.values() for path, level in each.items()}
        return Variant(name, levels, with_fields(base, together, f"{document.where(('axes',))}: variant {name}"))
    except SpecError as problem:
        for axis, i in zip(space.axes, combination, strict=True):  # is one level alone to blame?
            try:
                with_fields(base, fields[axis], document.where(("axes", axis, "values", i)))
            except SpecError as alone:
                raise SpaceError(str(alone)) from alone
        raise SpaceError(str(problem)) from problem
