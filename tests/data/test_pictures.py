"""Images of any size in one row of bytes."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fishnet_search.data.images import Part
from fishnet_search.data.pictures import Pictures

CPU = torch.device("cpu")
SIDES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=8)


def noise(sides, *, seed=0):
    """Return random images of these heights and widths."""
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.integers(0, 256, (3, *size), dtype=np.uint8)) for size in sides]


def pictures_of(images):
    bytes_B = torch.cat([image.reshape(-1) for image in images])
    return Pictures(bytes_B, torch.tensor([image.shape[1:] for image in images]))


@given(sides=SIDES)
def test_each_image_is_found_again(sides):
    images = noise(sides)
    pictures = pictures_of(images)
    assert len(pictures) == len(images)
    assert all(torch.equal(pictures.at(index), image) for index, image in enumerate(images))
    assert pictures.uniform == (len(set(sides)) == 1)


@given(sides=SIDES, data=st.data())
def test_some_images_are_taken_in_the_order_asked_for(sides, data):
    images = noise(sides)
    indices = data.draw(st.lists(st.integers(0, len(images) - 1), min_size=1))
    taken = pictures_of(images).taken(torch.tensor(indices))
    assert len(taken) == len(indices)
    assert all(torch.equal(taken.at(at), images[index]) for at, index in enumerate(indices))


@given(sides=SIDES | st.integers(2, 5).map(lambda n: [(3, 4)] * n))
def test_the_grey_levels_are_counted_channel_by_channel(sides):
    images = noise(sides)
    expected = [np.bincount(np.concatenate([i[c].numpy().ravel() for i in images]), minlength=256) for c in range(3)]
    assert pictures_of(images).levels_3L.tolist() == np.stack(expected).tolist()


def test_images_of_one_size_are_stacked_without_a_copy():
    images_NCHW = torch.stack(noise([(4, 6)] * 5))
    pictures = Pictures.of(images_NCHW)
    assert torch.equal(pictures.stacked(), images_NCHW)
    assert pictures.stacked().data_ptr() == pictures.bytes_B.data_ptr() == images_NCHW.data_ptr()
    assert torch.equal(pictures.stacked(torch.tensor([4, 0, 4])), images_NCHW[[4, 0, 4]])
    assert pictures.at(3).data_ptr() == images_NCHW[3].data_ptr()


def test_images_that_lie_otherwise_in_memory_are_the_same_pictures():
    images_NCHW = torch.stack(noise([(4, 6)] * 5))
    assert torch.equal(Pictures.of(images_NCHW.to(memory_format=torch.channels_last)).stacked(), images_NCHW)
    assert torch.equal(Pictures.of(images_NCHW[::2]).stacked(), images_NCHW[::2])


def test_a_part_of_one_size_has_its_images_as_one_tensor():
    images_NCHW = torch.stack(noise([(4, 4)] * 3))
    part = Part(Pictures.of(images_NCHW), torch.arange(3))
    assert len(part) == 3
    assert torch.equal(part.images_NCHW, images_NCHW)


def test_images_of_several_sizes_cannot_be_stacked():
    with pytest.raises(ValueError, match="images of several sizes cannot be stacked"):
        pictures_of(noise([(4, 6), (6, 4)])).stacked()


def test_no_pictures_are_of_one_size():
    nothing = Pictures.of(torch.zeros(0, 3, 4, 4, dtype=torch.uint8))
    assert len(nothing) == len(nothing.stacked()) == 0


def test_pictures_stay_the_same_where_they_are_already():
    pictures = pictures_of(noise([(4, 6), (6, 4)]))
    assert pictures.to(CPU) is pictures


def test_pictures_on_another_device_know_their_sides_here():
    there = pictures_of(noise([(4, 6), (6, 4)])).to(torch.device("meta"))
    assert there.device.type == "meta"
    assert there.sides_N2.tolist() == [[4, 6], [6, 4]]
    assert there.at(1).shape == (3, 6, 4)


def test_pictures_in_memory_go_to_another_process_whole():
    images = noise([(4, 6), (6, 4)])
    again = pickle.loads(pickle.dumps(pictures_of(images)))
    assert all(torch.equal(again.at(index), image) for index, image in enumerate(images))
