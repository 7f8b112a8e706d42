"""The learning rate at any moment of a training."""

from __future__ import annotations

import math
from collections.abc import Callable

from fishnet_search.train.recipe import Recipe


def rate_at(recipe: Recipe, passed_epochs: float) -> float:
    """Return the learning rate of the step that begins when so much of the training has passed.

    It rises evenly from 0 during the warm-up. A schedule that ends at 0 goes from there to the end of the training; the
    divisions of 'step' and 'milestones' are counted from the training's beginning.

    Args:
        recipe: with the schedule.
        passed_epochs: 1.25 when a quarter of the second epoch's steps have been made.
    """
    if passed_epochs < recipe.warmup_epochs:
        return recipe.learning_rate * passed_epochs / recipe.warmup_epochs
    return recipe.learning_rate * _SCHEDULES[recipe.schedule](recipe, passed_epochs)


def _passed(recipe: Recipe, passed_epochs: float) -> float:
    """Return the share of the training after its warm-up that has passed."""
    return (passed_epochs - recipe.warmup_epochs) / (recipe.epochs - recipe.warmup_epochs)


_SCHEDULES: dict[str, Callable[[Recipe, float], float]] = {
    "step": lambda recipe, passed: 0.1 ** (passed // recipe.step_epochs),
    "milestones": lambda recipe, passed: 0.1 ** sum(passed >= milestone for milestone in recipe.milestones),
    "cosine": lambda recipe, passed: (1 + math.cos(math.pi * _passed(recipe, passed))) / 2,
    "linear": lambda recipe, passed: 1 - _passed(recipe, passed),
}
