"""Everything that a report tells, as frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from fishnet_search.evidence.candidates import candidate_frame, compared_variants
from fishnet_search.evidence.effects import paired_differences, variant_effects
from fishnet_search.evidence.frames import curve_frame, trial_frame
from fishnet_search.evidence.levels import level_effects
from fishnet_search.evidence.matched import matched_effects
from fishnet_search.evidence.naming import measured
from fishnet_search.evidence.plan import check_comparable, in_order_of_plan
from fishnet_search.evidence.published import published_frame
from fishnet_search.study.record import StudyRecord, TrialRecord
from fishnet_search.task.findings import Findings


@dataclass(frozen=True, eq=False)
class Analysis:
    """What the trials of a study say."""

    study: StudyRecord
    records: tuple[TrialRecord, ...]  # in the order of the plan
    trials: pd.DataFrame  # all of them, as from `trial_frame`
    curves: pd.DataFrame  # all of them, as from `curve_frame`
    compared: pd.DataFrame  # rows of `trials` whose variants are compared: of a search, baseline and finalists
    effects: pd.DataFrame  # of these, as from `variant_effects`
    pairs: pd.DataFrame  # of these, as from `paired_differences`
    matched: pd.DataFrame  # as from `matched_effects`
    levels: pd.DataFrame  # as from `level_effects`
    candidates: pd.DataFrame  # as from `candidate_frame`
    published: pd.DataFrame  # as from `published_frame`
    findings: Mapping[str, Findings]  # trial -> what its network found, of some trials


def analyse(
    study: StudyRecord, records: Sequence[TrialRecord], findings: Mapping[str, Findings] = MappingProxyType({})
) -> Analysis:
    """Return what the trials of a study say.

    Args:
        study: What was planned.
        records: What is recorded of it, in any order, trials outside the present plan included.
        findings: Of trials, by name, in tasks that have any.

    Raises:
        StudyError: If no trial is complete, or the trials cannot be compared with each other.
    """
    check_comparable(study, records)
    records = in_order_of_plan(study, records)
    trials = trial_frame(study, records)
    rank = {variant: i for i, variant in enumerate(compared_variants(study, trials))}
    compared = trials[trials["variant"].isin(rank)]
    compared = compared.sort_values("variant", key=lambda names: names.map(rank), kind="stable")
    curves = curve_frame(records, measured(study, records))
    effects = variant_effects(compared, study.baseline, curves)
    return Analysis(
        study=study,
        records=records,
        trials=trials,
        curves=curves,
        compared=compared,
        effects=effects,
        pairs=paired_differences(compared, study.baseline),
        matched=matched_effects(study, effects),
        levels=level_effects(study, trials),
        candidates=candidate_frame(study, trials),
        published=published_frame(study),
        findings=findings,
    )
