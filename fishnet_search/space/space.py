"""A space read from its file and held against its base."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fishnet_search.errors import SpaceError, SpecError
from fishnet_search.space.asked import refuse_what_cannot_be_asked
from fishnet_search.space.candidates import SpelledSpace
from fishnet_search.space.model import Space
from fishnet_search.space.spelling import spelled_axes
from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.loading import load_spec, preset_names, with_fields
from fishnet_search.spec.naming import nearest
from fishnet_search.spec.reading import Document, read_yaml, validated
from fishnet_search.train.named import spelled


def load_space(space: Path | Document, *, classes: int | None = None) -> SpelledSpace:
    """Read a space; nothing is enumerated or trained yet.

    Args:
        space: its YAML file, or what would be written there; other files are seen from the document's source.
        classes: of the data, in place of the base's.

    Raises:
        SpaceError: the file cannot be read, its parts do not fit together, a field does not take a level, or the
            baseline is no network or breaks a limit; with file and line.
    """
    document = space if isinstance(space, Document) else read_yaml(space, SpaceError)
    path = Path(document.source)
    if isinstance(document.data, dict) and not document.data.keys() & Space.model_fields.keys() - {"base"}:
        raise SpaceError(
            f"{path}: is no space: it has neither axes nor anything else of one; if it is an architecture, "
            f"`fishnet-search describe {path}` shows it, and a space names it as its base"
        )
    document = _with_recipe(document, path)
    given = validated(Space, document, SpaceError)
    base = _base(given, document, path)
    if classes is not None:
        base = with_fields(base, {"classes": classes})
    axes = spelled_axes(given, base, document)
    refuse_what_cannot_be_asked(given, axes, document)
    held = SpelledSpace(path.stem, given, base, axes, document)
    _refuse_crossed_limits(held)
    held.baseline  # noqa: B018 - or it is refused
    return held


def _with_recipe(document: Document, path: Path) -> Document:
    """Return the document with the fields of its recipe, which may be written by name or on top of another one's."""
    if not isinstance(document.data, dict) or "recipe" not in document.data:
        return document
    try:
        recipe = spelled(document.data["recipe"], path.parent)
    except SpecError as problem:
        raise SpaceError(f"{document.where(('recipe',))}: {problem}") from problem
    return replace(document, data={**document.data, "recipe": recipe})


def _base(space: Space, document: Document, path: Path) -> Architecture:
    where = document.where(("base",))
    if space.base not in preset_names() and Path(space.base).suffix not in {".yaml", ".yml", ".json"}:
        raise SpaceError(
            f"{where}: {space.base}: neither a YAML file nor a preset{nearest(space.base, preset_names())}"
        )
    try:
        as_it_is = space.base in preset_names() or space.base.startswith("~")
        return load_spec(space.base if as_it_is else path.parent / space.base)
    except SpecError as problem:
        raise SpaceError("\n".join(f"{where}: {line}" for line in str(problem).splitlines())) from problem


def _refuse_crossed_limits(spelled: SpelledSpace) -> None:
    """A limit of figures and one of multiples of the base can be compared once the base's cost is known."""
    for metric in ("params", "macs", "activations"):
        limit = getattr(spelled.limits, metric)
        if limit is None or limit.min is None or limit.max is None:
            continue
        base = getattr(spelled.base_cost, metric)
        low, high = limit.min.figure(base), limit.max.figure(base)
        if low > high:
            where = spelled.document.where(("constraints", metric))
            raise SpaceError(
                f"{where}: min, {limit.min.text}, is more than max, {limit.max.text}: the base's {metric} are {base:,}"
            )
