"""How a network is trained, as a value: everything but the data and the seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from fishnet_search.spec.architecture import refuse
from fishnet_search.spec.value import Number, Problem, Value, Whole


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

    schedule: Literal["step", "cosine", "linear"] = Field(
        "step",
        description="'step' divides the rate by 10 every `step_epochs`; 'cosine' and 'linear' bring it to 0, step by "
        "step",
    )
    step_epochs: Whole = Field(30, ge=1, description="epochs between two divisions by 10; only 'step' uses it")
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
