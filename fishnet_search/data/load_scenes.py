"""Reading images with objects or maps: into memory where there is room, else to be decoded when they are asked for."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fishnet_search.data.decoding import together
from fishnet_search.data.description import Data
from fishnet_search.data.memory import Memory, free_memory_bytes
from fishnet_search.data.pictures import Pictures
from fishnet_search.data.scene_images import Files, MapFiles
from fishnet_search.data.scene_listing import PARTS, Annotated, Found, ListedScene, Map, Scenes, limited
from fishnet_search.data.scene_sources import list_scenes
from fishnet_search.data.scenes import Objects, ScenePart, SceneSet
from fishnet_search.data.truths import MapsInRow, ObjectsInRow
from fishnet_search.errors import BrokenImage, DataError

_SHARE = 4  # of the free memory, one part is for images
_SCENES_A_RUN = 4
_RUNS_AHEAD = 2  # of each thread


def load_scenes(data: Data, *, image_size: int, maps: bool, masks: bool = False, limit: int | None = None) -> SceneSet:
    """Return all images of a source at their own size, with what is in them.

    All images are decoded once. They stay in memory if all of them take no more than a quarter of what is free; else
    they are decoded again whenever they are asked for, and so are maps.

    Args:
        data: which images, how they are split, and what becomes of broken ones.
        image_size: pixels a side that the networks are made for; the images keep their own.
        maps: a class for each pixel in place of objects.
        masks: every object has a mask.
        limit: the first so many images of each part.

    Raises:
        BrokenImage: an image or a map cannot be decoded.
        DataError: an unknown source, or one without objects, maps or masks; images or truths that are missing, broken,
            not laid out as they should be or in contradiction with one another; or several broken images.
    """
    listing = list_scenes(data, maps=maps, masks=masks)
    if limit is not None:
        listing = limited(listing, limit)
    shelf, seen, problems = _Shelf(free_memory_bytes() // _SHARE), dict[str, list[_Seen]](), list[BrokenImage]()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, scenes in listing.parts.items():
            seen[name] = []
            for one in _looked_at(scenes, pool):
                if isinstance(one, BrokenImage):
                    problems.append(one)
                else:
                    seen[name].append(one[0])
                    shelf.put(name, *one[1:])
    if problems and data.broken == "fail":
        raise together(problems)
    _check_left(seen, problems)
    everything = [one for own in seen.values() for one in own]
    return SceneSet(
        data.source,
        listing.classes,
        image_size,
        **{name: _part(own, shelf.take(name)) for name, own in seen.items()},
        fingerprint=_fingerprint([listing.classes, "maps" if maps else "masks" if masks else "boxes"], seen),
        split=listing.split,
        skipped=tuple(problem.image for problem in problems),
        dropped=tuple(sentence for one in everything for sentence in one.dropped),
        clipped=sum(one.clipped for one in everything),
    )


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is noted of an image beside its pixels."""

    scene: ListedScene
    sides: tuple[int, int]  # height and width
    levels_3L: NDArray[np.int64]  # noqa: N815
    digest: bytes  # of the image's file and of what is in it
    objects: Objects | None  # None: a map is in its place
    dropped: tuple[str, ...] = ()
    clipped: int = 0


class _Shelf:
    """The pixels and maps of all parts, or nothing once they take more than there is room for."""

    def __init__(self, room: int) -> None:
        self._left = room
        self._parts = {name: (Memory(), Memory()) for name in PARTS}

    def put(self, part: str, pixels_B: NDArray[np.uint8], map_HW: Map | None) -> None:
        """Keep the next image of a part, if there is room for all so far."""
        self._left -= len(pixels_B) + (0 if map_HW is None else map_HW.size)
        if self._left < 0:
            self._parts.clear()
            return
        memory, maps = self._parts[part]
        memory.add(pixels_B)
        if map_HW is not None:
            maps.add(map_HW.ravel())

    def take(self, part: str) -> tuple[Tensor, Tensor] | None:
        """Return the bytes of a part's images and maps, and keep none; None: there was no room for all parts."""
        if part not in self._parts:
            return None
        memory, maps = self._parts.pop(part)
        return memory.whole(), maps.whole()


_Looked = tuple[_Seen, NDArray[np.uint8], Map | None]


def _looked_at(scenes: Scenes, pool: Executor) -> Iterator[_Looked | BrokenImage]:
    """Decode images in threads, some runs ahead, and give them in order."""
    ahead = deque[Future[list[_Looked | BrokenImage]]]()
    for start in range(0, len(scenes), _SCENES_A_RUN):
        ahead.append(pool.submit(_run, scenes[start : start + _SCENES_A_RUN]))
        if len(ahead) > _RUNS_AHEAD * (os.cpu_count() or 1):
            yield from ahead.popleft().result()
    while ahead:
        yield from ahead.popleft().result()


def _run(scenes: Scenes) -> list[_Looked | BrokenImage]:
    looked: list[_Looked | BrokenImage] = []
    for scene in scenes:
        try:
            looked.append(_look(scene))
        except BrokenImage as problem:
            looked.append(problem)
    return looked


def _look(scene: ListedScene) -> _Looked:
    content, image = scene.picture()
    truth = scene.truth(image.height, image.width)
    sides, levels_3L = (image.height, image.width), np.array(image.histogram(), np.int64).reshape(3, 256)
    pixels_B, sha256 = np.array(image).transpose(2, 0, 1).ravel(), hashlib.sha256(hashlib.sha256(content).digest())
    if isinstance(truth, Found):
        objects = _objects(truth)
        _add_objects(sha256, objects)
        seen = _Seen(scene, sides, levels_3L, sha256.digest(), objects, truth.dropped, truth.clipped)
        return seen, pixels_B, None
    sha256.update(json.dumps(truth.shape).encode() + truth.tobytes())
    return _Seen(scene, sides, levels_3L, sha256.digest(), None), pixels_B, truth


def _objects(truth: Found) -> Objects:
    objects = truth.objects
    boxes_K4 = torch.tensor([one.box for one in objects], dtype=torch.float32).reshape(-1, 4)
    masks = tuple(one.mask for one in objects if one.mask is not None)
    return Objects(
        boxes_K4,
        torch.tensor([one.label for one in objects], dtype=torch.int64),
        torch.tensor([_area(one) for one in objects], dtype=torch.float32),
        torch.tensor([one.crowd for one in objects], dtype=torch.bool),
        torch.tensor([one.difficult for one in objects], dtype=torch.bool),
        masks if truth.masked else None,
    )


def _area(one: Annotated) -> float:
    if one.area is not None:
        return one.area
    if one.mask is not None:
        from faster_coco_eval.core.mask import area

        return float(area(one.mask))
    x1, y1, x2, y2 = one.box
    return (x2 - x1) * (y2 - y1)


def _add_objects(sha256: hashlib._Hash, objects: Objects) -> None:
    tensors = (objects.boxes_K4, objects.labels_K, objects.areas_K, objects.crowd_K, objects.difficult_K)
    for tensor in tensors:
        sha256.update(tensor.numpy().tobytes())
    for mask in objects.masks or ():
        sha256.update(json.dumps(mask["size"]).encode() + mask["counts"])


def _part(seen: Sequence[_Seen], kept: tuple[Tensor, Tensor] | None) -> ScenePart:
    sides_N2, names = torch.tensor([one.sides for one in seen]).reshape(-1, 2), tuple(one.scene.name for one in seen)
    each = [one.objects for one in seen if one.objects is not None]
    objects = ObjectsInRow.of(each) if each else None
    if kept is not None:
        return ScenePart(Pictures(kept[0], sides_N2), objects or MapsInRow(kept[1], sides_N2), names)
    levels_3L = torch.from_numpy(np.sum([one.levels_3L for one in seen], axis=0))
    files = Files(names, tuple(one.scene.picture for one in seen), sides_N2, levels_3L)
    return ScenePart(files, objects or MapFiles(tuple(one.scene.truth for one in seen), sides_N2), names)


def _check_left(seen: Mapping[str, Sequence[_Seen]], problems: Sequence[BrokenImage]) -> None:
    for name, own in seen.items():
        if not own:
            raise DataError(f"{name}: all images are broken, such as {problems[0].image}; replace them")


def _fingerprint(told: Sequence[object], seen: Mapping[str, Sequence[_Seen]]) -> str:
    """Return the SHA-256 over classes, contents, truths and split, in hexadecimal: names and order do not count."""
    sha256 = hashlib.sha256(json.dumps(told).encode())
    for name, own in seen.items():
        sha256.update(json.dumps([name, len(own)]).encode() + b"".join(sorted(one.digest for one in own)))
    return sha256.hexdigest()
