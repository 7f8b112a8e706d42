"""Where a study stands that no process runs: read off its records, quickly where there are thousands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from fishnet_search.errors import StudyError
from fishnet_search.study.progress import Best
from fishnet_search.study.record import FORMAT, State
from fishnet_search.study.store import trial_name
from fishnet_search.task.figures import Figure

SEARCHES = ("tpe", "nsga2", "cmaes", "evolution")
"""Designs whose candidates are not known before they are tried."""


class _Glance(BaseModel):
    """The few fields of a record that are wanted here; reading all would take ten times as long."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Epoch(TypedDict):  # a dictionary: epochs are many, and objects of a model take four times as long
    validation: dict[str, float]


class _Failure(_Glance):
    type: str
    message: str


class _Trial(_Glance):
    format: Literal[4]
    trial: str
    state: State
    metric: Figure = "top1"
    epochs: tuple[_Epoch, ...]
    failure: _Failure | None

    @model_validator(mode="after")
    def _epochs_have_the_metric(self) -> _Trial:
        if any(self.metric not in epoch["validation"] for epoch in self.epochs):
            raise ValueError(f"an epoch lacks {self.metric} of the validation images")
        return self


class _Variant(_Glance):
    name: str


class _Study(_Glance):
    format: Literal[4]
    command: str
    baseline: str
    design: str
    variants: tuple[_Variant, ...]
    refused: tuple[object, ...] = ()
    finalists: tuple[str, ...] | None = None
    seeds: tuple[int, ...]


class Standing(BaseModel):
    """What the records of a study say."""

    model_config = ConfigDict(frozen=True)

    command: str  # that ran it last
    planned: int | None  # None: a search that is not over does not know
    states: Mapping[State, int]
    refused: int
    best: Best | None  # of all trials but those that failed
    failures: Mapping[str, str]  # trial -> error and the first line of its message
    interrupted: tuple[str, ...]  # trials

    @property
    def missing(self) -> int | None:
        """How many trials have no record."""
        return None if self.planned is None else self.planned - sum(self.states.values())


def standing_of(folder: Path) -> Standing:
    """Read where a study stands.

    Raises:
        StudyError: there is no such study, or one of its files is damaged.
    """
    path = folder / "study.json"
    if not path.is_file():
        raise StudyError(f"{folder}: is not a study, or it has only begun; `fishnet-search list` shows which there are")
    study = _read(_Study, path)
    names = {trial_name(variant.name, seed) for variant in study.variants for seed in study.seeds}
    paths = [path for path in sorted((folder / "trials").glob("*.json")) if path.stem in names]
    trials = [_read(_Trial, path) for path in paths]
    bests = [
        Best(trial=trial.trial, metric=trial.metric, value=_best(trial))
        for trial in trials
        if trial.epochs and trial.state != "failed"
    ]
    return Standing(
        command=study.command,
        planned=_planned(study),
        states=Counter(trial.state for trial in trials),
        refused=len(study.refused),
        best=max(bests, key=lambda best: best.value, default=None),
        failures={
            trial.trial: f"{trial.failure.type}: {trial.failure.message.partition(chr(10))[0]}"
            for trial in trials
            if trial.state == "failed" and trial.failure is not None
        },
        interrupted=tuple(trial.trial for trial in trials if trial.state == "interrupted"),
    )


def _best(trial: _Trial) -> float:
    return max(epoch["validation"][trial.metric] for epoch in trial.epochs)


def _planned(study: _Study) -> int | None:
    """A search trains its candidates with the first seed; its finalists and the baseline with the others too."""
    if study.design not in SEARCHES:
        return len(study.variants) * len(study.seeds)
    if study.finalists is None:
        return None
    return len(study.variants) + len({study.baseline, *study.finalists}) * (len(study.seeds) - 1)


Model = TypeVar("Model", bound=_Glance)


def _read(model: type[Model], path: Path) -> Model:
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        if first["loc"] == ("format",):
            raise StudyError(
                f"{path}: has the record format {first['input']!r}, not {FORMAT}: it is of another version of "
                "fishnet-search; use that one"
            ) from problem
        raise StudyError(f"{path}: is damaged: {first['msg']}; run the study again to mend it") from problem
