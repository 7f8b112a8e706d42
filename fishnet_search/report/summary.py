"""The result in words, made from the numbers."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.candidates import ranked
from fishnet_search.evidence.effects import BASELINE
from fishnet_search.evidence.frames import MISSING, NOT_RUN, evidence
from fishnet_search.evidence.naming import column, rows_of
from fishnet_search.evidence.plan import is_search
from fishnet_search.evidence.wording import listed, percent, seed_count, the_baseline
from fishnet_search.report.comparisons import differences, matched_differences, not_compared
from fishnet_search.report.single import single_variant
from fishnet_search.study.record import StudyRecord
from fishnet_search.task.figures import MEANINGS

LACKING = ("pruned", "failed", "interrupted", NOT_RUN, MISSING)
"""States of trials that have no figures that count."""


def summarise(analysis: Analysis) -> tuple[str, ...]:
    """Return what a reader should know first, a sentence an item: the differences, then what they lack."""
    return (
        *_provisional(analysis),
        *_results(analysis),
        *_search(analysis),
        *_seed_counts(analysis.effects),
        *_stopped(analysis.compared),
        *_completeness(analysis),
    )


def _provisional(analysis: Analysis) -> list[str]:
    study = analysis.study
    if not is_search(study) or study.finalists is not None:
        return []
    shown = len(analysis.effects) - 1
    return [
        f"The search is not over, and what follows is provisional: the best {shown} so far of {len(study.variants)} "
        f"candidates by validation {MEANINGS[study.metric].label} with seed {study.seeds[0]}, beside the baseline."
    ]


def _results(analysis: Analysis) -> list[str]:
    baseline, effects = analysis.study.baseline, analysis.effects
    own = effects[effects["verdict"] == BASELINE]
    if own.empty or not own["seeds"].iloc[0]:
        return [f"{_capital(the_baseline(baseline))} has no complete trial, so there is no difference to it."]
    if len(effects) == 1:
        return single_variant(analysis)
    compared = differences(baseline, effects) if analysis.matched.empty else matched_differences(analysis)
    return [*compared, *not_compared(baseline, effects)]


def _search(analysis: Analysis) -> list[str]:
    """Tell what was tried, and how little a best of many on one seed says."""
    study, candidates = analysis.study, analysis.candidates
    if not is_search(study):
        return []
    states = candidates["state"].value_counts()
    fate = ", ".join(f"{n} {state}" for state, n in states.items()) if len(states) > 1 else f"all {states.index[0]}"
    sentences = [f"The {study.design} search tried {len(candidates)} candidates, the baseline included: {fate}."]
    if study.refused:
        rules = Counter(refusal.where.rpartition(": ")[2] for refusal in study.refused)
        sentences.append(f"It refused others: {', '.join(f'{n} by {rule}' for rule, n in rules.most_common())}.")
    if len(best := ranked(candidates)):
        sentences.append(_best(best, study))
    return sentences


def _best(best: pd.DataFrame, study: StudyRecord) -> str:
    first, label = rows_of(best)[0], MEANINGS[study.metric].label
    equal = int((best[column(best, "validation_metric")] == first.validation_metric).sum()) - 1
    also = f", as {'has' if equal == 1 else 'have'} {equal} more" if equal else ""
    return (
        f"{first.variant} has the highest validation {label}, {percent(first.validation_metric)} % with seed "
        f"{study.seeds[0]}{also}. That is a choice of the best of {len(best)} on one seed, part of which is luck: the "
        f"means of the finalists over {seed_count(len(study.seeds))} are what counts."
    )


def _seed_counts(effects: pd.DataFrame) -> list[str]:
    """Say whose mean is over fewer seeds than the most that any variant has or should have."""
    most = int(effects[["seeds", "seeds_planned"]].to_numpy().max())
    fewer = effects[effects["seeds"] < most]
    if fewer.empty:
        return []
    told = listed([f"{row.variant} has {row.seeds}" for row in rows_of(fewer)])
    return [f"Fewer than {seed_count(most)}: {told}."]


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _stopped(trials: pd.DataFrame) -> list[str]:
    """Say which variants of the table were stopped early, and after how many epochs; no mean has their figures."""
    stopped = rows_of(trials[trials["state"] == "pruned"])
    if not stopped:
        return []
    named = [f"{row.variant} seed {row.seed} after {_epochs(row.epochs)}" for row in stopped]
    sentences = [f"Stopped early, and in no mean: {listed(named)}."]
    some = sorted({row.variant for row in stopped} & set(evidence(trials)["variant"]))
    if some:
        sentences.append(
            f"The means of {listed(some)} are over the seeds that were not stopped, which are those that did better: "
            "take them as too high."
        )
    return sentences


def _epochs(n: int) -> str:
    return f"{n} epoch" if n == 1 else f"{n} epochs"


def _completeness(analysis: Analysis) -> list[str]:
    trials = analysis.trials
    planned = trials[trials["planned"]]
    states = planned["state"].value_counts()
    outside = evidence(analysis.compared[~analysis.compared["planned"]])
    also = [f"{len(outside)} complete trials are outside the present plan and count too."] if len(outside) else []
    lacking = [f"{states[state]} {state}" for state in LACKING if state in states]
    if not lacking:
        return also
    return [*also, f"{len(evidence(planned))} of {len(planned)} planned trials are complete: {', '.join(lacking)}."]
