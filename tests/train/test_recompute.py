import pytest
import torch
from noisy import noise
from torch import nn
from trained import assert_same, run, staged_network, training_of

from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import build_network
from fishnet_search.spec.loading import load_spec
from fishnet_search.train.checkpoint import to_bytes
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.recompute import recomputed

RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=0.1)
TWICE = RECIPE.model_copy(update={"checkpointing": True})
TINY_FISH = """\
image_size: 8
classes: 3
stem: {kind: one-conv, width: 8}
tail: [{depth: 1, width: 8}]
bridge: {depth: 1, width: 16}
body: [{depth: 1, width: 8}]
head: [{depth: 1}]
"""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("more", [{}, {"precision": "bfloat16"}, {"accumulate": 2}], ids=str)
def test_stages_computed_twice_give_the_same_figures_and_running_statistics_to_the_bit(more):
    """Dropout and batch normalisation are where a second pass could differ, or leave something behind."""
    once, twice = (
        run(noise(), recipe.model_copy(update=more), network=staged_network(dropout=0.5)) for recipe in (RECIPE, TWICE)
    )
    assert_same(once, twice)
    assert int(twice.best_weights["0.1.num_batches_tracked"]) == 4 * more.get("accumulate", 1) * twice.best_epoch


def test_so_does_a_fish_and_it_holds_less_for_the_backward_pass(tmp_path):
    (tmp_path / "fish.yaml").write_text(TINY_FISH)
    graph = build_graph(load_spec(str(tmp_path / "fish.yaml")))
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = {}
    for again in (False, True):
        network, held = build_network(graph, seed=0), []

        def keep(tensor, held=held):
            held.append(tensor.numel())
            return tensor

        with recomputed(network) if again else torch.enable_grad():
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                loss = network(images).square().mean()
                found_held = sum(held)
            loss.backward()
        gradients = [weight.grad for weight in network.parameters()]
        found[again] = found_held, [loss.detach(), *gradients, *network.buffers()]
    assert all(torch.equal(one, other) for one, other in zip(found[False][1], found[True][1], strict=True))
    assert found[True][0] < found[False][0] / 2


def test_inner_modules_are_computed_twice_in_training_and_once_in_evaluation():
    network, calls = staged_network(), []
    network[0][0].register_forward_hook(lambda module, *_: calls.append(module.training))
    run(noise(), TWICE.model_copy(update={"epochs": 1, "batch_size": 30}), network=network)
    assert calls == [True, True, False, False]  # one step, validation, test


def test_the_network_is_as_before_afterwards_and_after_an_error():
    network = staged_network()
    with training_of(noise(), TWICE, network=network) as training:
        assert "forward" in vars(network[0])
        assert to_bytes(training.checkpoint(), "")  # weights go by their usual names
    assert not any("forward" in vars(module) for module in network.modules())

    def fail(*_):
        raise ArithmeticError

    network[0][1].register_forward_hook(fail)
    with pytest.raises(ArithmeticError), recomputed(network):
        network(torch.zeros(2, 3, 4, 4))
    assert not any("forward" in vars(module) for module in network.modules())
    assert (network[0][1].momentum, int(network[0][1].num_batches_tracked)) == (0.1, 1)


def test_an_error_in_the_second_pass_leaves_the_normalisation_as_it_was():
    network, calls = staged_network(), []

    def fail(*_):
        calls.append(1)
        if len(calls) == 2:
            raise ArithmeticError

    network[0][1].register_forward_hook(fail)
    with recomputed(network):
        loss = network(torch.randn(2, 3, 4, 4)).sum()
        with pytest.raises(ArithmeticError):
            loss.backward()
    norm: nn.BatchNorm2d = network[0][1]
    assert (norm.momentum, int(norm.num_batches_tracked)) == (0.1, 1)
    assert "num_batches_tracked" in norm.state_dict()
