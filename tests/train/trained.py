"""Trainings of a moment, and what is the same in two of them."""

from dataclasses import replace

import torch
from noisy import tiny_network
from torch import nn

from fishnet_search.train.loop import Outcome, Training
from fishnet_search.train.recipe import Recipe

CPU = torch.device("cpu")
BRIEF = Recipe(epochs=3, batch_size=8, learning_rate=0.05)


def training_of(images, recipe=BRIEF, *, network=None, seed=0, device=CPU, **how) -> Training:
    return Training(network or tiny_network(), images, recipe, seed=seed, device=device, **how)


def run(images, recipe=BRIEF, *, on_epoch=lambda _: None, **how) -> Outcome:
    with training_of(images, recipe, **how) as training:
        while not training.done:
            on_epoch(training.next_epoch())
        return training.outcome()


def untimed(training):
    """The epochs without what is measured by the clock."""
    return [replace(epoch, seconds=0.0, images_per_second=0.0, waiting=0.0) for epoch in training.epochs]


def assert_same(first: Outcome, second: Outcome):
    assert untimed(first) == untimed(second)
    assert (first.best_epoch, first.test) == (second.best_epoch, second.test)
    assert first.best_weights.keys() == second.best_weights.keys()
    for name, weight in first.best_weights.items():
        assert torch.equal(weight, second.best_weights[name]), name


def disturb_global_state():
    torch.rand(7)


def staged_network(*, seed=0, dropout=0.0):
    """The tiny network in two stages, with its names and its initial weights."""
    network = tiny_network(seed=seed, dropout=dropout)
    return nn.Sequential(nn.Sequential(*network[:4]), nn.Sequential(*network[4:]))
