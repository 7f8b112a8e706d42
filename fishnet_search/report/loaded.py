"""Studies in a notebook: records as frames, what they say, plots on matplotlib axes, and objects that show themselves.

    from fishnet_search import load_study

    study = load_study("downsample")    # or the path of a study's folder
    study.effects                       # differences to the baseline, paired by seed
    study.plot_effects()

Nothing here writes. What is worked out is kept, so that asking twice costs nothing; load again to see what has come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from fishnet_search.errors import StudyError
from fishnet_search.evidence.analysis import Analysis, analyse
from fishnet_search.evidence.candidates import best_variant, cost_metric, pareto_front
from fishnet_search.evidence.effects import SAME
from fishnet_search.evidence.frames import curve_frame, evidence, trial_frame
from fishnet_search.evidence.naming import measured
from fishnet_search.evidence.plan import in_order_of_plan
from fishnet_search.evidence.search import score_frame
from fishnet_search.evidence.wording import percent, seed_count
from fishnet_search.plots.curves import is_accuracy, plot_learning_curve
from fishnet_search.plots.effects import plot_effects
from fishnet_search.plots.figures import WIDTH
from fishnet_search.plots.scatter import plot_accuracy_against_macs, plot_candidates
from fishnet_search.report.pictures import style
from fishnet_search.report.results import drawn, look_of
from fishnet_search.report.summary import summarise
from fishnet_search.report.table import effect_table
from fishnet_search.spec.families import Spec
from fishnet_search.spec.naming import nearest
from fishnet_search.study.reading import study_and_evidence
from fishnet_search.study.record import StudyRecord, TrialRecord
from fishnet_search.study.store import find_study
from fishnet_search.task.figures import FIGURES, MEANINGS, Figure
from fishnet_search.train.recipe import Recipe

MOST_ROWS = 20
"""Of a table that an object shows of itself."""

_NOT_DRAWN = ("variant", "seed", "state", "epoch")


def load_study(study: str | Path, studies: str | Path = "studies") -> LoadedStudy:
    """Load the records of a study, whether it is over, running, or has no complete trial.

    Args:
        study: Its name, or the path of its folder: whatever has a slash in it is a path.
        studies: The folder in which names are looked up.

    Raises:
        StudyError: There is no such study, or a record of it is damaged or of another version of fishnet-search.
    """
    folder = find_study(Path(studies), study)
    record, records = study_and_evidence(folder)
    return LoadedStudy(folder, record, in_order_of_plan(record, records))


@dataclass(frozen=True, repr=False)
class Best:
    """The variant that did best on validation images, and how it did on test images, which had no say in it."""

    variant: str
    spec: Spec  # `build_network(build_graph(best.spec))` builds it
    recipe: Recipe
    seeds: int  # that the means are over
    metric: Figure  # that it is the best by
    validation_mean: float
    test_mean: float
    test_ci95: float  # half the width of the 95 % interval over seeds

    def __repr__(self) -> str:
        figure = f"{percent(self.test_mean, self.test_ci95)} % test {MEANINGS[self.metric].label}"
        return f"<best on validation images: {self.variant}, {figure} over {seed_count(self.seeds)}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.spec._repr_html_()}"


@dataclass(frozen=True, eq=False, repr=False)
class LoadedStudy:
    """A study that has been loaded.

    What rests on comparisons (`effects`, `pairs`, `levels`, `pareto`, `best`, `summary` and the plots) raises a
    `StudyError` that says why as long as the trials cannot be compared; `trials` and `curves` are always there.
    """

    folder: Path
    record: StudyRecord  # what the study was asked to do
    records: tuple[TrialRecord, ...]  # what became of it, in the order of the plan; epochs as `Epochs`

    @property
    def name(self) -> str:
        """The study's name."""
        return self.record.name

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial, planned or recorded, with the columns that `TRIAL_COLUMNS` explains."""
        return trial_frame(self.record, self.records)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row an epoch, with the columns that `CURVE_COLUMNS` explains."""
        return curve_frame(self.records, measured(self.record, self.records))

    @cached_property
    def specs(self) -> Mapping[str, Spec]:
        """The architecture of each variant by its name, trials outside the present plan included."""
        recorded = {trial.variant: trial.spec for trial in self.records}
        return recorded | {variant.name: variant.spec for variant in self.record.variants}

    @cached_property
    def analysis(self) -> Analysis:
        """All that a report tells."""
        return analyse(self.record, self.records)

    @property
    def effects(self) -> pd.DataFrame:
        """One row a variant, with the columns that `EFFECT_COLUMNS` explains; of a search, baseline and finalists."""
        return self.analysis.effects

    @property
    def pairs(self) -> pd.DataFrame:
        """The differences to the baseline seed by seed, of which the effects are the means."""
        return self.analysis.pairs

    @property
    def levels(self) -> pd.DataFrame:
        """One row a level of an axis, with the columns that `LEVEL_COLUMNS` explains, if axes are crossed."""
        return self.analysis.levels

    @cached_property
    def pareto(self) -> pd.DataFrame:
        """Rows of `score_frame` that no other is as accurate as at the same cost or less, the cheapest first."""
        return pareto_front(self._scores)

    @cached_property
    def best(self) -> Best:
        """The best on validation images of the variants with the most seeds; of equals the one with fewer MACs."""
        first = best_variant(self.effects)
        self._need(first.seeds > 0, "no variant that is compared has a complete trial")
        trial = next(trial for trial in self.records if trial.variant == first.variant)
        return Best(
            variant=first.variant,
            spec=self.specs[first.variant],
            recipe=trial.recipe,
            seeds=first.seeds,
            metric=self.record.metric,
            validation_mean=first.validation_metric_mean,
            test_mean=first.test_metric_mean,
            test_ci95=first.test_metric_ci95,
        )

    @property
    def summary(self) -> tuple[str, ...]:
        """The result in words, as the report begins."""
        return summarise(self.analysis)

    def plot_effects(self, ax: Axes | None = None) -> Axes:
        """Draw each variant's difference to the baseline with its interval and the differences of the single seeds.

        Args:
            ax: To draw on; by default a new figure's, which a notebook shows.
        """
        effects = drawn(self.analysis)
        compared = effects[(effects["pairs"] > 0) & (effects["verdict"] != SAME)]
        self._need(not compared.empty, "no variant has a seed in common with the baseline, so there is no difference")
        pairs = self.pairs[self.pairs["variant"].isin(compared["variant"])]
        with axes_for(ax, 1.1 + 0.36 * len(compared)) as axes:
            return plot_effects(compared, pairs, look_of(self.analysis), ax=axes)

    def plot_accuracy_against_macs(self, ax: Axes | None = None) -> Axes:
        """Draw each variant's mean test figure with its interval against its MACs.

        Args:
            ax: To draw on; by default a new figure's, which a notebook shows.
        """
        effects = drawn(self.analysis)
        measured = effects[effects["seeds"] > 0]
        self._need(not measured.empty, "no variant that is compared has a complete trial")
        with axes_for(ax, max(4.0, 1.2 + 0.2 * len(measured))) as axes:
            return plot_accuracy_against_macs(measured, look_of(self.analysis), ax=axes)

    def plot_learning_curves(self, column: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the mean over seeds after each epoch, from the lowest to the highest seed as a band.

        Args:
            column: One of the figures in `curves`; by default that which the study is judged by, on validation images.
            ax: To draw on; by default a new figure's, which a notebook shows.

        Raises:
            StudyError: There is no such column, or nothing to draw.
        """
        there = [name for name in self.curves.columns.tolist() if name not in _NOT_DRAWN]
        column = f"validation_{self.record.metric}" if column is None else column
        if column not in there:
            raise StudyError(f"curves have no figures {column!r}{nearest(column, there)}")
        look = look_of(self.analysis)
        curves = evidence(self.curves[self.curves["variant"].isin(look)])
        self._need(not curves.empty, "no variant that is compared has a complete trial")
        with axes_for(ax, 4.0) as axes:
            plot_learning_curve(curves, look, column=column, ax=axes)
            axes.set_ylabel(_told(column))
            axes.legend(frameon=False)
            return axes

    def plot_pareto(self, ax: Axes | None = None) -> Axes:
        """Draw the validation figure against cost, with the front as a line.

        Args:
            ax: To draw on; by default a new figure's, which a notebook shows.
        """
        scores = self._scores
        seen = evidence(scores).dropna(subset="cost")
        self._need(not seen.empty, "no variant has completed all the seeds that its score is taken over")
        look = look_of(self.analysis)
        with axes_for(ax, max(4.0, 1.2 + 0.2 * len(look))) as axes:
            return plot_candidates(scores, look, cost_metric(self.record), ax=axes)

    @cached_property
    def _scores(self) -> pd.DataFrame:
        return score_frame(self.record, self.analysis.trials)

    def _need(self, holds: bool, problem: str) -> None:
        if not holds:
            raise StudyError(f"study {self.name!r}: {problem}; run the study again to complete it")

    @property
    def _progress(self) -> str:
        planned = self.trials[self.trials["planned"]]
        states = planned["state"].value_counts()
        others = "".join(f", {n} {state}" for state, n in states.items() if state not in ("complete", "duplicate"))
        return f"{len(evidence(planned))} of {len(planned)} planned trials complete{others}"

    def __repr__(self) -> str:
        return f"<study {self.name}: {self._progress}>"

    def _repr_html_(self) -> str:
        head = f"<p><strong>{escape(self.name)}</strong>: {escape(self._progress)}</p>"
        about = f"<p>{escape(self.record.description)}</p>" if self.record.description else ""
        try:
            said, table = self.summary, effect_table(self.effects)
        except StudyError as problem:
            return f"{head}{about}<p>{escape(str(problem))}</p>"
        words = "".join(f"<li>{escape(sentence)}</li>" for sentence in said)
        return f"{head}{about}<ul>{words}</ul>{as_html(table)}"


def _told(column: str) -> str:
    """Return what is written at the axis of a column of curves."""
    if not is_accuracy(column):
        return column.replace("_", " ")
    part, _, name = column.partition("_")
    return next(f"{part} {MEANINGS[figure].label} (%)" for figure in FIGURES if figure == name)


@contextmanager
def axes_for(ax: Axes | None, height: float) -> Iterator[Axes]:
    """Give axes to draw on: those that there are, or else a figure's that pyplot keeps, in the style of reports."""
    if ax is not None:
        yield ax
        return
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(WIDTH, height), layout="constrained")  # which sets up the notebook's way of showing it
    with style():  # so this ends before it: it puts all settings back
        yield figure.subplots()


def as_html(table: pd.DataFrame) -> str:
    """Return a table of strings as HTML, of a long one the first and last rows."""
    with pd.option_context("display.max_colwidth", None):  # pandas cuts longer cells
        return table.to_html(index=False, border=0, max_rows=MOST_ROWS)
