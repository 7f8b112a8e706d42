import pytest
import torch

from fishnet_search.train.device import choose_device, device_name


@pytest.mark.parametrize(("available", "expected"), [(True, "cuda"), (False, "cpu")])
def test_the_gpu_is_chosen_where_there_is_one(monkeypatch, available, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert choose_device() == torch.device(expected)


def test_a_device_is_named_as_its_driver_names_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    assert device_name(torch.device("cuda")) == "NVIDIA H200"
    assert device_name(torch.device("cpu")) == "cpu"
