"""A spec written out in full: every field there, nothing left to derive that can be said."""

from __future__ import annotations

from typing import Any

import yaml

from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.fish import FishSpec, TransferStage
from fishnet_search.spec.resnet import ResNetSpec
from fishnet_search.spec.stage import DERIVED, Shortcut, Stage, first_shortcut, style_of


def resolved(spec: Architecture) -> Architecture:
    """Return the same network with what was derived written out.

    Groups and their width remain derived where one of them is given: each block works out the other from its own
    width, and transfer blocks have another width than the rest of their stage.
    """
    updates: dict[str, Any] = {"taps": spec.named_taps}
    if isinstance(spec, FishSpec):
        stages: dict[str, list[Stage]] = {"tail": [], "bridge": [], "body": [], "head": []}
        for plan in spec.plan:
            update: dict[str, Any] = _derived(spec, plan.stage, plan.width, plan.shortcut)
            if isinstance(plan.stage, TransferStage):
                update["transfer_from"] = plan.source or "none"
            stages[str(plan.at[0])].append(plan.stage.model_copy(update=update))
        updates |= {part: tuple(each) for part, each in stages.items()} | {"bridge": stages["bridge"][0]}
    elif isinstance(spec, ResNetSpec):
        widths = [width for _, width in spec.stage_outputs.values()]
        updates["stages"] = tuple(
            stage.model_copy(
                update=_derived(
                    spec, stage, width, first_shortcut(stage, entering, width, "projection", stage.block_stride)
                )
            )
            for stage, entering, width in zip(spec.stages, widths, widths[1:], strict=False)
        )
    return spec.model_copy(update=updates)


def as_yaml(spec: Architecture) -> str:
    """Return a spec as YAML that `load_spec` reads back as the same value."""
    data = spec.model_dump(mode="json")
    lines = []
    for field, value in data.items():
        stages = value if isinstance(value, list) else []
        whole = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=float("inf")).strip()
        lines.append(f"{field}:" if stages else f"{field}: {whole.removesuffix('...').strip()}")
        for stage in stages:
            one = yaml.safe_dump(stage, default_flow_style=True, sort_keys=False, width=float("inf")).strip()
            lines.append(f"  - {one}")
    return "\n".join(lines) + "\n"


def _derived(spec: Architecture, stage: Stage, width: int, shortcut: Shortcut) -> dict[str, Any]:
    """Return the fields of a stage that can be derived, with their values."""
    dilations = stage.dilations
    style = style_of(stage, spec.style)
    ungrouped = stage.groups == DERIVED and stage.group_width == DERIVED
    return {
        "width": width,
        "dilation": dilations[0] if len(set(dilations)) == 1 else dilations,
        "groups": 1 if ungrouped and not stage.basic else stage.groups,
        "shortcut": shortcut,
        "activation": style.activation,
        "norm": style.norm,
    }
