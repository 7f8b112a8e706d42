"""How long trials would take, from a few steps of training here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from fishnet_search.data.images import ImageSet, Part
from fishnet_search.data.pictures import Pictures
from fishnet_search.data.scenes import SceneSet
from fishnet_search.engine.survey import Survey
from fishnet_search.errors import MeasureError
from fishnet_search.space.candidates import Candidate
from fishnet_search.task.images import images_for
from fishnet_search.task.models import build_model
from fishnet_search.train.loop import Training
from fishnet_search.train.memory import out_of_memory

TIMED_SECONDS = 2.0
MOST_STEPS = 8


@dataclass(frozen=True)
class Estimate:
    """Seconds, as training a few random images takes on this device, one trial at a time."""

    device: str
    threads: int
    epochs: tuple[tuple[Candidate, float], ...]  # the baseline and the dearest, and the time of an epoch
    least_trial: float
    most_trial: float
    study: float


def estimate(survey: Survey, device: torch.device, name: str) -> Estimate:
    """Time an epoch of the baseline and of the dearest candidate, and estimate all trials by their MACs.

    An epoch is a few steps on as many random images of the space's size, and their share of the validation images;
    the time of a real one follows by the number of training images.

    Args:
        survey: of the space.
        device: to train on.
        name: of the device.

    Raises:
        MeasureError: a batch does not fit into the device's memory.
    """
    if survey.space.space.resources.cpu is not None:  # as a trial does
        torch.set_num_threads(survey.space.space.resources.cpu)
    probed = {one.name: one for one in (survey.baseline, survey.dearest)}
    epochs = tuple((one, epoch_seconds(one, survey, device)) for one in probed.values())
    trials = [one.recipe.epochs * _interpolated(one.cost.macs, epochs) for one in survey.candidates]
    study = survey.trials * sum(trials) / len(trials)
    return Estimate(name, torch.get_num_threads(), epochs, least_trial=min(trials), most_trial=max(trials), study=study)


def epoch_seconds(candidate: Candidate, survey: Survey, device: torch.device) -> float:
    """Return the time of an epoch on all images of the survey.

    Raises:
        MeasureError: a batch does not fit into the device's memory.
    """
    batch = candidate.recipe.batch_size
    try:
        task = survey.space.space.task
        network = build_model(candidate.spec, task, len(survey.images.classes), seed=0)
        warm = _timed(network, candidate, survey, device, batch)  # the first steps set things up
        whole = survey.train_images
        steps = max(1, min(MOST_STEPS, int(TIMED_SECONDS / warm * min(batch, whole) / whole)))
        return min(warm, _timed(network, candidate, survey, device, steps * batch))
    except (RuntimeError, MemoryError) as problem:
        if not out_of_memory(problem):
            raise
        raise MeasureError(
            f"{candidate.name}: a batch of {batch} images does not fit into the memory that is free here; "
            "use a smaller recipe.batch_size, or probe where there is more"
        ) from problem


def _timed(network: torch.nn.Module, candidate: Candidate, survey: Survey, device: torch.device, images: int) -> float:
    """Train on so many images, or on all if they are fewer, and return what all would take."""
    task, few = survey.space.space.task, min(images, survey.train_images)
    some = _random_images(candidate, survey, few) if task.kind == "classification" else _scenes(candidate, survey, few)
    recipe = candidate.recipe.model_copy(update={"epochs": 1, "learning_rate": 1e-6})  # so few images teach nothing
    with Training(network, some, recipe, seed=0, device=device, task=task, metric=task.figures[0]) as training:
        epoch = training.next_epoch()
    learning = len(some.train) / epoch.images_per_second
    validating = max(0.0, epoch.seconds - learning)
    whole = survey.train_images / len(some.train), survey.validation_images / len(some.validation)
    return learning * whole[0] + validating * whole[1]


def _scenes(candidate: Candidate, survey: Survey, few: int) -> ImageSet | SceneSet:
    """Return the first images: what is in them decides how long a step takes."""
    size, task = candidate.spec.image_size, survey.space.space.task
    return images_for(task, survey.data, image_size=size, short_side=size, square=True, limit=few)


def _random_images(candidate: Candidate, survey: Survey, few: int) -> ImageSet:
    size, classes = candidate.recipe.short_side(candidate.spec.image_size), survey.images.classes
    validation = max(1, round(survey.validation_images * few / survey.train_images))
    parts = [_random_part(count, size, len(classes)) for count in (few, validation)]
    return ImageSet("random", classes, size, train=parts[0], validation=parts[1], test=parts[1], fingerprint="")


def _random_part(count: int, size: int, classes: int) -> Part:
    generator = torch.Generator().manual_seed(0)
    images_NCHW = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    return Part(Pictures.of(images_NCHW), torch.randint(0, classes, (count,), generator=generator))


def _interpolated(macs: int, epochs: Iterable[tuple[Candidate, float]]) -> float:
    """Return the seconds of an epoch on the line through those measured; of one, its own."""
    (first, low), *others = epochs
    for dearest, high in others:
        slope = max(0.0, high - low) / (dearest.cost.macs - first.cost.macs)
        return max(0.0, low + slope * (macs - first.cost.macs))
    return low
