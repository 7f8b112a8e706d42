"""A fish is a frozen value that is checked when it is made."""

import copy
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fishnet_search.errors import SpecError
from fishnet_search.graph.build import build_graph
from fishnet_search.spec.fish import FishSpec
from fishnet_search.spec.loading import load_spec, preset_names, with_fields
from tests.fishes import minnow
from tests.spec.strategies import fish_specs


def test_the_networks_of_the_fields_papers_and_some_small_ones_come_with_the_package():
    assert preset_names() == [
        "densenet121",
        "densenet161",
        "detnet59",
        "fishnet-cifar",
        "fishnet-cifar-light",
        "fishnet-medium",
        "fishnet-mini",
        "fishnet-nano",
        "fishnet-tiny-light",
        "fishnet150",
        "fishnet201",
        "fishnet99",
        "fishnext150",
        "resnet101",
        "resnet50",
        "resnext50-32x4d",
    ]


def test_the_fish_for_64_pixels_and_200_classes_are_of_two_sizes():
    medium, mini = load_spec("fishnet-medium"), load_spec("fishnet-mini")
    assert (medium.image_size, medium.classes) == (mini.image_size, mini.classes) == (64, 200)
    assert [stage.width for stage in medium.tail] == [2 * stage.width for stage in mini.tail]


@pytest.mark.parametrize(
    ("name", "depths", "transfers"),
    [  # num_res_blks and num_trans_blks of kevin-ssy/FishNet, models/net_factory.py
        ("fishnet99", [2, 2, 6, 2, 1, 1, 1, 1, 2, 2], [1, 1, 1, 1, 1, 4]),
        ("fishnet150", [2, 4, 8, 4, 2, 2, 2, 2, 2, 4], [2, 2, 2, 2, 2, 4]),
        ("fishnet201", [3, 4, 12, 4, 2, 2, 2, 2, 3, 10], [2, 2, 2, 2, 2, 9]),
    ],
)
def test_presets_have_the_published_depths(name, depths, transfers):
    spec = load_spec(name)
    assert [stage.depth for stage in (*spec.tail, spec.bridge, *spec.body, *spec.head)] == depths
    assert [stage.transfer for stage in (*spec.body, *spec.head)] == transfers
    assert [stage.dilation for stage in spec.body] == [1, 2, 4]


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        load_spec("fishnet99").classes = 10


@given(fish_specs())
@settings(max_examples=50, deadline=None)
def test_a_spec_survives_json(spec):
    assert FishSpec.model_validate(json.loads(spec.model_dump_json())) == spec


def test_a_field_is_set_for_a_whole_part_or_one_stage():
    spec = minnow(**{"tail.downsample": "avg-2x2", "head[1].downsample": "conv-3x3", "bridge.depth": 3})
    assert [stage.downsample for stage in spec.tail] == ["avg-2x2"] * 3
    assert [stage.downsample for stage in spec.head] == ["max-2x2", "conv-3x3", "max-2x2"]
    assert spec.bridge.depth == 3
    assert minnow().bridge.depth == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"body[1].width": 500},
            "mine: body[1].width: 500 does not divide the 96 channels that enter it; use 96",
        ),
        (
            {"body[0].width": 20},
            "mine: body[0].width: 20 does not divide the 64 channels that enter it; use 16 or 32",
        ),
        (
            {"head[0].width": 64},
            "mine: head[0].width: 64 differs from the 40 channels that enter it, which adds a 1×1 convolution to the "
            "shortcut; use 'derived', or set shortcut: projection if that is meant",
        ),
        (
            {"head[0].width": 42, "head[0].shortcut": "projection"},
            "mine: head[0].width: must be a multiple of the expansion 4, but is 42; use 40 or 44",
        ),
        (
            {"head[0].width": "wide"},
            "mine: head[0].width: should be a whole number or should be 'derived', but",
        ),
        ({"tail[0].width": 18}, "mine: tail[0].width: must be a multiple of the expansion 4, but is 18; use 16 or 20"),
        ({"tail[0].depth": 0}, "mine: tail[0].depth: should be greater than or equal to 1, but is 0"),
        ({"tail.downsampel": "max-2x2"}, "mine: tail[0].downsampel: unknown field; did you mean 'downsample'?"),
        (
            {"tail[1].downsample": "max"},
            "should be 'max-2x2', 'max-3x3', 'avg-2x2', 'conv-3x3', 'conv-1x1' or 'blur', but is 'max'",
        ),
        (
            {"image_size": 36},
            "mine: image_size: must be a multiple of 8, the stride of this network, but is 36; use 32 or 40",
        ),
        ({"tail[3].width": 16}, "mine: tail[3]: there are only 3 stages, counted from 0"),
        ({"tial.width": 16}, "mine: tial: unknown field; did you mean 'tail'?"),
        ({"tail..width": 16}, "mine: 'tail..width' is not a path; write it like tail.downsample"),
        ({"": 16}, "mine: '' is not a path"),
        ({"classes.width": 16}, "mine: classes.width leads nowhere"),
        ({"classes.width.a": 16}, "mine: classes.width leads nowhere"),
        ({"tail[0]": 16}, "mine: 'tail[0]' does not name a single field; write it like tail.downsample"),
        ({"tail": 3}, "mine: 'tail' does not name a single field"),
        ({"tail[1].downsample": "conv3x3"}, "but is 'conv3x3'; did you mean 'conv-3x3'?"),
    ],
)
def test_what_cannot_be_built_is_refused_with_what_would_do(fields, sentence):
    with pytest.raises(SpecError) as refusal:
        with_fields(minnow(), fields, "mine")
    assert sentence in str(refusal.value)


def test_all_problems_are_named_not_only_the_first():
    with pytest.raises(SpecError) as refusal:
        minnow(**{"classes": 0, "stem.width": 3, "tail[1].depth": -1})
    assert len(str(refusal.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"tail[0].kernel": 4},
            "tail[0].kernel: must be odd, so that the output keeps its place, but is 4",
        ),
        (
            {"tail[0].dilation": [1, 2]},
            "tail[0].dilation: has 2 numbers for 1 blocks; give one a block, or a single number",
        ),
        (
            {"tail[0].groups": 3},
            "tail[0].groups: 3 does not divide the 4 channels inside the bottleneck (16 over the expansion 4); use 2",
        ),
        (
            {"body[0].group_width": 16},
            "body[0].group_width: 16 does not divide the 8 channels inside the bottleneck (32, as tail1 has that is "
            "transferred over the expansion 4); use 8",
        ),
        (
            {"tail[0].block": "basic", "tail[0].groups": 2},
            "tail[0].groups: groups belong to bottlenecks, but the block is 'basic'; remove it",
        ),
        (
            {"tail[0].shortcut": "identity"},
            "tail[0].shortcut: is 'identity', but the channels change from 8 to 16; use 'projection' or 'derived'",
        ),
        (
            {"tail[0].shortcut": "squeeze"},
            "tail[0].width: 16 does not divide the 8 channels that enter it; use 8",
        ),
        (
            {"body[1].transfer_from": "tail9"},
            "body[1].transfer_from: there is no stage 'tail9' before this one; did you mean 'tail2'?",
        ),
        (
            {"body[1].transfer_from": "stem"},
            "body[1].transfer_from: 'stem' has the output stride 1; those with this stage's output stride 2 are tail0",
        ),
        ({"body[0].transfer_from": "body2"}, "body[0].transfer_from: there is no stage 'body2' before this one"),
        ({"taps.fine": "body7"}, "taps.fine: there is no stage 'body7'; did you mean 'body2'?"),
        ({"tail[0].depth": True}, "tail[0].depth: should be a whole number"),
        ({"tail[0].dilation": True}, "tail[0].dilation: should be a whole number"),
        ({"tail[0].squeeze_excitation": 1}, "tail[0].squeeze_excitation: should be"),
    ],
)
def test_every_field_that_does_not_fit_says_what_would(fields, sentence):
    with pytest.raises(SpecError) as refusal:
        minnow(**fields)
    assert sentence in str(refusal.value)


def test_stages_behind_a_width_that_does_not_fit_still_tell_what_is_wrong_with_themselves():
    with pytest.raises(SpecError) as refusal:
        minnow(**{"tail[0].width": 30, "bridge.width": 33, "body[1].dilation": [1, 2], "image_size": 36})
    assert [line.partition(": must")[0].partition(": has")[0] for line in str(refusal.value).splitlines()] == [
        "fields: tail[0].width",
        "fields: bridge.width",
        "fields: body[1].dilation",
        "fields: image_size",
    ]


def test_a_squeeze_beside_a_strided_block_is_refused_for_the_stride():
    fields = {"stages[1].shortcut": "squeeze"}
    with pytest.raises(SpecError, match="'squeeze', which keeps the resolution, but the first block halves it"):
        with_fields(load_spec("resnet50"), fields)
    with_fields(load_spec("resnet50"), fields | {"stages[1].downsample": "max-2x2", "stages[1].width": 128})


def test_a_spec_can_be_the_key_of_a_mapping_and_its_taps_stay():
    spec = load_spec("detnet59")
    assert {spec: 1}[load_spec("detnet59")] == 1
    with pytest.raises(TypeError, match="cannot be changed"):
        spec.taps["more"] = "stage0"
    assert copy.deepcopy(spec) == pickle.loads(pickle.dumps(spec)) == spec


def test_a_head_deeper_than_the_bridge_has_nothing_to_transfer():
    data = minnow().model_dump()
    with pytest.raises(ValidationError, match="no stage of bridge or body has the output stride 16; set transfer_from"):
        FishSpec.model_validate(data | {"image_size": 64, "head": [*data["head"], {"depth": 1}]})
    deeper = FishSpec.model_validate(
        data | {"image_size": 64, "head": [*data["head"], {"depth": 1, "transfer_from": "none"}]}
    )
    assert deeper.stride == 16


def test_a_body_cannot_rise_above_the_image():
    data = minnow().model_dump()
    with pytest.raises(ValidationError, match="only 3 halvings come before them; use at most 3"):
        FishSpec.model_validate(data | {"body": [*data["body"], {"depth": 1, "width": 8, "transfer_from": "none"}]})


def test_a_copy_is_checked_as_every_spec_is_and_derives_anew():
    wider = minnow().model_copy(update={"stem": minnow().stem.model_copy(update={"width": 16})})
    assert wider.stage_outputs["body2"] == (1, 32 + 16)
    with pytest.raises(ValidationError, match="does not divide"):
        minnow().model_copy(update={"bridge": minnow().bridge.model_copy(update={"width": 20})})


paths = st.from_regex(
    r"(tail|body|head|bridge|stem)(\[[0-3]\])?\.(depth|width|transfer|transfer_from|kind|dilation|block|groups|kernel|x)",
    fullmatch=True,
)
values = st.one_of(
    st.integers(-5, 200), st.text(max_size=5), st.none(), st.floats(), st.lists(st.integers(), max_size=2)
)


@given(st.dictionaries(paths | st.text(max_size=12), values, max_size=3))
@settings(max_examples=300, deadline=None)
def test_no_fields_make_anything_but_a_spec_that_can_be_spelled_out_or_a_spec_error(fields):
    try:
        spec = with_fields(minnow(), fields)
    except SpecError:
        return
    build_graph(spec)
