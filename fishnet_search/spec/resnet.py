"""Networks that only go down: ResNet, ResNeXt, DetNet and whatever lies between them.

Source: ResNet arXiv 1512.03385, ResNeXt arXiv 1611.05431, DetNet arXiv 1804.06215.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal

from pydantic import Field, model_validator

from fishnet_search.spec.architecture import Architecture, Stem, refuse, shared_problems
from fishnet_search.spec.stage import DERIVED, BlockKind, Downsample, Stage, stage_problems
from fishnet_search.spec.value import Problem

ResNetDownsample = Literal["none", "stride", "stride-first"] | Downsample


class ResNetStage(Stage):
    """Half the resolution, or not, and blocks."""

    block: BlockKind = Field("bottleneck", description=Stage.model_fields["block"].description)
    downsample: ResNetDownsample = Field(
        "stride",
        description="'stride' gives the first block's first spatial convolution and its shortcut stride 2, "
        "'stride-first' its very first convolution and the shortcut; 'none' keeps the resolution; the others, "
        "such as 'max-2x2', stand in front of the blocks",
    )

    @property
    def block_stride(self) -> int:
        """Stride of the first block."""
        return 2 if self.downsample.startswith("stride") else 1


class ResNetSpec(Architecture):
    """Stem, stages, classifier. Stages are listed in the order in which the image passes them."""

    family: Literal["resnet"] = Field("resnet", description="the kind of network")
    stem: Stem = Stem(kind="conv-7x7")
    stages: tuple[ResNetStage, ...] = Field(min_length=1, max_length=24)

    @cached_property
    def stage_outputs(self) -> Mapping[str, tuple[int, int]]:
        """See `Architecture.stage_outputs`."""
        stride, width = self.stem.stride, self.stem.width
        outputs = {"stem": (stride, width)}
        for i, stage in enumerate(self.stages):
            stride *= 1 if stage.downsample == "none" else 2
            width = width if stage.width == DERIVED else stage.width
            outputs[f"stage{i}"] = (stride, width)
        return outputs

    @model_validator(mode="after")
    def _stages_must_fit(self) -> ResNetSpec:
        refuse(_problems(self))
        return self


def _problems(spec: ResNetSpec) -> Iterator[Problem]:
    outputs = spec.stage_outputs
    entering = spec.stem.width
    for i, stage in enumerate(spec.stages):
        _, width = outputs[f"stage{i}"]
        yield from stage_problems(stage, ("stages", i), entering, width, "projection", stride=stage.block_stride)
        entering = width
    yield from shared_problems(spec)
