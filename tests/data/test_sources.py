"""Image sources by name, before any image is decoded."""

import pytest

from fishnet_search.data.sources import classes_of, list_images
from fishnet_search.errors import DataError


def test_the_digits_have_ten_classes_in_the_order_of_their_labels():
    assert classes_of("digits") == tuple("0123456789")


def test_a_folder_tells_its_classes_though_no_file_in_it_is_an_image(tmp_path):
    for part in ("train", "val", "test"):
        for name in ("dog", "cat"):
            (tmp_path / part / name).mkdir(parents=True)
            (tmp_path / part / name / "1.png").write_text("no picture")
    assert classes_of(f"imagefolder:{tmp_path}") == ("cat", "dog")
    assert len(list_images(f"imagefolder:{tmp_path}").train.labels) == 2


def test_an_unknown_source_is_refused():
    with pytest.raises(DataError, match="unknown data 'digit'; did you mean 'digits'"):
        classes_of("digit")
