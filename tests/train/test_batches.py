import pytest
import torch

from fishnet_search.data.images import Part
from fishnet_search.train import batches as batches_module
from fishnet_search.train.batches import Batches, normalisation_of, on_device

CPU = torch.device("cpu")


def part(n):
    """Images whose every pixel is their number."""
    numbers = torch.arange(n)
    return Part(numbers.to(torch.uint8)[:, None, None, None].expand(n, 3, 2, 2).contiguous(), numbers)


def batches(n, *, batch_size):
    identity = normalisation_of(torch.tensor([0, 2], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 1, 1))
    return Batches(part(n), n, identity, batch_size, CPU)  # mean 1, standard deviation 1


def shuffled(drawn, generator):
    return [drawn.at(indices) for indices in drawn.shuffled(generator)]


def test_mean_and_standard_deviation_are_those_of_all_pixels_of_a_channel():
    images = torch.randint(0, 256, (50, 3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images[:, 1] //= 4
    found = normalisation_of(images)
    pixels = images.double().transpose(0, 1).flatten(1)
    assert torch.equal(found.mean, pixels.mean(1).float())
    torch.testing.assert_close(found.std, pixels.std(1, unbiased=False).float(), rtol=1e-7, atol=0)
    normalised = found(images).transpose(0, 1).flatten(1)
    torch.testing.assert_close(normalised.mean(1), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(normalised.std(1, unbiased=False), torch.ones(3), rtol=1e-5, atol=0)


def test_a_channel_that_is_the_same_everywhere_becomes_zero():
    images = torch.full((4, 3, 2, 2), 200, dtype=torch.uint8)
    assert torch.equal(normalisation_of(images)(images), torch.zeros(4, 3, 2, 2))


def test_in_order_every_image_comes_once_with_its_label(monkeypatch):
    monkeypatch.setattr(batches_module, "EVALUATION_BATCH", 2)
    found = list(batches(5, batch_size=2).in_order())
    assert [labels.tolist() for _, labels in found] == [[0, 1], [2, 3], [4]]
    assert [images[:, 0, 0, 0].tolist() for images, _ in found] == [[-1, 0], [1, 2], [3]]
    assert all(images.dtype == torch.float32 for images, _ in found)


def test_shuffled_images_keep_their_labels_and_come_once():
    found = shuffled(batches(8, batch_size=3), torch.Generator().manual_seed(0))
    assert [len(labels) for _, labels in found] == [3, 3, 2]
    assert sorted(torch.cat([labels for _, labels in found]).tolist()) == list(range(8))
    assert all(torch.equal(images[:, 2, 1, 1], labels - 1.0) for images, labels in found)


def test_a_last_image_alone_is_left_out_of_a_shuffled_pass():
    found = shuffled(batches(7, batch_size=3), torch.Generator().manual_seed(0))
    assert [len(labels) for _, labels in found] == [3, 3]


def test_the_order_depends_on_the_generator_alone():
    def order(seed):
        torch.rand(3)  # the global generator moves on between two calls
        return torch.cat(batches(50, batch_size=8).shuffled(torch.Generator().manual_seed(seed)))

    assert torch.equal(order(1), order(1))
    assert not torch.equal(order(1), order(2))


def test_each_pass_has_another_order():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.cat(batches(50, batch_size=8).shuffled(generator)) for _ in range(2))
    assert not torch.equal(first, second)


def test_on_the_cpu_nothing_is_copied():
    here = part(4)
    assert on_device(here, CPU).images_NCHW.data_ptr() == here.images_NCHW.data_ptr()


@pytest.mark.parametrize(("free", "moved"), [(97, True), (95, False)])
def test_images_stay_where_they_are_when_they_would_take_half_of_the_gpu(monkeypatch, free, moved):
    """4 images are 48 bytes. The move itself is only seen to be tried, so that no GPU is needed."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 1000))
    destinations = []
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: destinations.append(device) or tensor)
    here = Part(torch.zeros(4, 3, 2, 2, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    on_device(here, torch.device("cuda"))
    assert bool(destinations) is moved
