"""What is exported: a network with its weights, its classes, and how an image becomes what it takes."""

from __future__ import annotations

from dataclasses import dataclass

from fishnet_search.network.network import Network
from fishnet_search.spec.architecture import Architecture
from fishnet_search.study.record import TrialRecord


@dataclass(frozen=True)
class Preparation:
    """How an image becomes what a network takes.

    Its short side is resized to `short_side` (bilinear, antialiased), the centre of `image_size` × `image_size` pixels
    is cut out, and from each channel the mean is taken and what remains divided by the standard deviation.
    """

    image_size: int  # pixels a side
    short_side: int
    mean: tuple[float, float, float]  # grey levels from 0 to 255
    std: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Model:
    """A network that is ready to be exported."""

    name: str  # such as "downsample-max-2x2-seed0" or "fishnet150": fit for a file's name
    spec: Architecture
    network: Network  # in evaluation mode, float32, on the CPU; returns logits of shape (N, classes)
    classes: tuple[str, ...]  # names, in the order of the outputs; none where they are not known
    preparation: Preparation
    record: TrialRecord | None  # of a study's trial
    trained: bool = True  # or its weights are those that training starts from
