"""What remains of a variant's difference when its widths are such that it costs what the baseline does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fishnet_search.evidence.naming import figures_in, metric_of, names_of, rows_of
from fishnet_search.study.record import RefusedRecord, StudyRecord, VariantRecord
from fishnet_search.task.figures import Figure

METRICS = {"macs": "MACs", "params": "parameters", "activations": "activations"}
"""Names of the metrics that variants are matched by."""

AS_IT_IS = "as it is"
NO_WIDTH = "no width reaches it"
REFUSED = "refused"


def matched_effects(study: StudyRecord, effects: pd.DataFrame) -> pd.DataFrame:
    """Set each variant's difference as it is beside that of its twin at the baseline's cost.

    Args:
        study: What was planned; none of its variants is matched if it does not ask for that.
        effects: As from `variant_effects`.

    Returns:
        One row a variant but for baseline and twins, with the columns that `MATCHED_COLUMNS` explains.
    """
    columns = names_of(MATCHED_COLUMNS, figures_in(effects))
    if study.match is None:
        nothing: pd.DataFrame = pd.DataFrame(columns=columns)
        return nothing
    (baseline,) = (variant for variant in study.variants if variant.name == study.baseline)
    table = _Table(
        metric=study.match,
        figure=metric_of(effects),
        budget=getattr(baseline, study.match),
        effects={row.variant: row for row in rows_of(effects)},
        twins={variant.matches: variant for variant in study.variants if variant.matches is not None},
        refused={one.name: one for one in reversed(study.refused)},
    )
    raws = [variant for variant in study.variants if variant.matches is None and variant.name != study.baseline]
    frame: pd.DataFrame = pd.DataFrame([_row(raw, table) for raw in raws], columns=columns)
    return frame


def with_matched(effects: pd.DataFrame, matched: pd.DataFrame) -> pd.DataFrame:
    """Return the effects with the columns of the matched ones beside them."""
    both: pd.DataFrame = effects.merge(matched, on="variant", how="left", validate="one_to_one")
    return both


@dataclass(frozen=True)
class _Table:
    """What a row is made from."""

    metric: str
    figure: Figure  # that the study is judged by
    budget: int  # of the baseline
    effects: Mapping[str, Any]  # variant -> its row of the effects
    twins: Mapping[str, VariantRecord]  # variant -> the one that rescales it
    refused: Mapping[str, RefusedRecord]


def _row(raw: VariantRecord, table: _Table) -> dict[str, Any]:
    metric, budget = table.metric, table.budget
    told = {"variant": raw.name, "cost_change": getattr(raw, metric) / budget - 1}
    twin, refusal = table.twins.get(raw.name), table.refused.get(f"{raw.name}-same-{metric}")
    if twin is None and refusal is not None:
        unreached = refusal.where.endswith(": match")  # or a limit that it breaks
        return {**told, "matched_by": NO_WIDTH if unreached else REFUSED, "matched_reason": refusal.reason}
    effect = table.effects[raw.name if twin is None else twin.name]
    return {
        **told,
        "matched_by": AS_IT_IS if twin is None else twin.name,
        "matched_cost_change": getattr(twin or raw, metric) / budget - 1,
        f"matched_difference_{table.figure}": effect.difference_metric,
        "matched_difference_ci95": effect.difference_ci95,
        "matched_pairs": effect.pairs,
        "matched_verdict": effect.verdict,
    }


MATCHED_COLUMNS = {  # for `explained`
    "variant": "name of the architecture, and of how it is trained",
    "cost_change": "what the variant costs beyond the baseline by the metric that is matched, as a fraction of it",
    "matched_by": f"the variant with its widths rescaled to the baseline's cost; '{AS_IT_IS}': it has that cost; "
    f"'{NO_WIDTH}', '{REFUSED}': there is none",
    "matched_cost_change": "the same of the rescaled variant",
    "matched_difference_{metric}": "difference_{metric} of the rescaled variant",
    "matched_difference_ci95": "difference_ci95 of the rescaled variant",
    "matched_pairs": "pairs of the rescaled variant",
    "matched_verdict": "verdict of the rescaled variant",
    "matched_reason": "why there is no rescaled variant",
}
