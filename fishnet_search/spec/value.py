"""The base of every value that is read from YAML or written to a record."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Value(BaseModel):
    """A frozen model that refuses unknown fields; change one with `model_copy` or `with_fields`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Names(dict[str, str]):
    """Name -> name, in a value: can be hashed, and cannot be changed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[Names], tuple[dict[str, str]]]:
        return type(self), (dict(self),)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a spec cannot be changed; make another one with `with_fields`")

    __setitem__ = __delitem__ = __ior__ = update = pop = popitem = clear = setdefault = _refuse


Location = tuple[str | int, ...]
"""Where in a file: ("body", 1, "width") is body[1].width."""

Problem = tuple[Location, str]
"""Where in the spec, and a sentence: rule, value, what to do."""


Whole = Annotated[int, Field(strict=True)]
"""A whole number; neither `true` nor "3" nor 3.0 is one."""


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("should be a number")
    return value


Number = Annotated[float, BeforeValidator(_no_truth)]
"""A number, also one that YAML takes for text, such as 1e-4; `true` is none."""
