import pytest
import torch
from noisy import tiny_network

from fishnet_search.train.average import average_of, go_on_averaging


def moved(network, seed):
    """Move everything that is learnt or counted, as a step would."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.randn(tensor.shape, generator=generator))
        else:
            tensor.add_(1)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_the_average_begins_with_the_first_step_and_decays_with_each():
    network = tiny_network()
    average = average_of(network, 0.75)
    states = [moved(network, seed=0)]
    average.update_parameters(network)
    for seed in (1, 2):
        states.append(moved(network, seed))
        average.update_parameters(network)
    for name, tensor in average.module.state_dict().items():
        first, second, third = (state[name] for state in states)
        if tensor.is_floating_point():  # weights, and the running statistics of batch normalisation
            expected = 0.75**2 * first + 0.75 * 0.25 * second + 0.25 * third
            torch.testing.assert_close(tensor, expected)


def test_averaging_leaves_the_network_alone():
    network = tiny_network()
    average = average_of(network, 0.5)
    after = moved(network, 0)
    average.update_parameters(network)
    average.module.load_state_dict(tiny_network(seed=3).state_dict())
    assert all(torch.equal(tensor, after[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_an_average_that_goes_on_is_that_of_one_that_never_stopped(steps):
    network = tiny_network()
    whole = average_of(network, 0.9)
    for seed in range(steps):
        moved(network, seed)
        whole.update_parameters(network)
    second = average_of(network, 0.9)
    go_on_averaging(second, whole.module.state_dict(), epochs=steps)
    for seed in (7, 8):
        moved(network, seed)
        whole.update_parameters(network)
        second.update_parameters(network)
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(tensor, second.module.state_dict()[name])
