"""Images in one file, mapped into memory."""

import hashlib
import json
import pickle
import struct
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fishnet_search.data import decoding, packing
from fishnet_search.data.description import Data, Split
from fishnet_search.data.listing import ListedPart, Listing
from fishnet_search.data.load import load_images
from fishnet_search.data.pack import PAGE_BYTES, header_of, open_pack
from fishnet_search.data.packing import write_pack
from fishnet_search.errors import BrokenImage, DataError

PARTS = ("train", "validation", "test")
DIGITS = Data(source="digits")
PREFIX = struct.Struct("<22sQQQ32s")  # magic, index from, its bytes, its header's, SHA-256


def write_photos(root, *, images=6, broken=()):
    """Write a folder of two classes, every image of another size."""
    rng = np.random.default_rng(0)
    for part in ("train", "val", "test"):
        for name in ("cat", "dog"):
            (root / part / name).mkdir(parents=True)
            for index in range(images):
                file = root / part / name / f"{index}.png"
                pixels = rng.integers(0, 256, (*rng.integers(4, 30, 2), 3), dtype=np.uint8)
                Image.fromarray(pixels).save(file)
                if f"{part}/{name}/{index}.png" in broken:
                    file.write_bytes(b"no image")
    return Data(source=f"imagefolder:{root}", broken="skip")


def from_pack(file, *, side=8, square=False, limit=None, **fields):
    return load_images(Data(source=f"pack:{file}", **fields), side=side, square=square, limit=limit)


def assert_same(found, expected):
    assert (found.classes, found.image_size, found.fingerprint) == (
        expected.classes,
        expected.image_size,
        expected.fingerprint,
    )
    assert (found.split, found.skipped) == (expected.split, expected.skipped)
    for name in PARTS:
        one, other = getattr(found, name), getattr(expected, name)
        assert torch.equal(one.labels_N, other.labels_N)
        assert torch.equal(one.pictures.sides_N2, other.pictures.sides_N2)
        assert torch.equal(one.pictures.bytes_B, other.pictures.bytes_B)
        assert torch.equal(one.pictures.levels_3L, other.pictures.levels_3L)


@pytest.fixture(scope="module")
def digits_pack(tmp_path_factory):
    file = tmp_path_factory.mktemp("packs") / "digits.pack"
    write_pack(DIGITS, file, side=8, limit=30)
    return file


@pytest.fixture
def changed(digits_pack, tmp_path):
    """Return a pack with other bytes."""

    def change(content):
        file = tmp_path / "changed.pack"
        file.write_bytes(content)
        return file

    return change


@pytest.mark.parametrize("square", [False, True])
def test_a_pack_has_the_images_that_its_source_has(tmp_path, square):
    data = write_photos(tmp_path / "photos", broken=("train/cat/2.png", "test/dog/0.png"))
    header = write_pack(data, tmp_path / "photos.pack", side=8, square=square)
    expected = load_images(data, side=8, square=square)
    found = from_pack(tmp_path / "photos.pack", square=square)
    assert_same(found, expected)
    assert found.source == f"pack:{tmp_path}/photos.pack"
    assert len(found.skipped) == 2
    assert header == header_of(tmp_path / "photos.pack")
    assert (header.source, header.classes, header.side, header.square) == (data.source, ("cat", "dog"), 8, square)
    assert [header.train.images, header.validation.images, header.test.images] == [11, 12, 11]


@pytest.mark.parametrize("limit", [2, 5, 8, 1000])
def test_a_limited_pack_has_the_images_that_its_limited_source_has(tmp_path, limit):
    data = write_photos(tmp_path / "photos")
    write_pack(data, tmp_path / "whole.pack", side=8)
    write_pack(data, tmp_path / "few.pack", side=8, limit=limit)
    expected = load_images(data, side=8, square=False, limit=limit)
    assert_same(from_pack(tmp_path / "whole.pack", limit=limit), expected)
    assert_same(from_pack(tmp_path / "few.pack"), expected)


def test_a_limit_below_the_number_of_classes_is_refused(digits_pack):
    with pytest.raises(DataError, match="limit 9: each part needs an image of every class"):
        from_pack(digits_pack, limit=9)


def test_squares_may_be_taken_for_whole_images_of_that_shape(digits_pack):
    assert not header_of(digits_pack).square
    assert_same(from_pack(digits_pack, square=True), load_images(DIGITS, side=8, square=True, limit=30))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what is mapped")
def test_the_pixels_are_mapped_and_not_read(digits_pack):
    images = open_pack(digits_pack)
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(digits_pack))]
    assert len(mapped) == 3
    assert all(" r--" in line for line in mapped)  # to be read only
    assert images.train.pictures.file == digits_pack


def test_images_of_a_pack_go_to_another_process_by_its_path(digits_pack):
    pictures = open_pack(digits_pack).train.pictures
    sent = pickle.dumps(pictures)
    assert digits_pack.name.encode() in sent
    assert len(sent) < 500
    assert torch.equal(pickle.loads(sent).bytes_B, pictures.bytes_B)


def test_a_whole_set_goes_to_another_process(digits_pack, monkeypatch):
    monkeypatch.chdir(digits_pack.parent)
    sent = pickle.dumps(from_pack("digits.pack"))
    monkeypatch.chdir("/")
    assert_same(pickle.loads(sent), open_pack(digits_pack))


def test_images_of_a_pack_that_was_replaced_meanwhile_are_refused_in_another_process(tmp_path):
    file = tmp_path / "a.pack"
    write_pack(DIGITS, file, side=8, limit=20)
    images = open_pack(file)
    before = images.train.pictures.bytes_B.clone()
    write_pack(DIGITS, tmp_path / "b.pack", side=8, limit=30)
    (tmp_path / "b.pack").replace(file)
    assert torch.equal(images.train.pictures.bytes_B, before)  # this process still has the old file
    sent = pickle.dumps(images.train.pictures)
    with pytest.raises(DataError, match=r"a\.pack: is another pack than the one that was opened first; start again"):
        pickle.loads(sent)


def test_pictures_of_a_pack_on_a_device_are_in_its_memory(digits_pack):
    pictures = open_pack(digits_pack).train.pictures
    assert pictures.to(torch.device("cpu")) is pictures
    assert pictures.to(torch.device("meta")).file is None
    assert pictures.taken(torch.arange(3)).file is None


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1))
def test_a_pack_that_was_cut_short_is_refused(digits_pack, share):
    content = digits_pack.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "short.pack"
        file.write_bytes(content[: int(share * (len(content) - 1))])
        with pytest.raises(DataError, match=r"short\.pack: (is no pack|is cut short after|has [\d,]+ bytes where)"):
            open_pack(file)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_pack_whose_index_is_damaged_is_refused(digits_pack, data):
    content = bytearray(digits_pack.read_bytes())
    start = PREFIX.unpack_from(content)[1]
    at = data.draw(st.integers(0, PREFIX.size - 1) | st.integers(start, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "damaged.pack"
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"damaged\.pack: .*`fishnet-search data pack`"):
            open_pack(file)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"fishnet-search pack 1\n" + tail))
def test_a_foreign_file_is_refused(content):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "foreign.pack"
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"foreign\.pack: is (no pack|a pack of another version|cut short)"):
            header_of(file)


def with_index(content, change):
    """Return a pack whose header and tables were changed, with a SHA-256 that fits."""
    magic, start, size, header_size, _ = PREFIX.unpack_from(content)
    header = json.loads(content[start : start + header_size])
    tables = np.frombuffer(content[start + header_size : start + size], "<i4").copy()
    change(header, tables)
    told = json.dumps(header).encode()
    index = told + tables.tobytes()
    where = struct.pack("<QQQ", start, len(index), len(told))
    prefix = magic + where + hashlib.sha256(where + index).digest()
    return prefix.ljust(PAGE_BYTES, b"\0") + content[PAGE_BYTES:start] + index


def another_label(header, tables):
    tables[0] = 10


def a_negative_label(header, tables):
    tables[3] = -1


def larger_images(header, tables):
    tables[30:90] = 9


def an_image_of_no_height(header, tables):
    tables[30] = 0


def enormous_images(header, tables):
    tables[30:90] = 2**31 - 1


def more_images(header, tables):
    header["train"]["images"] += 1


def no_images(header, tables):
    header["test"]["images"] = 0


def another_field(header, tables):
    header["colour"] = "grey"


def fewer_levels(header, tables):
    header["train"]["levels"].pop()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (another_label, "a label of its train part is of none of its 10 classes; copy"),
        (a_negative_label, "a label of its train part is of none of its 10 classes; copy"),
        (larger_images, "its images have 18,810 bytes, and 17,280 are there; copy"),
        (an_image_of_no_height, "an image of its train part has no pixels, or too many; copy"),
        (enormous_images, "an image of its train part has no pixels, or too many; copy"),
        (more_images, "its tables have 3,960 bytes, and 4,004 are needed; copy"),
        (no_images, "test.images: Input should be greater than or equal to 1; copy"),
        (another_field, "colour: Extra inputs are not permitted; copy"),
        (fewer_levels, "train.levels: Tuple should have at least 3 items after validation, not 2; copy"),
    ],
)
def test_a_pack_that_was_made_by_hand_is_refused_before_its_numbers_are_used(digits_pack, changed, change, sentence):
    content = digits_pack.read_bytes()
    assert open_pack(changed(with_index(content, lambda header, tables: None))).classes == tuple("0123456789")
    with pytest.raises(DataError, match=rf"changed\.pack: {sentence} it again"):
        open_pack(changed(with_index(content, change)))


def test_a_pack_of_another_version_is_refused(digits_pack, changed):
    file = changed(digits_pack.read_bytes().replace(b"pack 1\n", b"pack 2\n", 1))
    with pytest.raises(DataError, match=r"changed\.pack: is a pack of another version; write one with `fishnet-search"):
        open_pack(file)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("nowhere.pack", r"nowhere\.pack: no such file; write a pack with `fishnet-search data pack`"),
        (".", r"cannot be read: Is a directory"),
        ("a\0b", r"'a\\x00b': cannot be a file"),
        ("x" * 400, r"'x+': cannot be a file: .*File name too long"),
        ("~nobody-of-that-name/x", r"'~nobody-of-that-name/x': cannot be a file"),
    ],
)
def test_a_file_that_cannot_be_opened_is_refused(tmp_path, monkeypatch, file, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=sentence):
        header_of(file)


def test_a_pack_needs_a_path():
    with pytest.raises(DataError, match="data 'pack' needs the path of a file; write 'pack:FILE'"):
        from_pack("")


def test_a_pack_of_another_size_is_refused(digits_pack):
    with pytest.raises(
        DataError, match=r"its images have a short side of 8 pixels and 16 are needed; write one of that"
    ):
        from_pack(digits_pack, side=16)


def test_squares_are_not_taken_for_whole_images(tmp_path):
    write_pack(write_photos(tmp_path / "photos"), tmp_path / "squares.pack", side=8, square=True)
    with pytest.raises(DataError, match=r"squares\.pack: its images are squares from the middle, and whole ones are"):
        from_pack(tmp_path / "squares.pack")


def test_whole_images_serve_where_only_their_middle_is_looked_at(tmp_path):
    write_pack(write_photos(tmp_path / "photos"), tmp_path / "whole.pack", side=8)
    asked = from_pack(tmp_path / "whole.pack", square=True)
    assert_same(asked, from_pack(tmp_path / "whole.pack"))
    assert not asked.train.pictures.uniform


def test_a_pack_is_not_split_again(digits_pack):
    with pytest.raises(DataError, match=r"was split when it was written: .*; leave out `split`, or write it anew"):
        from_pack(digits_pack, split=Split(train=10))


def test_a_pack_is_split_as_it_is_written(tmp_path):
    data = Data(source="digits", split=Split(train=100, validation=50, seed=3))
    write_pack(data, tmp_path / "digits.pack", side=8)
    assert_same(from_pack(tmp_path / "digits.pack"), load_images(data, side=8, square=True))


def test_no_file_is_written_over(digits_pack):
    before = digits_pack.read_bytes()
    with pytest.raises(DataError, match=r"digits\.pack: exists; remove it, or name another file"):
        write_pack(DIGITS, digits_pack, side=8)
    assert digits_pack.read_bytes() == before


def test_a_pack_in_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder; make it, or name a file elsewhere"):
        write_pack(DIGITS, tmp_path / "nowhere/digits.pack", side=8)


def test_a_pack_is_not_packed_again(digits_pack, tmp_path):
    with pytest.raises(DataError, match=r"pack:.*: is a pack already; write one from the images that it was made of"):
        write_pack(Data(source=f"pack:{digits_pack}"), tmp_path / "again.pack", side=8)


def test_too_little_room_is_told_before_anything_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(
        DataError, match=r"needs at least [\d,]+\.\d GiB and [\d,]+\.\d GiB are free; name a file elsewh"
    ):
        write_pack(DIGITS, tmp_path / "digits.pack", side=10**6)


@pytest.mark.parametrize("end", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_pack_that_was_not_finished(tmp_path, end):
    def stop(done, of):
        raise end

    with pytest.raises((DataError, KeyboardInterrupt), match=r"cannot be written: No space left on device|^$"):
        write_pack(DIGITS, tmp_path / "digits.pack", side=8, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_image_ends_the_writing(tmp_path):
    data = write_photos(tmp_path / "photos", broken=("val/cat/1.png",))
    with pytest.raises(BrokenImage, match=r"val/cat/1\.png: not a readable image"):
        write_pack(data.model_copy(update={"broken": "fail"}), tmp_path / "photos.pack", side=8)
    assert [entry.name for entry in tmp_path.iterdir()] == ["photos"]


def test_how_far_the_writing_is_is_told(tmp_path):
    told = []
    write_pack(DIGITS, tmp_path / "digits.pack", side=8, progress=lambda done, of: told.append((done, of)))
    assert told == sorted(told)
    assert told[-1] == (1797, 1797)
    assert len(told) > 10


def peak_of_packing(file, images, monkeypatch):
    """Return the most bytes that are held while so many images of 12 KiB are packed."""

    def picture():
        pixels = np.zeros((64, 64, 3), np.uint8)
        return pixels[:1].tobytes(), Image.fromarray(pixels)

    part = ListedPart([picture] * images, np.arange(images) % 2)
    monkeypatch.setattr(packing, "list_images", lambda data: Listing(("a", "b"), part, part.take(range(2)), part))
    tracemalloc.start()
    try:
        write_pack(DIGITS, file, side=64)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_memory_that_packing_takes_does_not_grow_with_the_images(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding.os, "cpu_count", lambda: 2)
    few = peak_of_packing(tmp_path / "few.pack", 100, monkeypatch)
    many = peak_of_packing(tmp_path / "many.pack", 900, monkeypatch)
    noted = 2 * 800 * 500  # bytes, of each of 800 images more; their pixels are 12 KiB
    waiting = (2 * decoding._RUNS_AHEAD + 1) * decoding._PICTURES_A_RUN * 12 * 1024  # by chance in one case, not both
    assert many < few + noted + waiting
