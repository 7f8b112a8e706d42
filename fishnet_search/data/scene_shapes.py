"""Drawn shapes as scenes: boxes, masks and maps that fit to the pixel."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
from PIL import Image

from fishnet_search.data.scene_listing import Annotated, Found, ListedScene, Map, SceneOffer, found, told
from fishnet_search.data.shapes import CLASSES, Scene, counts, draw

SIDE = 96
"""Pixels a side. The scenes are the same at any."""

BACKGROUND = "background"


def offer_shapes(images: str | None, *, maps: bool, masks: bool) -> SceneOffer:
    """Return the scenes that `list_shapes` has pictures of, all of one size; none of them is drawn yet.

    Raises:
        DataError: as `list_shapes`.
    """
    parts = {
        name: tuple(
            ListedScene(
                f"{name}-{index}",
                partial(_picture, seed, index),
                partial(_map, seed, index) if maps else partial(_objects, seed, index, f"{name}-{index}", masks),
            )
            for index in range(count)
        )
        for seed, (name, count) in enumerate(counts(images).items())
    }
    return SceneOffer(shape_classes(maps=maps), parts["train"], parts["validation"], parts["test"])


def shape_classes(*, maps: bool) -> tuple[str, ...]:
    """Return the names of the shapes."""
    return (BACKGROUND, *CLASSES) if maps else CLASSES


@lru_cache(maxsize=128)  # a scene's truth is asked for after its picture, by the same one of some threads
def _drawn(seed: int, index: int) -> Scene:
    return draw(seed, index, SIDE)


def _picture(seed: int, index: int) -> tuple[bytes, Image.Image]:
    image_HW3 = _drawn(seed, index).image_HW3
    return image_HW3.tobytes(), Image.fromarray(image_HW3)


def _map(seed: int, index: int, height: int, width: int) -> Map:
    scene = _drawn(seed, index)
    map_HW = np.zeros((height, width), np.uint8)
    for label, mask_HW in zip(scene.labels_K.tolist(), scene.masks_KHW, strict=True):
        map_HW[mask_HW] = label + 1
    return map_HW


def _objects(seed: int, index: int, name: str, masks: bool, height: int, width: int) -> Found:
    from faster_coco_eval.core.mask import encode

    scene = _drawn(seed, index)
    objects = []
    for box, label, mask_HW in zip(scene.boxes_K4.tolist(), scene.labels_K.tolist(), scene.masks_KHW, strict=True):
        mask = encode(np.asfortranarray(mask_HW, np.uint8)) if masks else None
        objects.append(Annotated(told(box), tuple(box), label, mask))
    return found(objects, height, width, name, masked=masks)
