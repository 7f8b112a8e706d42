"""The learning rate of each step, by its formula."""

import math

import pytest

from fishnet_search.train.recipe import Recipe
from fishnet_search.train.schedule import rate_at


@pytest.mark.parametrize(("passed", "rate"), [(0, 0.2), (2.99, 0.2), (3, 0.02), (5.5, 0.02), (6, 0.002)], ids=str)
def test_step_divides_by_ten_at_whole_epochs(passed, rate):
    assert rate_at(Recipe(epochs=9, learning_rate=0.2, step_epochs=3), passed) == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize(
    ("passed", "rate"), [(0, 0.02), (7.99, 0.02), (8, 0.002), (10.9, 0.002), (11, 0.0002), (11.9, 0.0002)], ids=str
)
def test_milestones_divide_by_ten_each(passed, rate):
    recipe = Recipe(epochs=12, learning_rate=0.02, schedule="milestones", milestones=(8, 11))
    assert rate_at(recipe, passed) == pytest.approx(rate, rel=1e-12)


def test_the_rates_of_the_default_recipe_are_what_they_were_before_there_were_others():
    recipe = Recipe()
    assert [rate_at(recipe, epoch) for epoch in range(100)] == [0.1 * 0.1 ** (epoch // 30) for epoch in range(100)]


@pytest.mark.parametrize("passed", [0, 0.25, 1, 3.7, 5])
def test_cosine_and_linear_go_to_0_step_by_step(passed):
    cosine, linear = (Recipe(epochs=5, learning_rate=0.4, schedule=name) for name in ("cosine", "linear"))
    assert rate_at(cosine, passed) == pytest.approx(0.2 * (1 + math.cos(math.pi * passed / 5)), abs=1e-15)
    assert rate_at(linear, passed) == pytest.approx(0.4 * (1 - passed / 5), abs=1e-15)


@pytest.mark.parametrize("schedule", ["step", "milestones", "cosine", "linear"])
def test_the_warm_up_rises_evenly_from_0_and_the_schedule_follows(schedule):
    recipe = Recipe(epochs=10, learning_rate=0.6, schedule=schedule, warmup_epochs=2, step_epochs=4, milestones=(4, 8))
    assert [rate_at(recipe, passed) for passed in (0, 0.5, 1, 1.5, 2)] == pytest.approx([0, 0.15, 0.3, 0.45, 0.6])
    assert rate_at(recipe, 6) == pytest.approx(
        {"step": 0.06, "milestones": 0.06, "cosine": 0.3, "linear": 0.3}[schedule]
    )
    assert rate_at(recipe, 10 - 1e-9) == pytest.approx(
        {"step": 0.006, "milestones": 0.006, "cosine": 0, "linear": 0}[schedule], abs=1e-9
    )


def test_cosine_is_torchs_own():
    import torch

    recipe = Recipe(epochs=4, learning_rate=0.3, schedule="cosine")
    optimiser = torch.optim.SGD([torch.zeros(1)], 0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 4 * 5)
    for step in range(20):
        assert rate_at(recipe, step / 5) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-6)
        optimiser.step()
        scheduler.step()
