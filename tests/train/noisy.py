"""Images and networks small enough to be trained in a moment."""

import numpy as np
import torch
from torch import nn

from fishnet_search.data.images import ImageSet, Part
from fishnet_search.data.pictures import Pictures


def part(n, *, seed, classes=3):
    """Noise in which one of the channels is brighter: a network can learn which."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = rng.integers(0, 160, (n, 3, 4, 4))
    images[np.arange(n), labels] += 60
    return Part(Pictures.of(torch.from_numpy(images.astype(np.uint8))), torch.from_numpy(labels))


def noise():
    return ImageSet(
        "noise", ("r", "g", "b"), 4, part(30, seed=0), part(12, seed=1), part(15, seed=2), fingerprint="0" * 64
    )


def tiny_network(*, seed=0, dropout=0.0, normalised=True):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4) if normalised else nn.Identity(),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(64, 3),
        )
