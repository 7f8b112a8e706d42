"""What a study is refused for before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from fishnet_search.errors import StudyError
from fishnet_search.study.record import EVIDENCE, StudyRecord, TrialRecord, VariantRecord
from fishnet_search.study.trial import Trial
from fishnet_search.train.recipe import Recipe

LONGEST_NAME = 200
"""Letters of a trial's name; file systems take 255 with endings and all."""


def refuse_unfit_names(trials: Iterable[Trial], folder: Path) -> None:
    """Refuse names that would cost a training before the file system refuses them.

    Raises:
        StudyError: two trials would share a file, or a name is too long for one.
    """
    names = Counter(trial.name for trial in trials)
    for name, count in names.most_common(1):
        if count > 1:
            raise StudyError(f"{folder}: {count} trials would share the file name {name}; name the levels differently")
        longest = max(names, key=len)
        if len(longest) > LONGEST_NAME:
            raise StudyError(
                f"{folder}: trial {longest} has a name of {len(longest)} letters, more than the {LONGEST_NAME} that "
                "fit a file; give the axes shorter names"
            )


def refuse_other_settings(study: StudyRecord, records: Sequence[TrialRecord], where: object) -> None:
    """A study compares like with like: what is done was trained in the way that is asked for now.

    Args:
        study: as it is asked for.
        records: that are there.
        where: they are, in an error.

    Raises:
        StudyError: a trial has figures of another recipe, other data, another architecture of the same name, or other
            weights that its backbone began with.
    """
    variants = {variant.name: variant for variant in study.variants}
    for record in records:
        if record.state not in (*EVIDENCE, "pruned"):
            continue
        variant = variants.get(record.variant)
        differs = [
            *(_differences(record.recipe, variant.recipe) if variant is not None else []),
            *(["other images or another --limit"] if record.data.fingerprint != study.data.fingerprint else []),
            *([f"the task {record.task.kind} of other settings"] if record.task != study.task else []),
            *([f"epochs chosen by {record.metric} (now {study.metric})"] if record.metric != study.metric else []),
            *(["another architecture"] if variant is not None and record.spec != variant.spec else []),
            *(["a backbone of other weights"] if variant is not None and _other_backbone(record, variant) else []),
            *([f"workers {record.workers} (now {study.workers})"] if record.workers != study.workers else []),
        ]
        if differs:
            raise StudyError(
                f"{where}: trial {record.trial} was made with {', '.join(differs)}; "
                "give another --name, or delete it to start over"
            )


def _other_backbone(record: TrialRecord, variant: VariantRecord) -> bool:
    """Tell whether they begin with other weights, wherever these lie."""
    one, other = (None if each.backbone is None else each.backbone.sha256 for each in (record, variant))
    return one != other


def _differences(had: Recipe, asked: Recipe) -> list[str]:
    now = dict(asked)  # all fields, also those that records leave out
    return [f"{field} {value} (now {now[field]})" for field, value in had if value != now[field]]
