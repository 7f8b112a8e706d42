"""What of a model's cost is its backbone's, in tasks that put more on it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.report.results import drawn
from fishnet_search.report.section import Section
from fishnet_search.study.record import VariantRecord


def costs_section(analysis: Analysis) -> Section | None:
    """Tell the backbone from the whole model, for each variant that is shown."""
    shown = set(drawn(analysis)["variant"])
    variants = [one for one in analysis.study.variants if one.name in shown and one.backbone_params is not None]
    if not variants:
        return None
    numbers = pd.DataFrame(map(_row, variants), columns=list(_COLUMNS))
    table = pd.DataFrame(
        {
            "variant": numbers["variant"],
            "backbone params": _millions(numbers["backbone_params"], "M"),
            "of all": _share(numbers["backbone_params"], numbers["params"]),
            "backbone MACs": _millions(numbers["backbone_macs"], "M"),
            "of all MACs": _share(numbers["backbone_macs"], numbers["macs"]),
        }
    )
    return Section(
        "backbone-costs",
        "Backbone and whole model",
        text=(
            "Params and MACs everywhere else in this report are those of the whole model, for one square image of the "
            "network's image size; in detection, with all the proposals that are kept when it is evaluated.",
        ),
        table=table,
        words=("variant",),
        numbers=numbers,
        columns=_COLUMNS,
    )


_COLUMNS = {
    "variant": "name in the study",
    "params": "learned numbers of the whole model",
    "macs": "multiply-accumulates of the whole model, one image",
    "backbone_params": "of these, the backbone's",
    "backbone_macs": "of these, the backbone's",
}


def _row(variant: VariantRecord) -> tuple[Any, ...]:
    return (variant.name, *(getattr(variant, name) for name in list(_COLUMNS)[1:]))


def _millions(counts: pd.Series[int], unit: str) -> list[str]:
    return [f"{count / 1e6:,.2f} {unit}" for count in counts]


def _share(some: pd.Series[int], every: pd.Series[int]) -> list[str]:
    return [f"{one / whole:.0%}" for one, whole in zip(some, every, strict=True)]
