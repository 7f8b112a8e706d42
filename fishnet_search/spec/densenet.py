"""DenseNets: each layer sees the concatenation of all before it in its stage.

Source: arXiv 1608.06993.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from pydantic import Field, model_validator

from fishnet_search.spec.architecture import Architecture, Stem, refuse, shared_problems
from fishnet_search.spec.stage import DOWNSAMPLE_HELP, Downsample
from fishnet_search.spec.value import Value, Whole


class DenseStage(Value):
    """Dense layers. Behind all stages but the last stands a transition: half the channels, half the resolution."""

    depth: Whole = Field(ge=1, le=1_000, description="dense layers in a row: a 1×1 and a 3×3 convolution each")
    growth: Whole = Field(32, ge=1, le=4_096, description="channels that each layer adds")
    expansion: Whole = Field(4, ge=1, le=64, description="channels inside a layer over its growth")
    downsample: Downsample = Field("avg-2x2", description=DOWNSAMPLE_HELP + "; has no effect in the last stage")


class DenseNetSpec(Architecture):
    """Stem, stages, classifier. Stages are listed in the order in which the image passes them."""

    family: Literal["densenet"] = Field("densenet", description="the kind of network")
    stem: Stem = Stem(kind="conv-7x7")
    stages: tuple[DenseStage, ...] = Field(min_length=1, max_length=12)

    @cached_property
    def stage_outputs(self) -> Mapping[str, tuple[int, int]]:
        """See `Architecture.stage_outputs`. The output of a stage is what its layers give, before the transition."""
        stride, width = self.stem.stride, self.stem.width
        outputs = {"stem": (stride, width)}
        for i, stage in enumerate(self.stages):
            width += stage.depth * stage.growth
            outputs[f"stage{i}"] = (stride, width)
            stride, width = 2 * stride, width // 2
        return outputs

    @model_validator(mode="after")
    def _parts_must_fit(self) -> DenseNetSpec:
        refuse(shared_problems(self))
        return self
