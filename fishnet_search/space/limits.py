"""Limits on what a candidate may cost, in figures or relative to the base."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from fishnet_search.spec.naming import shown
from fishnet_search.spec.value import Value

_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})?"
_PREFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


@dataclass(frozen=True)
class Amount:
    """A figure, or a multiple of the base's."""

    number: Fraction
    of_base: bool
    text: str

    def figure(self, base: float | None) -> Fraction | None:
        """Return what is meant; None if it is a multiple of a figure of the base that nobody knows."""
        if not self.of_base:
            return self.number
        return None if base is None else self.number * Fraction(base)


def amount(value: Any) -> Amount:
    """Read 4800000, 4.8M (k, M or G) or "1.1x base".

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, Amount):
        return value
    text = str(value).strip() if isinstance(value, (int, float, str)) and not isinstance(value, bool) else ""
    if match := re.fullmatch(rf"({_NUMBER})\s*[x×]\s*base", text):
        return Amount(Fraction(match[1]), True, f"{match[1]}x base")
    if match := re.fullmatch(rf"({_NUMBER})\s*([kMG]?)", text):
        return Amount(Fraction(match[1]) * _PREFIXES[match[2]], False, text)
    raise ValueError(f"should be a number, such as 4.8M, or a multiple, such as 1.1x base, but is {shown(value)}")


Bound = Annotated[Any, BeforeValidator(amount)]


class Limit(Value):
    """The least and the most of one figure."""

    min: Bound = Field(None, description="the least that is allowed")
    max: Bound = Field(None, description="the most that is allowed")

    @field_validator("max")
    @classmethod
    def _not_below_min(cls, high: Amount, info: ValidationInfo) -> Amount:
        low = info.data.get("min")
        if low is not None and low.of_base == high.of_base and low.number > high.number:
            raise ValueError(f"{high.text} is less than min, {low.text}; no candidate can be between them")
        return high

    @model_validator(mode="after")
    def _limits_something(self) -> Limit:
        if self.min is None and self.max is None:
            raise ValueError("has neither min nor max; give one or both")
        return self


class Limits(Value):
    """What candidates may cost. All but the latency is known before anything is trained."""

    params: Limit | None = None
    macs: Limit | None = Field(None, description="multiply-accumulates of one image")
    activations: Limit | None = Field(None, description="outputs of convolutions and linear layers for one image")
    latency_ms: Limit | None = Field(None, description="measured with a batch of one image, where the trials run")

    def broken(self, figures: Mapping[str, float], base: Mapping[str, float]) -> tuple[tuple[str, str], ...]:
        """Return the limits that figures break, each with a sentence.

        Args:
            figures: of a candidate, by metric; those that are missing break nothing.
            base: the same of the base.
        """
        found = []
        for metric in type(self).model_fields:
            limit: Limit | None = getattr(self, metric)
            if limit is None or metric not in figures:
                continue
            for bound, sign, told in ((limit.min, -1, "less"), (limit.max, 1, "more")):
                figure = None if bound is None else bound.figure(base.get(metric))
                if figure is not None and sign * (Fraction(figures[metric]) - figure) > 0:
                    than = f"{written(figure)} ({bound.text})" if bound.of_base else written(figure)
                    found.append((metric, f"{metric} {written(figures[metric])} is {told} than {than}"))
        return tuple(found)


def written(figure: float | Fraction) -> str:
    """Write a figure for people: 4,800,000 or 3.25."""
    return f"{float(figure):,.6g}" if figure < 1000 else f"{float(figure):,.0f}"
