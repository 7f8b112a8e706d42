"""Widths are rescaled until a network costs what another one does, as the ledger counts it."""

from fractions import Fraction

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from fishnet_search.cost.ledger import ledger_of
from fishnet_search.errors import SpaceError, SpecError
from fishnet_search.graph.build import build_graph
from fishnet_search.space.matching import Match, rescaled, width_fields
from fishnet_search.spec.loading import load_spec, with_fields
from fishnet_search.spec.naming import dotted
from fishnet_search.spec.reading import parse_yaml, validated
from fishnet_search.task.settings import CLASSIFICATION
from tests.fishes import minnow

PERCENT = Fraction(1, 100)
METRICS = ("params", "macs", "activations")


def figure_of(spec, metric):
    return getattr(ledger_of(build_graph(spec)).total, metric)


def off(spec, base, metric):
    return abs(figure_of(spec, metric) / figure_of(base, metric) - 1)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("fishnet-nano", {"tail.downsample": "conv-3x3", "head.downsample": "conv-3x3"}),
        ("fishnet-nano", {"body.depth": 2}),
        ("fishnet150", {"tail.kernel": 5}),
        ("resnet50", {"stages.kernel": 5}),
        ("resnext50-32x4d", {"stages[0].depth": 6}),
        ("densenet121", {"stages[0].depth": 12}),
    ],
)
def test_a_network_of_any_family_is_brought_to_the_cost_of_another(name, fields, metric):
    base = load_spec(name)
    spec = with_fields(base, fields)
    found = rescaled(spec, CLASSIFICATION, metric, figure_of(base, metric), PERCENT, ())
    assert off(found.spec, base, metric) <= PERCENT
    assert with_widths_of(found.spec, spec) == spec  # all else stays


def with_widths_of(spec, other):
    return with_fields(spec, {dotted(at): width for at, width in width_fields(other).items()})


changes = st.fixed_dictionaries(
    {},
    optional={
        "tail.depth": st.integers(1, 3),
        "body.depth": st.integers(1, 3),
        "tail.kernel": st.sampled_from([1, 5]),
        "body.block": st.sampled_from(["preact-basic", "bottleneck"]),
        "head.downsample": st.sampled_from(["conv-3x3", "conv-1x1"]),
        "body[1].transfer_from": st.just("none"),
        "stem.kind": st.sampled_from(["strided-conv", "three-conv"]),
    },
)


@settings(max_examples=15, deadline=None)
@given(changes, st.sampled_from(METRICS))
def test_what_is_within_the_tolerance_is_so_by_the_ledger(fields, metric):
    base = minnow()
    try:
        spec = minnow(**fields)
    except SpecError:  # without a transfer, the channels that enter body[2] are too few
        reject()
    target = figure_of(base, metric)
    found = rescaled(spec, CLASSIFICATION, metric, target, PERCENT, ())
    assert found.off == pytest.approx(off(found.spec, base, metric))
    assert found.off <= max(off(spec, base, metric), PERCENT)
    assert {at for at, width in width_fields(found.spec).items() if width != found.widths[at]} == set()
    assert rescaled(spec, CLASSIFICATION, metric, target, PERCENT, ()).spec == found.spec


def test_the_body_keeps_its_share_of_what_enters_it():
    spec = minnow(**{"tail.kernel": 5})
    found = rescaled(spec, CLASSIFICATION, "macs", figure_of(minnow(), "macs"), PERCENT, ())
    assert found.spec != spec
    shares = [[stage.entering // stage.width for stage in one.plan[4:7]] for one in (spec, found.spec)]
    assert shares[0] == shares[1]


def test_widths_that_are_to_be_kept_are_kept():
    spec = minnow(**{"tail[2].width": 128})
    found = rescaled(spec, CLASSIFICATION, "macs", figure_of(minnow(), "macs"), PERCENT, [("tail", 2, "width")])
    assert found.off <= PERCENT
    assert found.spec.tail[2].width == 128


def test_a_cost_that_no_widths_have_is_approached_as_far_as_it_goes():
    found = rescaled(minnow(), CLASSIFICATION, "macs", 10, PERCENT, ())
    assert found.off > 1
    assert figure_of(found.spec, "macs") < figure_of(minnow(), "macs") / 10


@pytest.mark.parametrize(
    ("text", "share"), [("1%", PERCENT), ("0.5 %", Fraction(1, 200)), (0.02, Fraction(1, 50)), ("50%", Fraction(1, 2))]
)
def test_a_tolerance_is_a_share(text, share):
    assert Match(within=text).within == share


@given(st.text(max_size=20) | st.integers() | st.floats() | st.none() | st.booleans())
def test_any_tolerance_is_a_share_or_refused(value):
    try:
        share = TypeAdapter(Match).validate_python({"within": value}).within
    except ValidationError:
        return
    assert 0 < share <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("within: 0", "match.yaml:1: within: should be a share of more than 0 and at most 50%, such as 1%, but is 0"),
        ("within: 60%", "match.yaml:1: within: should be a share of more than 0 and at most 50%, such as 1%, but is"),
        ("metric: flops", "match.yaml:1: metric: should be 'params', 'macs' or 'activations', but is 'flops'"),
        ("by: depth", "match.yaml:1: by: should be 'width', but is 'depth'"),
    ],
)
def test_a_match_that_cannot_be_made_is_refused(text, sentence):
    with pytest.raises(SpaceError) as refusal:
        validated(Match, parse_yaml(text, "match.yaml", SpaceError), SpaceError)
    assert str(refusal.value).startswith(sentence)
