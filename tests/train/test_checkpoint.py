import hashlib
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from fishnet_search.train import checkpoint as module
from fishnet_search.train.checkpoint import Checkpoint, DamagedCheckpoint, from_bytes, to_bytes
from fishnet_search.train.epoch import Epoch

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]


def tensors(seed):
    """Of every dtype and of no, one and more dimensions; names as in a state dict."""
    generator = torch.Generator().manual_seed(seed)
    return {
        f"body.0.{i}/{dtype}": torch.randint(0, 256, (2, 3, 4)[:i], generator=generator).to(dtype)
        for i in range(4)
        for dtype in DTYPES
    }


def checkpoint():
    epochs = tuple(
        Epoch(
            n,
            0.1 / n,
            {"loss": 2.3 / 3, "top1": 1 / 3, "top5": 0.7},
            {"loss": 1e-300, "top1": 0.1 + 0.2, "top5": 1.0},
            1 / 7,
            1e4 / 3,
            0.3,
            peak,
        )
        for n, peak in ((1, None), (2, 1 / 3))
    )
    memory = {"exp_avg/body.weight": torch.randn(3), "step/body.weight": torch.tensor(7.0)}
    scaler = {"scale": 65536.0 / 3, "_growth_tracker": 12}
    return Checkpoint(epochs, tensors(0), memory, tensors(2), scaler, tensors(1))


WRITTEN = to_bytes(checkpoint(), "key")


def assert_equal(named, others):
    assert named.keys() == others.keys()
    for name, tensor in named.items():
        assert tensor.dtype == others[name].dtype
        assert torch.equal(tensor, others[name])


def test_what_is_read_is_what_was_written_to_the_bit():
    written = checkpoint()
    read = from_bytes(to_bytes(written, "key"), "key")
    assert (read.epochs, read.scaler) == (written.epochs, written.scaler)
    for group in ("weights", "optimiser", "average", "best_weights"):
        assert_equal(getattr(read, group), getattr(written, group))


def test_equal_checkpoints_are_equal_bytes():
    assert len({WRITTEN, *(to_bytes(from_bytes(WRITTEN, "key"), "key") for _ in range(5))}) == 1


@given(st.lists(st.floats(allow_nan=False), min_size=3, max_size=3), st.binary(min_size=40, max_size=40))
def test_no_figure_and_no_weight_is_rounded(figures, memory):
    weight = torch.frombuffer(bytearray(memory), dtype=torch.float32)  # subnormal numbers and NaN of all kinds too
    measured = dict(zip(("loss", "top1", "top5"), figures, strict=True))
    epoch = Epoch(1, figures[0], measured, measured, figures[1], *figures)
    read = from_bytes(to_bytes(Checkpoint((epoch,), {"w": weight}, {}, {}, {"scale": figures[2]}, {}), "key"), "key")
    assert read.scaler == {"scale": figures[2]}
    assert read.epochs == (epoch,)
    assert read.weights["w"].numpy().tobytes() == memory


@pytest.mark.parametrize("average", [{}, tensors(2)], ids=["weights", "average"])
def test_weights_that_are_the_best_are_written_once(average):
    twice = replace(checkpoint(), average=average)
    once = replace(twice, best_weights=twice.validated)
    assert twice.validated is (average or twice.weights)
    assert len(to_bytes(once, "key")) < len(to_bytes(twice, "key"))
    assert_equal(from_bytes(to_bytes(once, "key"), "key").best_weights, twice.validated)


def test_a_training_of_no_epochs_yet_can_be_kept():
    weights = tensors(0)
    read = from_bytes(to_bytes(Checkpoint((), weights, {}, {}, {}, weights), "key"), "key")
    assert (read.epochs, read.optimiser, read.average, read.scaler) == ((), {}, {}, {})
    assert_equal(read.weights, weights)


@given(st.integers(0, len(WRITTEN) - 1), st.integers(1, 255))
def test_a_byte_that_changed_anywhere_is_refused(place, change):
    damaged = bytearray(WRITTEN)
    damaged[place] ^= change
    with pytest.raises(DamagedCheckpoint):
        from_bytes(bytes(damaged), "key")


@given(st.integers(0, len(WRITTEN) - 1))
def test_a_checkpoint_that_was_cut_off_is_refused(length):
    with pytest.raises(DamagedCheckpoint):
        from_bytes(WRITTEN[:length], "key")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (WRITTEN + b"x", "differs from what was written: its SHA-256 is another"),
        (WRITTEN.replace(b"checkpoint 2", b"checkpoint 1", 1), "does not begin with 'fishnet-search checkpoint 2'"),
        (safetensors.torch.save({"w": torch.zeros(1)}), "does not begin with"),
    ],
    ids=["empty", "longer", "another version", "plain safetensors"],
)
def test_a_refusal_says_why(content, reason):
    with pytest.raises(DamagedCheckpoint, match=reason):
        from_bytes(content, "key")


def test_the_checkpoint_of_another_training_is_refused():
    with pytest.raises(DamagedCheckpoint, match="is of the training 'key', not of 'other'"):
        from_bytes(WRITTEN, "other")


def made_by_hand(tensors, notes):
    return safetensors.torch.save(tensors, {"notes": notes})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x80\x04]\x94.",  # a pickle
        safetensors.torch.save({"w": torch.zeros(1)}),
        made_by_hand({"w": torch.zeros(1)}, "[]"),
        made_by_hand({"w": torch.zeros(1)}, '{"key": "key"}'),
        made_by_hand({"w": torch.zeros(1)}, '{"key": "key", "epochs": 1, "scaler": {}}'),
        made_by_hand({"w": torch.zeros(1)}, '{"key": "key", "epochs": [[]], "scaler": {}}'),
        made_by_hand({"w": torch.zeros(1)}, '{"key": "key", "epochs": [{}], "scaler": {}}'),
        made_by_hand({"weights/w": torch.zeros(1)}, '{"key": "key", "epochs": []}'),
        made_by_hand({"weights/w": torch.zeros(1)}, '{"key": "key", "epochs": [], "scaler": 1}'),
        made_by_hand({"weights/w": torch.zeros(1)}, '{"key": "key", "epochs": [], "scaler": {}}')[:-1],
    ],
)
def test_what_somebody_made_by_hand_is_refused_and_not_unpickled(body):
    content = module._MAGIC + hashlib.sha256(body).digest() + body
    with pytest.raises(DamagedCheckpoint, match="is laid out otherwise than in this version"):
        from_bytes(content, "key")
