"""Which networks are meant: those of a study, of a checkpoint or of a spec."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fishnet_search.errors import ExportError
from fishnet_search.evidence.analysis import Analysis, analyse
from fishnet_search.evidence.candidates import best_variant, pareto_front
from fishnet_search.evidence.naming import rows_of
from fishnet_search.evidence.search import score_frame
from fishnet_search.evidence.wording import percent, seed_count
from fishnet_search.export.folder import CONFIG, WEIGHTS, load_hub
from fishnet_search.export.model import Model, model_of
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import build_network
from fishnet_search.spec.loading import load_spec, preset_names
from fishnet_search.spec.naming import nearest
from fishnet_search.study.evaluating import Trained, trained
from fishnet_search.study.reading import study_and_evidence
from fishnet_search.study.record import EVIDENCE, StudyRecord, TrialRecord
from fishnet_search.study.store import weights_file
from fishnet_search.task.figures import MEANINGS
from fishnet_search.train.recipe import Recipe

CHECKPOINTS = (".safetensors", ".pth", ".pt", ".tar")
"""What the names of files with weights end in."""

YAML = (".yaml", ".yml")

BEST, PARETO = "best", "pareto"


@dataclass(frozen=True, eq=False)
class Chosen:
    """A network that was asked for, and what a study says of it."""

    model: Model
    why: str  # it is this one, as a sentence
    study: StudyRecord | None = None
    effect: Any | None = None  # the row of its variant, as from `variant_effects`; None if it is in no comparison


def chosen(asked: str, *, trial: str | None, spec: str | None, studies: Path) -> tuple[Chosen, ...]:
    """Return the networks that are meant.

    Args:
        asked: a study's name or folder, a file with weights, an exported folder, or a spec: a preset's name or a YAML
            file.
        trial: of a study: "best", which None stands for, "pareto", or the name of a trial or variant.
        spec: of a published checkpoint, which does not say of which network it is.
        studies: the folder in which names of studies are looked up.

    Raises:
        ExportError: the study has no such trial, or no weights of it; `trial` or `spec` says nothing of what is asked.
        FishnetSearchError: nothing of this name can be read.
    """
    path = Path(asked)
    for folder in (path, studies / asked):
        if (folder / "study.json").is_file():
            _refuse("--spec", spec, f"{asked} is a study, whose records say of which networks it is")
            return _of_study(folder, trial or BEST)
    _refuse("--trial", trial, f"{asked} is no study")
    exported = _is_exported(path) and asked not in preset_names()
    if path.suffix in CHECKPOINTS and not exported:
        return (_of_checkpoint(path, spec),)
    _refuse("--spec", spec, f"{asked} is no file with weights, or {CONFIG} beside it says of which network they are")
    if exported:
        return (_of_exported(path if path.is_dir() else path.parent),)
    return (_of_spec(asked, studies),)


def _refuse(option: str, value: str | None, why: str) -> None:
    if value is not None:
        raise ExportError(f"{option} {value}: does not apply: {why}; leave it out")


def _is_exported(path: Path) -> bool:
    """Return whether a path is that of an exported folder, or of the weights in it."""
    return (path / CONFIG).is_file() or (path.name == WEIGHTS and (path.parent / CONFIG).is_file())


def _of_exported(folder: Path) -> Chosen:
    loaded = load_hub(folder)
    model = replace(loaded, name=_name(loaded.name))
    return Chosen(model, f"It is the model {model.name} as it was exported before.")


def _of_spec(asked: str, studies: Path) -> Chosen:
    path = Path(asked)
    if asked not in preset_names() and path.suffix.lower() not in YAML:
        raise ExportError(_nothing_of_ours(path, studies))
    spec = load_spec(asked)
    recipe = Recipe(test_crop=0.875, normalise="imagenet")
    network = build_network(build_graph(spec)).eval()
    known = Trained(network, spec, recipe, None)
    model = replace(model_of(_name(path.stem), known), trained=False)
    return Chosen(model, "Its weights are those that training starts from.")


def _nothing_of_ours(path: Path, studies: Path) -> str:
    if path.is_dir():
        return f"{path}: is a folder, but neither a study nor an exported model; name one of these"
    if path.is_file():
        return (
            f"{path}: is by its ending neither a study, nor weights ({', '.join(CHECKPOINTS)}), nor YAML "
            f"({', '.join(YAML)}); name one of these"
        )
    names = [*preset_names(), *sorted(found.parent.name for found in studies.glob("*/study.json"))]
    return f"{path}: neither a file nor a preset nor a study in {studies}{nearest(path.name, names)}"


def _of_checkpoint(path: Path, spec: str | None) -> Chosen:
    known = trained(path, None if spec is None else load_spec(spec), None)
    return Chosen(model_of(_name(path.name.partition(".")[0]), known), f"Its weights are those of {path.name}.")


def _of_study(folder: Path, asked: str) -> tuple[Chosen, ...]:
    study, records = study_and_evidence(folder)
    analysis, label = analyse(study, records), MEANINGS[study.metric].label
    if asked == BEST:
        best = best_variant(analysis.effects)
        figures = f"{percent(best.validation_metric_mean)} % over {seed_count(int(best.seeds))}"
        why = f"{best.variant} has the highest validation {label} of study {study.name}, {figures}"
        return (_of_variant(folder, analysis, str(best.variant), why),)
    if asked == PARETO:
        front = rows_of(pareto_front(score_frame(study, analysis.trials)))
        why = f"no variant of study {study.name} that costs as much or less has a higher validation {label}"
        return tuple(
            _of_variant(folder, analysis, row.variant, f"{row.variant} is on the front: {why}") for row in front
        )
    names = {record.trial: record for record in analysis.records if record.state in EVIDENCE}
    variants = dict.fromkeys(record.variant for record in names.values())
    if asked in variants:
        why = f"It is the variant {asked} of study {study.name}, by validation {label}"
        return (_of_variant(folder, analysis, asked, why),)
    if asked not in names:
        raise ExportError(
            f"{folder}: there is no complete trial or variant {asked!r}{nearest(asked, [*names, *variants])}; or use "
            "'best' or 'pareto'"
        )
    return (_of_trial(folder, analysis, names[asked], f"It is the trial {asked} of study {study.name}."),)


def _of_variant(folder: Path, analysis: Analysis, variant: str, why: str) -> Chosen:
    """Return the trial of a variant that did best on validation images, of those whose weights are there."""
    trials = [trial for trial in analysis.records if trial.variant == variant and trial.state in EVIDENCE]
    there = [trial for trial in trials if _weights_of(folder, trial).is_file()]
    best = max(there or trials, key=lambda one: one.best_validation[one.metric] if one.best_validation else 0.0)
    which = (
        f"of its {seed_count(len(trials))}, seed {best.seed} does best there"
        if len(trials) > 1
        else f"seed {best.seed}"
    )
    return _of_trial(folder, analysis, best, f"{why}; {which}.")


def _of_trial(folder: Path, analysis: Analysis, record: TrialRecord, why: str) -> Chosen:
    weights = _weights_of(folder, record)
    if not weights.is_file():
        raise ExportError(
            f"{weights}: the weights of this trial are not there; run the study again where it has them, or delete the "
            "trial's record and run it anew"
        )
    known = trained(weights, record.spec, record.recipe)
    effects = {row.variant: row for row in rows_of(analysis.effects)}
    name = _name(f"{analysis.study.name}-{record.trial}")
    model = model_of(name, Trained(known.network, record.spec, record.recipe, record))
    return Chosen(model, why, analysis.study, effects.get(record.variant))


def _weights_of(folder: Path, record: TrialRecord) -> Path:
    """Return where a trial's weights are; those of a duplicate are its equal's."""
    if record.duplicate_of is None:
        return weights_file(folder, record.trial)
    return (folder / record.duplicate_of).with_suffix(".safetensors")


def _name(text: str) -> str:
    """Return a name that is fit for a file: letters, digits and . _ - alone, and none of them hidden."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:100] or "model"
