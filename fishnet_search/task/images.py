"""The images of a source as a task needs them: with one class each, with objects, or with a class for each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fishnet_search.data.description import Data
from fishnet_search.data.listing import Listing
from fishnet_search.data.scene_listing import SceneListing
from fishnet_search.data.scene_sources import list_scenes, scene_classes_of
from fishnet_search.data.sources import classes_of, list_images
from fishnet_search.task.settings import Task

if TYPE_CHECKING:
    from fishnet_search.data.images import ImageSet
    from fishnet_search.data.scenes import SceneSet


def classes_for(task: Task, data: Data) -> tuple[str, ...]:
    """Return the names of a source's classes, in the order of the labels; no image is opened.

    Raises:
        DataError: an unknown source, one that is not for this task, or images that are missing or not laid out as they
            should be.
    """
    if task.kind == "classification":
        return classes_of(data)
    return scene_classes_of(data, maps=_maps(task))


def list_for(task: Task, data: Data) -> Listing | SceneListing:
    """Return what images a source has and how they are split; none of them is decoded yet.

    Raises:
        DataError: as `classes_for`, or a split that the source has not enough images for.
    """
    if task.kind == "classification":
        return list_images(data)
    return list_scenes(data, maps=_maps(task), masks=_masks(task))


def images_for(
    task: Task, data: Data, *, image_size: int, short_side: int, square: bool, limit: int | None
) -> ImageSet | SceneSet:
    """Return all images of a source.

    Args:
        task: what is to be found in them.
        data: which images.
        image_size: pixels a side that the networks are made for.
        short_side: of images for classification.
        square: whether images for classification are cut to the square in their middle.
        limit: most images in each part.

    Raises:
        DataError: see `load_images` and `load_scenes`.
    """
    if task.kind == "classification":
        from fishnet_search.data.load import load_images

        return load_images(data, side=short_side, square=square, limit=limit)
    from fishnet_search.data.load_scenes import load_scenes

    return load_scenes(data, image_size=image_size, maps=_maps(task), masks=_masks(task), limit=limit)


def _maps(task: Task) -> bool:
    return task.kind == "semantic-segmentation"


def _masks(task: Task) -> bool:
    return task.kind == "instance-segmentation"
