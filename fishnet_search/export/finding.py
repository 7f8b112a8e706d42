"""What detectors and segmenters find in image files, prepared as at the test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fishnet_search.data.modes import read_image
from fishnet_search.data.pictures import Pictures
from fishnet_search.data.scenes import ScenePart, SceneSet
from fishnet_search.errors import BrokenImage, DataError
from fishnet_search.export.model import Model
from fishnet_search.task.findings import SeenObject
from fishnet_search.task.found import Found
from fishnet_search.train.scene_work import SceneWork

LEAST_SCORE = 0.5
"""Of objects that are told, unless another is asked for."""

BATCH = 8
"""Images that go through a model at once."""

Picture = NDArray[np.uint8]
"""An image, (height, width, 3)."""


@dataclass(frozen=True, eq=False)
class InImage:
    """What a model finds in an image, which is seen upright, as its EXIF data says."""

    path: Path
    picture_HW3: Picture  # noqa: N815
    objects: tuple[SeenObject, ...] | None = None  # in pixels of the image, the surest first; None for maps
    map_HW: NDArray[np.uint8] | None = None  # noqa: N815  class of each pixel; None for objects

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width."""
        height, width, _ = self.picture_HW3.shape
        return height, width


@dataclass(frozen=True)
class Unread:
    """An image that the model could not be asked for."""

    path: Path
    problem: str  # as a sentence


def find(
    model: Model, images: Iterable[Path], *, least_score: float = LEAST_SCORE, batch: int = BATCH
) -> Iterator[InImage | Unread]:
    """Yield what a model finds in images, in their order.

    They are decoded, resized and normalised as at the test; an image that is broken stops no other.

    Args:
        model: for detection, instance segmentation or semantic segmentation.
        images: files.
        least_score: of objects, from 0 to 1.
        batch: images that go through the model at once.
    """
    rest = iter(images)
    while paths := tuple(islice(rest, batch)):
        pictures = [_picture(path) for path in paths]
        seen = iter(_found(model, [one for one in pictures if not isinstance(one, str)]))
        for path, picture in zip(paths, pictures, strict=True):
            if isinstance(picture, str):
                yield Unread(path, picture)
            else:
                yield _told(path, picture, next(seen), least_score)


def class_names(model: Model) -> tuple[str, ...]:
    """Return the names of a model's classes, or their numbers where there are no names."""
    return model.classes or tuple(map(str, range(model.spec.classes)))


def shares(map_HW: NDArray[np.uint8], classes: Sequence[str]) -> dict[str, float]:
    """Return the share of the pixels that each class has that there is, the largest first."""
    labels, counts = np.unique(map_HW, return_counts=True)
    pairs = sorted(zip(counts.tolist(), labels.tolist(), strict=True), key=lambda pair: -pair[0])
    return {classes[label]: count / map_HW.size for count, label in pairs}


def _picture(path: Path) -> Picture | str:
    """Return an image, or what is wrong with it."""
    try:
        return np.array(read_image(str(path))[1])
    except BrokenImage as problem:
        return problem.problem
    except DataError as problem:
        return str(problem).removeprefix(f"{path}: ")


def _found(model: Model, pictures: Sequence[Picture]) -> Sequence[Found | Tensor]:
    """Return what is found in each image: objects, or a map."""
    if not pictures:
        return ()
    work = _work(model, pictures)
    if model.task.kind == "semantic-segmentation":
        maps = dict(work.maps(model.network, "test"))
        return [maps[index] for index in range(len(pictures))]
    return work.found(model.network, "test")


def _work(model: Model, pictures: Sequence[Picture]) -> SceneWork:
    """Return the work of testing a model on images of which nothing is known."""
    pixels = [torch.from_numpy(picture_HW3.transpose(2, 0, 1)).reshape(-1) for picture_HW3 in pictures]
    sides_N2 = torch.tensor([picture_HW3.shape[:2] for picture_HW3 in pictures])
    part = ScenePart(Pictures(torch.cat(pixels), sides_N2), (), tuple(map(str, range(len(pictures)))))
    size, preparation = model.preparation.image_size, model.preparation
    scenes = SceneSet("", class_names(model), size, part, part, part, fingerprint="")
    stride, device = model.backbone.stride, torch.device("cpu")
    return SceneWork(scenes, model.task, preparation.recipe, preparation.normalisation, size, stride, device)


def _told(path: Path, picture_HW3: Picture, found: Found | Tensor, least_score: float) -> InImage:
    if isinstance(found, Tensor):
        return InImage(path, picture_HW3, map_HW=found.numpy().astype(np.uint8))
    masks = found.masks or (None,) * len(found)
    rows = zip(found.labels_K.tolist(), found.boxes_K4.tolist(), found.scores_K.tolist(), masks, strict=True)
    return InImage(
        path,
        picture_HW3,
        tuple(
            SeenObject(label=label, box=(x1, y1, x2, y2), score=score, mask=mask and mask["counts"].decode("ascii"))
            for label, (x1, y1, x2, y2), score, mask in rows
            if score >= least_score
        ),
    )
