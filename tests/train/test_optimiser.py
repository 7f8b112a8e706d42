"""Steps of the optimisers against their published formulas, and their memory against themselves."""

import copy

import pytest
import torch
from noisy import tiny_network
from torch.nn import functional

from fishnet_search.train.optimiser import memory_of, optimiser_of, remember, set_rate
from fishnet_search.train.recipe import Recipe

RATE, DECAY = 0.1, 0.3


def gradients(network):
    images = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    loss = functional.cross_entropy(network(images), torch.arange(6) % 3)
    return dict(zip(dict(network.named_parameters()), torch.autograd.grad(loss, [*network.parameters()]), strict=True))


def step(optimiser, network):
    for (_, weight), gradient in zip(network.named_parameters(), gradients(network).values(), strict=True):
        weight.grad = gradient
    optimiser.step()


def nesterov(weight, gradient, memory, _):
    """Sutskever et al. 2013, as torch.optim.SGD states it."""
    memory["v"] = 0.9 * memory.get("v", 0) + gradient + DECAY * weight
    return weight - RATE * (gradient + DECAY * weight + 0.9 * memory["v"])


def adamw(weight, gradient, memory, count):
    """Loshchilov and Hutter 2019, algorithm 2."""
    memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * gradient
    memory["v"] = 0.99 * memory.get("v", 0) + 0.01 * gradient**2
    root = (memory["v"] / (1 - 0.99**count)).sqrt() + 1e-8
    return weight - RATE * DECAY * weight - RATE * (memory["m"] / (1 - 0.9**count)) / root


@pytest.mark.parametrize(
    ("recipe", "formula"),
    [
        (Recipe(learning_rate=RATE, weight_decay=DECAY, nesterov=True), nesterov),
        (Recipe(learning_rate=RATE, weight_decay=DECAY, optimiser="adamw", beta2=0.99), adamw),
    ],
    ids=["nesterov", "adamw"],
)
def test_steps_follow_the_formula(recipe, formula):
    # without normalisation: the gradient of a bias before it is noise around 0, of which AdamW makes whole steps
    network, by_hand = tiny_network(normalised=False), tiny_network(normalised=False)
    optimiser = optimiser_of(network, recipe)
    memories = {name: {} for name, _ in by_hand.named_parameters()}
    for count in (1, 2, 3):
        step(optimiser, network)
        found = gradients(by_hand)
        with torch.no_grad():
            for name, weight in by_hand.named_parameters():
                weight.copy_(formula(weight, found[name], memories[name], count))
    for name, weight in by_hand.named_parameters():
        torch.testing.assert_close(network.get_parameter(name), weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_decay_on_weights_spares_biases_and_normalisations(kind):
    """Without gradients, a step is the decay alone."""
    network, before = tiny_network(), dict(tiny_network().named_parameters())
    recipe = Recipe(optimiser=kind, learning_rate=RATE, weight_decay=DECAY, decay_on="weights")
    optimiser = optimiser_of(network, recipe)
    for weight in network.parameters():
        weight.grad = torch.zeros_like(weight)
    optimiser.step()
    kept = {name for name, weight in network.named_parameters() if torch.equal(weight, before[name])}
    assert kept == {"0.bias", "1.bias", "1.weight", "5.bias"}
    for name in before.keys() - kept:
        torch.testing.assert_close(network.get_parameter(name), before[name] * (1 - RATE * DECAY))


def test_a_network_with_nothing_to_spare_has_an_optimiser_too():
    plain = torch.nn.Linear(3, 2, bias=False)
    assert len(optimiser_of(plain, Recipe(decay_on="weights")).param_groups) == 1


def test_all_weights_move_at_the_rate_that_is_set():
    network, before = tiny_network(), dict(tiny_network().named_parameters())
    optimiser = optimiser_of(network, Recipe(momentum=0, weight_decay=0, decay_on="weights"))
    set_rate(optimiser, 0.25)
    for weight in network.parameters():
        weight.grad = torch.ones_like(weight)
    optimiser.step()
    assert all(torch.equal(weight, before[name] - 0.25) for name, weight in network.named_parameters())


@pytest.mark.parametrize(
    ("recipe", "figures"),
    [
        (Recipe(momentum=0), set()),
        (Recipe(), {"momentum_buffer"}),
        (Recipe(optimiser="adamw"), {"step", "exp_avg", "exp_avg_sq"}),
    ],
)
def test_an_optimiser_that_remembers_goes_on_to_the_bit(recipe, figures):
    network = tiny_network().to(memory_format=torch.channels_last)
    first = optimiser_of(network, recipe)
    step(first, network)
    memory = memory_of(first, network)
    assert memory.keys() == {f"{figure}/{name}" for figure in figures for name, _ in network.named_parameters()}

    twin = copy.deepcopy(network)
    second = optimiser_of(twin, recipe)
    plain = {path: tensor.clone(memory_format=torch.contiguous_format) for path, tensor in memory.items()}
    kept = copy.deepcopy(plain)
    remember(second, twin, plain)
    for _ in range(2):
        step(first, network)
        step(second, twin)
    for one, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)
    assert all(torch.equal(tensor, kept[path]) for path, tensor in plain.items()), "what is given is copied"
    strides = {path: tensor.stride() for path, tensor in memory_of(second, twin).items()}
    assert strides == {path: tensor.stride() for path, tensor in memory_of(first, network).items()}


def test_a_new_optimiser_remembers_nothing():
    network = tiny_network()
    assert memory_of(optimiser_of(network, Recipe()), network) == {}
