"""Several studies in a notebook, side by side: one frame for all, and a comparison where that means something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from fishnet_search.errors import StudyError
from fishnet_search.evidence.effects import SAME, paired_differences, variant_effects
from fishnet_search.evidence.transfer import standings
from fishnet_search.plots.effects import plot_effects
from fishnet_search.plots.looks import looks
from fishnet_search.plots.transfer import plot_ranks
from fishnet_search.report.loaded import LoadedStudy, as_html, axes_for, load_study
from fishnet_search.report.results import best_few
from fishnet_search.report.table import effect_table
from fishnet_search.report.transfer import Transfer


def load_studies(studies: Iterable[str | Path], folder: str | Path = "studies") -> LoadedStudies:
    """Load the records of several studies.

    Args:
        studies: Their names, or the paths of their folders, as for `load_study`. The first is the one that others are
            compared with.
        folder: The folder in which names are looked up.

    Raises:
        StudyError: They are no list, there are none, one is asked for twice, or one cannot be loaded.
    """
    if isinstance(studies, str | Path):
        raise StudyError(f"{studies}: give a list of studies, or load one by `load_study`")
    loaded = [load_study(study, folder) for study in studies]
    if not loaded:
        every = "[path.parent for path in Path('studies').glob('*/study.json')]"
        raise StudyError(f"no study is named; name one or more, or load `{every}`")
    counted = Counter(study.name for study in loaded)
    named = {study.name if counted[study.name] == 1 else str(study.folder): study for study in loaded}
    if len(named) < len(loaded):
        twice = next(study.folder for study in loaded if counted[study.name] > 1)
        raise StudyError(f"{twice}: is asked for twice; name each study once")
    return LoadedStudies(named)


@dataclass(frozen=True, eq=False, repr=False)
class LoadedStudies:
    """Studies that have been loaded together. Every frame has a column `study` in front."""

    studies: Mapping[str, LoadedStudy]  # by name, or by folder where two have one name

    def __getitem__(self, name: str) -> LoadedStudy:
        return self.studies[name]

    @cached_property
    def trials(self) -> pd.DataFrame:
        """The trials of all, with the columns that `TRIAL_COLUMNS` explains."""
        return _together({name: study.trials for name, study in self.studies.items()})

    @cached_property
    def curves(self) -> pd.DataFrame:
        """The epochs of all, with the columns that `CURVE_COLUMNS` explains."""
        return _together({name: study.curves for name, study in self.studies.items()})

    @cached_property
    def effects(self) -> pd.DataFrame:
        """The effects of each, every study against its own baseline, with the columns that `EFFECT_COLUMNS` explains.

        Raises:
            StudyError: One has no complete trial, or its trials cannot be compared.
        """
        return _together({name: study.effects for name, study in self.studies.items()})

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """All variants of all studies against the baseline of the first study, paired by seed, in one table.

        The columns are those of `effects`; verdicts are corrected for all comparisons of this table. Recipes may
        differ from study to study: a difference is then one of network and recipe together.

        Raises:
            StudyError: The studies have different images, one has no complete trial, or its trials cannot be compared.
        """
        owner = self._compared.drop_duplicates("variant")["study"].tolist()
        labels = self._labelled_effects["variant"]
        own = [label.removeprefix(f"{study}: ") for study, label in zip(owner, labels, strict=True)]
        compared: pd.DataFrame = self._labelled_effects.assign(variant=own)
        compared.insert(0, "study", owner)
        return compared

    def plot_comparison(self, ax: Axes | None = None) -> Axes:
        """Draw the differences of the variants of all studies to the baseline of the first, of many those of the best.

        Args:
            ax: To draw on; by default a new figure's, which a notebook shows.

        Raises:
            StudyError: The studies cannot be compared, or have no seed in common.
        """
        effects = best_few(self._labelled_effects, self._baseline)
        compared = effects[(effects["pairs"] > 0) & (effects["verdict"] != SAME)]
        if compared.empty:
            raise StudyError(f"no variant has a seed in common with {self._baseline}; run the studies with equal seeds")
        pairs = paired_differences(self._compared, self._baseline)
        look = looks(effects["variant"].tolist(), self._baseline)
        with axes_for(ax, 1.1 + 0.36 * len(compared)) as axes:
            return plot_effects(compared, pairs[pairs["variant"].isin(compared["variant"])], look, ax=axes)

    @cached_property
    def transfer(self) -> Transfer:
        """Whether variants keep their ranks from study to study: frames `ranks`, `agreement` and `choices`.

        The columns are explained by `RANK_COLUMNS`, `AGREEMENT_COLUMNS` and `CHOICE_COLUMNS`. Variants go by their
        names; studies may differ in everything else, also in the figure they are judged by.

        Raises:
            StudyError: There are fewer than two studies, they share too few variants, or trials are incomplete.
        """
        compared = {name: study.analysis.compared for name, study in self.studies.items()}
        ranked = standings(compared)
        every = dict.fromkeys(str(variant) for trials in compared.values() for variant in trials["variant"])
        records = {name: study.record for name, study in self.studies.items()}
        return Transfer(
            ranked,
            baseline=next(iter(records.values())).baseline,
            left_out=tuple(variant for variant in every if variant not in ranked[0].variants),
            begun_trained=tuple(name for name, one in records.items() if any(v.backbone for v in one.variants)),
        )

    def plot_ranks(self, ax: Axes | None = None) -> Axes:
        """Draw the rank of each variant in each study, with its interval.

        Args:
            ax: To draw on; by default a new figure's, which a notebook shows.

        Raises:
            StudyError: As `transfer`.
        """
        with axes_for(ax, 4.0) as axes:
            return plot_ranks(self.transfer.ranks, self.transfer.look, ax=axes)

    @property
    def _baseline(self) -> str:
        name, first = next(iter(self.studies.items()))
        return f"{name}: {first.record.baseline}"

    @cached_property
    def _compared(self) -> pd.DataFrame:
        """The trials that are compared, their variants named after their studies.

        Raises:
            StudyError: The studies have different images, one has no complete trial, or its trials cannot be compared.
        """
        self._check_images()
        self._check_metrics()
        return _labelled({name: study.analysis.compared for name, study in self.studies.items()})

    @cached_property
    def _labelled_effects(self) -> pd.DataFrame:
        curves = _labelled({name: study.curves for name, study in self.studies.items()})
        return variant_effects(self._compared, self._baseline, curves)

    def _check_images(self) -> None:
        images: dict[str, list[str]] = {}
        for name, study in self.studies.items():
            data = study.record.data
            images.setdefault(f"{data.source} ({data.fingerprint[:12]})", []).append(name)
        if len(images) > 1:
            told = "; ".join(f"{', '.join(names)}: {source}" for source, names in images.items())
            raise StudyError(
                "variants are compared across studies only where these have the same images, by their fingerprint, "
                f"but here are several: {told}; load those together that share one"
            )

    def _check_metrics(self) -> None:
        metrics = {name: study.record.metric for name, study in self.studies.items()}
        if len(set(metrics.values())) > 1:
            told = ", ".join(f"{name} by {metric}" for name, metric in metrics.items())
            raise StudyError(f"variants are compared across studies that are judged by one figure, but here: {told}")

    def __repr__(self) -> str:
        return f"<studies {', '.join(self.studies)}: {len(self.trials)} trials>"

    def _repr_html_(self) -> str:
        told = "".join(f"<li>{escape(repr(study))}</li>" for study in self.studies.values())
        try:
            compared = as_html(effect_table(self._labelled_effects))
        except StudyError as problem:
            compared = f"<p>{escape(str(problem))}</p>"
        return f"<ul>{told}</ul>{compared}"


def _together(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return frames below each other with the name of each in front."""
    named = [frame.assign(study=name) for name, frame in frames.items()]
    columns = ["study", *next(iter(frames.values())).columns]
    together: pd.DataFrame = pd.concat(named, ignore_index=True)[columns]
    return together


def _labelled(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return frames below each other in which variants of different studies have different names."""
    together = _together(frames)
    labelled: pd.DataFrame = together.assign(variant=together["study"] + ": " + together["variant"])
    return labelled
