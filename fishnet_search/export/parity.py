"""Whether an exported network still computes what the network computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fishnet_search.errors import ExportError

BATCHES = (1, 2, 5)
"""One image, which exporters are tempted to take for a constant, an even batch and an odd one."""

TOLERANCE = 1e-4
"""Of the largest logit. In float32, 2⁻²⁴ or 6e-8 of a number is lost in each rounding, and libraries add up products in
other orders. Over the hundred and more layers of a deep fish, differences of up to 4e-5 were seen (FishNet-150,
onnxruntime 1.31). In a fishnet-nano with drawn weights, one 3×3 filter bank with its sides swapped makes differences of
1e-2 to 7e-2. An epsilon of 1e-3 in place of 1e-5 in one batch norm makes 3e-5 to 6e-4: mistakes as small as this can
pass."""


class Agreement(Protocol):
    """How far an exported model is from the model itself."""

    @property
    def largest(self) -> float:
        """The largest difference of two outputs."""
        ...

    @property
    def relative(self) -> float:
        """The largest difference over the largest output of its kind."""
        ...

    @property
    def holds(self) -> bool:
        """Whether differences stay within `TOLERANCE`."""
        ...

    def sentence(self) -> str:
        """Say what was compared and found."""
        ...


@dataclass(frozen=True)
class Parity:
    """How far the logits of an exported network are from those of the network, over all images and batches."""

    format: str  # such as "onnx"
    images: int
    batches: tuple[int, ...]  # sizes of the batches in which all images went through
    largest: float  # difference of two logits
    relative: float  # the largest difference over the largest logit of the network; both in absolute value
    same_classes: int  # images whose most probable class, at each pixel of a map, is the same in batches of every size

    @property
    def holds(self) -> bool:
        """Whether differences stay within `TOLERANCE`. Where a logit is not a number, they never do."""
        return self.relative <= TOLERANCE

    def sentence(self) -> str:
        """Say what was compared and found."""
        verdict = "agrees with" if self.holds else "DIFFERS from"
        sizes = ", ".join(str(size) for size in self.batches)
        return (
            f"{self.format} {verdict} the network on {self.images} images in batches of {sizes}: logits differ by at "
            f"most {self.largest:.1e}, which is {self.relative:.1e} of the largest (allowed: {TOLERANCE:.0e}); "
            f"{self.same_classes} of {self.images} images get the same class"
        )


@dataclass(frozen=True)
class FoundParity:
    """How far what an exported detector finds is from what the detector finds, image by image."""

    format: str  # such as "safetensors"
    images: int
    objects: int  # that the detector finds in them
    largest: float  # difference of two numbers: pixels of a box, a label, a score, or a share of a mask's pixel
    relative: float  # the largest difference over the detector's largest number of the same kind, both absolute

    @property
    def holds(self) -> bool:
        """Whether differences stay within `TOLERANCE`; where other objects are found, they are infinite."""
        return self.relative <= TOLERANCE

    def sentence(self) -> str:
        """Say what was compared and found."""
        verdict = "agrees with" if self.holds else "DIFFERS from"
        return (
            f"{self.format} {verdict} the model on {self.images} images, in which it finds {self.objects} objects of "
            f"any score: boxes, labels, scores and masks differ by at most {self.largest:.1e}, which is "
            f"{self.relative:.1e} of the largest (allowed: {TOLERANCE:.0e})"
        )


Detector = Callable[[list[Tensor]], Sequence[Mapping[str, Tensor]]]
"""As `build_detector` has it in evaluation mode."""


@torch.inference_mode()
def compare_found(
    format: str,  # noqa: A002  the word for it
    reference: Detector,
    other: Detector,
    images: Sequence[Tensor],
) -> FoundParity:
    """Run images through a detector and its exported form, one by one, and return how far they are apart.

    Args:
        format: of the exported form, for the sentence.
        reference: in evaluation mode.
        other: its exported form, as loaded again.
        images: prepared, each of shape (3, H, W).
    """
    largest = relative = 0.0
    objects = 0
    for image in images:
        (expected,), (found,) = reference([image]), other([image])
        objects += len(expected["labels"])
        for name, numbers in expected.items():
            apart = _difference(numbers, found[name])
            scale = float(numbers.abs().max()) if numbers.numel() else 1.0
            largest, relative = max(largest, apart), max(relative, apart / scale if apart else 0.0)
    return FoundParity(format, len(images), objects, largest, relative)


def _difference(numbers: Tensor, others: Tensor) -> float:
    """Return the largest difference; it is infinite of other shapes and of what is no number."""
    if numbers.shape != others.shape:
        return math.inf
    return float((numbers - others).abs().max().nan_to_num(math.inf)) if numbers.numel() else 0.0


@torch.inference_mode()
def compare(
    format: str,  # noqa: A002  the word for it
    reference: Callable[[Tensor], Tensor],
    other: Callable[[Tensor], Tensor],
    images_NCHW: Tensor,
) -> Parity:
    """Run images through a network and its exported form, and return how far they are apart.

    Args:
        format: of the exported form, for the sentence.
        reference: the network, in evaluation mode.
        other: its exported form, as loaded again.
        images_NCHW: prepared, of shape (N, 3, H, W). With N of 6 or more, batches of all sizes are tried, one that is
            left over as well.

    Raises:
        ExportError: there is no image, or logits have other shapes.
    """
    count = len(images_NCHW)
    if not count:
        raise ExportError(f"{format}: nothing to compare: the set of images is empty; use one image or more")
    batches = tuple(sorted({min(size, count) for size in BATCHES}))
    expected_NK = _logits(reference, images_NCHW, batches[-1])
    largest = torch.zeros(())
    same_N = torch.ones(count, dtype=torch.bool)
    for size in batches:
        logits_NK = _logits(other, images_NCHW, size)
        if logits_NK.shape != expected_NK.shape:
            shapes = f"{tuple(logits_NK.shape)}, those of the network {tuple(expected_NK.shape)}"
            raise ExportError(f"{format}: the logits in batches of {size} are of shape {shapes}; export it again")
        largest = torch.maximum(largest, (logits_NK - expected_NK).abs().max())  # which keeps what is not a number
        same_N &= (logits_NK.argmax(dim=1) == expected_NK.argmax(dim=1)).view(count, -1).all(dim=1)
    scale = expected_NK.abs().max()
    relative = largest / scale if largest != 0 else largest  # logits that are all 0 may be equal, too
    return Parity(format, count, batches, float(largest), float(relative), int(same_N.sum()))


def _logits(run: Callable[[Tensor], Tensor], images_NCHW: Tensor, batch: int) -> Tensor:
    """Return logits of shape (N, classes)."""
    return torch.cat([run(images_NCHW[first : first + batch]) for first in range(0, len(images_NCHW), batch)])
