"""Tiny images with objects and maps, by hand or at random."""

import numpy as np
import torch
from faster_coco_eval.core import mask as run_lengths

from fishnet_search.data.pictures import Pictures
from fishnet_search.data.scenes import Objects, ScenePart


def objects(boxes, labels=None, *, crowd=(), difficult=(), masks=None):
    """Objects with these boxes; masks are arrays (height, width)."""
    boxes = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    numbers = range(len(boxes))
    return Objects(
        boxes,
        torch.zeros(len(boxes), dtype=torch.int64) if labels is None else torch.tensor(labels),
        (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
        torch.tensor([i in crowd for i in numbers], dtype=torch.bool),
        torch.tensor([i in difficult for i in numbers], dtype=torch.bool),
        None if masks is None else tuple(encoded(mask) for mask in masks),
    )


def encoded(mask):
    return run_lengths.encode(np.asfortranarray(mask, np.uint8))


def pictures(sides, seed=1):
    """Noise of these heights and widths."""
    sides = torch.tensor(sides)
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (3 * int(sides.prod(1).sum()),), generator=generator).to(torch.uint8)
    return Pictures(pixels, sides)


def objects_part(sides, *, masks=False):
    """Noise with one to three objects in each image, whose labels tell the image and the object."""
    rng = np.random.default_rng(0)
    truths = [random_objects(rng, *each, labels=10 * i, masks=masks) for i, each in enumerate(sides)]
    return ScenePart(pictures(sides), truths, tuple(map(str, range(len(sides)))))


def random_objects(rng, height, width, *, labels=0, masks=False):
    boxes, drawn = [], []
    for _ in range(rng.integers(1, 4)):
        top, left = rng.integers(0, height - 4), rng.integers(0, width - 4)
        bottom, right = rng.integers(top + 4, height + 1), rng.integers(left + 4, width + 1)
        boxes.append([left, top, right, bottom])
        mask = np.zeros((height, width))
        mask[top:bottom, left:right] = 1
        drawn.append(mask)
    return objects(boxes, [labels + i for i in range(len(boxes))], masks=drawn if masks else None)


def maps_part(sides, classes=5):
    """Noise with a random class for each pixel."""
    generator = torch.Generator().manual_seed(2)
    maps = [torch.randint(0, classes, tuple(each), generator=generator).to(torch.uint8) for each in sides]
    return ScenePart(pictures(sides), maps, tuple(map(str, range(len(sides)))))
