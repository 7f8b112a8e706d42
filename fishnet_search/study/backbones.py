"""Trained weights that the backbones of detectors and segmenters begin with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from torch import Tensor

from fishnet_search.errors import WeightsError
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import build_network
from fishnet_search.network.reference import load_reference_weights
from fishnet_search.spec.architecture import Architecture
from fishnet_search.study.evaluating import SAFETENSORS, tensors_of
from fishnet_search.study.record import BackboneRecord, TrialRecord
from fishnet_search.study.store import read_trial, read_trials, weights_file

PUBLISHED_CLASSES = 1000
"""Of ImageNet, which published weights were trained on."""


class Backbones:
    """Finds the weights for architectures.

    Args:
        source: a study's folder, whose trials of the same architecture are taken, of several that with the best
            validation figure; `TRIAL.safetensors` of a study; or a published checkpoint, of whatever architecture asks.

    Raises:
        WeightsError: there is no such folder or file.
    """

    def __init__(self, source: Path) -> None:
        if not source.exists():
            raise WeightsError(f"{source}: no such study or file to take backbones from; check the path")
        if source.is_dir() and not (source / "study.json").is_file():
            raise WeightsError(f"{source}: is no study, and backbones come from a study or a file; check the path")
        self._source = source

    def of(self, spec: Architecture) -> BackboneRecord:
        """Return where the weights for a spec lie.

        Raises:
            WeightsError: there are none of this architecture.
        """
        if self._source.is_dir():
            return _recorded(self._file_in_study(spec))
        record = self._source.with_suffix(".json")
        if self._source.suffix == SAFETENSORS and record.is_file() and _alike(read_trial(record).spec) != _alike(spec):
            raise WeightsError(
                f"{self._source}: the weights are of another architecture; name a study that trained each of these"
            )
        return _recorded(self._source)

    def _file_in_study(self, spec: Architecture) -> Path:
        trials = self._trials.get(_alike(spec), [])
        if not trials:
            raise WeightsError(
                f"{self._source}: has no complete trial of this architecture; train it there, or take weights of it"
            )
        return weights_file(self._source, max(trials, key=_worth).trial)

    @cached_property
    def _trials(self) -> dict[str, list[TrialRecord]]:
        found: dict[str, list[TrialRecord]] = {}
        for trial in read_trials(self._source):
            if trial.state == "complete" and trial.task.kind == "classification":
                found.setdefault(_alike(trial.spec), []).append(trial)
        return found


def backbone_weights(backbone: BackboneRecord, spec: Architecture) -> Mapping[str, Tensor]:
    """Return the weights of a whole classifier, of which a backbone takes what it has.

    Raises:
        WeightsError: the file is missing, damaged, or another than when the study was planned.
    """
    file = Path(backbone.file)
    if not file.is_file():
        raise WeightsError(f"{file}: the backbone's weights are no longer there; bring them back")
    if _digest(file) != backbone.sha256:
        raise WeightsError(f"{file}: is another file than when the study was planned; begin a study of another name")
    if file.suffix == SAFETENSORS:
        return tensors_of(file)
    network = build_network(build_graph(spec.model_copy(update={"classes": PUBLISHED_CLASSES})))
    load_reference_weights(network, file)
    return network.state_dict()


def _recorded(file: Path) -> BackboneRecord:
    if not file.is_file():
        raise WeightsError(f"{file}: the weights are not beside their record; train the trial anew")
    return BackboneRecord(file=str(file.resolve()), sha256=_digest(file))


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _alike(spec: Architecture) -> str:
    """Return what is the same for architectures that differ in nothing but classes and image size."""
    return spec.model_copy(update={"classes": PUBLISHED_CLASSES}).identity()


def _worth(trial: TrialRecord) -> float:
    best = trial.best_validation
    return 0.0 if best is None else best[trial.metric]
