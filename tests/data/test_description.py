"""What is said about images, before any is looked for."""

import subprocess
import sys

import pytest
from pydantic import BaseModel, ValidationError

from fishnet_search.data.description import Data, Split


class Holder(BaseModel):
    data: Data


def test_a_string_is_the_source():
    assert Data.model_validate("digits") == Data(source="digits")
    assert Holder.model_validate({"data": "imagenet:/x"}).data.source == "imagenet:/x"


def test_by_default_the_source_splits_and_a_broken_image_ends_it():
    assert Data(source="digits").split is None
    assert Data(source="digits").broken == "fail"


def test_fields_are_read_from_plain_data_and_written_as_such():
    plain = {"source": "cifar10:/x", "split": {"train": 40_000, "validation": 10_000, "seed": 3}, "broken": "skip"}
    data = Data.model_validate(plain)
    assert data.split == Split(train=40_000, validation=10_000, seed=3)
    assert Data.model_validate_json(data.model_dump_json()) == data


@pytest.mark.parametrize(
    ("field", "value"),
    [("validation", 0), ("test", -1), ("train", 0.1), ("train", "all"), ("train", True), ("seed", -1), ("val", 10)],
)
def test_a_split_of_no_whole_numbers_of_images_is_refused(field, value):
    with pytest.raises(ValidationError, match=field):
        Split.model_validate({field: value})


@pytest.mark.parametrize("given", [{}, {"source": 1}, {"source": "digits", "broken": "ignore"}, 7, None, ["digits"]])
def test_what_describes_no_data_is_refused(given):
    with pytest.raises(ValidationError):
        Data.model_validate(given)


def test_describing_data_needs_no_torch():
    code = "import sys, fishnet_search.data.description; sys.exit('torch' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
