"""Batches from images that lie in memory: bytes until the moment they are used, made ready while others are learnt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from fishnet_search.data.images import Part
from fishnet_search.train.ahead import Steps, ahead
from fishnet_search.train.augment import Draws, coloured, draw, undrawn
from fishnet_search.train.cropping import cut
from fishnet_search.train.normalisation import Normalisation
from fishnet_search.train.ranks import ALONE, Ranks
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.seeds import derived_seed
from fishnet_search.train.work import Step

EVALUATION_BATCH = 256


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images as the network takes them, with their labels, on the device that it is trained on."""

    images_NCHW: Tensor  # noqa: N815  float32, normalised
    labels_N: Tensor  # noqa: N815  int64: the class that counts as right
    targets_NK: Tensor | None  # noqa: N815  float32: share of each class, where images are mixed

    def __len__(self) -> int:
        return len(self.labels_N)

    @property
    def inputs(self) -> tuple[Tensor]:
        """What the network is called with."""
        return (self.images_NCHW,)


@dataclass(frozen=True, eq=False)
class _Share:
    """What of a batch a rank needs, before anything is done to it on the device."""

    cut_NCHW: Tensor  # noqa: N815  uint8
    labels_N: Tensor  # noqa: N815
    draws: Draws  # of these images
    own_N: Tensor  # noqa: N815  where among these the rank's images are
    partners_N: Tensor  # noqa: N815  where the images are that those are mixed with; themselves if they are not mixed
    lengths: list[int]  # of the parts; none where the rank has no images, and two come along as spare ones
    batch: int  # images, over all ranks


@dataclass(frozen=True, eq=False)
class Batches:
    """Gives the images and labels of a part on a device.

    Neither ranks nor parts of a batch nor threads change what a batch is made of: everything is drawn for all of it,
    from a generator of its own.
    """

    part: Part  # kept on the device where there is room, else wherever it is
    classes: int  # that the labels are indices into
    normalise: Normalisation
    recipe: Recipe
    image_size: int  # pixels a side that the network takes
    device: torch.device
    seed: int = 0  # of the order of the images and of what is drawn for them

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the centre of every image once and its label, many at a time: without gradients there is room."""
        batches = torch.split(torch.arange(len(self.part)), max(self.recipe.batch_size, EVALUATION_BATCH))
        shares = (partial(self._evaluated, indices_N) for indices_N in batches)
        return ((part.images_NCHW, part.labels_N) for step in self._made(shares) for part in step.parts)

    def steps(self, epoch: int, ranks: Ranks = ALONE, micro_batches: int = 1) -> Steps[Step[Labelled]]:
        """Give every image once in random order, but for a last one alone: batch normalisation has no use for it.

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

    def shuffled(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Return the indices of all images once, in random order and by batches, without a last one alone."""
        order = torch.randperm(len(self.part), generator=generator)
        size = self.recipe.batch_size
        return torch.split(order[:-1] if len(order) % size == 1 else order, size)

    def _evaluated(self, indices_N: Tensor) -> _Share:
        return self._share(indices_N, undrawn(self.part.pictures.sides_N2[indices_N], self.image_size))

    def _trained(self, indices_N: Tensor, seed: int, ranks: Ranks, parts: int) -> _Share:
        generator = torch.Generator().manual_seed(seed)
        draws = draw(self.recipe, self.part.pictures.sides_N2[indices_N], self.image_size, generator)
        places = ranks.share(torch.arange(len(indices_N)), parts)
        return self._share(indices_N, draws, places)

    def _share(self, indices_N: Tensor, draws: Draws, places: tuple[Tensor, ...] | None = None) -> _Share:
        """Cut what one rank needs of a batch.

        Args:
            indices_N: of the batch.
            draws: for the batch.
            places: in the batch, of each part of the rank's images; all in one part if not given.
        """
        everything = torch.arange(len(indices_N))
        places = (everything,) if places is None else places
        own_N = torch.cat(places) if places else everything[:2]
        partners_N = own_N if draws.mix is None else (own_N - 1) % len(indices_N)
        needed_N = torch.unique(torch.cat([own_N, partners_N]))
        draws, pictures = draws.of(needed_N), self.part.pictures
        cut_NCHW = cut(pictures, indices_N[needed_N], draws.boxes_N4, draws.flipped_N, self.image_size)
        if cut_NCHW.device.type != self.device.type:
            cut_NCHW = cut_NCHW.pin_memory()
        return _Share(
            cut_NCHW,
            labels_N=self.part.labels_N[indices_N[needed_N].to(self.part.labels_N.device)],
            draws=draws,
            own_N=torch.searchsorted(needed_N, own_N),
            partners_N=torch.searchsorted(needed_N, partners_N),
            lengths=list(map(len, places)),
            batch=len(indices_N),
        )

    def _step(self, share: _Share) -> Step[Labelled]:
        """Do on the device what is left to do."""
        images_NCHW = coloured(share.cut_NCHW.to(self.device, non_blocking=True), share.draws, self.normalise)
        labels_N, targets_NK = share.labels_N.to(self.device), None
        if (mix := share.draws.mix) is not None:
            own_N, partners_N = share.own_N.to(self.device), share.partners_N.to(self.device)
            images_NCHW = mix.images(images_NCHW[own_N], images_NCHW[partners_N])
            targets_NK = mix.targets(labels_N[own_N], labels_N[partners_N], self.classes)
            labels_N = labels_N[own_N]
        if not share.lengths:
            return Step(share.batch, (), (images_NCHW,))
        targets = [None] * len(share.lengths) if targets_NK is None else torch.split(targets_NK, share.lengths)
        parts = zip(torch.split(images_NCHW, share.lengths), torch.split(labels_N, share.lengths), targets, strict=True)
        return Step(share.batch, tuple(Labelled(*part) for part in parts), None)

    def _made(self, shares: Iterable[Callable[[], _Share]]) -> Iterator[Step[Labelled]]:
        """Yield the steps that come of shares, in order; on the CPU, other threads are ahead of who takes them."""
        if self.device.type == "cpu":
            return ahead(partial(lambda share: self._step(share()), share) for share in shares)
        if self.part.pictures.device.type == "cpu":
            return map(self._step, ahead(shares))
        return (self._step(share()) for share in shares)


def on_device(part: Part, device: torch.device) -> Part:
    """Return the part on the device if its images have one size and take less than half of what is free there."""
    pictures = part.pictures
    if device.type == "cuda" and (
        not pictures.uniform or pictures.bytes_B.nbytes > torch.cuda.mem_get_info(device)[0] // 2
    ):
        return part
    return Part(pictures.to(device), part.labels_N.to(device))
