"""How a network is trained, as a value: everything but the data and the seed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fishnet_search.spec.value import Number, Value, Whole


class Recipe(Value):
    """SGD with momentum and one of two schedules, stepped once an epoch.

    The defaults of the optimiser are those of the FishNet release (kevin-ssy/FishNet, main.py and its configs): weight
    decay reaches all parameters, batch normalisation and biases included.
    """

    epochs: Whole = Field(100, ge=1, le=100_000, description="passes over the training images")
    batch_size: Whole = Field(256, ge=2, description="images a step; batch normalisation needs at least 2")
    learning_rate: Number = Field(0.1, gt=0, description="of the first epoch")
    momentum: Number = Field(0.9, ge=0, lt=1)
    weight_decay: Number = Field(1e-4, ge=0, description="on all parameters")
    label_smoothing: Number = Field(0.0, ge=0, lt=1, description="probability mass spread evenly over all classes")
    schedule: Literal["step", "cosine"] = Field(
        "step", description="'step' divides the rate by 10 every `step_epochs`; 'cosine' brings it to 0 over all epochs"
    )
    step_epochs: Whole = Field(30, ge=1, description="epochs between two divisions by 10; 'cosine' does not use it")
