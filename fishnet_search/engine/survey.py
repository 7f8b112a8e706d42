"""What a space asks for, counted before anything is built or trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fishnet_search.data.description import Data
from fishnet_search.data.listing import Listing
from fishnet_search.data.scene_listing import SceneListing
from fishnet_search.errors import MissingImagesError
from fishnet_search.space.candidates import Candidate, Refusal, SpelledSpace
from fishnet_search.space.design import Random, Search
from fishnet_search.space.enumeration import drawn
from fishnet_search.space.space import load_space
from fishnet_search.task.images import list_for

SAMPLE = 200
"""Combinations that are drawn from a space whose candidates a search is to choose."""


@dataclass(frozen=True, eq=False)
class Survey:
    """The candidates of a space, or of a search's space a sample, and what is no candidate."""

    space: SpelledSpace
    data: Data  # what the networks are to be trained on
    listed: Listing | SceneListing | MissingImagesError  # the last where the space's own images are not here
    candidates: tuple[Candidate, ...]  # the baseline first
    refused: tuple[Refusal, ...]
    duplicates: tuple[Refusal, ...]  # the network of an earlier candidate, trained by the same recipe

    @property
    def images(self) -> Listing | SceneListing:
        """What there is to train on.

        Raises:
            MissingImagesError: it is not here.
        """
        if isinstance(self.listed, MissingImagesError):
            raise self.listed
        return self.listed

    @property
    def train_images(self) -> int:
        """How many there are to learn from.

        Raises:
            MissingImagesError: they are not here.
        """
        images = self.images
        return len(images.train.labels if isinstance(images, Listing) else images.parts["train"])

    @property
    def validation_images(self) -> int:
        """How many there are to choose by.

        Raises:
            MissingImagesError: they are not here.
        """
        images = self.images
        return len(images.validation.labels if isinstance(images, Listing) else images.parts["validation"])

    @property
    def baseline(self) -> Candidate:
        """What the others are compared with."""
        return self.candidates[0]

    @property
    def dearest(self) -> Candidate:
        """The candidate with the most MACs."""
        return max(self.candidates, key=lambda candidate: candidate.cost.macs)

    @property
    def trials(self) -> int:
        """How many trainings the design asks for; of a search, as many as it may come to."""
        design, seeds = self.space.space.design, len(self.space.space.seeds)
        if isinstance(design, Search):
            return design.candidates + (1 + design.finalists) * (seeds - 1)
        return len(self.candidates) * seeds

    @property
    def epochs(self) -> float:
        """Epochs of all trials, none of which is stopped early; of a search, as the mean of the sample has it."""
        return self.trials * sum(candidate.recipe.epochs for candidate in self.candidates) / len(self.candidates)


def survey(
    path: Path,
    *,
    data: str | None = None,
    small: bool = False,
    on_candidate: Callable[[int, int | None], None] = lambda done, total: None,
) -> Survey:
    """Spell out a space. One whose own images are not here is counted for the classes of its base.

    Args:
        path: of the space.
        data: image source in place of the space's, which decides how many classes there are.
        small: whether to take the small version of the space.
        on_candidate: is told after each candidate how many there were, and of how many, as far as that is known.

    Raises:
        SpaceError: the space cannot be read or spelled out, or its baseline is not feasible.
        DataError: the images of `data` are missing, or any not laid out as they should be; none of them is opened.
    """
    space = load_space(path, small=small)
    wanted = space.space.data if data is None else Data(source=data)
    listed = _own_images(space) if data is None else list_for(space.space.task, wanted)
    if not isinstance(listed, MissingImagesError) and len(listed.classes) != space.base.classes:
        space = load_space(path, classes=len(listed.classes), small=small)
    total = _total(space)
    found: list[Candidate | Refusal] = []
    for each in _sample(space) if space.searches else space.candidates():
        found.append(each)
        on_candidate(len(found), total)
    refusals = [each for each in found if isinstance(each, Refusal)]
    return Survey(
        space,
        wanted,
        listed,
        candidates=tuple(each for each in found if isinstance(each, Candidate)),
        refused=tuple(each for each in refusals if each.duplicate_of is None),
        duplicates=tuple(each for each in refusals if each.duplicate_of is not None),
    )


def _own_images(space: SpelledSpace) -> Listing | SceneListing | MissingImagesError:
    try:
        return list_for(space.space.task, space.space.data)
    except MissingImagesError as missing:
        return missing


def _sample(space: SpelledSpace) -> Iterator[Candidate | Refusal]:
    """Yield the baseline and combinations that are drawn evenly, each once."""
    design = space.space.design
    seed = design.seed if isinstance(design, Search) else 0
    yield space.baseline
    seen = {space.baseline.name}
    for number in range(SAMPLE):
        made = space.candidate(drawn(space.axes, seed, number))
        if made.name not in seen:
            seen.add(made.name)
            yield made


def _total(space: SpelledSpace) -> int | None:
    """Return how many combinations are gone through, as far as that is known before."""
    design = space.space.design
    if isinstance(design, Random):
        return design.candidates + 1
    if space.searches:
        return SAMPLE + 1
    return space.cardinality if design.kind == "grid" else None
