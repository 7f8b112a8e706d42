import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures_on_disk import write_image
from PIL import Image

from fishnet_search.data.description import Data
from fishnet_search.data.load import load_images
from fishnet_search.errors import DataError
from tests.archives import CIFAR10, unpacked


def write_folder(root, *, parts=("train", "val", "test"), classes=("cat", "dog"), images=10):
    for p, part in enumerate(parts):
        for c, name in enumerate(classes):
            for i in range(images):
                write_image(root / part / name / f"{i:03}.png", value=50 * p + 25 * c + i)
    return root


def load(root, *, image_size=8, limit=None):
    return load_images(Data(source=f"imagefolder:{root}"), side=image_size, square=True, limit=limit)


def reds(part):
    """The values that `write_image` was given, in order."""
    return part.images_NCHW[:, 0, 0, 0].tolist()


def test_a_folder_with_train_val_and_test_is_read_in_sorted_order(tmp_path):
    images = load(write_folder(tmp_path, images=2))
    assert images.classes == ("cat", "dog")
    assert images.source == f"imagefolder:{tmp_path}"
    assert images.image_size == 8
    assert reds(images.train) == [0, 1, 25, 26]
    assert reds(images.validation) == [50, 51, 75, 76]
    assert reds(images.test) == [100, 101, 125, 126]
    assert images.train.labels_N.tolist() == [0, 0, 1, 1]
    assert images.train.images_NCHW[1, :, 3, 3].tolist() == [1, 254, 7]


@pytest.mark.parametrize("held_out", ["val", "test"])
def test_with_one_held_out_folder_that_is_the_test_part_and_a_tenth_of_train_is_the_validation_part(tmp_path, held_out):
    images = load(write_folder(tmp_path, parts=("train", held_out), images=20))
    assert (len(images.train), len(images.validation), len(images.test)) == (36, 4, 40)
    assert images.validation.labels_N.tolist() == [0, 0, 1, 1]
    assert sorted(reds(images.train) + reds(images.validation)) == sorted([*range(20), *range(25, 45)])
    assert reds(images.test) == [*range(50, 70), *range(75, 95)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(10, 60), min_size=2, max_size=6))
def test_every_class_has_images_in_the_validation_part(tmp_path, counts):
    root = Path(tempfile.mkdtemp(dir=tmp_path))  # the same counts may come again
    write_image(root / "image.png")
    for c, count in enumerate(counts):
        for part, images in (("train", count), ("test", 1)):
            (root / part / str(c)).mkdir(parents=True, exist_ok=True)
            for i in range(images):
                (root / part / str(c) / f"{i}.png").symlink_to(root / "image.png")
    found = load(root).validation.labels_N.bincount(minlength=len(counts))
    assert all(abs(n - count / 10) < 2 and n >= 1 for n, count in zip(found.tolist(), counts, strict=True))


def test_nested_folders_are_searched_and_extensions_are_read_in_any_case(tmp_path):
    write_folder(tmp_path, images=1)
    write_image(tmp_path / "train/cat/2019/june/a.PNG", value=9)
    write_image(tmp_path / "train/cat/b.Jpeg", value=0)
    for extension in ("bmp", "jpg", "webp", "tif", "tiff", "ppm"):
        write_image(tmp_path / f"train/dog/{extension}.{extension}", value=0)
    images = load(tmp_path)
    assert torch.bincount(images.train.labels_N).tolist() == [3, 7]
    assert reds(images.train)[:2] == [0, 9]


def test_hidden_files_and_files_that_are_no_images_are_ignored(tmp_path):
    write_folder(tmp_path, images=1)
    for name in ("cat/.000.png", "cat/.cache/000.png", ".ipynb_checkpoints/000.png", "cat/labels.csv", "000.png"):
        (tmp_path / "train" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "train" / name).write_text("no image")
    assert load(tmp_path).fingerprint == load(write_folder(tmp_path / "clean", images=1)).fingerprint


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1"])
def test_every_kind_of_png_becomes_rgb(tmp_path, mode):
    write_folder(tmp_path, images=1)
    write_image(tmp_path / "train/cat/000.png", value=200, mode=mode)
    expected = Image.open(tmp_path / "train/cat/000.png").convert("RGB").getpixel((0, 0))
    assert tuple(load(tmp_path).train.images_NCHW[0, :, 0, 0].tolist()) == expected


def test_a_cmyk_jpeg_becomes_rgb(tmp_path):
    write_folder(tmp_path, images=1)
    write_image(tmp_path / "train/cat/000.jpg", value=200, mode="CMYK")
    expected = Image.open(tmp_path / "train/cat/000.jpg").convert("RGB")
    assert np.array_equal(load(tmp_path).train.images_NCHW[0].permute(1, 2, 0), np.asarray(expected))


def test_images_of_the_right_size_are_left_as_they_are(tmp_path):
    write_folder(tmp_path, images=1)
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "train/cat/000.png")
    assert np.array_equal(load(tmp_path).train.images_NCHW[0].permute(1, 2, 0), noise)


@pytest.mark.parametrize("size", [(24, 16), (16, 24), (16, 16)])
def test_other_sizes_are_resized_by_their_shorter_side_and_cropped_at_the_centre(tmp_path, size):
    write_folder(tmp_path, images=1)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    noise.save(tmp_path / "train/cat/000.png")
    width, height = size[0] // 2, size[1] // 2
    left, top = (width - 8) // 2, (height - 8) // 2
    resized = noise.resize((width, height), Image.Resampling.BILINEAR)
    expected = resized.crop((left, top, left + 8, top + 8))
    found = load(tmp_path).train.images_NCHW[0].permute(1, 2, 0).numpy()
    assert np.array_equal(found, np.asarray(expected))


def test_the_fingerprint_does_not_depend_on_where_the_folder_lies_or_when_it_was_written(tmp_path):
    there = write_folder(tmp_path / "there", images=2)
    here = tmp_path / "here"
    shutil.copytree(there, here)
    os.utime(here / "train/cat/000.png", (0, time.time()))
    assert load(here).fingerprint == load(there).fingerprint


def change_content(root):
    write_image(root / "test/dog/000.png", value=3)


def change_label(root):
    (root / "train/cat/002.png").rename(root / "train/dog/00.png")  # the last cat becomes the first dog


def change_split(root):
    (root / "train/dog/002.png").rename(root / "val/cat/00.png")  # the last of train becomes the first of val


def change_a_class_name(root):
    for part in root.iterdir():
        (part / "dog").rename(part / "dogs")


def remove_an_image(root):
    (root / "val/cat/000.png").unlink()


@pytest.mark.parametrize("change", [change_content, change_label, change_split, change_a_class_name, remove_an_image])
def test_the_fingerprint_tells(tmp_path, change):
    before = load(write_folder(tmp_path, images=3)).fingerprint
    change(tmp_path)
    assert load(tmp_path).fingerprint != before


def test_the_fingerprint_is_over_the_files_and_not_over_what_the_decoder_makes_of_them(tmp_path):
    before = load(write_folder(tmp_path, images=2)).fingerprint
    file = tmp_path / "train/cat/000.png"
    Image.open(file).save(file, compress_level=0)  # the same pixels in other bytes
    assert load(tmp_path).fingerprint != before


def test_a_limit_takes_the_first_images_of_each_class(tmp_path):
    images = load(write_folder(tmp_path), limit=5)
    assert reds(images.train) == [0, 1, 2, 25, 26]
    assert reds(images.validation) == [50, 51, 52, 75, 76]


def test_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_folder(tmp_path / "images", images=1)
    assert len(load("~/images").train) == 2


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder; expected PATH/train/CLASS/\*\.jpg"):
        load(tmp_path / "nowhere")


def test_a_file_is_refused(tmp_path):
    write_image(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: not a folder"):
        load(tmp_path / "a.png")


def test_the_home_of_nobody_is_refused():
    with pytest.raises(DataError, match=r"'~nobody-of-that-name/x': cannot be a folder"):
        load("~nobody-of-that-name/x")


def test_a_folder_without_train_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has no folder train; expected"):
        load(write_folder(tmp_path, parts=("val", "test"), images=1))


def test_a_folder_with_nothing_held_out_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has neither a folder val nor a folder test; expected"):
        load(write_folder(tmp_path, parts=("train",), images=1))


def test_images_outside_class_folders_are_refused(tmp_path):
    for part in ("train", "test"):
        write_image(tmp_path / part / "a.png")
    with pytest.raises(DataError, match=r"train: has no class folders; expected"):
        load(tmp_path)


def test_an_empty_class_is_refused_by_name(tmp_path):
    write_folder(tmp_path, images=1)
    (tmp_path / "test/dog/000.png").rename(tmp_path / "test/dog/000.txt")
    with pytest.raises(DataError, match=r"test: no images in \['dog'\]; an image ends in one of \.bmp, \.jpeg"):
        load(tmp_path)


def test_a_single_class_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"only the class 'cat'; classification needs at least two"):
        load(write_folder(tmp_path, classes=("cat",), images=1))


def test_parts_with_other_classes_are_refused_by_name(tmp_path):
    write_folder(tmp_path, images=1)
    (tmp_path / "test/dog").rename(tmp_path / "test/fish")
    with pytest.raises(DataError, match=r"test: other classes than in train: missing \['dog'\], extra \['fish'\]"):
        load(tmp_path)


def test_too_few_images_to_set_a_tenth_aside_are_refused(tmp_path):
    write_folder(tmp_path, parts=("train", "test"), images=5)
    with pytest.raises(DataError, match=r"split: validation asks for 1 of 10 images, but each of the 2 classes needs"):
        load(tmp_path)


def test_a_class_of_which_a_tenth_is_no_image_is_refused_by_name(tmp_path):
    write_folder(tmp_path, parts=("train", "test"), images=40)
    for i in range(2, 40):
        (tmp_path / f"train/dog/{i:03}.png").unlink()
    with pytest.raises(DataError, match=r"split: the validation part of 5 images would have none of \['dog'\]; add im"):
        load(tmp_path)


@pytest.mark.parametrize("keep", [0, 10, -12])
def test_a_broken_image_is_named(tmp_path, keep):
    write_folder(tmp_path, images=1)
    file = tmp_path / "val/dog/000.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"val/dog/000\.jpg: not a readable image: .*; replace or remove it"):
        load(tmp_path)


@pytest.mark.filterwarnings("ignore:::PIL")
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), extension=st.sampled_from(["jpg", "png", "bmp", "webp", "tif", "ppm"]))
def test_a_damaged_image_is_read_or_refused_and_nothing_else(tmp_path, data, extension):
    root = Path(tempfile.mkdtemp(dir=tmp_path))
    write_folder(root, images=1)
    file = root / f"train/cat/x.{extension}"
    write_image(file, value=9)
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        assert len(load(root).train) == 3
    except DataError as error:
        assert file.name in str(error)


def test_a_16_bit_image_is_refused_because_it_would_be_cut_off(tmp_path):
    write_folder(tmp_path, images=1)
    Image.fromarray(np.full((8, 8), 60_000, np.uint16)).save(tmp_path / "train/cat/000.png")
    with pytest.raises(DataError, match=r"train/cat/000\.png: has more than 8 bits a pixel and channel"):
        load(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_refused(tmp_path):
    write_folder(tmp_path, images=1)
    (tmp_path / "train/cat").chmod(0)
    try:
        with pytest.raises(DataError, match=r"cannot be read: .*Permission denied"):
            load(tmp_path)
    finally:
        (tmp_path / "train/cat").chmod(0o755)


@pytest.mark.slow  # decodes 60,000 files
def test_cifar10_is_read_whole(tmp_path):
    images = load(unpacked(CIFAR10, tmp_path), image_size=32)
    assert images.classes[:3] == ("airplane", "automobile", "bird")
    assert torch.bincount(images.train.labels_N).tolist() == [4_500] * 10
    assert torch.bincount(images.validation.labels_N).tolist() == [500] * 10
    assert torch.bincount(images.test.labels_N).tolist() == [1_000] * 10
    # The known channel means of CIFAR-10's training images; nine tenths of them, saved as JPEG, come within a level.
    means = images.train.images_NCHW.float().mean((0, 2, 3)).tolist()
    assert means == pytest.approx([125.3, 123.0, 113.9], abs=1)
