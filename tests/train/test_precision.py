import pytest
import torch
from torch import nn

from fishnet_search.errors import TrainingError
from fishnet_search.train.precision import precision_of

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def gpu(monkeypatch):
    """Pretend that there is a GPU, with bfloat16 or without."""

    class Here:
        def __init__(self, _):
            pass

        def __enter__(self):
            pass

        def __exit__(self, *_):
            pass

    def pretend(bfloat16):
        monkeypatch.setattr(torch.cuda, "device", Here)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "GeForce GTX 1080")

    return pretend


@pytest.mark.parametrize(
    ("bfloat16", "device", "dtype"),
    [(True, GPU, torch.bfloat16), (False, GPU, torch.float32), (True, CPU, torch.float32)],
)
def test_auto_is_bfloat16_on_a_gpu_that_has_it_and_else_float32(gpu, bfloat16, device, dtype):
    gpu(bfloat16)
    assert precision_of("auto", device).dtype is dtype


@pytest.mark.parametrize(("name", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_the_cpu_computes_in_what_is_asked_for_and_gives_no_less_to_what_needs_more(name, dtype):
    images = torch.randn(2, 3, 4, 4)
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2)
    with precision_of(name, CPU).autocast():
        assert nn.Sequential(*layers)(images).dtype is dtype
    assert nn.Sequential(*layers)(images).dtype is torch.float32, "and only within"
    assert layers[0].weight.dtype is layers[1].running_mean.dtype is torch.float32


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_gradients_of_more_range_are_not_scaled(name):
    assert not precision_of(name, CPU).scaler().is_enabled()


def test_float16_is_refused_on_the_cpu():
    with pytest.raises(TrainingError, match=r"recipe\.precision: float16 needs a GPU.*use bfloat16, float32 or auto"):
        precision_of("float16", CPU)


def test_bfloat16_is_refused_on_a_gpu_that_would_have_to_emulate_it(gpu):
    gpu(False)
    with pytest.raises(TrainingError, match=r"recipe\.precision: GeForce GTX 1080 does not have bfloat16"):
        precision_of("bfloat16", GPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_scales_the_gradients_of_float16():
    assert precision_of("float16", GPU).scaler().is_enabled()
