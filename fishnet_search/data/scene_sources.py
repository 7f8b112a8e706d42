"""Sources of images with objects or maps, by name."""

from __future__ import annotations

from fishnet_search.data.coco import coco_classes, offer_coco
from fishnet_search.data.description import Data
from fishnet_search.data.scene_listing import SceneListing, SceneOffer, split_up
from fishnet_search.data.scene_shapes import offer_shapes, shape_classes
from fishnet_search.data.sources import OBJECTS, name_and_path
from fishnet_search.data.voc import offer_voc, voc_classes
from fishnet_search.errors import DataError


def scene_source_names() -> tuple[str, ...]:
    """Return how sources with objects are named."""
    return (*(f"{name}:PATH" for name in OBJECTS), "shapes", "shapes:IMAGES")


def scene_classes_of(data: Data, *, maps: bool) -> tuple[str, ...]:
    """Return the names of a source's classes, in the order of the labels; no image is opened.

    Args:
        data: the source.
        maps: the classes of pixels, with the background, in place of those of objects.

    Raises:
        DataError: the source has no objects or no maps, or is missing or not laid out as it should be.
    """
    name, path = _with_objects(data, maps)
    if name == "shapes":
        return shape_classes(maps=maps)
    try:
        return coco_classes(path or "") if name == "coco" else voc_classes(path or "", maps=maps)
    except OSError as error:
        raise _unreadable(data, error) from error


def list_scenes(data: Data, *, maps: bool, masks: bool) -> SceneListing:
    """Return what images a source has and how they are split; none of them is decoded yet.

    Raises:
        DataError: as `scene_classes_of`, or a split that the source has not enough images for.
    """
    name, path = _with_objects(data, maps)
    try:
        return split_up(_offer(name, path, maps, masks), data.split, data.source)
    except OSError as error:
        raise _unreadable(data, error) from error


def _offer(name: str, path: str | None, maps: bool, masks: bool) -> SceneOffer:
    if name == "shapes":
        return offer_shapes(path, maps=maps, masks=masks)
    return offer_coco(path or "", masks=masks) if name == "coco" else offer_voc(path or "", maps=maps, masks=masks)


def _with_objects(data: Data, maps: bool) -> tuple[str, str | None]:
    name, path = name_and_path(data)
    if name not in (*OBJECTS, "shapes"):
        choices = ", ".join(f"'{choice}'" for choice in scene_source_names())
        raise DataError(f"data {data.source!r} has one class an image and no objects; use one of {choices}")
    if name in OBJECTS and not path:
        raise DataError(f"data {name!r} needs the path of a folder; write '{name}:PATH'")
    if name == "coco" and maps:
        raise DataError(f"{data.source}: COCO's objects leave most pixels without a class; use 'voc:PATH' or 'shapes'")
    return name, path


def _unreadable(data: Data, error: OSError) -> DataError:
    return DataError(f"{data.source}: cannot be read: {error}; check the disk and the files' rights")
