"""The small version of a space: the same comparison in minutes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fishnet_search.spec.reading import Document
from fishnet_search.spec.value import Location

SMALL = "small"
"""The field of a space that has the small version's own fields."""


def small_document(document: Document) -> Document | None:
    """Return the space with the fields of `small` in place of its own, which keep their lines; None without any."""
    given = document.data.get(SMALL) if isinstance(document.data, dict) else None
    if not isinstance(given, Mapping):
        return None
    own: dict[str, Any] = {name: value for name, value in document.data.items() if name != SMALL}
    origins = {at: origin for at, origin in document.origins.items() if not at or at[0] not in {SMALL, *given}}
    moved: dict[Location, Any] = {
        at[1:]: origin for at, origin in document.origins.items() if at[:1] == (SMALL,) and len(at) > 1
    }
    return replace(document, data={**own, **given}, origins=origins | moved)
