"""What a design asks for by name, and whether it can be had of the axes."""

from __future__ import annotations

from collections.abc import Mapping

from fishnet_search.errors import SpaceError
from fishnet_search.space.axes import SpelledAxis, cardinality, label_of
from fishnet_search.space.design import ExplicitList, Grid, Level, OneFactor, Search
from fishnet_search.space.enumeration import BASELINE, active_levels, key_of, most_changes
from fishnet_search.space.model import Space
from fishnet_search.space.spelling import known_level, meant
from fishnet_search.spec.naming import nearest, shown
from fishnet_search.spec.reading import Document

MOST_VARIANTS = 10_000


def spelled_pairs(design: OneFactor, axes: Mapping[str, SpelledAxis], document: Document) -> list[tuple[str, str]]:
    """Return the pairs of axes that a one-factor design changes together.

    Raises:
        SpaceError: there is no such axis.
    """
    found = []
    for i, pair in enumerate(design.pairs):
        for name in pair:
            if not meant(name, axes):
                where = document.where(("design", "pairs", i))
                raise SpaceError(f"{where}: there is no axis {shown(name)}{nearest(name, list(axes))}")
        one, two = (meant(name, axes) for name in pair)
        found += [(a.name, b.name) for a in one for b in two if a.name != b.name]
    return found


def spelled_variants(
    design: ExplicitList, axes: Mapping[str, SpelledAxis], document: Document
) -> dict[str, dict[str, Level]]:
    """Return the variants of a list by name, each as what differs from the baseline.

    Raises:
        SpaceError: there is no such axis or level, the axis is not active there, or the name is misleading.
    """
    found: dict[str, dict[str, Level]] = {}
    for name, change in design.variants.items():
        levels: dict[str, Level] = {}
        for axis, level in change.items():
            levels |= known_level(axis, level, axes, document.where(("design", "variants", name, axis)))
        active = active_levels(axes, levels)
        for axis in change:
            if not any(one.name in active for one in meant(axis, axes)):
                inactive = meant(axis, axes)[0].when
                told = " and ".join(f"{other}: {', '.join(map(label_of, at))}" for other, at in inactive.items())
                where = document.where(("design", "variants", name, axis))
                raise SpaceError(f"{where}: {axis} is active only when {told}; set that too, or remove it")
        if name == BASELINE and key_of(active) != key_of(active_levels(axes, {})):
            where = document.where(("design", "variants", name))
            raise SpaceError(f"{where}: is not the baseline; give it another name")
        found[name] = levels
    return found


def refuse_what_cannot_be_asked(space: Space, axes: Mapping[str, SpelledAxis], document: Document) -> None:
    """Hold the design against the axes.

    Raises:
        SpaceError: it has no end or too many variants, names what is not there, or its sampler cannot take the axes.
    """
    match space.design:
        case Grid():
            _refuse_endless(axes, "grid", document)
            _refuse_too_many(cardinality(tuple(axes.values())), document)
        case OneFactor() as design:
            _refuse_endless(axes, "one-factor", document)
            pairs = spelled_pairs(design, axes, document)
            _refuse_too_many(most_changes(axes, pairs), document)
            active = active_levels(axes, {})
            for name, axis in axes.items():
                if name not in active and not any(name in pair for pair in pairs):
                    where = document.where(("axes", axis.origin, "when"))
                    raise SpaceError(
                        f"{where}: {name} is not active at the baseline; add a pair of it and another axis"
                    )
        case ExplicitList() as design:
            spelled_variants(design, axes, document)
        case Search(kind="cmaes"):
            _refuse_all_but_ranges(axes, document)


def _refuse_endless(axes: Mapping[str, SpelledAxis], design: str, document: Document) -> None:
    for axis in axes.values():
        if axis.size is None:
            where = document.where(("axes", axis.origin, "range"))
            advice = "give a step or values, or use a random design or a search"
            raise SpaceError(f"{where}: has no end of levels, but the design {design} tries all; {advice}")


def _refuse_too_many(count: int | None, document: Document) -> None:
    if count is not None and count > MOST_VARIANTS:
        where = document.where(("axes",))
        raise SpaceError(f"{where}: make {count} variants, more than {MOST_VARIANTS}; shorten them")


def _refuse_all_but_ranges(axes: Mapping[str, SpelledAxis], document: Document) -> None:
    for name, axis in axes.items():
        if axis.range is None or axis.when:
            where = document.where(("axes", axis.origin))
            told = "is conditional" if axis.when else "has values"
            raise SpaceError(f"{where}: {name} {told}, but cmaes takes ranges alone, always active ones; use tpe")
    if len(axes) < 2:
        raise SpaceError(f"{document.where(('axes',))}: has one axis, but cmaes needs two or more; use tpe")
