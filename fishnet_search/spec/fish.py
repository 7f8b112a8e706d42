"""The fish family as a value: every field of every stage, checked when it is made.

A fish (arXiv 1901.03495, figure 2) goes down like a ResNet (tail), turns (bridge), comes back up (body) and goes down
again (head). Body and head keep every resolution they pass: each of their stages concatenates what a part before had
at the same resolution, sent through transfer blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from fishnet_search.spec.architecture import Architecture, refuse, shared_problems
from fishnet_search.spec.naming import nearest
from fishnet_search.spec.stage import (
    DERIVED,
    DOWNSAMPLE_HELP,
    UPSAMPLE_HELP,
    Downsample,
    Shortcut,
    Stage,
    Upsample,
    Width,
    bottleneck_problems,
    first_shortcut,
    own_problems,
    stage_problems,
)
from fishnet_search.spec.value import Location, Problem, Whole

TRANSFER_FROM_HELP = (
    "the stage whose output is concatenated, such as 'tail0' or 'stem'; 'derived' is the last one of {part} at the "
    "same resolution, 'none' concatenates nothing"
)


class TailStage(Stage):
    """Blocks, then half the resolution. Changes of width happen in the first block, by a 1×1 projection shortcut."""

    downsample: Downsample = Field("max-2x2", description=DOWNSAMPLE_HELP)


class Bridge(Stage):
    """Score layers and blocks at the lowest resolution, scaled by squeeze-and-excitation.

    The score layers hand the blocks twice the bridge's width.
    """

    attention: bool = Field(
        True, strict=True, description="scale and shift the blocks' result by squeeze-and-excitation of the score"
    )


class TransferStage(Stage):
    """A stage that concatenates another one's output to its own."""

    transfer: Whole = Field(1, ge=0, le=1_000, description="transfer blocks on what is concatenated; 0 passes it as is")


class BodyStage(TransferStage):
    """UR-blocks, then twice the resolution, then concatenation with a transferred tail stage.

    The first block reduces the channels by k = entering channels / width, summing groups of k neighbouring channels
    on its shortcut.
    """

    transfer_from: str = Field(DERIVED, description=TRANSFER_FROM_HELP.format(part="stem and tail"))
    upsample: Upsample = Field("nearest", description=UPSAMPLE_HELP)


class HeadStage(TransferStage):
    """DR-blocks, then half the resolution, then concatenation with a transferred body stage.

    Another width than what enters adds a 1×1 convolution to the first shortcut: ask for it with `shortcut: projection`.
    """

    width: Width = Field(DERIVED, description="output channels; 'derived' keeps those that enter, as published")
    transfer_from: str = Field(DERIVED, description=TRANSFER_FROM_HELP.format(part="bridge and body"))
    downsample: Downsample = Field("max-2x2", description=DOWNSAMPLE_HELP)


AnyStage = TailStage | Bridge | BodyStage | HeadStage


class FishSpec(Architecture):
    """A whole fish. Stages are listed in the order in which the image passes them."""

    family: Literal["fish"] = Field("fish", description="the kind of network")
    tail: tuple[TailStage, ...] = Field(min_length=1, max_length=12)
    bridge: Bridge
    body: tuple[BodyStage, ...] = Field((), max_length=12)
    head: tuple[HeadStage, ...] = Field((), max_length=12)

    @cached_property
    def plan(self) -> tuple[StagePlan, ...]:
        """The stages behind the stem, with widths and transfers derived."""
        return tuple(_plan(self))

    @cached_property
    def stage_outputs(self) -> Mapping[str, tuple[int, int]]:
        """See `Architecture.stage_outputs`."""
        outputs = {"stem": (self.stem.stride, self.stem.width)}
        return outputs | {plan.name: (plan.output_stride, plan.output_width) for plan in self.plan}

    @model_validator(mode="after")
    def _parts_must_fit(self) -> FishSpec:
        refuse(_problems(self))
        return self


class StagePlan(NamedTuple):
    """A stage of a fish with what follows from the stages before it."""

    name: str  # "body1"
    at: Location  # ("body", 1)
    stage: AnyStage
    entering: int  # channels that enter the blocks
    width: int  # channels that leave the blocks
    source: str | None  # the stage whose output is concatenated
    source_width: int  # its channels
    output_stride: int
    problem: str = ""  # with the source

    @property
    def change(self) -> Shortcut:
        """What stands beside the first block where the identity does not fit."""
        return "squeeze" if self.at[0] == "body" else "projection"

    @property
    def shortcut(self) -> Shortcut:
        """What stands beside the first block."""
        return first_shortcut(self.stage, self.entering, self.width, self.change)

    @property
    def output_width(self) -> int:
        """Channels that leave the stage."""
        return self.width + self.source_width


def _plan(spec: FishSpec) -> Iterator[StagePlan]:
    stride, entering = spec.stem.stride, spec.stem.width
    outputs = {"stem": (stride, entering)}
    for name, at, stage in _stages(spec):
        if isinstance(stage, BodyStage):
            stride //= 2
        elif not isinstance(stage, Bridge):
            stride *= 2
        width = entering if stage.width == DERIVED else stage.width
        source, problem = None, ""
        if isinstance(stage, (BodyStage, HeadStage)) and stage.transfer_from != "none":
            source, problem = _source(name, stage, outputs, stride)
        source_width = outputs[source][1] if source else 0
        blocks_enter = 2 * width if isinstance(stage, Bridge) else entering
        yield StagePlan(name, at, stage, blocks_enter, width, source, source_width, stride, problem)
        entering = width + source_width
        outputs[name] = stride, entering


def _stages(spec: FishSpec) -> Iterator[tuple[str, Location, AnyStage]]:
    for i, tail_stage in enumerate(spec.tail):
        yield f"tail{i}", ("tail", i), tail_stage
    yield "bridge", ("bridge",), spec.bridge
    for i, body_stage in enumerate(spec.body):
        yield f"body{i}", ("body", i), body_stage
    for i, head_stage in enumerate(spec.head):
        yield f"head{i}", ("head", i), head_stage


def _source(
    name: str, stage: BodyStage | HeadStage, outputs: Mapping[str, tuple[int, int]], stride: int
) -> tuple[str | None, str]:
    """Return the stage that is transferred, or a sentence why there is none."""
    fitting = [other for other, (at_stride, _) in outputs.items() if at_stride == stride]
    if stage.transfer_from == DERIVED:
        parts = ("stem", "tail") if name.startswith("body") else ("bridge", "body")
        if before := [other for other in fitting if other.startswith(parts)]:
            return before[-1], ""
        return None, f"no stage of {' or '.join(parts)} has the output stride {stride}; set transfer_from: none"
    if stage.transfer_from in fitting:
        return stage.transfer_from, ""
    choices = f"those with this stage's output stride {stride} are {', '.join(fitting) or 'none'}"
    if stage.transfer_from in outputs:
        found = outputs[stage.transfer_from][0]
        return None, f"{stage.transfer_from!r} has the output stride {found}; {choices}"
    return None, f"there is no stage {stage.transfer_from!r} before this one{nearest(stage.transfer_from, [*outputs])}"


def _problems(spec: FishSpec) -> Iterator[Problem]:
    """Yield what no single field can tell: resolutions, transfers and how channels meet."""
    if spec.stem.stride * 2 ** len(spec.tail) < 2 ** len(spec.body):
        most = (spec.stem.stride * 2 ** len(spec.tail)).bit_length() - 1
        yield (
            ("body",),
            f"has {len(spec.body)} stages that double the resolution, but only {most} halvings come before them; "
            f"use at most {most}",
        )
        return
    known = True  # whether what enters a stage is known: it follows from widths and transfers before it
    for plan in spec.plan:
        found = _stage_problems(plan) if known else tuple(own_problems(plan.stage, plan.at))
        if found:
            yield from found
            known = known and not any(at[-1] in {"width", "transfer_from"} for at, _ in found)
    for halved in (spec.plan[len(spec.tail) - 1], spec.plan[-1]) if known else ():
        if halved.output_width < 2:
            yield (
                (*halved.at, "width"),
                "is 1, but the score layers behind it begin with half the channels; use 2 or more",
            )
    yield from shared_problems(spec)


@lru_cache(maxsize=10_000)  # the candidates of a space share most of their stages
def _stage_problems(plan: StagePlan) -> tuple[Problem, ...]:
    return tuple(_problems_of(plan))


def _problems_of(plan: StagePlan) -> Iterator[Problem]:
    stage = plan.stage
    if plan.problem:
        yield (*plan.at, "transfer_from"), plan.problem
    if isinstance(stage, HeadStage) and plan.width != plan.entering and stage.shortcut == DERIVED:
        yield (
            (*plan.at, "width"),
            f"{plan.width} differs from the {plan.entering} channels that enter it, which adds a 1×1 convolution to "
            "the shortcut; use 'derived', or set shortcut: projection if that is meant",
        )
    yield from stage_problems(stage, plan.at, plan.entering, plan.width, plan.change)
    if isinstance(stage, TransferStage) and plan.source and stage.transfer and plan.source_width != plan.width:
        where = f", as {plan.source} has that is transferred"
        for at, sentence in bottleneck_problems(stage, plan.at, plan.source_width, where):
            yield (*plan.at, "transfer") if at[-1] == "width" else at, sentence
