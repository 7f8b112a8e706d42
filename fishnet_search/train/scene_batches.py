"""Batches of images with objects or maps: the same ones, whoever shares or hurries them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby
from typing import Any, Literal, cast

import torch
from torch import Tensor

from fishnet_search.data.scenes import Objects, ScenePart
from fishnet_search.train.ahead import Steps, ahead
from fishnet_search.train.normalisation import Normalisation
from fishnet_search.train.ranks import ALONE, Ranks
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.scene_transforms import (
    CHANCES,
    Sides,
    View,
    drawn_view,
    learnable,
    seen_image,
    seen_map,
    seen_objects,
    whole_view,
)
from fishnet_search.train.seeds import derived_seed
from fishnet_search.train.work import Step

Truth = Literal["boxes", "masks", "maps"]
"""What is learnt: boxes with classes; these and masks; or a class for each pixel."""


@dataclass(frozen=True, eq=False)
class Scenes:
    """Some images as the network takes them, with what is to be learnt of them, on the device that it is trained on.

    `inputs` is what the network is called with. For boxes and masks: a list of images (3, height, width), float32 and
    normalised, of several sizes, and in training a list of targets, see `seen_objects`. For maps: images (N, 3, height,
    width).
    """

    inputs: tuple[Any, ...]
    maps_NHW: Tensor | None  # noqa: N815  int64, UNJUDGED beyond the images; of training for maps alone
    indices_N: Tensor  # noqa: N815  int64, on the CPU: which images of the part these are
    sides_N2: Tensor  # noqa: N815  int64, on the CPU: height and width of the images as the part has them
    resized_N2: Tensor  # noqa: N815  int64, on the CPU: what they were resized to before they were cut or padded

    def __len__(self) -> int:
        return len(self.indices_N)

    @property
    def factors_N4(self) -> Tensor:  # noqa: N802
        """What x1, y1, x2 and y2 in an image of the part are multiplied by to be those in the resized one, float32."""
        factors_N2 = self.resized_N2 / self.sides_N2
        return factors_N2[:, [1, 0, 1, 0]]


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is seen of an image, on the CPU."""

    index: int
    sides: Sides
    view: View
    image_CHW: Tensor  # noqa: N815  uint8
    target: dict[str, Tensor] | None = None
    map_HW: Tensor | None = None  # noqa: N815

    def pinned(self) -> _Seen:
        """Return the same with its pixels where a GPU can fetch them by itself."""
        return replace(self, image_CHW=self.image_CHW.pin_memory())


@dataclass(frozen=True, eq=False)
class _Share:
    """What of a batch a rank needs, before it is on the device."""

    batch: int  # images, over all ranks
    parts: list[list[_Seen]]
    spare: list[_Seen]


@dataclass(frozen=True, eq=False)
class SceneBatches:
    """Gives the images of a part, and in training what is to be learnt of them, on a device.

    Neither ranks nor parts of a batch nor threads change what a batch is made of: everything is drawn for all of it,
    from a generator of its own.
    """

    part: ScenePart
    truth: Truth
    normalise: Normalisation
    recipe: Recipe
    image_size: int  # pixels a side that the network takes; of the windows in maps
    device: torch.device
    stride: int = 32  # of the network: the sides of images that are evaluated for maps are multiples of it
    seed: int = 0  # of the order of the images and of what is drawn for them

    def in_order(self) -> Iterator[Scenes]:
        """Give every image once, whole, without targets: those of alike shape together, else as they come.

        For maps the images are padded at the right and at the bottom to multiples of the network's stride, and only
        those that have one size then come together.
        """
        batches = (indices_N for alike_N in self._alike() for indices_N in torch.split(alike_N, self.recipe.batch_size))
        shares = (partial(self._evaluated, indices_N) for indices_N in batches)
        return (scenes for step in self._made(shares) for scenes in step.parts)

    def steps(self, epoch: int, ranks: Ranks = ALONE, micro_batches: int = 1) -> Steps[Step[Scenes]]:
        """Give every image of `learnt_N` once in random order, but for one that would be alone in a batch.

        Args:
            epoch: from 1; each has another order and other draws.
            ranks: that share each batch.
            micro_batches: that each of the recipe's parts of a batch is split into.
        """
        batches = self.shuffled(torch.Generator().manual_seed(derived_seed(self.seed, epoch)))
        parts = self.recipe.accumulate * micro_batches
        shares = (
            partial(self._trained, indices_N, derived_seed(self.seed, epoch, 0, number), ranks, parts)
            for number, indices_N in enumerate(batches, start=1)
        )
        return Steps(self._made(shares), len(batches))

    @cached_property
    def learnt_N(self) -> Tensor:  # noqa: N802
        """The images with anything to be learnt, int64: Detectron leaves those without objects out, and so do we."""
        if self.truth == "maps":
            return torch.arange(len(self.part))
        truths = cast(Sequence[Objects], self.part.truths)
        return torch.tensor([i for i in range(len(truths)) if learnable(truths[i]).any()], dtype=torch.int64)

    def shuffled(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Return the indices of `learnt_N` once, in random order and by batches, without one that would be alone.

        Where aspects are grouped, a batch comes when enough images of its kind have come by; those that are left over
        at the end make a smaller batch of each kind.
        """
        order_N = self.learnt_N[torch.randperm(len(self.learnt_N), generator=generator)]
        kinds_N = self._tall_N[order_N] if self.recipe.group_aspects else torch.zeros(len(order_N), dtype=torch.bool)
        by_kind = (torch.split(torch.nonzero(kinds_N == kind)[:, 0], self.recipe.batch_size) for kind in (False, True))
        batches = [places_N for batches in by_kind for places_N in batches if len(places_N) > 1]
        return tuple(order_N[places_N] for places_N in sorted(batches, key=lambda places_N: int(places_N[-1])))

    @property
    def _tall_N(self) -> Tensor:  # noqa: N802
        sides_N2 = self.part.pictures.sides_N2
        return sides_N2[:, 0] > sides_N2[:, 1]

    def _alike(self) -> Iterator[Tensor]:
        """Give the indices of images that may be evaluated together."""
        kinds: list[Any] = self._tall_N.tolist()
        if self.truth == "maps":
            kinds = [self._whole(index).window for index in range(len(self.part))]
        ordered = sorted(range(len(kinds)), key=kinds.__getitem__)
        return (torch.tensor(list(alike)) for _, alike in groupby(ordered, kinds.__getitem__))

    def _evaluated(self, indices_N: Tensor) -> _Share:
        return _Share(len(indices_N), [[self._seen(index, self._whole(index)) for index in indices_N.tolist()]], [])

    def _trained(self, indices_N: Tensor, seed: int, ranks: Ranks, parts: int) -> _Share:
        generator = torch.Generator().manual_seed(seed)
        chances = torch.rand(len(indices_N), CHANCES, generator=generator, dtype=torch.float64).tolist()
        places = ranks.share(torch.arange(len(indices_N)), parts)

        def seen(places_N: Iterable[int]) -> list[_Seen]:
            return [self._seen_in_training(int(indices_N[place]), chances[place]) for place in places_N]

        return _Share(len(indices_N), [seen(part_N.tolist()) for part_N in places], [] if places else seen((0, 1)))

    def _sides(self, index: int) -> Sides:
        height, width = self.part.pictures.sides_N2[index].tolist()
        return height, width

    def _whole(self, index: int) -> View:
        multiple = self.stride if self.truth == "maps" else 1
        return whole_view(self.recipe, self._sides(index), self.image_size, multiple)

    def _seen_in_training(self, index: int, chances: Sequence[float]) -> _Seen:
        sides, maps = self._sides(index), self.truth == "maps"
        view, truth = drawn_view(self.recipe, sides, self.image_size, chances, square=maps), self.part.truths[index]
        if isinstance(truth, Objects):
            target = seen_objects(truth, view, sides, masks=self.truth == "masks")
            return replace(self._seen(index, view), target=target)
        return replace(self._seen(index, view), map_HW=seen_map(truth, view))

    def _seen(self, index: int, view: View) -> _Seen:
        mean = self.normalise.mean.round().int().tolist()  # all but 0 when it is normalised, as detectors pad
        seen = _Seen(index, self._sides(index), view, seen_image(self.part.pictures.at(index), view, mean))
        return seen if self.device.type == "cpu" else seen.pinned()

    def _made(self, shares: Iterable[Callable[[], _Share]]) -> Iterator[Step[Scenes]]:
        """Yield the steps that come of shares, in order: on the CPU threads do it all, else what the CPU does of it."""
        if self.device.type == "cpu":
            return ahead(partial(lambda share: self._step(share()), share) for share in shares)
        return map(self._step, ahead(shares))

    def _step(self, share: _Share) -> Step[Scenes]:
        spare = self._scenes(share.spare).inputs if share.spare else None
        return Step(share.batch, tuple(map(self._scenes, share.parts)), spare)

    def _scenes(self, seen: list[_Seen]) -> Scenes:
        """Do on the device what is left to do."""
        images = [self.normalise(one.image_CHW.to(self.device, non_blocking=True)) for one in seen]
        targets = [{name: figure.to(self.device) for name, figure in one.target.items()} for one in seen if one.target]
        maps = [one.map_HW for one in seen if one.map_HW is not None]
        inputs: tuple[Any, ...] = (torch.stack(images),) if self.truth == "maps" else (images,)
        return Scenes(
            (*inputs, targets) if targets else inputs,
            torch.stack(maps).to(self.device).long() if maps else None,
            torch.tensor([one.index for one in seen]),
            torch.tensor([one.sides for one in seen]),
            torch.tensor([one.view.resized for one in seen]),
        )
