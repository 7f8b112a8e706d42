"""What a study is to have trained, and whether what it has trained may stand side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

from fishnet_search.errors import StudyError
from fishnet_search.spec.families import Spec
from fishnet_search.study.record import EVIDENCE, StudyRecord, TrialRecord
from fishnet_search.study.standing import SEARCHES

RECIPE = "recipe."
"""What the paths of axes begin with that set a field of the recipe."""


def is_search(study: StudyRecord) -> bool:
    """Return whether candidates were proposed one by one, by what was seen before."""
    return study.design in SEARCHES


def planned_trials(study: StudyRecord) -> list[tuple[str, int]]:
    """Return variant and seed of all trials that the study is to have, as far as it knows.

    A search trains its candidates with the first seed and, once it is over, the baseline and finalists with all.
    """
    names = [variant.name for variant in study.variants]
    if not is_search(study):
        return list(product(names, study.seeds))
    finals = () if study.finalists is None else (study.baseline, *study.finalists)
    return [(name, seed) for name in names for seed in (study.seeds if name in finals else study.seeds[:1])]


def all_trials(study: StudyRecord, trials: Sequence[TrialRecord]) -> list[tuple[str, int]]:
    """Return variant and seed of all trials: first the plan in its order, then the others in alphabetical order."""
    planned = planned_trials(study)
    return planned + sorted({(trial.variant, trial.seed) for trial in trials} - set(planned))


def in_order_of_plan(study: StudyRecord, trials: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Return the trials variant by variant and seed by seed as planned, those outside the plan last, by name."""
    rank = {key: i for i, key in enumerate(all_trials(study, trials))}
    return tuple(sorted(trials, key=lambda trial: rank[trial.variant, trial.seed]))


def stopped_with(study: StudyRecord, trials: Sequence[TrialRecord]) -> dict[str, int]:
    """Return the first seed that each variant was stopped early with; later seeds of it are not trained."""
    if study.stop is None:
        return {}
    stopped = {(trial.variant, trial.seed) for trial in trials if trial.state == "pruned"}
    return {variant: seed for variant, seed in reversed(planned_trials(study)) if (variant, seed) in stopped}


def check_comparable(study: StudyRecord, trials: Sequence[TrialRecord]) -> None:
    """Refuse trials whose figures must not stand beside each other.

    Raises:
        StudyError: If no trial is complete, a complete one lacks its figures, one is there twice, or a trial has
            another recipe or architecture than its variant, or other images than its study.
    """
    where = f"study {study.name!r}"
    twice = [key for key, n in Counter((trial.variant, trial.seed) for trial in trials).items() if n > 1]
    if twice:
        variant, seed = twice[0]
        raise StudyError(
            f"{where}: a variant has one trial a seed, but {variant!r} has more with seed {seed}; remove all but one"
        )
    complete = [trial for trial in trials if trial.state in EVIDENCE]
    if not complete:
        raise StudyError(
            f"{where}: none of its {len(planned_trials(study))} trials is complete yet ({len(trials)} have a record); "
            "wait if it is running, else run it again"
        )
    asked = {trial.variant: (trial.spec, trial.recipe) for trial in reversed(complete)}
    asked |= {variant.name: (variant.spec, variant.recipe) for variant in study.variants}
    for trial in complete:
        spec, recipe = asked[trial.variant]
        rules = {
            "has the figures of its test images": trial.test is not None and trial.best_epoch is not None,
            "has the recipe of its variant": trial.recipe == recipe,
            "has the recipe of its study but for the fields of axes": _is_on_the_axes(trial, study),
            "has the images of its study": trial.data.fingerprint == study.data.fingerprint,
            "has the task of its study": trial.task == study.task,
            "has its best epoch by the figure of its study": trial.metric == study.metric,
            "has the architecture of its variant": _same_network(trial.spec, spec),
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise StudyError(
                f"{where}: a complete trial {broken[0]}, but {trial.trial!r} does not; remove its record and run the "
                "study again, or keep it in a study of its own"
            )


def _is_on_the_axes(trial: TrialRecord, study: StudyRecord) -> bool:
    """Tell whether a recipe differs from the study's in fields only that an axis sets."""
    free = {path.removeprefix(RECIPE) for paths in study.axes.values() for path in paths if path.startswith(RECIPE)}
    return trial.recipe.model_dump(exclude=free) == study.recipe.model_dump(exclude=free)


def _same_network(spec: Spec, other: Spec) -> bool:
    """Compare by identity too: the figures of an equal trial come with its own spelling of the network."""
    return spec == other or (spec.image_size == other.image_size and spec.identity() == other.identity())
