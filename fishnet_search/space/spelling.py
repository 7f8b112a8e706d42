"""The axes of a space held against its base: which fields they set, and whether the fields take their levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from fishnet_search.errors import SpaceError, SpecError
from fishnet_search.space.axes import BASE, MOST_LEVELS, RECIPE, Axis, SpelledAxis, same
from fishnet_search.space.bases import named_base
from fishnet_search.space.design import Level
from fishnet_search.space.model import Space
from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.loading import field_locations, with_fields
from fishnet_search.spec.naming import dotted, nearest, set_value, shown, value_at
from fishnet_search.spec.reading import Document, validated
from fishnet_search.spec.value import Location
from fishnet_search.train.recipe import Recipe

GIVEN_BY_THE_DATA = ("classes", "image_size", "recipe.test_crop")
"""Fields that all variants share, because they share the images, which are kept in one size."""


def spelled_axes(space: Space, base: Architecture, document: Document) -> dict[str, SpelledAxis]:
    """Return the axes by name, those `per: stage` once for each stage.

    Raises:
        SpaceError: a path leads nowhere, a field does not take a level, or axes, conditions and baseline do not fit
            together; with file and line.
    """
    spelled: dict[str, SpelledAxis] = {}
    for name, axis in space.axes.items():
        host = _host(axis.when, spelled, base)
        for part in _parts(name, axis, host, document):
            _refuse_shared_fields(part, spelled, document)
            if part.name in spelled:
                where = document.where(("axes", name))
                raise SpaceError(f"{where}: there is another axis {part.name}; give one of them another name")
            if part.of_bases:
                spelled[part.name] = replace(part, values=tuple(_networks(part, base, document)))
            else:
                _refuse_levels(part, space.recipe, host, document)
                spelled[part.name] = part
    spelled = _with_conditions(spelled, document)
    return _with_baseline(spelled, space, base, document)


def with_recipe(recipe: Recipe, fields: Mapping[str, Any], where: str) -> Recipe:
    """Return a recipe with fields set otherwise.

    Raises:
        SpecError: a field does not take its value.
    """
    data = {name: getattr(recipe, name) for name in type(recipe).model_fields}
    return validated(Recipe, Document(where, data | dict(fields), {})) if fields else recipe


def meant(name: str, axes: Mapping[str, SpelledAxis]) -> list[SpelledAxis]:
    """Return the axis of a name, or all that are `per: stage` of an axis that is written by it."""
    return [axes[name]] if name in axes else [axis for axis in axes.values() if axis.origin == name]


def known_level(name: str, level: Any, axes: Mapping[str, SpelledAxis], where: str) -> dict[str, Level]:
    """Return the level of each axis that a name means.

    Raises:
        SpaceError: there is no such axis, or it has no such level; the text begins with `where`.
    """
    found: dict[str, Level] = {}
    for axis in meant(name, axes):
        own = axis.known(level)
        if own is None:
            raise SpaceError(f"{where}: {shown(level)} is not among {axis.choices}")
        found[axis.name] = own
    if not found:
        raise SpaceError(f"{where}: there is no axis {shown(name)}{nearest(name, list(axes))}")
    return found


def _host(when: Mapping[str, Sequence[Level]], axes: Mapping[str, SpelledAxis], base: Architecture) -> Architecture:
    """Return the network that has an axis' fields: of the axes above that are of bases, at which this one counts."""
    for name, levels in when.items():
        if name in axes and axes[name].of_bases and (level := axes[name].known(levels[0])) is not None:
            return axes[name].value_of(level)  # type: ignore[no-any-return]
    return base


def _networks(axis: SpelledAxis, base: Architecture, document: Document) -> Iterator[Architecture]:
    """Yield the networks of an axis of bases, with the classes and the image size of the space's own base.

    Raises:
        SpaceError: there is no such network, or none for images of this size.
    """
    given = {"classes": base.classes, "image_size": base.image_size}
    for value, where in zip(axis.values or (), _where_levels(axis, document), strict=True):
        network = named_base(value, Path(document.source).parent, where)
        try:
            yield with_fields(network, given, str(value))
        except SpecError as problem:
            raise SpaceError("\n".join(f"{where}: {line}" for line in str(problem).splitlines())) from problem


def _parts(name: str, axis: Axis, base: Architecture, document: Document) -> Iterator[SpelledAxis]:
    """Yield an axis, or one for each stage."""
    where = document.where(("axes", name, "path"))
    found = [_locations(path, base, where) for path in axis.path]
    named = axis.values if isinstance(axis.values, dict) else None
    levels = None if axis.values is None else tuple(named or axis.values)
    values = tuple(named.values()) if named else levels

    def spelled(own: str, paths: tuple[str, ...], locations: tuple[Location, ...]) -> SpelledAxis:
        numbers = axis.range
        if numbers is not None and all(_takes_decimals(location) for location in locations):
            numbers = numbers.as_decimals()
        first = numbers.low if numbers is not None else (levels or ("",))[0]
        return SpelledAxis(own, name, paths, locations, levels, values, numbers, axis.when, first)

    if axis.per is None:
        yield spelled(name, axis.path, tuple(location for locations in found for location in locations))
        return
    for path, locations in zip(axis.path, found, strict=True):
        if "[" in path or len(locations[0]) < 3:
            raise SpaceError(f"{where}: {path} is no field of a part's stages, such as body.depth; remove per: stage")
    if len({len(locations) for locations in found}) > 1:
        counts = ", ".join(f"{path} in {len(locations)}" for path, locations in zip(axis.path, found, strict=True))
        raise SpaceError(f"{where}: there is {counts} stages, which cannot be tied stage by stage; make them two axes")
    part = found[0][0][0] if len(found) == 1 else "stage"
    for i, stage in enumerate(zip(*found, strict=True)):
        yield spelled(f"{name}.{part}{i}", tuple(map(dotted, stage)), stage)


def _locations(path: str, base: Architecture, where: str) -> list[Location]:
    if path == BASE:
        return [(BASE,)]
    if path in GIVEN_BY_THE_DATA:
        raise SpaceError(f"{where}: {path} cannot be an axis: all variants share the images; remove it")
    if path.startswith(RECIPE):
        field, fields = path.removeprefix(RECIPE), list(Recipe.model_fields)
        if field not in fields:
            raise SpaceError(f"{where}: {shown(path)}: unknown field{nearest(field, fields)}")
        return [("recipe", field)]
    try:
        return field_locations(base, path, where)
    except SpecError as problem:
        raise SpaceError(str(problem)) from problem


def _takes_decimals(location: Location) -> bool:
    return location[0] == "recipe" and Recipe.model_fields[str(location[1])].annotation in {float, float | None}


def _refuse_shared_fields(axis: SpelledAxis, others: Mapping[str, SpelledAxis], document: Document) -> None:
    """Each field belongs to one axis at a time, or a variant would not have the level that its name says."""
    where = document.where(("axes", axis.origin, "path"))
    for i, location in enumerate(axis.locations):
        owner = next((one for one in others.values() if location in one.locations and not one.excludes(axis)), None)
        if owner is not None or location in axis.locations[:i]:
            name = owner.name if owner is not None else axis.name
            raise SpaceError(f"{where}: {dotted(location)} is set by axis {name} already; keep it in one place")


def _refuse_levels(axis: SpelledAxis, recipe: Recipe, base: Architecture, document: Document) -> None:
    """Each level must be one that its fields take, whether or not the channels meet then."""
    if axis.range is None:
        wheres = [(where, "") for where in _where_levels(axis, document)]
        values = list(axis.values or ())
    else:
        count = axis.range.size
        spelled_out = count is not None and count <= MOST_LEVELS
        values = [axis.range.level(i) for i in range(count or 0)] if spelled_out else [axis.range.low, axis.range.high]
        where_range = document.where(("axes", axis.origin, "range"))
        wheres = [(where_range, "; give the range such ends and steps, or use values")] * len(values)
    for (where, advice), value in zip(wheres, values, strict=True):
        for location in axis.locations:
            try:
                _refuse_value(location, value, recipe, base, where)
            except SpecError as problem:
                raise SpaceError("\n".join(line + advice for line in str(problem).splitlines())) from problem


def _where_levels(axis: SpelledAxis, document: Document) -> list[str]:
    """Return where each level of an axis is written that has values."""
    named = axis.levels != axis.values
    steps = [str(level) if named else i for i, level in enumerate(axis.levels or ())]
    return [document.where(("axes", axis.origin, "values", step)) for step in steps]


def _refuse_value(location: Location, value: Any, recipe: Recipe, base: Architecture, where: str) -> None:
    """Raise a SpecError if a field does not take a value."""
    if location[0] == "recipe":
        with_recipe(recipe, {str(location[1]): value}, where)
        return
    owner: BaseModel = base
    inside = location
    while len(inside) > 1 and isinstance(inner := _entered(owner, inside), BaseModel):
        owner = inner
        inside = inside[2:] if isinstance(inside[1], int) else inside[1:]
    data = owner.model_dump(mode="json")
    set_value(data, inside, value)
    try:
        type(owner).model_validate(data)
    except ValidationError as problem:
        if any(details["type"] != "channels" for details in problem.errors(include_url=False)):
            with_fields(base, {dotted(location): value}, where)


def _entered(owner: BaseModel, location: Location) -> Any:
    value = getattr(owner, str(location[0]))
    return value[location[1]] if isinstance(location[1], int) else value


def _with_conditions(axes: Mapping[str, SpelledAxis], document: Document) -> dict[str, SpelledAxis]:
    """Return the axes with conditions that name the other axes' own levels."""
    done: dict[str, SpelledAxis] = {}
    for name, axis in axes.items():
        when: dict[str, tuple[Level, ...]] = {}
        for other, levels in axis.when.items():
            where = document.where(("axes", axis.origin, "when", other))
            if other not in done and other in axes:
                told = "itself" if other == name else f"{other}, which is written below it"
                raise SpaceError(f"{where}: {name} hangs on {told}; a condition names an axis above")
            if other not in done:
                raise SpaceError(f"{where}: there is no axis {shown(other)} above{nearest(other, list(done))}")
            when[other] = tuple(known_level(other, level, {other: done[other]}, where)[other] for level in levels)
        done[name] = replace(axis, when=when)
    return done


def _with_baseline(
    axes: Mapping[str, SpelledAxis], space: Space, base: Architecture, document: Document
) -> dict[str, SpelledAxis]:
    """Return the axes with the baseline's levels."""
    chosen: dict[str, Level] = {}
    for name, level in space.baseline.items():
        chosen |= known_level(name, level, axes, document.where(("baseline", name)))
    for name, axis in axes.items():
        if name not in chosen:
            host = _host(axis.when, axes, base)
            chosen[name] = axis.baseline if axis.range is None else _level_of_base(axis, space.recipe, host, document)
    return {name: replace(axis, baseline=chosen[name]) for name, axis in axes.items()}


def _level_of_base(axis: SpelledAxis, recipe: Recipe, base: Architecture, document: Document) -> Level:
    data = {**base.model_dump(mode="json"), "recipe": recipe.model_dump(mode="json")}
    held = [value_at(data, location) for location in axis.locations]
    level = axis.known(held[0])
    if level is None or not all(same(held[0], other) for other in held):
        where = document.where(("axes", axis.origin, "range"))
        told = ", ".join(dict.fromkeys(map(shown, held)))
        raise SpaceError(f"{where}: the base has {told}, not one of {axis.choices}; add {axis.name} to `baseline`")
    return level
