"""Images a second for training: ours against torchvision's ImageFolder with its usual transforms, in one run.

    python benchmarks/loading.py [FOLDER]

Both take batches of 128 with a part of random area and aspect, mirrored or not, normalised, 64 pixels a side: ours from
a pack, which is written first, torchvision's through a DataLoader, of which the better of two numbers of processes
counts. FOLDER has Tiny ImageNet's layout; without one, pictures of shapes are drawn and saved as JPEG.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import torch
from machine import where
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from fishnet_search.data.description import Data
from fishnet_search.data.pack import open_pack
from fishnet_search.data.packing import write_pack
from fishnet_search.data.shapes import CLASSES, draw
from fishnet_search.train.batches import Batches
from fishnet_search.train.normalisation import IMAGENET
from fishnet_search.train.recipe import Recipe

SIDE = 64
BATCH = 128
DRAWN = 6000

RECIPES = {
    "ours: random part, mirrored": Recipe(batch_size=BATCH, crop="resized", flip=True),
    "ours: the same and PCA lighting": Recipe(batch_size=BATCH, crop="resized", flip=True, lighting=0.1),
    "ours: random place after padding, mirrored": Recipe(batch_size=BATCH, crop="pad", flip=True),
}


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", nargs="?", type=Path, help="tiny-imagenet-200")
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        if asked.folder:
            source, folder = f"tiny-imagenet:{asked.folder}", asked.folder / "train"
        else:
            source, folder = f"imagefolder:{home}", _drawn(Path(home))
        for line in _table(source, folder, Path(home) / "images.pack", asked.rounds):
            print(line, flush=True)
    print()
    for line in where("torch", "torchvision", "pillow"):
        print(f"- {line}")


def _drawn(home: Path) -> Path:
    """Save pictures of shapes as JPEG, one folder a class, and return the folder of those to train on."""
    for seed, (part, count) in enumerate({"train": DRAWN, "test": len(CLASSES)}.items()):
        for index in range(count):
            file = home / part / CLASSES[index % len(CLASSES)] / f"{index}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw(seed, index, SIDE).image_HW3).save(file, quality=90)
    return home / "train"


def _table(source: str, folder: Path, pack: Path, rounds: int) -> Iterator[str]:
    start = time.perf_counter()
    write_pack(Data(source=source), pack, side=SIDE)
    packing = time.perf_counter() - start
    train = open_pack(pack).train
    ways = {f"torchvision, {n} processes": partial(_torchvision, folder, n) for n in (0, os.cpu_count() or 1)}
    for name, recipe in RECIPES.items():
        ours = Batches(train, 1 + int(train.labels_N.max()), IMAGENET, recipe, SIDE, torch.device("cpu"))
        ways[name] = partial(_ours, ours)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):  # in turn, so that a slow minute of the machine meets all
        for name, way in ways.items():
            rates[name].append(_rate(way))
    theirs = max(median(rates[name]) for name in ways if name.startswith("torchvision"))
    what = f"{len(train):,} images of {SIDE} pixels, batches of {BATCH}"
    yield f"| {what} | images a second, median (all) | times theirs |"
    yield "| --- | ---: | ---: |"
    for name, every in rates.items():
        told = ", ".join(f"{rate:,.0f}" for rate in every)
        yield f"| {name} | {median(every):,.0f} ({told}) | {median(every) / theirs:.2f} |"
    yield ""
    yield f"- the pack was written in {packing:.1f} s, once"


def _torchvision(folder: Path, processes: int) -> Iterable[int]:
    """Yield the sizes of the batches of one pass."""
    transforms = v2.Compose(
        [
            v2.RandomResizedCrop(SIDE),
            v2.RandomHorizontalFlip(),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    loader = DataLoader(ImageFolder(str(folder), transforms), BATCH, shuffle=True, num_workers=processes)
    return (len(labels) for _, labels in loader)


def _ours(batches: Batches) -> Iterable[int]:
    return (step.images for step in batches.steps(1))


def _rate(way: Callable[[], Iterable[int]]) -> float:
    """Return the images a second of one pass, the start of processes and threads included."""
    start = time.perf_counter()
    images = sum(way())
    return images / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
