"""Image files made for a test."""

import numpy as np
from PIL import Image


def write_image(path, *, value=0, mode="RGB", size=(8, 8)):
    """Write an image of one colour, whose red is `value`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 255 - value, 7)).convert(mode).save(path)


def write_class_folders(folder, counts):
    """Write so many images of each class: a mapping from its name to their number."""
    for c, (name, count) in enumerate(counts.items()):
        for i in range(count):
            write_image(folder / name / f"{name}_{i}.JPEG", value=(40 * c + i) % 256)


def files_by_class(part, classes):
    """The file names that a listed part reads, by class."""
    found = {name: [] for name in classes}
    for picture, label in zip(part.pictures, part.labels, strict=True):
        found[classes[label]].append(picture.args[0].rpartition("/")[2])
    return found


def noise(height=6, width=5, channels=3, seed=0):
    """Return pixels of all values."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
