from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fishnet_search.data import load
from fishnet_search.data.images import ImageSet
from fishnet_search.data.listing import ListedPart, Listing, limited
from fishnet_search.data.load import load_images
from fishnet_search.errors import DataError


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digit", r"unknown data 'digit'; did you mean 'digits'\? one of 'digits', 'imagefolder:PATH'"),
        ("image-folder:/x", r"unknown data 'image-folder:/x'; did you mean 'imagefolder'\?"),
        ("mnist", r"unknown data 'mnist'; one of 'digits', 'imagefolder:PATH'"),
        ("", r"unknown data ''; one of"),
        ("digits:/x", r"'digits:/x': the digits come with scikit-learn and take no path; write 'digits'"),
        ("imagefolder", r"'imagefolder' needs the path of a folder; write 'imagefolder:PATH'"),
        ("imagefolder:", r"'imagefolder' needs the path of a folder"),
    ],
)
def test_a_source_that_names_no_images_is_refused(source, message):
    with pytest.raises(DataError, match=message):
        load_images(source, image_size=8)


@settings(max_examples=200, deadline=None)
@given(source=st.text() | st.builds("imagefolder:{}".format, st.text() | st.text("~/.\0\ud800x", max_size=400)))
def test_any_source_gives_images_or_a_data_error(source):
    with suppress(DataError):
        assert isinstance(load_images(source, image_size=8), ImageSet)


def test_images_that_do_not_fit_in_memory_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(load, "_free_memory_bytes", lambda: 2**30)
    with pytest.raises(DataError, match=r"1,797 images of 1000×1000 pixels need 5\.0 GiB of memory and 1\.0 GiB are"):
        load_images("digits", image_size=1000)


def test_a_limit_may_make_them_fit(monkeypatch):
    monkeypatch.setattr(load, "_free_memory_bytes", lambda: 30 * 3 * 64**2)
    assert len(load_images("digits", image_size=64, limit=10).train) == 10


def test_the_free_memory_is_between_nothing_and_a_mebibyte_of_gibibytes():
    assert 2**20 < load._free_memory_bytes() < 2**50


def test_a_limit_below_the_number_of_classes_is_refused():
    with pytest.raises(DataError, match=r"limit 9: each part needs an image of every class; use at least 10 images"):
        load_images("digits", image_size=8, limit=9)


def test_a_limit_takes_the_first_digits_of_each_class_in_the_part():
    whole, few = load_images("digits", image_size=8), load_images("digits", image_size=8, limit=20)
    for part, of in ((few.train, whole.train), (few.validation, whole.validation), (few.test, whole.test)):
        first_two = torch.cat([torch.nonzero(of.labels_N == label)[:2, 0] for label in range(10)]).sort().values
        assert torch.equal(part.images_NCHW, of.images_NCHW[first_two])
        assert torch.equal(part.labels_N, of.labels_N[first_two])
    assert few.fingerprint != whole.fingerprint


def test_a_limit_beyond_all_images_changes_nothing():
    whole, all_of_it = load_images("digits", image_size=8), load_images("digits", image_size=8, limit=5000)
    assert all_of_it.fingerprint == whole.fingerprint


@given(counts=st.lists(st.integers(1, 12), min_size=2, max_size=6), extra=st.integers(0, 60), seed=st.integers(0, 9))
def test_a_limit_is_kept_and_shared_evenly(counts, extra, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    part = ListedPart([f"picture {index}" for index in range(len(labels))], labels)
    limit = len(counts) + extra
    taken = limited(Listing(tuple(map(str, counts)), part, part, part), limit).train

    found = np.bincount(taken.labels, minlength=len(counts))
    assert found.sum() == min(limit, len(labels))
    short = [n for n, available in zip(found, counts, strict=True) if n < available]  # could have given more
    assert min(found) >= 1
    assert not short or max(found) - min(short) <= 1
    positions = [int(picture.split()[1]) for picture in taken.pictures]
    assert positions == sorted(positions)
    for label, n in enumerate(found):
        assert [i for i in positions if labels[i] == label] == np.flatnonzero(labels == label)[:n].tolist()
