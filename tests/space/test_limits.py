"""Limits: figures and multiples of the base, read by a strict grammar and compared exactly."""

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fishnet_search.errors import SpaceError
from fishnet_search.space.limits import Amount, Limits, amount
from fishnet_search.spec.reading import parse_yaml, validated


def limits_from(text):
    return validated(Limits, parse_yaml(text, "limits.yaml", SpaceError), SpaceError)


@pytest.mark.parametrize(
    ("value", "number", "of_base"),
    [
        (4_800_000, 4_800_000, False),
        (3.25, Fraction("3.25"), False),
        ("4.8M", 4_800_000, False),
        ("500 k", 500_000, False),
        ("1G", 10**9, False),
        ("5e6", 5_000_000, False),  # which YAML takes for text
        ("1.1x base", Fraction("1.1"), True),
        ("1.1 x base", Fraction("1.1"), True),
        ("2×base", 2, True),
        (0, 0, False),
    ],
)
def test_an_amount_is_a_figure_or_a_multiple_of_the_base(value, number, of_base):
    read = amount(value)
    assert (read.number, read.of_base) == (number, of_base)


@pytest.mark.parametrize(
    "value",
    ["", "base", "1.1x", "1.1*base", "-1", "1,000", "1K", "x base", "1.1x base + 5", "exec('0')", True, None, [1]],
)
def test_what_is_no_amount_is_refused(value):
    with pytest.raises(ValueError, match=r"should be a number, such as .* or a multiple, such as .* but is"):
        amount(value)


@given(st.text(max_size=40) | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(st.integers()))
@example("9e99")
@example("1e999999999")  # which would take all memory if it were spelled out
@example("٣")  # a digit, but none that is written here
def test_anything_is_an_amount_or_refused(value):
    try:
        read = amount(value)
    except ValueError as refusal:
        assert "should be a number" in str(refusal)
    else:
        assert isinstance(read, Amount)
        assert read.number >= 0


def test_a_multiple_is_exact():
    limits = limits_from("macs: {min: 1.1x base, max: 1.1x base}")
    assert limits.broken({"macs": 11}, {"macs": 10}) == ()  # 1.1 * 10 is more than 11 in floating point


def test_each_limit_that_is_broken_is_told_with_figures():
    limits = limits_from("macs: {max: 1.1x base}\nparams: {min: 10k}\nlatency_ms: {max: 1.2x base}")
    figures, base = {"macs": 5_012_000, "params": 9_000, "latency_ms": 3.75}, {"macs": 4_363_636, "latency_ms": 2.5}
    assert limits.broken(figures, base) == (
        ("params", "params 9,000 is less than 10,000"),
        ("macs", "macs 5,012,000 is more than 4,800,000 (1.1x base)"),
        ("latency_ms", "latency_ms 3.75 is more than 3 (1.2x base)"),
    )


def test_what_is_not_known_breaks_nothing():
    limits = limits_from("latency_ms: {max: 1.2x base}\nmacs: {max: 1}")
    assert limits.broken({"latency_ms": 100.0}, {}) == ()
    assert limits.broken({}, {"latency_ms": 1.0}) == ()


@given(st.integers(0, 10**12), st.integers(1, 10**12), st.integers(1, 10**12))
def test_a_figure_is_within_its_limits_or_told_to_break_them(figure, low, more):
    limits = limits_from(f"params: {{min: {low}, max: {low + more}}}")
    assert bool(limits.broken({"params": figure}, {})) != (low <= figure <= low + more)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mac: {max: 1}", "limits.yaml:1: mac: unknown field; did you mean 'macs'? one of params, macs, activations"),
        ("macs: 5M", "limits.yaml:1: macs: should be fields with values, but is '5M'"),
        (
            "macs:\n  max: lots",
            "limits.yaml:2: macs.max: should be a number, such as 4.8M, or a multiple, such as 1.1x",
        ),
        ("macs: {most: 1}", "limits.yaml:1: macs.most: unknown field; one of min, max"),
        ("macs: {}", "limits.yaml:1: macs: has neither min nor max; give one or both"),
        ("macs: {min: 2k, max: 1k}", "limits.yaml:1: macs.max: 1k is less than min, 2k; no candidate can be between"),
        ("macs: {min: 2x base, max: 1x base}", "limits.yaml:1: macs.max: 1x base is less than min, 2x base"),
    ],
)
def test_a_limit_that_says_nothing_is_refused(text, sentence):
    with pytest.raises(SpaceError) as refusal:
        limits_from(text)
    assert str(refusal.value).startswith(sentence)
