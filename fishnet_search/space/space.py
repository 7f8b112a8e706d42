"""A space read from its file and held against its base."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fishnet_search.errors import SpaceError, SpecError
from fishnet_search.space.asked import refuse_what_cannot_be_asked
from fishnet_search.space.bases import named_base
from fishnet_search.space.candidates import SpelledSpace
from fishnet_search.space.model import Space
from fishnet_search.space.published import published_figures, refuse_unknown_variants
from fishnet_search.space.small import SMALL, small_document
from fishnet_search.space.spelling import spelled_axes
from fishnet_search.spec.loading import with_fields
from fishnet_search.spec.reading import Document, read_yaml, validated
from fishnet_search.train.named import spelled


def load_space(space: Path | Document, *, classes: int | None = None, small: bool = False) -> SpelledSpace:
    """Read a space; nothing is enumerated or trained yet. A small version that it has is read as well, either way.

    Args:
        space: its YAML file, or what would be written there; other files are seen from the document's source.
        classes: of the data, in place of the base's.
        small: whether to return the small version, whose name ends in "-small".

    Raises:
        SpaceError: the file cannot be read, its parts do not fit together, a field does not take a level, or the
            baseline is no network or breaks a limit; with file and line.
    """
    document = space if isinstance(space, Document) else read_yaml(space, SpaceError)
    path = Path(document.source)
    if isinstance(document.data, dict) and not is_space(document):
        raise SpaceError(
            f"{path}: is no space: it has neither axes nor anything else of one; if it is an architecture, "
            f"`fishnet-search describe {path}` shows it, and a space names it as its base"
        )
    whole = _held(document, path.stem, None if small else classes)
    least = small_document(document)
    if least is None:
        if small:
            raise SpaceError(f"{path}: has no small version; leave out --small, or add `{SMALL}`, the fields it sets")
        return whole
    try:
        lesser = _held(least, f"{path.stem}-{SMALL}", classes if small else None)
    except SpaceError as problem:
        raise SpaceError("\n".join(f"{line} (with --small)" for line in str(problem).splitlines())) from problem
    return lesser if small else whole


def is_space(document: Document) -> bool:
    """Tell whether a file has a field of a space's own, which neither an architecture has nor published figures."""
    return isinstance(document.data, dict) and bool(document.data.keys() & Space.model_fields.keys() - {"base"})


def _held(document: Document, name: str, classes: int | None) -> SpelledSpace:
    """Return a space held against its base."""
    path = Path(document.source)
    document = _with_recipe(document, path)
    given = validated(Space, document, SpaceError)
    base = named_base(given.base, path.parent, document.where(("base",)))
    if classes is not None:
        base = with_fields(base, {"classes": classes})
    axes = spelled_axes(given, base, document)
    refuse_what_cannot_be_asked(given, axes, document)
    held = SpelledSpace(name, given, base, axes, document, published_figures(given.published, document))
    _refuse_crossed_limits(held)
    names = [held.baseline.name]  # or it is refused
    if held.searches:  # whose other candidates have no names yet
        refuse_unknown_variants(given.published, names, document)
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
