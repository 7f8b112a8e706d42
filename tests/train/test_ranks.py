"""Two processes that train one network together. They are started once, for all that is asked of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from noisy import noise, tiny_network
from torch import multiprocessing

from fishnet_search.errors import TrainingError
from fishnet_search.train.checkpoint import from_bytes, to_bytes
from fishnet_search.train.loop import Training
from fishnet_search.train.ranks import ALONE, Lead, Ranks, free_address, joined
from fishnet_search.train.recipe import Recipe

CPU = torch.device("cpu")
# Of 30 images the last batch has 3: too few for two ranks with batch normalisation, so one has none of them
RECIPE = Recipe(epochs=3, batch_size=9, learning_rate=0.1, step_epochs=2)


RICH = RECIPE.model_copy(
    update={
        "optimiser": "adamw",
        "learning_rate": 0.01,
        "schedule": "linear",
        "clip_norm": 0.5,
        "ema": 0.8,
        "accumulate": 2,
        "mixup": 0.2,
        "cutmix": 1.0,
        "precision": "bfloat16",
        "checkpointing": True,
    }
)
PLAIN_AND_RICH = RICH.model_copy(update={"optimiser": "sgd", "learning_rate": 0.1, "precision": "float32"})


def test_there_is_one_rank_unless_there_are_more():
    assert Ranks(0, 1) == ALONE
    batch = torch.arange(7)
    assert torch.equal(*(torch.cat(ALONE.share(batch, parts)) for parts in (1, 3)))


@given(images=st.integers(2, 100), world=st.integers(1, 9), parts=st.integers(1, 9))
def test_every_image_of_a_batch_is_for_one_rank_and_none_is_alone(images, world, parts):
    batch = torch.randperm(images, generator=torch.Generator().manual_seed(0))
    shares = [Ranks(rank, world).share(batch, parts) for rank in range(world)]
    sizes = [[len(part) for part in share] for share in shares]
    assert torch.equal(torch.cat([part for share in shares for part in share]), batch)
    assert min(min(share) for share in sizes if share) >= 2
    assert len({len(share) for share in sizes if share}) == 1, "in step with each other"
    assert all(len(share) <= parts for share in sizes)
    totals = [sum(share) for share in sizes if share]
    assert max(totals) - min(totals) <= 1
    assert len(totals) == min(world, images // 2)


def test_several_ranks_have_to_have_joined():
    with pytest.raises(ValueError, match=r"take the Ranks that `joined` gives"):
        Lead(Ranks(0, 2))


def test_a_free_address_is_on_the_host_that_is_asked_for():
    host, port = free_address().split(":")
    assert host == "127.0.0.1"
    assert 1024 <= int(port) < 65536
    assert free_address("127.0.0.2").startswith("127.0.0.2:")


# What the two processes do: each task gives what is to be known of it


def train(ranks, recipe=RECIPE, *, network=None, stop=RECIPE.epochs, on_second=None, **how):
    network = network or tiny_network(dropout=0.3)
    with Training(network, noise(), recipe, seed=4, device=CPU, ranks=ranks, **how) as training:
        content = None
        if ranks.rank > 0:
            training.follow()
        else:
            while len(training.epochs) < stop:
                if training.next_epoch().epoch == 2 and on_second is not None:
                    on_second(to_bytes(training.checkpoint(), "key"))
            content = to_bytes(training.checkpoint(), "key")
    return {"checkpoint": content, "weights": {name: weight.detach() for name, weight in network.named_parameters()}}


def whole(ranks, folder):
    return train(ranks)


def stopped(ranks, folder):
    """Rank 0 stops after the second epoch, and the other hears of it."""
    found = train(ranks, stop=2)
    if ranks.rank == 0:
        (folder / "checkpoint").write_bytes(found["checkpoint"])
    return found


def resumed(ranks, folder):
    start = from_bytes((folder / "checkpoint").read_bytes(), "key")
    return train(ranks, network=tiny_network(seed=9, dropout=0.3), start=start)


def plain(ranks, folder):
    return train(ranks, network=tiny_network(normalised=False))


def plain_in_parts(ranks, folder):
    return train(ranks, network=tiny_network(normalised=False), micro_batches=2)


def rich(ranks, folder):
    """Rank 0 writes a checkpoint down after its second epoch, and goes on."""
    return train(ranks, RICH, on_second=(folder / "rich").write_bytes)


def rich_resumed(ranks, folder):
    start = from_bytes((folder / "rich").read_bytes(), "key")
    return train(ranks, RICH, network=tiny_network(seed=9, dropout=0.3), start=start)


def plain_and_rich(ranks, folder):
    return train(ranks, PLAIN_AND_RICH, network=tiny_network(normalised=False))


def poisoned(ranks, folder):
    """The second loss of rank 1 is no number."""
    network, steps = tiny_network(), []

    def poison(module, inputs, output):
        steps.append(output)
        return output * np.nan if ranks.rank == 1 and len(steps) == 2 else output

    network.register_forward_hook(poison)
    return train(ranks, network=network)


def broken(ranks, folder):
    """Rank 0 ends in the middle of an epoch; the other must not wait for it."""

    def fail(*_):
        raise ArithmeticError

    network = tiny_network()
    if ranks.rank == 0:
        network.register_forward_hook(fail)
    return train(ranks, network=network)


def twice(ranks, folder):
    """Two trainings one after the other, of which the first stops early."""
    train(ranks, stop=1)
    return train(ranks)


TASKS = (
    whole,
    stopped,
    resumed,
    plain,
    plain_in_parts,
    rich,
    rich_resumed,
    plain_and_rich,
    poisoned,
    twice,
    broken,
)


def work(rank, addresses, folder):
    torch.set_num_threads(1)
    for task, address in zip(TASKS, addresses, strict=True):
        try:
            with joined(rank, 2, address, CPU) as ranks:
                found = task(ranks, folder)
        except Exception as error:  # noqa: BLE001 - what is raised is looked at by the tests
            found = {"error": type(error), "message": str(error)}
        torch.save(found, folder / f"{task.__name__}{rank}")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What both ranks found in a task."""
    folder = tmp_path_factory.mktemp("ranks")
    addresses = [free_address() for _ in TASKS]
    multiprocessing.start_processes(work, (addresses, folder), nprocs=2, start_method="forkserver")  # torch is there
    return lambda task: [torch.load(folder / f"{task.__name__}{rank}", weights_only=False) for rank in range(2)]


def checkpoint_of(found, task):
    return from_bytes(found(task)[0]["checkpoint"], "key")


def untimed(checkpoint):
    measured = {"seconds": 0.0, "images_per_second": 0.0, "waiting": 0.0}
    return [replace(epoch, **measured) for epoch in checkpoint.epochs]


def assert_same(first, second):
    assert untimed(first) == untimed(second)
    for group in ("weights", "optimiser", "average", "best_weights"):
        named, others = getattr(first, group), getattr(second, group)
        assert named.keys() == others.keys()
        assert all(torch.equal(tensor, others[name]) for name, tensor in named.items())


@pytest.mark.parametrize("task", [whole, rich])
def test_both_ranks_have_the_same_weights(found, task):
    first, second = (rank["weights"] for rank in found(task))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())


def test_a_checkpoint_names_weights_as_one_process_does(found):
    checkpoint = checkpoint_of(found, whole)
    assert checkpoint.weights.keys() == checkpoint.best_weights.keys() == tiny_network().state_dict().keys()
    named = dict(tiny_network().named_parameters())
    assert checkpoint.optimiser.keys() == {f"momentum_buffer/{name}" for name in named}


@pytest.mark.parametrize(
    ("task", "recipe"),
    [(plain, RECIPE), (plain_in_parts, RECIPE), (plain_and_rich, PLAIN_AND_RICH)],
    ids=["plain", "in parts", "with every option"],
)
def test_two_ranks_train_as_one_does_without_batch_normalisation(found, one_thread, task, recipe):
    together = checkpoint_of(found, task)
    with Training(tiny_network(normalised=False), noise(), recipe, seed=4, device=CPU) as training:
        while not training.done:
            training.next_epoch()
        alone = training.checkpoint()
    assert together.average.keys() == alone.average.keys()
    for name, weight in {**alone.weights, **alone.average}.items():
        torch.testing.assert_close({**together.weights, **together.average}[name], weight, rtol=1e-4, atol=1e-6)
    for one, two in zip(training.epochs, together.epochs, strict=True):
        assert two.train["loss"] == pytest.approx(one.train["loss"], rel=1e-5)
        assert two.train["top1"] == pytest.approx(one.train["top1"])
        assert two.validation["loss"] == pytest.approx(one.validation["loss"], rel=1e-4)


@pytest.mark.parametrize(("undisturbed", "after"), [(whole, resumed), (rich, rich_resumed)], ids=["plain", "rich"])
def test_a_training_of_two_ranks_that_was_interrupted_gives_the_undisturbed_numbers_to_the_bit(
    found, undisturbed, after
):
    assert_same(checkpoint_of(found, undisturbed), checkpoint_of(found, after))


def test_the_other_rank_hears_of_a_training_that_is_stopped(found):
    assert len(checkpoint_of(found, stopped).epochs) == 2


def test_a_second_training_of_the_same_ranks_is_not_disturbed_by_the_first(found):
    assert_same(checkpoint_of(found, whole), checkpoint_of(found, twice))


def test_a_loss_that_is_no_number_on_one_rank_fails_both(found):
    for rank in found(poisoned):
        assert rank["error"] is TrainingError, rank
        assert rank["message"].startswith("epoch 1, step 2: training loss is nan")


def test_a_rank_does_not_wait_for_one_that_failed(found):
    first, second = found(broken)
    assert first["error"] is ArithmeticError
    assert second["error"] is RuntimeError, "of the connection, which says nothing of the cause"
