"""How a network is trained, as a value: everything but the data and the seed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from fishnet_search.spec.architecture import refuse
from fishnet_search.spec.value import Number, Problem, Value, Whole

Side = Annotated[Whole, Field(ge=1, le=10_000)]
"""Pixels."""


class Recipe(Value):
    """An optimiser, a schedule, what is done to the images, and how it is computed.

    The defaults of the optimiser are those of the FishNet release (kevin-ssy/FishNet, main.py and its configs): weight
    decay reaches all parameters, batch normalisation and biases included. Nothing is done to the images.
    """

    epochs: Whole = Field(100, ge=1, le=100_000, description="passes over the training images")
    batch_size: Whole = Field(256, ge=2, description="images a step; batch normalisation needs at least 2")
    accumulate: Whole = Field(1, ge=1, description="parts that each batch goes through the network in, to save memory")

    optimiser: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Number = Field(0.1, gt=0, description="after the warm-up")
    momentum: Number = Field(0.9, ge=0, lt=1, description="of SGD; the first beta of AdamW")
    nesterov: bool = Field(False, description="Nesterov's momentum; of SGD")
    beta2: Number = Field(0.999, ge=0, lt=1, description="of the squared gradients; SGD does not use it")
    weight_decay: Number = Field(1e-4, ge=0, description="on the parameters that `decay_on` names")
    decay_on: Literal["all", "weights"] = Field(
        "all", description="'weights' leaves out biases and the parameters of normalisations"
    )
    clip_norm: Number | None = Field(None, gt=0, description="largest norm of all gradients together; none by default")
    ema: Number = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay a step of the average of the weights that is validated, tested and saved; 0 for none",
    )
    label_smoothing: Number = Field(0.0, ge=0, lt=1, description="probability mass spread evenly over all classes")

    schedule: Literal["step", "milestones", "cosine", "linear"] = Field(
        "step",
        description="'step' divides the rate by 10 every `step_epochs`, 'milestones' at those; 'cosine' and 'linear' "
        "bring it to 0, step by step",
    )
    step_epochs: Whole = Field(30, ge=1, description="epochs between two divisions by 10; only 'step' uses it")
    milestones: tuple[Annotated[Number, Field(gt=0)], ...] = Field(
        (), description="epochs after which the rate is divided by 10; only 'milestones' uses them"
    )
    warmup_epochs: Number = Field(0.0, ge=0, description="epochs in which the rate rises evenly from 0, step by step")

    crop: Literal["centre", "pad", "resized"] = Field(
        "centre",
        description="what is cut from a training image: its centre, a place at random after `crop_pad`, or a part of "
        "random area and aspect that is resized",
    )
    crop_pad: Whole = Field(4, ge=1, le=1000, description="black pixels on each side; only crop 'pad' uses it")
    crop_least: Number = Field(0.08, gt=0, le=1, description="of an image's area; only crop 'resized' uses it")
    crop_most: Number = Field(1.0, gt=0, le=1, description="of an image's area; only crop 'resized' uses it")
    crop_aspect: Number = Field(
        4 / 3, ge=1, le=100, description="widest aspect, and 1 over the tallest; only crop 'resized' uses it"
    )
    flip: bool = Field(False, description="mirror every other training image, left for right")
    randaugment: Whole = Field(0, ge=0, le=14, description="operations of RandAugment on a training image")
    randaugment_magnitude: Whole = Field(9, ge=0, le=30, description="of RandAugment's operations")
    lighting: Number = Field(
        0.0, ge=0, le=10, description="standard deviation of PCA lighting; that of AlexNet and FishNet is 0.1"
    )
    mixup: Number = Field(0.0, ge=0, le=1000, description="alpha of its Beta distribution; 0 for none")
    cutmix: Number = Field(
        0.0,
        ge=0,
        le=1000,
        description="alpha of its Beta distribution; 0 for none; with mixup, one of them a batch",
    )
    test_crop: Number = Field(
        1.0, gt=0, le=1, description="the network's image size over the short side of the images: 0.875 is 224 of 256"
    )
    normalise: Literal["data", "imagenet"] = Field(
        "data", description="by the mean and deviation of the training images' channels, or by ImageNet's"
    )

    shorter_side: Side | None = Field(
        None,
        description="pixels that images with objects or maps are resized to by their shorter side; by default the "
        "network's image size",
    )
    longer_side: Side = Field(1333, description="most pixels of the longer one: the shorter one has fewer if need be")
    scales: tuple[Side, ...] = Field(
        (), description="shorter sides that training draws from, for each image; by default `shorter_side` alone"
    )
    zoom_least: Number = Field(
        1.0,
        ge=0.01,
        le=10,
        description="training images are magnified by a factor from here to `zoom_most`, log-evenly drawn, and cut or "
        "padded at random to the size they had",
    )
    zoom_most: Number = Field(1.0, ge=0.01, le=10, description="see `zoom_least`")
    group_aspects: bool = Field(
        False, description="make training batches of tall images alone or of others alone, which take less padding"
    )
    frozen_stages: Whole = Field(
        0,
        ge=0,
        description="of the backbone, counted from the image, that stay as they are loaded, with all before them",
    )
    norm: Literal["trained", "frozen", "synchronised"] = Field(
        "trained",
        description="the backbone's batch normalisation: 'frozen' stays as it is loaded, 'synchronised' is over the "
        "images of all ranks",
    )

    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="'auto' is bfloat16 on a GPU that has it, else float32"
    )
    channels_last: bool = Field(True, description="keep the channels of a pixel side by side in memory")
    compile: bool = Field(False, description="have torch.compile write the network's kernels")
    checkpointing: bool = Field(
        False, description="compute the insides of stages again in the backward pass, to save memory"
    )

    @model_validator(mode="after")
    def _fields_go_together(self) -> Recipe:
        refuse(self._problems())
        return self

    def _problems(self) -> Iterator[Problem]:
        if self.nesterov and self.optimiser != "sgd":
            yield ("nesterov",), f"is for optimiser sgd, but the optimiser is {self.optimiser}; use false"
        elif self.nesterov and self.momentum == 0:
            yield ("nesterov",), "needs a momentum, but that is 0; use false, or a momentum such as 0.9"
        if 0 < self.warmup_epochs >= self.epochs:
            yield (
                ("warmup_epochs",),
                f"must be less than epochs, {self.epochs}, but is {self.warmup_epochs:g}; lower it too, or set it to 0",
            )
        if self.accumulate > self.batch_size // 2:
            yield (
                ("accumulate",),
                f"leaves a part of a batch of {self.batch_size} with one image, but is {self.accumulate}; "
                f"use at most {self.batch_size // 2}",
            )
        if self.crop_least > self.crop_most:
            yield ("crop_least",), f"must not be over crop_most, {self.crop_most:g}, but is {self.crop_least:g}"
        if self.schedule == "milestones" and not self.milestones:
            yield ("milestones",), "schedule milestones has none; name epochs, such as [8, 11], or use step"
        if self.zoom_least > self.zoom_most:
            yield ("zoom_least",), f"must not be over zoom_most, {self.zoom_most:g}, but is {self.zoom_least:g}"
        if self.shorter_side is not None and self.shorter_side > self.longer_side:
            yield (
                ("shorter_side",),
                f"must not be over longer_side, {self.longer_side}, but is {self.shorter_side}; raise longer_side too",
            )
        if self.scales and max(self.scales) > self.longer_side:
            yield (
                ("scales",),
                f"must not be over longer_side, {self.longer_side}, but one is {max(self.scales)}; raise it too",
            )

    @property
    def wants_squares(self) -> bool:
        """Whether images may be cut to their centre square when they are read: nothing beside it is ever used."""
        return self.crop != "resized"

    def short_side(self, image_size: int) -> int:
        """Return the pixels that an image's short side is kept with, for a network of this image size."""
        return round(image_size / self.test_crop)

    def image_size(self, short_side: int) -> int:
        """Return the network's image size for images with this short side; the reverse of `short_side`."""
        return round(short_side * self.test_crop)

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out fields that came later where they are as by default: trials keep their records and their keys."""
        own = handler(self)
        return {name: value for name, value in own.items() if name not in _LATER or getattr(self, name) != _LATER[name]}


_FOR_LABELS = ("crop", "randaugment", "lighting", "mixup", "cutmix", "label_smoothing", "test_crop", "compile")
_FOR_SCENES = (
    *("shorter_side", "longer_side", "scales", "zoom_least", "zoom_most", "group_aspects"),
    *("frozen_stages", "norm"),
)
_LATER = {name: Recipe.model_fields[name].default for name in ("milestones", *_FOR_SCENES)}
"""The defaults of fields that the first studies' recipes did not have."""


def foreign_fields(task: str) -> Sequence[str]:
    """Return the fields of a recipe that mean nothing for a task, by its kind."""
    return _FOR_SCENES if task == "classification" else _FOR_LABELS


def scene_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yield the fields that mean nothing for detection and segmentation but are set."""
    return _set(recipe, _FOR_LABELS, "is for classification alone")


def label_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yield the fields that mean nothing for classification but are set."""
    return _set(recipe, _FOR_SCENES, "is for detection and segmentation alone")


def _set(recipe: Recipe, names: tuple[str, ...], rule: str) -> Iterator[Problem]:
    for name in names:
        value, default = getattr(recipe, name), Recipe.model_fields[name].default
        if value != default:
            yield (name,), f"{rule}, but is {json.dumps(value)}; leave it at {json.dumps(default)}"
