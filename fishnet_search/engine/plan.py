"""A space and its images made into a study: what is to be trained, on what, how."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fishnet_search.data.description import Data
from fishnet_search.data.images import ImageSet
from fishnet_search.data.scenes import SceneSet
from fishnet_search.engine.gauge import Gauge
from fishnet_search.errors import SpaceError, WeightsError
from fishnet_search.space.axes import RECIPE
from fishnet_search.space.candidates import Candidate, Refusal, SpelledSpace
from fishnet_search.space.space import load_space
from fishnet_search.space.spelling import with_recipe
from fishnet_search.spec.reading import Document
from fishnet_search.study.record import PublishedRecord, RefusedRecord, StudyRecord, VariantRecord
from fishnet_search.study.trial import data_record
from fishnet_search.task.cost import model_cost
from fishnet_search.task.images import classes_for, images_for

if TYPE_CHECKING:
    from fishnet_search.study.backbones import Backbones
    from fishnet_search.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Plan:
    """A study as it is asked for, with all that its trials need."""

    study: StudyRecord  # of a search, with the baseline as its only variant
    space: SpelledSpace
    images: ImageSet | SceneSet
    accept: Acceptance

    def variant(self, found: Candidate | Refusal) -> VariantRecord | RefusedRecord:
        """Return a candidate as the study records it, or why it does not."""
        return self.accept(found)


@dataclass(frozen=True, eq=False)
class Acceptance:
    """Turns candidates into what a study records, and holds them to the limits that only a measurement can tell."""

    space: SpelledSpace
    gauge: Gauge
    backbones: Backbones | None  # that models begin with

    def __call__(self, found: Candidate | Refusal) -> VariantRecord | RefusedRecord:
        """Return the candidate's record, or the sentence it is refused with."""
        if isinstance(found, Refusal):
            return RefusedRecord(name=found.name, levels=dict(found.levels), where=found.where, reason=found.reason)
        latency = self._latency_ms(found)
        if latency is not None and (reason := self._too_slow(latency)) is not None:
            where = self.space.document.where(("constraints", "latency_ms"))
            return RefusedRecord(name=found.name, levels=dict(found.levels), where=where, reason=reason)
        try:
            backbone = None if self.backbones is None else self.backbones.of(found.spec)
        except WeightsError as problem:
            return RefusedRecord(name=found.name, levels=dict(found.levels), where="backbone_from", reason=str(problem))
        task = self.space.space.task
        alone = None if task.kind == "classification" else model_cost(found.spec, task, found.spec.classes).backbone
        return VariantRecord(
            name=found.name,
            levels=dict(found.levels),
            spec=found.spec,
            recipe=found.recipe,
            identity=found.spec.identity(),
            params=found.cost.params,
            macs=found.cost.macs,
            activations=found.cost.activations,
            matches=found.matches,
            latency_ms=latency,
            backbone=backbone,
            backbone_params=None if alone is None else alone.params,
            backbone_macs=None if alone is None else alone.macs,
        )

    def _too_slow(self, latency_ms: float) -> str | None:
        base = self.gauge.latency_ms(self.space.base)
        broken = self.space.limits.broken({"latency_ms": latency_ms}, {"latency_ms": base})
        return broken[0][1] if broken else None

    def _latency_ms(self, found: Candidate) -> float | None:
        space = self.space.space
        asked = "latency_ms" in space.objectives or space.constraints.latency_ms is not None
        return self.gauge.latency_ms(found.spec) if asked else None


def plan_study(
    space: Path | Document,
    folder: Path,
    *,
    command: str,
    data: str | None = None,
    epochs: int | None = None,
    seeds: int | None = None,
    limit: int | None = None,
    small: bool = False,
    backbone_from: Path | None = None,
) -> Plan:
    """Read a space, load its images and return the study that it asks for.

    Args:
        space: its file, or what would be written there.
        folder: of the study, whose name is the folder's.
        command: that asks for it.
        data: image source in place of the space's.
        epochs: in place of the recipe's.
        seeds: number of seeds in place of the space's.
        limit: most images in each part of the data.
        small: whether to take the small version of the space.
        backbone_from: a study or a file with trained weights that the backbones of detectors and segmenters begin with.

    Raises:
        SpaceError: the space cannot be read, or its baseline cannot be built or is not feasible.
        DataError: the images cannot be had.
    """
    spelled = load_space(space, small=small)
    wanted = spelled.space.data if data is None else Data(source=data)
    task = spelled.space.task
    if backbone_from is not None and task.kind == "classification":
        raise SpaceError(
            f"--backbone-from {backbone_from}: a classifier is trained from its beginning; the task of the space would "
            "have to be detection, instance-segmentation or semantic-segmentation"
        )
    classes = len(classes_for(task, wanted))
    if backbone_from is None:
        _refuse_frozen(spelled.space.recipe)
    if classes != spelled.base.classes:
        spelled = load_space(space, classes=classes, small=small)
    if epochs is not None:
        spelled = _with_epochs(spelled, epochs)
    accept = Acceptance(spelled, Gauge(folder), None if backbone_from is None else _backbones(backbone_from))
    found = [accept(candidate) for candidate in spelled.candidates()]
    if isinstance(found[0], RefusedRecord):
        raise SpaceError(f"{found[0].where}: the baseline: {found[0].reason}; loosen the limit")
    asked = spelled.space
    images = images_for(
        task,
        wanted,
        image_size=spelled.base.image_size,
        short_side=asked.recipe.short_side(spelled.base.image_size),
        square=_wants_squares(spelled),
        limit=limit,
    )
    study = StudyRecord(
        name=folder.name,
        description=asked.description,
        command=command,
        base=asked.base,
        axes={axis: field.path for axis, field in asked.axes.items()},
        baseline=spelled.baseline.name,
        design=asked.design.kind,
        variants=tuple(one for one in found if isinstance(one, VariantRecord)),
        refused=tuple(one for one in found if isinstance(one, RefusedRecord)),
        objectives=asked.objectives,
        match=None if asked.match is None else asked.match.metric,
        stop=None if asked.stop is None else asked.stop.kind,
        seeds=asked.seeds if seeds is None else tuple(range(seeds)),
        recipe=spelled.baseline.recipe,
        data=data_record(images, limit),
        task=asked.task,
        workers=asked.workers,
        threads=asked.resources.cpu,
        small=small,
        published=tuple(PublishedRecord(**asdict(figure)) for figure in spelled.published),
    )
    return Plan(study, spelled, images, accept)


def _backbones(source: Path) -> Backbones:
    from fishnet_search.study.backbones import Backbones  # with what trains, which all else here does without

    return Backbones(source)


def _refuse_frozen(recipe: Recipe) -> None:
    """Refuse what would keep random numbers as they are."""
    frozen = {"frozen_stages": recipe.frozen_stages > 0, "norm": recipe.norm == "frozen"}
    if any(frozen.values()):
        field = next(name for name, is_so in frozen.items() if is_so)
        raise SpaceError(
            f"recipe.{field}: what is frozen is never learnt, and these "
            "backbones begin with random weights; give trained ones by --backbone-from, or set frozen_stages to 0 and "
            "norm to trained"
        )


def _wants_squares(spelled: SpelledSpace) -> bool:
    """Tell whether no recipe looks beyond the centre squares of the images, which all variants share."""
    crops = [axis for axis in spelled.axes.values() if f"{RECIPE}crop" in axis.paths]
    recipe = spelled.space.recipe
    looks = [recipe.model_copy(update={"crop": crop}) for axis in crops for crop in axis.values or ()]
    return all(look.wants_squares for look in (recipe, *looks))


def _with_epochs(spelled: SpelledSpace, epochs: int) -> SpelledSpace:
    """Return a space whose networks are all trained for so many epochs."""
    if any("recipe.epochs" in axis.paths for axis in spelled.axes.values()):
        raise SpaceError(f"{spelled.document.source}: recipe.epochs is an axis; leave out --epochs, or change the axis")
    recipe = with_recipe(spelled.space.recipe, {"epochs": epochs}, "--epochs")
    return replace(spelled, space=spelled.space.model_copy(update={"recipe": recipe}))
