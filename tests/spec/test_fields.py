"""Fields set by path: the same spec, or the same fault, as when everything is written out anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fishnet_search.errors import SpecError
from fishnet_search.spec.loading import load_spec, with_fields
from fishnet_search.spec.naming import locations, set_value
from tests.fishes import minnow
from tests.spec.strategies import specs

PARTS = ("tail", "bridge", "body", "head", "stages")
VALUES = {
    "depth": st.integers(0, 3),
    "width": st.sampled_from([8, 16, 24, "derived"]),
    "dilation": st.sampled_from([1, 2, [1], [1, 2], "derived"]),
    "downsample": st.sampled_from(["max-2x2", "blur", "none", "max"]),
    "kernel": st.sampled_from([3, 4, 5]),
    "squeeze_excitation": st.booleans(),
    "transfer_from": st.sampled_from(["stem", "none"]),
}


@st.composite
def fields(draw):
    """A few fields by path, most of which most specs have."""
    found = {}
    for _ in range(draw(st.integers(1, 4))):
        part, name = draw(st.sampled_from(PARTS)), draw(st.sampled_from([*VALUES]))
        index = draw(st.sampled_from(["", "[0]", "[1]"]))
        found[f"{part}{index}.{name}"] = draw(VALUES[name])
    more = {"norm": st.sampled_from(["batch", "group"]), "stem.width": st.sampled_from([8, 9, 16])}
    more |= {"tail[0].dilation[0]": st.integers(1, 2), "taps.out": st.sampled_from(["stem", "nowhere"])}
    return found | draw(st.fixed_dictionaries({}, optional=more))


@given(specs(), fields())
def test_a_changed_spec_is_what_its_data_with_the_changes_say(spec, changes):
    data = spec.model_dump(mode="json")
    try:
        for path, value in changes.items():
            for location in locations(data, path, ""):
                set_value(data, location, value)
        expected = type(spec).model_validate(data)
    except (SpecError, ValidationError):
        with pytest.raises(SpecError):
            with_fields(spec, changes)
        return
    before = spec.model_dump(mode="json")
    changed = with_fields(spec, changes)
    assert changed == expected
    assert changed.model_dump(mode="json") == expected.model_dump(mode="json")
    assert spec.model_dump(mode="json") == before


def test_later_paths_see_what_earlier_ones_set():
    spec = minnow(**{"tail[0].depth": 2, "tail[0].dilation": [1, 2], "tail[0].dilation[1]": 4})
    assert spec.tail[0].dilation == (1, 4)


def test_a_value_is_not_changed_with_the_spec():
    value = [3]
    spec = with_fields(load_spec("fishnet-nano"), {"body.dilation": value, "body[0].dilation[0]": 2})
    assert ([stage.dilation for stage in spec.body], value) == ([(2,), (3,)], [3])
