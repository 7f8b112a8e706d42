"""Which candidates of a space are tried, which trials are stopped early, and what one trial may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from fishnet_search.spec.architecture import refuse
from fishnet_search.spec.naming import nearest, shown
from fishnet_search.spec.value import Number, Value, Whole
from fishnet_search.task.figures import FIGURES, Figure, task_of, word_of

Scalar = str | int | float | bool
Level = Scalar | list[Scalar]
"""What an axis stands at, as records and reports have it: a value, or the name of one."""

CostName = Literal["macs", "params", "activations", "latency_ms"]
Objective = Literal[Figure, CostName]

MOST_CANDIDATES = 10_000
Candidates = Annotated[Whole, Field(ge=1, le=MOST_CANDIDATES)]
DrawSeed = Annotated[Whole, Field(ge=0, lt=2**32)]


def _two(value: Any) -> Any:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"should be two axes, such as [width, depth], but is {shown(value)}")
    return value


class OneFactor(Value):
    """The baseline, and every other level of every axis on its own."""

    kind: Literal["one-factor"] = "one-factor"
    pairs: tuple[Annotated[tuple[str, str], BeforeValidator(_two)], ...] = Field(
        (), description="axes that are also changed two at a time"
    )

    @field_validator("pairs")
    @classmethod
    def _pairs_differ(cls, pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        for i, pair in enumerate(pairs):
            if pair[0] == pair[1]:
                raise ValueError(f"pairs {pair[0]} with itself; name two axes")
            if set(pair) in map(set, pairs[:i]):
                raise ValueError(f"has the pair {', '.join(pair)} twice; keep one")
        return pairs


class Grid(Value):
    """Every combination of the axes' levels."""

    kind: Literal["grid"] = "grid"


class ExplicitList(Value):
    """Variants that are written one by one, each as what differs from the baseline."""

    kind: Literal["list"] = "list"
    variants: dict[str, dict[str, Level]] = Field(min_length=1, description="name -> axis -> level")


class Random(Value):
    """Combinations drawn evenly; more candidates keep those that were drawn before."""

    kind: Literal["random"] = "random"
    candidates: Candidates = Field(description="how many are drawn, beside the baseline")
    seed: DrawSeed = Field(0, description="of the draws")


class Search(Value):
    """Candidates that a sampler proposes by what it has seen.

    They are trained with the first seed. In the end the best of them, and the baseline, are trained with all.
    """

    kind: Literal["tpe", "nsga2", "cmaes", "evolution"]
    candidates: Candidates = Field(description="how many are tried, the baseline included")
    seed: DrawSeed = Field(0, description="of the sampler")
    objectives: tuple[Objective, ...] = Field(
        (),
        description="what is sought: the best validation figure, by default the task's first, and the least of costs",
    )
    finalists: Annotated[Whole, Field(ge=1, le=100)] = Field(3, description="trained with all seeds in the end")

    def sought(self, figures: Sequence[Figure]) -> tuple[Objective, ...]:
        """Return the objectives, of a search that names none the first of the task's figures."""
        return self.objectives or (figures[0],)

    def unfit(self, figures: Sequence[Figure]) -> str | None:
        """Say why a task with these figures, or the sampler, does not take the objectives; None if they do."""
        sought, main = self.sought(figures), figures[0]
        of_others = [one for one in sought if one in FIGURES and one not in figures]
        if of_others:
            there = ", ".join(figures)
            return f"has {of_others[0]}, a figure of {task_of(of_others[0])}; this task has {there}"
        if not set(sought) & set(figures):
            return f"does not have {main}, the validation {word_of(main)}, without which nothing is learned; add it"
        if len(set(sought)) < len(sought):
            return "has an objective twice; keep one"
        metric = next(one for one in sought if one in figures)
        if self.kind == "nsga2" and len(sought) < 2:
            return f"nsga2 weighs two objectives or more; write [{metric}, macs], or use another kind, such as tpe"
        if self.kind in {"cmaes", "evolution"} and len(sought) > 1:
            return f"{self.kind} has one objective, {metric}, but here are {len(sought)}; use nsga2 or tpe"
        return None


class Stop(Value):
    """Trials that lag behind on validation images end early."""

    kind: Literal["asha", "hyperband"]
    first: Annotated[Whole, Field(ge=1, le=100_000)] | None = Field(
        None, description="epochs before a trial may be stopped; by default a ninth of its epochs"
    )
    keep: Annotated[Whole, Field(ge=2, le=1_000)] = Field(3, description="one trial in so many goes on")


class Resources(Value):
    """What one trial may use."""

    cpu: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        1, description="cores, and threads of computation: figures hang on their number in the last digits"
    )
    gpu: Annotated[Number, Field(ge=0, le=10_000)] = Field(
        0.0, description="GPUs; a fraction packs several trials on one"
    )

    @field_validator("gpu")
    @classmethod
    def _whole_or_a_fraction(cls, gpu: float) -> float:
        if gpu > 1 and not gpu.is_integer():
            raise ValueError("should be a fraction below 1, or a whole number of GPUs")
        return gpu


_KINDS: dict[str, type[Value]] = {
    "one-factor": OneFactor,
    "grid": Grid,
    "list": ExplicitList,
    "random": Random,
    **dict.fromkeys(("tpe", "nsga2", "cmaes", "evolution"), Search),
}
_EXAMPLES = {"list": "{kind: list, variants: {deep: {depth: 2}}}"} | {
    kind: f"{{kind: {kind}, candidates: 20}}" for kind in ("random", "tpe", "nsga2", "cmaes", "evolution")
}


def _design(value: Any) -> Any:
    if isinstance(value, str):
        if value in _EXAMPLES:
            raise ValueError(f"{value} alone does not say enough; write it like {_EXAMPLES[value]}")
        value = {"kind": value}
    if not isinstance(value, dict):
        raise ValueError(f"should be a word or fields, such as grid or {_EXAMPLES['random']}")
    if "kind" not in value:
        raise ValueError(f"has no kind; add it, such as kind: {'list' if 'variants' in value else 'random'}")
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"there is no design {shown(kind)}{nearest(str(kind)[:100], list(_KINDS))}")
    fields = _KINDS[kind].model_fields
    refuse(
        [
            *(((name,), f"unknown field{nearest(name, list(fields))}") for name in value if name not in fields),
            *(((name,), "is missing; add it") for name in fields if fields[name].is_required() and name not in value),
        ]
    )
    return value


def _stop(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


Design = Annotated[
    OneFactor | Grid | ExplicitList | Random | Search, Field(discriminator="kind"), BeforeValidator(_design)
]
"""A word, such as `grid`, or a kind with more to say."""

Stopping = Annotated[Stop, BeforeValidator(_stop)]
"""A word, such as `asha`, or a kind with more to say."""
