"""Decides which trial is next, whether it goes on, and what becomes of it, whoever runs it.

An executor asks `next` for trials, tells `snapshot` after every epoch, and `ended` or `died` in the end. All of it
happens in one thread of one process, which alone writes records.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fishnet_search.engine.mirror import Mirror
from fishnet_search.engine.observer import Observer
from fishnet_search.engine.proposals import Proposals
from fishnet_search.engine.refusals import refuse_other_settings, refuse_unfit_names
from fishnet_search.engine.searching import finalists_of, values_of
from fishnet_search.engine.stopping import Stopping
from fishnet_search.space.design import Stop
from fishnet_search.study.record import EVIDENCE, StudyRecord, TrialRecord, VariantRecord
from fishnet_search.study.store import checkpoint_file, trial_file, weights_file, write_record
from fishnet_search.study.trial import Trial, draft_of, failed

MOST_LOSSES = 3
"""Times that a trial's worker may be lost before the trial is taken to be the reason."""

SECONDS_BETWEEN_PLANS = 5
"""A search writes `study.json` no more often than this: all that it has tried is in records too."""


_FIGURES = ("epochs", "best_epoch", "test", "precision", "micro_batches", "started", "wall_seconds", "environment")
"""What a trial has from another one that it equals: all that training it anew would give, and how it came about."""


@dataclass(frozen=True)
class Source:
    """A complete trial, and the folder of the study that it belongs to."""

    record: TrialRecord
    folder: Path


class Conductor:
    """A study while it runs."""

    def __init__(
        self,
        study: StudyRecord,
        folder: Path,
        observer: Observer,
        *,
        records: Mapping[str, TrialRecord],
        reusable: Iterable[Source],
        stop: Stop | None,
        mirror: Mirror,
        search: Proposals | None,
    ) -> None:
        """Begin or go on.

        Args:
            study: what is asked for; a search's variants are those that it has tried.
            folder: of the study, which this process has locked.
            observer: is told what happens.
            records: of the study, by trial.
            reusable: trials of other studies.
            stop: how trials are stopped early.
            mirror: of the trials that are no candidates of a search.
            search: proposes candidates, if the design is a search.
        """
        self.folder, self.observer, self.search = folder, observer, search
        self._study, self._mirror = study, mirror
        self._variants = {variant.name: variant for variant in study.variants}
        self._refused = list(study.refused)
        self._records = dict(records)
        self._stopping = Stopping(stop, records.values())
        own = (Source(record, folder) for record in records.values() if record.state == "complete")
        self._sources = {source.record.key: source for source in (*reusable, *own)}
        self._running: dict[str, tuple[Trial, TrialRecord]] = {}
        self._begun: set[str] = set()  # those of them that were heard of
        self._losses: Counter[str] = Counter()
        self._written = -float("inf")
        seeds = study.seeds if search is None else study.seeds[:1]
        variants = study.variants if stop is None else _shuffled(study.variants)
        self._pending = deque(Trial(variant, seed) for seed in seeds for variant in variants)
        refuse_unfit_names(self._pending, folder)
        asked = {trial.name for trial in self._pending} if search is None else records.keys()
        observer.study_started(
            planned=self.planned, done=[one for name, one in records.items() if name in asked and self._is_done(one)]
        )
        self._pending = deque(trial for trial in self._pending if not self._is_over(trial))

    @property
    def study(self) -> StudyRecord:
        """What the study has come to."""
        told = {"variants": tuple(self._variants.values()), "refused": tuple(self._refused)}
        return self._study.model_copy(update=told)

    @property
    def records(self) -> Mapping[str, TrialRecord]:
        """All that is known of trials, by name."""
        return self._records

    @property
    def planned(self) -> int:
        """Trials of the whole study; of a search that is not over, as many as it may come to."""
        seeds, finalists = len(self._study.seeds), self._study.finalists
        if self.search is None:
            return len(self._variants) * seeds
        if finalists is None:
            most = max(self.search.design.candidates, len(self._variants))
            return most + (1 + self.search.design.finalists) * (seeds - 1)
        return len(self._variants) + len({self._study.baseline, *finalists}) * (seeds - 1)

    @property
    def done(self) -> bool:
        """Whether nothing is left to do, here or on other machines that share the study."""
        searched = self.search is None or self._study.finalists is not None
        return searched and not self._running and not self._pending

    def next(self) -> Trial | None:
        """Return a trial to run now; None if there is none before another one ends, here or on another machine."""
        self._receive()
        for _ in range(len(self._pending)):
            trial = self._pending.popleft()
            if self._starts(trial):
                return trial
            if not self._is_over(trial):
                self._pending.append(trial)  # it waits for its equal, or runs elsewhere
        if self.search is None or self._study.finalists is not None:
            return None
        while (variant := self._proposed()) is not None:
            trial = Trial(variant, self._study.seeds[0])
            if self._starts(trial):
                return trial
            if not self._is_over(trial):
                self._pending.append(trial)
        if self._running or self._pending or self.search.goes_on_elsewhere():
            return None
        self._begin_finals()
        return self.next()

    def snapshot(self, trial: Trial, record: TrialRecord) -> bool:
        """Take note of how far a trial has come, and tell whether it goes on."""
        begins = trial.name not in self._begun or len(record.epochs) <= len(self._running[trial.name][1].epochs)
        self._running[trial.name] = (trial, record)
        if begins:  # it may go on from a checkpoint, or once more because memory ran out
            self._begun.add(trial.name)
            self.observer.trial_started(record)
        else:
            self._mirror_of(trial).report(record)
            self.observer.epoch_ended(record)
        # the first seed alone is a race, or each seed would have other survivors; differences need the baseline
        raced = trial.seed == self._study.seeds[0] and record.variant != self._study.baseline
        return self._stopping.goes_on(record) or not raced

    def ended(self, trial: Trial, record: TrialRecord) -> None:
        """Keep the record of a trial that is over."""
        self._running[trial.name] = (trial, record)  # what is over stays so if Ctrl-C comes now
        write_record(trial_file(self.folder, trial.name), record)
        checkpoint_file(self.folder, trial.name).unlink(missing_ok=True)
        self._running.pop(trial.name, None)
        self._mirror_of(trial).tell(record, self.objectives)
        self._note(record)
        self.observer.trial_ended(record)

    def lost(self, trial: Trial, reason: str, told: str = "") -> None:
        """Queue a trial again whose worker is gone; after `MOST_LOSSES` times it has failed.

        Args:
            trial: that it was training.
            reason: why it is gone, in a few words.
            told: all that is known of it.
        """
        self._losses[trial.name] += 1
        if self._losses[trial.name] >= MOST_LOSSES:
            snapshot = self._running[trial.name][1]
            self.ended(trial, failed(snapshot, "WorkerLost", f"{reason}; that was {MOST_LOSSES} times", told))
            return
        del self._running[trial.name]
        self._pending.appendleft(trial)
        self.observer.noticed(f"{trial.name}: {reason}; it goes on from its last checkpoint")

    def overdue(self, trial: Trial, seconds: float, told: str) -> None:
        """Give up a trial that took longer than it may; `told` is where it was."""
        message = f"took longer than the {seconds:g} s that a trial may take"
        self.ended(trial, failed(self._running[trial.name][1], "TimeLimit", message, told))

    def interrupt(self) -> None:
        """Keep how far the running trials have come; the next run goes on with them."""
        for trial, snapshot in self._running.values():
            if snapshot.epochs or trial.name not in self._records:  # one that has not begun again knows less
                write_record(trial_file(self.folder, trial.name), snapshot)
            self.observer.trial_ended(snapshot)
        self._running.clear()
        self.write_study()

    def write_study(self) -> None:
        """Write down what the study has come to."""
        write_record(self.folder / "study.json", self.study)
        self._written = time.monotonic()

    def objectives(self, record: TrialRecord) -> list[float]:
        """Return what Optuna is told of a trial that has its figures. Selection sees validation figures only."""
        return values_of(self._study.objectives, record)

    def _starts(self, trial: Trial) -> bool:
        """Tell whether a trial is to be run now, and note it if so."""
        key = trial.key(self._study)
        if self._is_over(trial) or any(key == other.key for _, other in self._running.values()):
            return False  # it is done, or an equal one runs, whose figures will do
        claimed = self._claim(trial)
        if claimed and key in self._sources:
            self.ended(trial, _duplicate(draft_of(trial, self._study), self._sources[key], self.folder))
            return False
        if claimed:
            self._running[trial.name] = (trial, draft_of(trial, self._study))
            self._begun.discard(trial.name)
        return claimed

    def _claim(self, trial: Trial) -> bool:
        if self.search is not None and trial.seed == self._study.seeds[0]:
            return self.search.claim(trial)
        return self._mirror.claim(trial.name)

    def _mirror_of(self, trial: Trial) -> Mirror:
        searched = self.search is not None and trial.seed == self._study.seeds[0]
        return self.search.mirror if self.search is not None and searched else self._mirror

    def _is_over(self, trial: Trial) -> bool:
        """Tell whether a trial needs no running; what was stopped early is not run with the next seeds either."""
        seeds = self._study.seeds[: self._study.seeds.index(trial.seed) + 1]
        same = (self._records.get(Trial(trial.variant, seed).name) for seed in seeds)
        stopped = self._study.stop is not None and any(one is not None and one.state == "pruned" for one in same)
        return stopped or self._is_done(self._records.get(trial.name))

    def _is_done(self, record: TrialRecord | None) -> bool:
        return record is not None and (
            record.state in EVIDENCE or (record.state == "pruned" and self._study.stop is not None)
        )

    def _note(self, record: TrialRecord) -> None:
        self._records[record.trial] = record
        self._stopping.ended(record)
        if record.state == "complete":
            self._sources.setdefault(record.key, Source(record, self.folder))

    def _receive(self) -> None:
        """Take over what other machines have done."""
        mirrors = [self._mirror] if self.search is None else [self._mirror, self.search.mirror]
        for mirror in mirrors:
            for record in mirror.records_elsewhere(self._records):
                if self.search is not None and record.variant not in self._variants:
                    self._variants[record.variant] = self.search.variant(record.variant, record.levels)
                refuse_other_settings(self.study, [record], f"the storage of study {self._study.name}")
                write_record(trial_file(self.folder, record.trial), record)
                self._note(record)
                self.observer.trial_ended(record)

    def _proposed(self) -> VariantRecord | None:
        """Return the next candidate of the search that can be built and keeps to the constraints, if there is one."""
        while self.search is not None and self.search.wants_more(len(self._variants), len(self._refused)):
            found = self.search.ask()
            if isinstance(found, VariantRecord):
                self._variants[found.name] = found
                if time.monotonic() - self._written > SECONDS_BETWEEN_PLANS:
                    self.write_study()
                return found
            self._refused.append(found)
            self.observer.candidate_refused(found)
        return None

    def _begin_finals(self) -> None:
        """End the search: its best candidates and the baseline are trained with the other seeds."""
        assert self.search is not None
        first, baseline = self._study.seeds[0], self._study.baseline
        tried = [one for one in self._records.values() if one.seed == first and one.state == "complete"]
        values = {one.variant: tuple(self.objectives(one)) for one in tried if one.variant != baseline}
        best = finalists_of(values, self._study.objectives, self.search.design.finalists)
        self._study = self._study.model_copy(update={"finalists": tuple(best)})
        self.write_study()
        finals = [self._variants[name] for name in (baseline, *best)]
        self._pending.extend(Trial(variant, seed) for seed in self._study.seeds[1:] for variant in finals)
        self.observer.plan_changed(self.planned)


def _shuffled(variants: Sequence[VariantRecord]) -> list[VariantRecord]:
    """Return the baseline and then the others in an order that says nothing of them.

    Who comes early has nobody to be compared with. Were variants to come by their widths, say, that would decide.
    """
    baseline, *others = variants
    return [baseline, *sorted(others, key=lambda variant: hashlib.sha256(variant.name.encode()).digest())]


def _duplicate(draft: TrialRecord, source: Source, folder: Path) -> TrialRecord:
    """Return a record with another trial's figures; its weights lie beside it as well."""
    weights = weights_file(source.folder, source.record.trial)
    if weights.is_file():
        _link(weights, weights_file(folder, draft.trial))
    origin = os.path.relpath(trial_file(source.folder, source.record.trial), folder)
    figures = {field: getattr(source.record, field) for field in _FIGURES}
    return draft.model_copy(update={**figures, "state": "duplicate", "duplicate_of": origin})


def _link(file: Path, to: Path) -> None:
    beside = to.with_name(f".{to.name}.partial")
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.unlink(missing_ok=True)
    try:
        os.link(file, beside)
    except OSError:  # another file system
        shutil.copyfile(file, beside)
    beside.replace(to)
