"""Decoding, resizing and fingerprinting the images of a source."""

import shutil
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Resize

from fishnet_search.data import decoding, load, memory
from fishnet_search.data.description import Data
from fishnet_search.data.images import ImageSet
from fishnet_search.data.listing import ListedPart, Listing, limited
from fishnet_search.data.load import load_images
from fishnet_search.errors import BrokenImage, DataError

PARTS = ("train", "validation", "test")
SIZES = ((8, 8), (12, 9), (9, 20))  # width and height


def write_photos(root, *, images=3, sizes=SIZES):
    """Write a folder of two classes with images of these sizes in turn, the same bytes on every machine."""
    rng = np.random.RandomState(0)
    for part in ("train", "val", "test"):
        for name in ("cat", "dog"):
            (root / part / name).mkdir(parents=True)
            for index in range(images):
                width, height = sizes[index % len(sizes)]
                pixels = rng.randint(0, 256, (height, width, 3)).astype(np.uint8)
                header = f"P6 {width} {height} 255\n".encode()
                (root / part / name / f"{index}.ppm").write_bytes(header + pixels.tobytes())
    return root


def photos_of(root, part):
    return [Image.open(file) for file in sorted((root / part).rglob("*.ppm"))]


def loaded(root, *, side=8, square=False, broken="fail", limit=None):
    return load_images(Data(source=f"imagefolder:{root}", broken=broken), side=side, square=square, limit=limit)


def digits(*, side=8, limit=None):
    return load_images(Data(source="digits"), side=side, square=True, limit=limit)


def arrays(part):
    """The images of a part as (height, width, 3)."""
    return [part.pictures.at(index).permute(1, 2, 0).numpy() for index in range(len(part))]


@settings(max_examples=200, deadline=None)
@given(
    source=st.text()
    | st.builds(
        "{}:{}".format, st.sampled_from(["imagefolder", "pack"]), st.text() | st.text("~/.\0\ud800x", max_size=400)
    )
)
def test_any_source_gives_images_or_a_data_error(source):
    with suppress(DataError):
        assert isinstance(load_images(Data.model_construct(source=source), side=8, square=True), ImageSet)


@pytest.mark.parametrize("side", [5, 8, 13])
def test_images_are_resized_by_their_short_side_as_torchvision_does(tmp_path, side):
    images = loaded(write_photos(tmp_path), side=side)
    for part, folder in (("train", "train"), ("validation", "val"), ("test", "test")):
        expected = [np.asarray(Resize(side)(photo)) for photo in photos_of(tmp_path, folder)]
        found = arrays(getattr(images, part))
        assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert images.image_size == side


def test_squares_are_cut_out_of_the_middle_before_they_are_resized(tmp_path):
    images = loaded(write_photos(tmp_path), side=4, square=True)
    middle = Compose([lambda photo: CenterCrop(min(photo.size))(photo), Resize(4)])
    for found, photo in zip(arrays(images.train), photos_of(tmp_path, "train"), strict=True):
        near = np.abs(found.astype(int) - np.asarray(middle(photo)).astype(int))
        assert near.max() <= (0 if photo.width == photo.height else 40)  # PIL's middle may lie between two pixels


def test_of_an_image_that_is_next_to_a_line_the_middle_is_kept(tmp_path):
    """One pixel by ten thousand would be gigabytes at a short side of 256."""
    root = write_photos(tmp_path, sizes=((1, 1), (400, 2), (2, 400)))
    images = loaded(root, side=4)
    assert images.train.pictures.sides_N2.tolist() == [[4, 4], [4, 64], [64, 4]] * 2
    line = photos_of(tmp_path, "train")[1]
    expected = Resize(4)(line.crop((184, 0, 216, 2)))
    assert np.array_equal(arrays(images.train)[1], np.asarray(expected))


def test_studies_of_earlier_versions_go_on(tmp_path):
    """The fingerprint that fishnet-search 0.3 gave these files; of another one, all trials would be done anew."""
    known = "cdb5b70d7997efb5dd32f9dae1878e2015a98d17d9487c20c96bb23a28f83d3f"
    assert loaded(write_photos(tmp_path), side=8, square=True).fingerprint == known


def test_whole_images_are_other_data_than_their_middles(tmp_path):
    write_photos(tmp_path)
    assert loaded(tmp_path).fingerprint != loaded(tmp_path, square=True).fingerprint


def test_where_all_images_are_squares_it_is_the_same_data_either_way(tmp_path):
    write_photos(tmp_path, sizes=((8, 8), (20, 20)))
    whole, cut = loaded(tmp_path), loaded(tmp_path, square=True)
    assert whole.fingerprint == cut.fingerprint
    assert torch.equal(whole.train.images_NCHW, cut.train.images_NCHW)


def test_the_order_does_not_depend_on_which_thread_is_first(tmp_path, monkeypatch):
    root = write_photos(tmp_path, images=40)
    threads = loaded(root)
    monkeypatch.setattr(decoding, "_PICTURES_A_RUN", 1)
    monkeypatch.setattr(decoding.os, "cpu_count", lambda: 1)
    alone = loaded(root)
    assert torch.equal(threads.train.pictures.bytes_B, alone.train.pictures.bytes_B)
    assert threads.fingerprint == alone.fingerprint


def test_many_small_blocks_of_memory_become_one(tmp_path, monkeypatch):
    root = write_photos(tmp_path, images=40)
    expected = loaded(root)
    monkeypatch.setattr(memory, "_BLOCK_BYTES", 5000)
    assert torch.equal(loaded(root).train.pictures.bytes_B, expected.train.pictures.bytes_B)


def breaks(root, *files):
    for file in files:
        (root / file).write_bytes(b"P6 8 8 255\nshort")


def test_one_broken_image_is_named(tmp_path):
    breaks(write_photos(tmp_path), "val/dog/1.ppm")
    with pytest.raises(BrokenImage, match=r"val/dog/1\.ppm: not a readable image: .*; replace or remove it"):
        loaded(tmp_path)


def test_several_broken_images_are_counted_and_the_first_five_named(tmp_path):
    write_photos(tmp_path, images=9)
    breaks(
        tmp_path, *(f"train/cat/{index}.ppm" for index in range(4)), "val/dog/1.ppm", "test/cat/0.ppm", "test/dog/8.ppm"
    )
    with pytest.raises(DataError) as refused:
        loaded(tmp_path)
    sentence = str(refused.value)
    assert sentence.startswith(f"7 images are broken: {tmp_path}/train/cat/0.ppm; {tmp_path}/train/cat/1.ppm; ")
    assert f"{tmp_path}/val/dog/1.ppm; and 2 more; the first: not a readable image: " in sentence
    assert "test/cat/0.ppm" not in sentence
    assert sentence.endswith("with `broken: skip`, or --broken skip, they are left out")


def test_broken_images_are_left_out_as_if_they_were_not_there(tmp_path):
    broken = ("train/cat/1.ppm", "val/dog/2.ppm")
    breaks(write_photos(tmp_path / "broken"), *broken)
    skipping = loaded(tmp_path / "broken", broken="skip")
    assert skipping.skipped == tuple(f"{tmp_path}/broken/{file}" for file in broken)

    shutil.copytree(tmp_path / "broken", tmp_path / "mended")
    for file in broken:
        (tmp_path / "mended" / file).unlink()
    without = loaded(tmp_path / "mended")
    assert without.skipped == ()
    assert skipping.fingerprint == without.fingerprint
    for part in PARTS:
        one, other = getattr(skipping, part), getattr(without, part)
        assert torch.equal(one.labels_N, other.labels_N)
        assert torch.equal(one.pictures.bytes_B, other.pictures.bytes_B)
        assert torch.equal(one.pictures.sides_N2, other.pictures.sides_N2)


def test_a_class_whose_images_are_all_broken_is_refused(tmp_path):
    breaks(write_photos(tmp_path), *(f"val/dog/{index}.ppm" for index in range(3)))
    with pytest.raises(
        DataError, match=r"validation: all images of \['dog'\] are broken, such as .*val/dog/0\.ppm; rep"
    ):
        loaded(tmp_path, broken="skip")


def test_images_that_do_not_fit_in_memory_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(load, "free_memory_bytes", lambda: 2**30)
    monkeypatch.setattr(load, "decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(
        DataError,
        match=r"1,797 images of 1000×1000 pixels need 5\.0 GiB of memory and 1\.0 GiB are free; "
        r"take fewer with --limit, or write them into a file with `fishnet-search data pack`",
    ):
        digits(side=1000)


def test_long_images_that_do_not_fit_in_memory_are_refused_when_that_shows(tmp_path, monkeypatch):
    root = write_photos(tmp_path, sizes=((40, 8),))
    monkeypatch.setattr(load, "free_memory_bytes", lambda: 18 * 3 * 8 * 39)
    with pytest.raises(DataError, match=r"18 images with a short side of 8 pixels need more than 0\.0 GiB of memory"):
        loaded(root)


def test_a_limit_may_make_them_fit(monkeypatch):
    monkeypatch.setattr(load, "free_memory_bytes", lambda: 30 * 3 * 64**2)
    assert len(digits(side=64, limit=10).train) == 10


def test_the_free_memory_is_between_nothing_and_a_mebibyte_of_gibibytes():
    assert 2**20 < memory.free_memory_bytes() < 2**50


def test_how_the_images_were_split_is_told():
    assert digits().split


def test_a_limit_below_the_number_of_classes_is_refused():
    with pytest.raises(DataError, match=r"limit 9: each part needs an image of every class; use at least 10 images"):
        digits(limit=9)


def test_a_limit_takes_the_first_digits_of_each_class_in_the_part():
    whole, few = digits(), digits(limit=20)
    for part, of in ((few.train, whole.train), (few.validation, whole.validation), (few.test, whole.test)):
        first_two = torch.cat([torch.nonzero(of.labels_N == label)[:2, 0] for label in range(10)]).sort().values
        assert torch.equal(part.images_NCHW, of.images_NCHW[first_two])
        assert torch.equal(part.labels_N, of.labels_N[first_two])
    assert few.fingerprint != whole.fingerprint


def test_a_limit_beyond_all_images_changes_nothing():
    assert digits(limit=5000).fingerprint == digits().fingerprint


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
