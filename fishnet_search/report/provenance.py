"""Where the numbers come from: commands, data, recipe, and the places the trials ran in."""

from __future__ import annotations

from collections.abc import Sequence

from fishnet_search.study.record import DataRecord, Environment, StudyRecord, TrialRecord
from fishnet_search.train.recipe import Recipe

Facts = tuple[tuple[str, str], ...]
"""Pairs of what and how much, for a list of definitions."""


def space_facts(study: StudyRecord) -> Facts:
    """Say what was varied, and from where."""
    axes = (", ".join(fields) for fields in study.axes.values())
    return (("base", study.base), *zip((f"axis {name}" for name in study.axes), axes, strict=True))


def data_facts(data: DataRecord) -> Facts:
    """Say which images were used."""
    return (
        ("source", data.source if data.limit is None else f"{data.source}, at most {data.limit:,} images a part"),
        ("fingerprint", data.fingerprint),
        (
            "images",
            f"{data.train_images:,} training, {data.validation_images:,} validation, {data.test_images:,} test",
        ),
        ("classes", f"{data.classes:,}"),
        ("image size", f"{data.image_size} × {data.image_size} pixels"),
    )


def recipe_facts(recipe: Recipe) -> Facts:
    """Say how every network was trained."""
    return tuple((name.replace("_", " "), str(value)) for name, value in recipe.model_dump().items())


def environments(trials: Sequence[TrialRecord]) -> tuple[tuple[str, Facts], ...]:
    """Return each different environment once: which trials ran there, and what it was."""
    ran: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        ran.setdefault(trial.environment.model_dump_json(), []).append(trial)
    return tuple((_which(here, of=len(trials)), _environment_facts(here[0].environment)) for here in ran.values())


def _which(here: Sequence[TrialRecord], *, of: int) -> str:
    if len(here) == of:
        return "all trials"
    return ", ".join(f"{trial.variant} seed {trial.seed}" for trial in here)


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
