"""Every error that a person can cause and mend.

The text of each says where, which rule, which value and what to do. The command line prints it without a traceback
and ends with exit code 2.
"""

from __future__ import annotations


class FishnetSearchError(Exception):
    """Root of the tree: catch this to catch all of them."""


class SpecError(FishnetSearchError):
    """An architecture that cannot be read or built."""


class SpaceError(FishnetSearchError):
    """A search space that cannot be read or spelled out."""


class DataError(FishnetSearchError):
    """Images that are missing, unreadable or not laid out as they should be."""


class MissingImagesError(DataError):
    """Images that are not where they are said to be: there is nothing there at all."""


class BrokenImage(DataError):  # noqa: N818  a DataError by its base
    """An image that cannot be decoded; with `broken: skip` it is left out and named."""

    def __init__(self, image: str, problem: str) -> None:
        super().__init__(image, problem)  # as they came, or it could not be sent from one process to another
        self.image = image  # the file, or the file and the place in it
        self.problem = problem  # what is wrong, and what to do

    def __str__(self) -> str:
        return f"{self.image}: {self.problem}"


class WeightsError(FishnetSearchError):
    """Weights that do not belong to the network they are loaded into."""


class MeasureError(FishnetSearchError):
    """A measurement that cannot be made on this machine."""


class TrainingError(FishnetSearchError):
    """A training that cannot go on, such as a loss that is no longer a number."""


class StudyError(FishnetSearchError):
    """A study folder that is missing, damaged, in use, or made with other settings."""


class ExportError(FishnetSearchError):
    """A network that cannot be exported, or handed to another library."""
