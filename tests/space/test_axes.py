"""Axes: levels by value, by name and by range."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fishnet_search.errors import SpaceError
from fishnet_search.space.axes import Axis, Range, SpelledAxis, cardinality, label_of
from fishnet_search.space.enumeration import every_combination
from fishnet_search.spec.reading import parse_yaml, validated


def axis_from(text):
    return validated(Axis, parse_yaml(text, "axis.yaml", SpaceError), SpaceError)


def range_of(**fields):
    return Range.model_validate({name.rstrip("_"): value for name, value in fields.items()})


def levels_of(numbers):
    return [numbers.level(i) for i in range(numbers.size)]


@pytest.mark.parametrize(
    ("numbers", "levels"),
    [
        (range_of(from_=16, to=40, step=8), [16, 24, 32, 40]),
        (range_of(from_=1, to=4), [1, 2, 3, 4]),
        (range_of(from_=0, to=0.3, step=0.1), [0.0, 0.1, 0.2, 0.3]),  # as they are written, not 0.30000000000000004
        (range_of(from_=-0.5, to=1, step=0.75), [-0.5, 0.25, 1.0]),
        (range_of(from_=1, to=3, log=True), [1, 2, 3]),
    ],
)
def test_a_range_has_both_ends_and_what_lies_at_its_steps(numbers, levels):
    assert levels_of(numbers) == levels
    assert {type(level) for level in levels_of(numbers)} == {type(levels[0])}


def test_levels_are_whole_numbers_only_if_all_that_is_written_is_whole():
    assert range_of(from_=1, to=4).whole
    assert not range_of(from_=1.0, to=4).whole
    assert not range_of(from_=1, to=4, step=0.5).whole
    assert range_of(from_="1e-4", to="1e-2", log=True).low == 1e-4  # which YAML takes for text


def test_decimals_without_a_step_cannot_be_counted():
    assert range_of(from_=0.1, to=0.2).size is None


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0, 1, exclude_max=True), st.booleans())
def test_any_share_of_the_way_is_a_level(low, more, share, log):
    whole = range_of(from_=low, to=low + more, log=log)
    decimal = range_of(from_=low / 7, to=(low + more) / 7, log=log)
    assert whole.at(share) in levels_of(whole)
    assert decimal.low <= decimal.at(share) <= decimal.high
    assert whole.nearest(whole.at(share)) == whole.at(share)
    assert decimal.nearest(decimal.at(share)) == decimal.at(share)


def test_equal_shares_of_a_logarithmic_range_are_equal_ratios():
    numbers = range_of(from_=0.01, to=1.0, log=True)
    assert numbers.at(0.5) == pytest.approx(0.1)
    assert [numbers.at(share / 4) for share in range(4)] == pytest.approx([0.01 * 10 ** (i / 2) for i in range(4)])


def test_equal_shares_of_whole_numbers_are_equally_many():
    numbers = range_of(from_=3, to=7, step=2)
    found = [numbers.at((i + 0.5) / 30) for i in range(30)]
    assert {level: found.count(level) for level in found} == {3: 10, 5: 10, 7: 10}


@pytest.mark.parametrize(("number", "level"), [(0.1 + 0.2, 0.3), (0.3, 0.3), (0.25, None), (0.4, None), (True, None)])
def test_rounding_errors_do_not_make_another_level(number, level):
    assert range_of(from_=0, to=0.3, step=0.1).nearest(number) == level


@pytest.mark.parametrize("value", ["1", None, [1], math.nan, math.inf])
def test_what_is_no_number_is_no_level_of_a_range(value):
    assert range_of(from_=0, to=3).nearest(value) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{from: 2, to: 2}", "axis.yaml:2: range.to: should be more than `from`, 2, but is 2"),
        ("{from: 0, to: 2, log: true}", "axis.yaml:2: range.from: should be more than 0 for log, but is 0"),
        ("{from: 1, to: 2, log: true, step: 1}", "axis.yaml:2: range.step: does not go with log"),
        ("{from: 1, to: 2, step: 0}", "axis.yaml:2: range.step: should be more than 0 and at most 1, but is 0"),
        ("{from: 1, to: 2, step: 2}", "axis.yaml:2: range.step: should be more than 0 and at most 1, but is 2"),
        ("{from: 16, to: 60, step: 8}", "axis.yaml:2: range.to: 60 is not met in steps of 8; use 56 or 64"),
        ("{from: 0, to: 1, step: 0.3}", "axis.yaml:2: range.to: 1 is not met in steps of 0.3; use 0.9 or 1.2"),
        ("{from: 1}", "axis.yaml:2: range.to: is missing; add it"),
        ("{from: 1, to: 2, stop: 1}", "axis.yaml:2: range.stop: unknown field; did you mean 'step'? one of from, to,"),
        ("{from: true, to: 2}", "axis.yaml:2: range.from: should be a whole number or should be a number, but is true"),
        ("{from: 1, to: .inf}", "axis.yaml:2: range.to: should be a"),
        ("{from: 1, to: .nan}", "axis.yaml:2: range.to: should be a"),
        ("[1, 2]", "axis.yaml:2: range: should be fields with values, but is [1, 2]"),
    ],
)
def test_a_range_that_leads_nowhere_is_refused(text, sentence):
    with pytest.raises(SpaceError) as refusal:
        axis_from(f"path: tail.depth\nrange: {text}")
    assert str(refusal.value).startswith(sentence)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("values: [1, 2, 1]", "axis.yaml:2: values: has 1 twice; keep one"),
        ("values: [1, '1']", "axis.yaml:2: values: has two levels that are written 1; give them names"),
        ("values: [1-2, [1, 2]]", "axis.yaml:2: values: has two levels that are written 1-2; give them names"),
        ("values: [a b]", "axis.yaml:2: values[0]: 'a b' cannot be a name; use up to 60 letters, digits"),
        ("values: {a/b: 1}", "axis.yaml:2: values.a/b: 'a/b' cannot be a name; use up to 60 letters, digits"),
        ("values: {}", "axis.yaml:2: values: should be a list or should have at least one item, but is {}"),
        ("values: 3", "axis.yaml:2: values: should be a list or should be names with values, but is 3"),
        ("values: [1]\nrange: {from: 1, to: 2}", "axis.yaml:1: has both values and a range; give one of them"),
        ("per: stage", "axis.yaml:1: has neither values nor a range; give one of them"),
        ("values: [1]\nper: block", "axis.yaml:3: per: should be 'stage', but is 'block'"),
        ("values: [1]\nwhen: {a: []}", "axis.yaml:3: when.a: should have at least one item"),
    ],
)
def test_an_axis_that_does_not_say_its_levels_is_refused(text, sentence):
    with pytest.raises(SpaceError) as refusal:
        axis_from(f"path: tail.depth\n{text}")
    assert str(refusal.value).startswith(sentence)


def test_levels_are_written_in_names_as_in_yaml():
    assert [label_of(level) for level in (True, 1, 0.1, "avg-2x2", [1, 2])] == ["true", "1", "0.1", "avg-2x2", "1-2"]


def axis(name, *, values=None, numbers=None, when=None):
    levels = None if values is None else tuple(values)
    return SpelledAxis(name, name, (), (), levels, levels, numbers, when or {}, (levels or (0,))[0])


def test_truth_is_no_number_and_a_tuple_is_a_list():
    one = axis("a", values=[1, [1, 2], "x"])
    assert (one.known(1.0), one.known(True), one.known((1, 2)), one.known("y")) == (1, None, [1, 2], None)


def test_an_axis_whose_condition_is_inactive_is_inactive():
    third = axis("c", values=[1, 2], when={"b": (1,)})
    assert third.active({"a": 1, "b": 1})
    assert not third.active({"a": 2})


@st.composite
def some_axes(draw):
    """Up to five axes of up to four levels, each of which may hang on those above."""
    axes = []
    for name in "abcde"[: draw(st.integers(1, 5))]:
        when = {}
        if axes and draw(st.booleans()):
            for other in draw(st.lists(st.sampled_from(axes), max_size=2, unique_by=lambda one: one.name)):
                when[other.name] = tuple(draw(st.lists(st.sampled_from(other.levels), min_size=1, unique=True)))
        axes.append(axis(name, values=range(draw(st.integers(1, 4))), when=when))
    return axes


@given(some_axes())
def test_combinations_are_counted_as_they_are_enumerated(axes):
    every = [tuple(levels.items()) for levels in every_combination(axes)]
    assert len(set(every)) == len(every) == cardinality(axes)
    reference = set()  # each combination of all levels, without those of axes that are not active then
    for levels in product(*(one.levels for one in axes)):
        active = {}
        for one, level in zip(axes, levels, strict=True):
            if all(active.get(other) in accepted for other, accepted in one.when.items()):
                active[one.name] = level
        reference.add(tuple(active.items()))
    assert set(every) == reference


def test_combinations_without_end_are_not_counted():
    decimals = axis("b", numbers=range_of(from_=0.1, to=0.2), when={"a": (1,)})
    assert cardinality([axis("a", values=[1, 2]), decimals]) is None


@given(st.text(max_size=20) | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(st.integers()))
def test_any_bound_of_a_range_is_a_number_or_refused(value):
    try:
        numbers = range_of(from_=0.5, to=value)
    except ValidationError:
        return
    assert 0.5 < numbers.high <= 1e15
