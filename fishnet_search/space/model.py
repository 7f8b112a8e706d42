"""What the file of a space says, before it is held against its base."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from fishnet_search.data.description import Data
from fishnet_search.space.axes import RECIPE, Axis, name_problem
from fishnet_search.space.design import Design, ExplicitList, Grid, Level, Objective, Resources, Search, Stopping
from fishnet_search.space.limits import Limits
from fishnet_search.space.matching import Match
from fishnet_search.space.published import Published
from fishnet_search.space.small import SMALL
from fishnet_search.spec.architecture import refuse
from fishnet_search.spec.naming import nearest
from fishnet_search.spec.value import Problem, Value, Whole
from fishnet_search.task.settings import Classification, Task
from fishnet_search.train.recipe import Recipe, foreign_fields, label_problems, scene_problems

MOST_SEEDS = 10_000


def _count_or_list(value: Any) -> Any:
    if isinstance(value, list):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SEEDS:
        return list(range(value))
    raise ValueError(f"should be a number of seeds from 1 to {MOST_SEEDS}, or a list of seeds")


class Space(Value):
    """A base, axes along which it varies, a design that says which combinations are tried, and how each is trained."""

    description: str = Field("", description="what the study is to find out; the report begins with it")
    base: str = Field(description="a preset's name, or a spec's path seen from the space's folder")
    axes: dict[str, Axis] = Field(default_factory=dict, description="by name; without any, the base alone is trained")
    baseline: dict[str, Level] = Field(
        default_factory=dict,
        description="axis -> level that the others are compared with; by default the first, or what the base has",
    )
    constraints: Limits = Limits()
    task: Task = Field(
        Classification(), description="what is to be found in images: a word, or a kind with more to say"
    )
    match: Match | None = Field(None, description="give each candidate a twin that costs what the baseline does")
    design: Design = Grid()
    stop: Stopping | None = Field(None, description="how trials that lag behind are ended early")
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], BeforeValidator(_count_or_list)] = Field(
        (0, 1, 2), min_length=1, max_length=MOST_SEEDS, description="a number of seeds, or the seeds themselves"
    )
    data: Data = Field(Data(source="digits"), description="which images; a plain string is their source")
    recipe: Recipe = Recipe()
    resources: Resources = Resources()
    workers: Annotated[Whole, Field(ge=1, le=10_000)] = Field(1, description="processes that train one trial together")
    small: dict[str, Any] | None = Field(None, description="fields that stand in place of these with `--small`")
    published: Published | None = Field(None, description="which published figures belong to which variants")

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("has a seed twice; keep one")
        return seeds

    @model_validator(mode="after")
    def _parts_go_together(self) -> Space:
        refuse(self._problems())
        return self

    def _problems(self) -> Iterator[Problem]:
        fields = [name for name in Space.model_fields if name != SMALL]
        for name in self.small or {}:
            if name not in fields:
                yield (SMALL, name), f"is no field that `small` can set{nearest(name, fields)}"
        if not self.axes and not isinstance(self.design, Grid):
            kind = self.design.kind
            yield ("axes",), f"are missing, which {kind} is to vary; without a design the base alone is trained"
        yield from ((("axes", name), sentence) for name in self.axes if (sentence := name_problem(name)))
        yield from self._recipe_problems()
        if isinstance(self.design, ExplicitList):
            names = self.design.variants
            yield from ((("design", "variants", one), sentence) for one in names if (sentence := name_problem(one)))
        if isinstance(self.design, Search) and self.match:
            yield ("match",), "does not go with a search; make its metric one of the objectives, or constrain it"
        if not isinstance(self.design, Search):
            return
        if unfit := self.design.unfit(self.task.figures):
            yield ("design", "objectives"), unfit
        elif self.stop and (count := len(self.objectives)) > 1:
            metric = next(one for one in self.objectives if one in self.task.figures)
            yield (
                ("stop",),
                f"goes by one objective, {metric}, but the search has {count}; remove it, or all but {metric}",
            )

    def _recipe_problems(self) -> Iterator[Problem]:
        problems = label_problems if self.task.kind == "classification" else scene_problems
        yield from ((("recipe", *location), sentence) for location, sentence in problems(self.recipe))
        foreign = {f"{RECIPE}{field}" for field in foreign_fields(self.task.kind)}
        for name, axis in self.axes.items():
            for path in sorted(foreign.intersection(axis.path)):
                yield ("axes", name, "path"), f"{path} means nothing for {self.task.kind}; vary another field"

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What is sought; without a search the first of the task's figures."""
        figures = self.task.figures
        return self.design.sought(figures) if isinstance(self.design, Search) else (figures[0],)
