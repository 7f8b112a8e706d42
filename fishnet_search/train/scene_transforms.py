"""What is done to an image, and to the boxes, masks or map of it: drawn as a value first, then done to each alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode, functional
from torchvision.tv_tensors import BoundingBoxes

from fishnet_search.data.scenes import UNJUDGED, Objects
from fishnet_search.train.recipe import Recipe

Sides = tuple[int, int]
"""Height and width in pixels."""

CHANCES = 5
"""Numbers from 0 to below 1 that `drawn_view` makes a view of."""


@dataclass(frozen=True)
class View:
    """How an image is brought before the network: resized, seen through a window, and perhaps mirrored then."""

    resized: Sides  # of the whole image
    window: Sides  # what the network sees
    top: int = 0  # of the window in the resized image; it may begin before it and end after it
    left: int = 0
    flipped: bool = False  # left for right


def drawn_view(recipe: Recipe, sides: Sides, image_size: int, chances: Sequence[float], *, square: bool) -> View:
    """Return how a training image is seen.

    Args:
        recipe: what is done.
        sides: of the image.
        image_size: pixels a side that the network takes.
        chances: that decide about the scale, the zoom, the place of the window down and across, and mirroring.
        square: whether the network sees windows of its image size, rather than as much as there is without a zoom.
    """
    scale, zoom, down, across, mirror = chances
    scales = recipe.scales or (_shorter(recipe, image_size),)
    usual = _fitted(sides, scales[int(scale * len(scales))], recipe.longer_side)
    least, most = math.log(recipe.zoom_least), math.log(recipe.zoom_most)
    resized = _times(usual, math.exp(least + (most - least) * zoom))
    window = (image_size, image_size) if square else usual
    top, left = (_start(free, chance) for free, chance in zip(_free(resized, window), (down, across), strict=True))
    return View(resized, window, top, left, flipped=recipe.flip and mirror < 0.5)


def whole_view(recipe: Recipe, sides: Sides, image_size: int, multiple: int = 1) -> View:
    """Return how an image is evaluated: all of it, with sides that are multiples of a number."""
    resized = _fitted(sides, _shorter(recipe, image_size), recipe.longer_side)
    height, width = (math.ceil(side / multiple) * multiple for side in resized)
    return View(resized, (height, width))


def seen_image(image_CHW: Tensor, view: View, beyond: Sequence[int]) -> Tensor:
    """Return what is seen of an image, uint8.

    Args:
        image_CHW: uint8.
        view: of it.
        beyond: grey level of each channel beyond the image.
    """
    return _seen(image_CHW, view, InterpolationMode.BILINEAR, list(beyond))


def seen_map(map_HW: Tensor, view: View) -> Tensor:
    """Return what is seen of a map of classes, uint8, with `UNJUDGED` beyond it."""
    return _seen(map_HW[None], view, InterpolationMode.NEAREST_EXACT, UNJUDGED)[0]


def seen_objects(objects: Objects, view: View, sides: Sides, *, masks: bool) -> dict[str, Tensor]:
    """Return what is to be learnt of objects, as torchvision's detectors take it.

    Crowds and difficult objects are left out, as in most training on COCO and VOC. So are objects of which less than a
    pixel is seen. Where masks are wanted, a box that ends more than a pixel away from what is seen of its mask is drawn
    anew around that: of an L that is cut, the foot may be gone.

    Args:
        objects: of an image.
        view: of the image.
        sides: of the image.
        masks: whether they are wanted too.

    Returns:
        boxes: float32 (K, 4), x1, y1, x2, y2 in pixels of the window.
        labels: int64 (K,), from 1 on, since 0 is the background.
        masks: uint8 (K, height, width) of 0 and 1, if wanted.
    """
    learnt_K = torch.nonzero(learnable(objects))[:, 0]
    boxes_K4 = BoundingBoxes(objects.boxes_K4[learnt_K], format="XYXY", canvas_size=sides)
    boxes_K4 = functional.clamp_bounding_boxes(_seen(boxes_K4, view, InterpolationMode.NEAREST, 0))
    boxes_K4, kept_K = functional.sanitize_bounding_boxes(boxes_K4)
    boxes_K4, labels_K = boxes_K4.as_subclass(Tensor), objects.labels_K[learnt_K[kept_K]] + 1
    if not masks:
        return {"boxes": boxes_K4, "labels": labels_K}
    masks_KHW = _seen(_decoded(objects, learnt_K[kept_K], sides), view, InterpolationMode.NEAREST_EXACT, 0)
    seen_K = masks_KHW.flatten(1).any(1).bool()
    boxes_K4, labels_K, masks_KHW = boxes_K4[seen_K], labels_K[seen_K], masks_KHW[seen_K]
    around_K4 = _around(masks_KHW)
    apart_K1 = ((boxes_K4 - around_K4).abs() > 1).any(1, keepdim=True)
    return {"boxes": torch.where(apart_K1, around_K4, boxes_K4), "labels": labels_K, "masks": masks_KHW}


def learnable(objects: Objects) -> Tensor:
    """Return which objects are learnt from, bool (K,)."""
    return ~(objects.crowd_K | objects.difficult_K)


def _shorter(recipe: Recipe, image_size: int) -> int:
    return image_size if recipe.shorter_side is None else recipe.shorter_side


def _fitted(sides: Sides, shorter: int, longer: int) -> Sides:
    """Resize to this shorter side, or to the longer one where that would be exceeded."""
    return _times(sides, min(shorter / min(sides), longer / max(sides)))


def _times(sides: Sides, factor: float) -> Sides:
    height, width = (max(1, round(side * factor)) for side in sides)
    return height, width


def _free(resized: Sides, window: Sides) -> Sides:
    """Return by how many pixels a window may be moved in an image, or, below 0, the image in the window."""
    return resized[0] - window[0], resized[1] - window[1]


def _start(free: int, chance: float) -> int:
    return min(0, free) + int(chance * (abs(free) + 1))


def _seen(thing: Tensor, view: View, interpolation: InterpolationMode, beyond: int | list[int]) -> Tensor:
    """Return what is seen of an image, of masks as its channels, or of boxes."""
    thing = functional.resize(thing, list(view.resized), interpolation=interpolation, antialias=True)
    if (view.top, view.left, *view.window) != (0, 0, *view.resized):
        thing = _through_window(thing, view, beyond)
    flipped: Tensor = functional.horizontal_flip(thing) if view.flipped else thing
    return flipped


def _through_window(thing: Tensor, view: View, beyond: int | list[int]) -> Tensor:
    """Cut what is in the window, and pad what is not."""
    starts = (view.top, view.left)
    first = [max(start, 0) for start in starts]
    ends = [min(start + side, end) for start, side, end in zip(starts, view.window, view.resized, strict=True)]
    height, width = (end - start for start, end in zip(first, ends, strict=True))
    thing = functional.crop(thing, first[0], first[1], height, width)
    before = [max(-start, 0) for start in starts]
    after = [view.window[0] - before[0] - height, view.window[1] - before[1] - width]
    padded: Tensor = functional.pad(thing, [before[1], before[0], after[1], after[0]], fill=beyond)
    return padded


def _decoded(objects: Objects, indices_K: Tensor, sides: Sides) -> Tensor:
    """Return the masks of some objects, uint8 (K, height, width)."""
    if objects.masks is None:
        raise ValueError("these objects have boxes without masks; take data with masks, or ask for boxes alone")
    if not len(indices_K):
        return torch.zeros(0, *sides, dtype=torch.uint8)
    from faster_coco_eval.core import mask as run_lengths

    masks_HWK = run_lengths.decode([objects.masks[index] for index in indices_K.tolist()])
    return torch.from_numpy(masks_HWK).permute(2, 0, 1).contiguous()


def _around(masks_KHW: Tensor) -> Tensor:
    """Return the smallest boxes around masks, none of which is empty, float32 (K, 4)."""
    rows_KH, columns_KW = masks_KHW.amax(2), masks_KHW.amax(1)
    lows = [columns_KW.argmax(1), rows_KH.argmax(1)]
    highs = [masks_KHW.shape[2] - columns_KW.flip(1).argmax(1), masks_KHW.shape[1] - rows_KH.flip(1).argmax(1)]
    return torch.stack([*lows, *highs], 1).float()
