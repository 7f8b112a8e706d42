"""Mixup and CutMix, held against torchvision's for the same draws."""

import pytest
import torch
from torchvision.transforms import v2

from fishnet_search.train.mixing import Mix, cut_mix, draw_mix
from fishnet_search.train.recipe import Recipe

IMAGES = torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 1, 3])


def before(batch):
    """Each image's partner: the one before it."""
    return batch.roll(1, 0)


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_mixup_is_torchvisions(share):
    theirs = v2.MixUp(num_classes=4)
    mix = Mix(share, None)
    found = mix.images(IMAGES, before(IMAGES)), mix.targets(LABELS, before(LABELS), 4)
    params = {"labels": LABELS, "batch_size": 5, "lam": share}
    torch.testing.assert_close(found[0], theirs.transform(IMAGES, params))
    torch.testing.assert_close(found[1], theirs.transform(LABELS, params))


@pytest.mark.parametrize(("share", "row", "column"), [(0.5, 0, 0), (0.1, 6, 11), (0.9, 5, 5), (0.0, 6, 6), (1.0, 3, 3)])
def test_cutmix_is_torchvisions(monkeypatch, share, row, column):
    theirs = v2.CutMix(num_classes=4)
    monkeypatch.setattr(theirs, "_dist", type("Fixed", (), {"sample": lambda _, shape: torch.tensor(share)})())
    pixels = iter([column, row])  # it draws x, then y
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.tensor([next(pixels)]))
    params = theirs.make_params([IMAGES]) | {"labels": LABELS, "batch_size": 5}
    mix = cut_mix(share, row, column, side=12)
    assert mix.share == pytest.approx(params["lam_adjusted"])
    assert torch.equal(mix.images(IMAGES, before(IMAGES)), theirs.transform(IMAGES, params))
    params["lam"] = params["lam_adjusted"]
    torch.testing.assert_close(mix.targets(LABELS, before(LABELS), 4), theirs.transform(LABELS, params))


def test_cutmix_leaves_the_images_it_takes_from_as_they_are():
    images = IMAGES.clone()
    cut_mix(0.3, 6, 6, side=12).images(images, before(images))
    assert torch.equal(images, IMAGES)


def test_targets_are_shares_of_one():
    targets = cut_mix(0.4, 2, 9, side=12).targets(LABELS, before(LABELS), 4)
    torch.testing.assert_close(targets.sum(1), torch.ones(5))
    assert targets.dtype == torch.float32


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_follow_the_beta_distribution(alpha):
    shares = torch.tensor([draw_mix(Recipe(mixup=alpha), 32, generator(seed)).share for seed in range(2000)])
    expected = torch.distributions.Beta(alpha, alpha)
    assert shares.mean().item() == pytest.approx(0.5, abs=5 * expected.stddev.item() / 2000**0.5)
    assert shares.std().item() == pytest.approx(expected.stddev.item(), rel=0.1)


def test_nothing_is_mixed_or_drawn_unless_asked_for():
    drawn = generator(0)
    before_it = drawn.get_state()
    assert draw_mix(Recipe(), 32, drawn) is None
    assert torch.equal(drawn.get_state(), before_it)


def test_with_both_each_batch_has_one_of_them_about_equally_often():
    both = [draw_mix(Recipe(mixup=1.0, cutmix=1.0), 32, generator(seed)).box is None for seed in range(400)]
    assert 150 < sum(both) < 250
    assert all(draw_mix(Recipe(mixup=1.0), 32, generator(seed)).box is None for seed in range(20))
    assert all(draw_mix(Recipe(cutmix=1.0), 32, generator(seed)).box for seed in range(20))


def test_the_middles_of_boxes_are_anywhere_in_the_image():
    boxes = [draw_mix(Recipe(cutmix=1.0), 8, generator(seed)).box for seed in range(300)]
    assert min(box[0] for box in boxes) == 0 and max(box[2] for box in boxes) == 8
    assert min(box[1] for box in boxes) == 0 and max(box[3] for box in boxes) == 8
