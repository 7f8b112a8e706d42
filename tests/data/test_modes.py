"""Image files of every kind, as upright RGB."""

import warnings
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures_on_disk import noise
from PIL import Image

from fishnet_search.data.modes import decoded, read_image
from fishnet_search.errors import BrokenImage, DataError


def saved(image, kind, **options):
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(content):
    image = decoded(content, "x")
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


COLOUR, GREY = noise(), noise(channels=1)[..., 0]


def test_colour_is_left_as_it_is():
    assert (pixels(saved(Image.fromarray(COLOUR), "png")) == COLOUR).all()


def test_grey_is_the_same_in_all_channels():
    assert (pixels(saved(Image.fromarray(GREY), "png")) == GREY[..., None]).all()


def test_black_and_white_are_0_and_255():
    content = saved(Image.fromarray(GREY > 127), "png")
    assert (pixels(content) == np.where(GREY > 127, 255, 0)[..., None]).all()


def test_a_palette_gives_its_colours():
    image = Image.fromarray(COLOUR).quantize(16)
    assert (pixels(saved(image, "png")) == np.asarray(image.convert("RGB"))).all()


def test_cmyk_becomes_rgb_as_ink_on_white_paper():
    inks = noise(channels=4).astype(int)
    content = saved(Image.fromarray(inks.astype(np.uint8), "CMYK"), "tiff")
    expected = (255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255
    assert np.abs(pixels(content) - expected).max() <= 1


def test_an_inverted_cmyk_jpeg_as_photo_programs_write_it_is_turned_round():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red; PIL writes it inverted and marked so, as Adobe does
    red, green, blue = pixels(saved(image, "jpeg", quality=100)).reshape(-1, 3).mean(0)
    assert (red > 250, green < 5, blue < 5) == (True, True, True)


def test_a_jpeg_in_ycbcr_becomes_rgb():
    image = Image.fromarray(np.full((16, 16, 3), (200, 60, 30), np.uint8))
    assert np.abs(pixels(saved(image, "jpeg", quality=100)) - (200, 60, 30)).max() <= 3


def test_what_is_transparent_is_laid_on_white():
    opacity = noise(channels=1, seed=1)
    content = saved(Image.fromarray(np.concatenate([COLOUR, opacity], 2)), "png")
    expected = COLOUR * (opacity / 255) + 255 * (1 - opacity / 255)
    assert np.abs(pixels(content) - expected).max() <= 1


def test_grey_with_transparency_is_laid_on_white():
    opacity = noise(channels=1, seed=1)
    content = saved(Image.fromarray(np.concatenate([GREY[..., None], opacity], 2), "LA"), "png")
    expected = GREY[..., None] * (opacity / 255) + 255 * (1 - opacity / 255)
    assert np.abs(pixels(content) - expected).max() <= 1


@pytest.mark.parametrize("transparency", [3, bytes([255, 255, 255, 0])])
def test_a_transparent_colour_of_a_palette_is_white(transparency):
    image = Image.fromarray(COLOUR).quantize(16)
    through = np.asarray(image) == 3
    expected = np.where(through[..., None], 255, np.asarray(image.convert("RGB")))
    assert through.any()
    assert (pixels(saved(image, "png", transparency=transparency)) == expected).all()


def test_a_colour_that_is_marked_as_transparent_is_white():
    content = saved(Image.fromarray(COLOUR), "png", transparency=tuple(COLOUR[2, 3].tolist()))
    expected = COLOUR.copy()
    expected[2, 3] = 255
    assert (pixels(content) == expected).all()


# What the camera's row 0 and column 0 are, by the EXIF standard: 6 is right side on top, and so on.
UPRIGHT = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_an_image_is_turned_upright_as_its_exif_data_says(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(COLOUR), "png", exif=exif)
    assert (pixels(content) == UPRIGHT[orientation](COLOUR)).all()


def test_damaged_exif_data_is_no_damage_to_the_image():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = saved(Image.fromarray(COLOUR), "png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
        assert (pixels(content) == COLOUR).all()


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(np.full((4, 4), 60_000, np.uint16)),
        Image.fromarray(np.full((4, 4), 60_000, np.int32)),
        Image.fromarray(np.full((4, 4), 0.5, np.float32)),
    ],
    ids=["16 bits", "32 bits", "real numbers"],
)
def test_more_than_8_bits_are_refused_because_they_would_be_cut_off(image):
    with pytest.raises(BrokenImage, match=r"^x: has more than 8 bits a pixel and channel; convert it to 8 bits$"):
        decoded(saved(image, "tiff"), "x")


@pytest.mark.parametrize("content", [b"", b"no image", saved(Image.fromarray(COLOUR), "png")[:60]])
def test_what_is_no_image_is_broken_and_named(content):
    with pytest.raises(BrokenImage, match=r"^folder/x\.png: not a readable image: .*; replace or remove it$") as error:
        decoded(content, "folder/x.png")
    assert error.value.image == "folder/x.png"


def test_an_image_of_too_many_pixels_is_told_with_their_number(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(BrokenImage, match=r"^x: has 3,600 pixels, more than can be taken; make it smaller$"):
        decoded(saved(Image.new("L", (60, 60)), "png"), "x")


BEGINNINGS = (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"BM", b"P6 2 2 255 ")


@settings(max_examples=200, deadline=None)
@given(start=st.sampled_from(BEGINNINGS), content=st.binary(max_size=200))
def test_any_bytes_are_an_image_or_broken(content, start):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert decoded(start + content, "x").mode == "RGB"
        except BrokenImage as error:
            assert error.image == "x"


def test_a_file_is_read_once_and_its_bytes_are_returned_too(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(COLOUR), "png"))
    content, image = read_image(str(tmp_path / "a.png"))
    assert content == (tmp_path / "a.png").read_bytes()
    assert (np.asarray(image) == COLOUR).all()


def test_a_file_that_is_gone_is_an_error_of_the_disk_and_not_a_broken_image_that_may_be_skipped(tmp_path):
    with pytest.raises(DataError, match=r"a\.png: cannot be read: No such file") as error:
        read_image(str(tmp_path / "a.png"))
    assert not isinstance(error.value, BrokenImage)


def test_the_error_of_a_broken_image_can_be_sent_to_another_process():
    import pickle

    error = pickle.loads(pickle.dumps(BrokenImage("a.png", "is cut off")))
    assert (str(error), error.image, error.problem) == ("a.png: is cut off", "a.png", "is cut off")
