"""Parity: what is compared, what is found, and what never passes."""

import math

import pytest
import torch

from fishnet_search.errors import ExportError
from fishnet_search.export.parity import TOLERANCE, Parity, compare
from tests.export.seasoned import images, network_of, small_spec


@pytest.fixture(scope="module")
def network():
    return network_of(small_spec())


def logits(images_NCHW):
    """Class 0 for bright images and class 1 for dark ones; the largest logit is 4."""
    means_N = images_NCHW.mean(dim=(1, 2, 3))
    return torch.stack([means_N, -means_N], dim=1)


def greys(*values):
    return torch.tensor(values).reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2)


GREYS = greys(-4.0, 1.0, 2.0, -1.0, 3.0, 0.5, 1.5)


def test_a_network_agrees_with_itself(network):
    parity = compare("copy", network, network, images(7))
    assert parity.holds
    assert (parity.format, parity.images, parity.batches, parity.same_classes) == ("copy", 7, (1, 2, 5), 7)
    assert parity.relative < 1e-6


@pytest.mark.parametrize(
    ("count", "batches"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (5, (1, 2, 5)), (12, (1, 2, 5))]
)
def test_every_image_goes_through_in_batches_of_every_size_there_is(count, batches):
    seen = []

    def other(images_NCHW):
        seen.append(len(images_NCHW))
        return logits(images_NCHW)

    parity = compare("other", logits, other, images(count, 4))
    assert parity.batches == batches
    assert sum(seen) == count * len(batches)
    assert set(seen) >= set(batches)


def test_the_largest_difference_is_told_as_it_is_and_against_the_largest_logit():
    parity = compare("other", logits, lambda given: logits(given) + torch.tensor([0.0, 0.25]), GREYS)
    assert parity.largest == 0.25
    assert parity.relative == 0.25 / 4
    assert not parity.holds


def test_a_difference_in_batches_of_one_size_alone_is_found():
    def other(given):
        return logits(given) * (2 if len(given) == 1 else 1)

    assert compare("other", logits, other, GREYS).largest == 4


@pytest.mark.parametrize(("scale", "holds"), [(1 + 0.9 * TOLERANCE, True), (1 + 1.1 * TOLERANCE, False)])
def test_the_tolerance_is_where_it_is_said(scale, holds):
    assert compare("other", logits, lambda given: logits(given) * scale, GREYS).holds == holds


def test_images_that_change_their_class_in_any_batch_are_counted():
    def other(given):
        return -logits(given) if len(given) == 5 else logits(given)

    assert compare("other", logits, other, GREYS).same_classes == 2  # which are left over by a batch of five


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_no_number_never_holds(wrong):
    def other(given):
        return torch.where(given.mean(dim=(1, 2, 3))[:, None] == 0.5, wrong, logits(given))

    for parity in (compare("other", logits, other, GREYS), compare("other", other, other, GREYS)):
        assert not parity.holds
        assert "DIFFERS" in parity.sentence()


def test_logits_that_are_all_zero_agree_with_each_other_and_nothing_else():
    def nothing(given):
        return torch.zeros(len(given), 2)

    assert compare("other", nothing, nothing, GREYS).holds
    assert not compare("other", nothing, logits, GREYS).holds


def test_other_shapes_and_no_images_are_refused():
    with pytest.raises(ExportError, match=r"in batches of 1 are of shape \(7, 1\), those of the network \(7, 2\)"):
        compare("other", logits, lambda given: logits(given)[:, :1], GREYS)
    with pytest.raises(ExportError, match="other: nothing to compare: the set of images is empty"):
        compare("other", logits, logits, GREYS[:0])


def test_the_sentence_says_what_was_compared_and_found():
    assert Parity("onnx", 16, (1, 2, 5), 3.14e-06, 4.2e-07, 16).sentence() == (
        "onnx agrees with the network on 16 images in batches of 1, 2, 5: logits differ by at most 3.1e-06, which is "
        "4.2e-07 of the largest (allowed: 1e-04); 16 of 16 images get the same class"
    )
