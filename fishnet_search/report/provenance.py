"""Where the numbers come from: commands, data, recipe, and the places the trials ran in."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fishnet_search.evidence.matched import METRICS
from fishnet_search.evidence.plan import is_search
from fishnet_search.evidence.wording import listed
from fishnet_search.study.record import DataRecord, Environment, StudyRecord, TrialRecord
from fishnet_search.task.settings import Classification
from fishnet_search.train.recipe import Recipe

ALWAYS_TOLD = ("epochs", "batch_size", "optimiser", "learning_rate", "momentum", "weight_decay", "schedule")
"""Fields of the recipe; others are told where they are not the default."""

Facts = tuple[tuple[str, str], ...]
"""Pairs of what and how much, for a list of definitions."""


def space_facts(study: StudyRecord) -> Facts:
    """Say what was varied, from where, and by which design."""
    axes = tuple((f"axis {name}", ", ".join(fields)) for name, fields in study.axes.items())
    task, usual = study.task, type(study.task)()
    changed = [f"{name.replace('_', ' ')} {value}" for name, value in task if value != getattr(usual, name)]
    told = {
        "task": None if task == Classification() else ", ".join([task.kind, *changed]),
        "design": study.design,
        "objectives": ", ".join(study.objectives) if is_search(study) else None,
        "matched": None if study.match is None else f"each variant also at the baseline's {METRICS[study.match]}",
        "stopped early": None if study.stop is None else f"by {study.stop}",
        "workers": None if study.workers == 1 else f"{study.workers} processes train a trial together",
    }
    return (("base", study.base), *axes, *((name, value) for name, value in told.items() if value is not None))


def data_facts(data: DataRecord) -> Facts:
    """Say which images were used."""
    broken = f"{len(data.skipped):,} that could not be read: {listed(data.skipped)}"
    return (
        ("source", data.source if data.limit is None else f"{data.source}, at most {data.limit:,} images a part"),
        ("fingerprint", data.fingerprint),
        (
            "images",
            f"{data.train_images:,} training, {data.validation_images:,} validation, {data.test_images:,} test",
        ),
        *([("split", data.split)] if data.split else []),
        *([("left out", broken)] if data.skipped else []),
        *([("objects left out", listed(data.dropped))] if data.dropped else []),
        *([("boxes cut at the edge of their image", f"{data.clipped:,}")] if data.clipped else []),
        ("classes", f"{data.classes:,}"),
        ("short side", f"{data.image_size} pixels"),
    )


def recipe_facts(study: StudyRecord, compared: Collection[str]) -> Facts:
    """Say how the baseline was trained, as far as it is not the default, and what each variant sets otherwise.

    Args:
        study: What was planned.
        compared: Names of the variants that the report is about.
    """
    shared = dict(study.recipe)
    others: dict[tuple[str, ...], list[str]] = {}
    for variant in study.variants:
        own = {name: value for name, value in dict(variant.recipe).items() if value != shared[name]}
        if own and variant.name in compared:
            told = tuple(f"{name.replace('_', ' ')} {value}" for name, value in own.items())
            others.setdefault(told, []).append(variant.name)
    default = dict(Recipe())
    set_here = {name: value for name, value in shared.items() if name in ALWAYS_TOLD or value != default[name]}
    facts = tuple((name.replace("_", " "), str(value)) for name, value in set_here.items())
    return (*facts, *((", ".join(told), f"in {listed(names)}") for told, names in others.items()))


def environments(trials: Sequence[TrialRecord]) -> tuple[tuple[str, Facts], ...]:
    """Return each different environment once: which trials ran there, and what it was."""
    ran: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        ran.setdefault(trial.environment.model_dump_json(), []).append(trial)
    return tuple((_which(here, of=len(trials)), _environment_facts(here[0].environment)) for here in ran.values())


def _which(here: Sequence[TrialRecord], *, of: int) -> str:
    if len(here) == of:
        return "all trials"
    return listed([f"{trial.variant} seed {trial.seed}" for trial in here])


def _environment_facts(environment: Environment) -> Facts:
    dirty = " with uncommitted changes" if environment.git_dirty else ""
    commit = "not in a repository" if environment.git_commit is None else environment.git_commit + dirty
    return (
        ("git commit of the working directory", commit),
        ("device", environment.device),
        ("processor", environment.processor),
        ("threads", str(environment.threads)),
        ("platform", environment.platform),
        ("python", environment.python),
        ("packages", ", ".join(f"{name} {version}" for name, version in sorted(environment.packages.items()))),
    )
