"""Which work each task is."""

from __future__ import annotations

import torch
from torch import nn

from fishnet_search.data.images import ImageSet
from fishnet_search.data.scenes import SceneSet
from fishnet_search.task.backbone import backbone_of
from fishnet_search.task.settings import Task
from fishnet_search.train.classifying import Classifying
from fishnet_search.train.normalisation import Normalisation, normalisation_for
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.scene_work import SceneWork
from fishnet_search.train.work import Work


def work_of(
    task: Task,
    images: ImageSet | SceneSet,
    recipe: Recipe,
    model: nn.Module,
    device: torch.device,
    seed: int = 0,
    normalise: Normalisation | None = None,
) -> Work:
    """Return the images of a training as its task sees them.

    Args:
        task: that the images fit.
        images: to learn from, choose by and test with.
        recipe: how.
        model: of the task.
        device: where.
        seed: of the order of the images and of what is drawn for them.
        normalise: by other figures than those that the recipe asks for of these images.
    """
    normalise = normalise or normalisation_for(recipe, images.train.pictures)
    if isinstance(images, ImageSet):
        return Classifying(images, recipe, normalise, device, seed)
    stride = backbone_of(model).stride
    return SceneWork(images, task, recipe, normalise, images.image_size, stride, device, seed)
