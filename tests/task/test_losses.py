import torch
from torch.nn import functional

from fishnet_search.data.scenes import UNJUDGED
from fishnet_search.task.losses import detection_loss, pixel_loss
from tests.task.tiny import noise


def test_the_loss_of_pixels_is_the_mean_over_those_that_are_judged():
    logits, maps = noise(2, 5, 4, 6), torch.arange(48).reshape(2, 4, 6) % 5
    torch.testing.assert_close(pixel_loss(logits, maps.byte()), functional.cross_entropy(logits, maps))
    maps[1] = UNJUDGED
    torch.testing.assert_close(pixel_loss(logits, maps.byte()), functional.cross_entropy(logits[:1], maps[:1]))


def test_a_batch_without_a_judged_pixel_costs_nothing_and_still_has_a_gradient():
    logits = noise(1, 3, 4, 4).requires_grad_()
    loss = pixel_loss(logits, torch.full((1, 4, 4), UNJUDGED, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_half_precision_logits_are_judged_in_full_precision():
    assert pixel_loss(noise(1, 3, 4, 4).half(), torch.zeros(1, 4, 4, dtype=torch.uint8)).dtype == torch.float32


def test_the_loss_of_a_detector_is_the_sum_of_its_losses():
    assert detection_loss({"a": torch.tensor(1.0), "b": torch.tensor(2.5)}).item() == 3.5
