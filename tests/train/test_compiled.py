import os

import pytest
import torch
from noisy import noise, tiny_network
from trained import run, training_of

from fishnet_search.errors import TrainingError
from fishnet_search.train.compiled import compiled
from fishnet_search.train.recipe import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = Recipe(epochs=2, batch_size=30, learning_rate=0.05)
COMPILED = RECIPE.model_copy(update={"compile": True})


@pytest.fixture
def compiler(monkeypatch):
    """A compiler that does nothing but to count what it is given and where it may write."""
    seen = []

    class Compiled(torch.nn.Module):
        def __init__(self, network):
            super().__init__()
            self._orig_mod = network

        def forward(self, images):
            seen.append(os.environ["TORCHINDUCTOR_CACHE_DIR"])
            return self._orig_mod(images)

    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr(torch, "compile", lambda network, **_: Compiled(network))
    return seen


def test_steps_are_compiled_and_evaluations_are_not(compiler):
    plain, other = run(noise(), RECIPE), run(noise(), COMPILED)
    assert len(compiler) == 2
    assert plain.best_weights.keys() == other.best_weights.keys()
    assert all(torch.equal(weight, other.best_weights[name]) for name, weight in plain.best_weights.items())


def test_the_compiler_has_a_folder_of_this_process_and_the_environment_is_left_as_it_was(compiler):
    run(noise(), COMPILED)
    run(noise(), COMPILED)
    assert len(set(compiler)) == 1, "a second training finds what the first one's compiler wrote"
    assert os.path.isdir(compiler[0])  # noqa: PTH112 - as torch sees it
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ


def test_a_folder_that_somebody_chose_is_kept_to(compiler, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    run(noise(), COMPILED)
    assert set(compiler) == {str(tmp_path)} == {os.environ["TORCHINDUCTOR_CACHE_DIR"]}


def test_what_was_compiled_is_forgotten_after_an_error_too(compiler, monkeypatch):
    forgotten = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: forgotten.append(True))
    with pytest.raises(ArithmeticError), training_of(noise(), COMPILED):
        raise ArithmeticError
    assert forgotten == [True]
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ


def test_compiling_and_checkpointing_together_are_refused():
    both = COMPILED.model_copy(update={"checkpointing": True})
    with pytest.raises(TrainingError, match=r"recipe\.checkpointing: .*; use either compile or checkpointing"):
        training_of(noise(), both)


@pytest.mark.slow
def test_a_network_that_is_really_compiled_learns_nearly_the_same():
    plain, other = run(noise(), RECIPE), run(noise(), COMPILED)
    for one, two in zip(plain.epochs, other.epochs, strict=True):
        assert two.train["loss"] == pytest.approx(one.train["loss"], rel=1e-4)
        assert two.validation["loss"] == pytest.approx(one.validation["loss"], rel=1e-4)


@pytest.mark.slow
def test_the_compiler_follows_the_network_without_a_break():
    from torch._dynamo.utils import counters

    network = tiny_network()
    images = torch.randn(4, 3, 4, 4)
    counters.clear()
    with compiled(network) as fast:
        torch.testing.assert_close(fast(images), network(images), rtol=1e-4, atol=1e-5)
        assert counters["stats"]["unique_graphs"] == 1
        assert not counters["graph_break"]
