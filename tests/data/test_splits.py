"""Which images each part has."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fishnet_search.data.description import Data, Split
from fishnet_search.data.listing import ListedPart, Offer
from fishnet_search.data.sources import list_images
from fishnet_search.data.splitting import split_up
from fishnet_search.errors import DataError

PARTS = ("train", "validation", "test")


def part_of(counts, start=0):
    """A part with so many images of each class; a picture is a number of its own."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    return ListedPart(range(start, start + len(labels)), labels)


def offer_of(counts, **parts):
    return Offer(tuple("abcdefghij"[: len(counts)]), part_of(counts), **parts)


def numbers(listing):
    return {name: list(getattr(listing, name).pictures) for name in PARTS}


def counts(part):
    return np.bincount(part.labels).tolist()


def test_counts_are_drawn_by_class_and_the_rest_is_left_to_train():
    offer = offer_of([300, 100], test=part_of([20, 20], start=1000))
    listing = split_up(offer, Split(validation=40), "x")
    assert counts(listing.validation) == [30, 10]
    assert counts(listing.train) == [270, 90]
    assert numbers(listing)["test"] == list(range(1000, 1040))
    assert listing.split == (
        "train 360 of 400 training images, validation 40 of 400 training images, test 40 of 40 test images; "
        "drawn by class with seed 0"
    )


def test_a_source_in_three_parts_is_taken_as_it_is():
    offer = offer_of([5, 5], validation=part_of([2, 2], 100), test=part_of([3, 3], 200))
    listing = split_up(offer, None, "x")
    assert numbers(listing) == {
        "train": list(range(10)),
        "validation": list(range(100, 104)),
        "test": list(range(200, 206)),
    }
    assert listing.split == (
        "train 10 of 10 training images, validation 4 of 4 validation images, test 6 of 6 test images"
    )


def test_a_count_is_drawn_from_the_part_of_that_name_where_the_source_has_one():
    offer = offer_of([50, 50], validation=part_of([20, 20], 100), test=part_of([30, 30], 200))
    found = numbers(split_up(offer, Split(train=20, validation=10, test=12), "x"))
    assert [len(found[name]) for name in PARTS] == [20, 10, 12]
    assert set(found["train"]) <= set(range(100))
    assert set(found["validation"]) <= set(range(100, 140))
    assert set(found["test"]) <= set(range(200, 260))


def test_the_same_seed_draws_the_same_images_and_another_seed_others():
    offer = offer_of([50, 50, 50], aside=Split(validation=30, test=30))
    one, again, other = (numbers(split_up(offer, Split(seed=seed), "x")) for seed in (1, 1, 2))
    assert one == again
    assert all(one[name] != other[name] for name in PARTS)


def test_fewer_training_images_leave_the_other_parts_as_they_are():
    offer = offer_of([50, 50, 50], aside=Split(validation=30, test=30))
    all_of_them, few = (numbers(split_up(offer, Split(train=train), "x")) for train in (None, 30))
    assert all_of_them["validation"] == few["validation"]
    assert all_of_them["test"] == few["test"]
    assert set(few["train"]) < set(all_of_them["train"])


def test_so_many_of_each_class_are_set_aside_and_a_tenth_of_a_small_class():
    offer = offer_of([1300, 500, 499, 25, 2], test=part_of([1] * 5), aside_a_class=50)
    listing = split_up(offer, None, "x")
    assert counts(listing.validation) == [50, 50, 50, 3, 1]
    assert counts(listing.train) == [1250, 450, 449, 22, 1]
    assert list(listing.validation.pictures) == sorted(listing.validation.pictures)


def test_what_is_set_aside_of_each_class_is_the_same_on_every_machine():
    train = ListedPart(range(40), np.repeat([0, 1], 20))
    offer = Offer(("a", "b"), train, test=part_of([1, 1]), aside_a_class=2)
    assert list(split_up(offer, None, "x").validation.pictures) == [1, 18, 21, 31]


def test_a_count_comes_before_so_many_of_each_class():
    offer = offer_of([300, 100], test=part_of([1, 1]), aside_a_class=10)
    assert counts(split_up(offer, Split(validation=8), "x").validation) == [6, 2]


@settings(max_examples=150, deadline=None)
@given(
    classes=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    split=st.builds(
        Split,
        train=st.none() | st.integers(1, 120),
        validation=st.integers(1, 80),
        test=st.integers(1, 80),
        seed=st.integers(0, 2**32 - 1),
    ),
)
def test_any_split_shares_no_image_and_gives_every_part_every_class_or_is_refused(classes, split):
    offer = offer_of(classes)
    try:
        listing = split_up(offer, split, "where")
    except DataError as error:
        assert str(error).startswith("where: split: ")
        return
    found = numbers(listing)
    everything = [number for name in PARTS for number in found[name]]
    assert len(everything) == len(set(everything))
    assert len(found["validation"]) == split.validation
    assert len(found["test"]) == split.test
    left = sum(classes) - split.validation - split.test
    assert len(found["train"]) == (split.train or left)
    for name in PARTS:
        part = getattr(listing, name)
        assert found[name] == sorted(found[name])
        assert (part.labels == offer.train.labels[found[name]]).all()
        assert set(part.labels) == set(range(len(classes)))


@pytest.mark.parametrize(
    ("classes", "split", "message"),
    [
        ([9, 9], Split(validation=10, test=9), "validation and test asks for 19 images and there are 18 to draw from"),
        ([9, 9], Split(validation=10, test=8), "the train part of 0 images would have none of ['a', 'b']"),
        (
            [9, 9],
            Split(validation=10, test=4, train=5),
            "train asks for 5 images and there are 4 to draw from",
        ),
        ([9, 9], Split(validation=3, test=1), "test asks for 1 of 4 images, but each of the 2 classes needs an image"),
        ([9, 1], Split(validation=2, test=2), "cannot be drawn from fewer than two images, .* of ['b']; add images"),
        ([97, 3], Split(validation=9, test=9), "cannot be drawn from fewer than two images, .* of ['b']; add images"),
        ([90, 4], Split(validation=5, test=50), "the validation part of 5 images would have none of ['b']; add images"),
    ],
)
def test_a_split_that_cannot_be_is_refused_with_what_there_is(classes, split, message):
    pattern = re.escape(f"where: split: {message}").replace(re.escape(".*"), ".*")
    with pytest.raises(DataError, match=pattern.replace("cannot", ".*cannot", 1)):
        split_up(offer_of(classes), split, "where")


def test_the_digits_can_be_split_otherwise():
    listing = list_images(Data(source="digits", split=Split(train=1000, validation=97, test=700, seed=5)))
    assert [len(getattr(listing, name).labels) for name in PARTS] == [1000, 97, 700]
    assert listing.split.endswith("test 700 of 1,797 training images; drawn by class with seed 5")


def test_of_the_digits_a_part_that_is_not_asked_for_keeps_its_number():
    listing = list_images(Data(source="digits", split=Split(validation=97)))
    assert [len(getattr(listing, name).labels) for name in PARTS] == [1340, 97, 360]
