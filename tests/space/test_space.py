"""A space is read and held against its base, or says which line is wrong."""

import copy
import tempfile
from itertools import islice
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fishnet_search.errors import SpaceError
from fishnet_search.space.candidates import Candidate
from fishnet_search.space.space import load_space
from fishnet_search.spec.loading import load_spec, with_fields
from tests.fishes import minnow
from tests.space.spaces import space_from

GOOD = """\
base: minnow.yaml
axes:
  pooling:
    path: [tail.downsample, head.downsample]
    values: [max-2x2, avg-2x2]
  depth: {path: "tail[1].depth", values: [1, 2]}
seeds: 2
recipe: {epochs: 1, batch_size: 8}
"""
"""What tests change a part of; lines are counted in it."""

SPACES = Path(__file__).parents[2] / "spaces"


def test_a_space_stands_on_its_base_and_takes_the_names_of_its_file_and_axes(tmp_path):
    spelled = space_from(tmp_path, GOOD)
    assert (spelled.name, spelled.base, [*spelled.axes]) == ("mine", minnow(), ["pooling", "depth"])
    assert spelled.baseline.spec == minnow()
    assert spelled.space.seeds == (0, 1)


def test_seeds_can_be_listed(tmp_path):
    assert space_from(tmp_path, GOOD.replace("seeds: 2", "seeds: [7, 3]")).space.seeds == (7, 3)


def test_a_base_can_be_a_file_beside_the_space(tmp_path):
    (tmp_path / "base.json").write_text(load_spec("fishnet-cifar").model_dump_json())  # JSON is YAML
    spelled = space_from(tmp_path, GOOD.replace("minnow.yaml", "base.json").replace("[1, 2]", "[2]"))
    assert spelled.base == load_spec("fishnet-cifar")


def test_a_base_can_be_a_preset(tmp_path):
    spelled = space_from(tmp_path, GOOD.replace("minnow.yaml", "fishnet-cifar").replace("[1, 2]", "[2]"))
    assert spelled.base == load_spec("fishnet-cifar")


def test_the_data_may_give_another_number_of_classes(tmp_path):
    spelled = space_from(tmp_path, GOOD, classes=3)
    assert spelled.base == minnow(classes=3)
    assert {made.spec.classes for made in spelled.candidates()} == {3}


def test_what_a_trial_may_use_is_read(tmp_path):
    space = space_from(tmp_path, GOOD + "resources: {cpu: 2, gpu: 0.25}\nworkers: 4\n").space
    assert (space.resources.cpu, space.resources.gpu, space.workers) == (2, 0.25, 4)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("max-2x2, avg-2x2", "max-2x2, avg"),
            "mine.yaml:5: axes.pooling.values[1]: tail[0].downsample: should be 'max-2x2', 'max-3x3'",
        ),
        (
            ("tail[1].depth", "tail[9].depth"),
            "mine.yaml:6: axes.depth.path: tail[9]: there are only 3 stages, counted from 0",
        ),
        (("values: [1, 2]", "values: [1, 1]"), "mine.yaml:6: axes.depth.values: has 1 twice; keep one"),
        (("values: [1, 2]", "values: []"), "mine.yaml:6: axes.depth.values: should have at least one item"),
        (("values: [1, 2]", "value: [1, 2]"), "mine.yaml:6: axes.depth.value: unknown field; did you mean 'values'?"),
        (
            ("minnow.yaml", "fishnet-nana"),
            "mine.yaml:1: base: fishnet-nana: neither a YAML file nor a preset; did you mean",
        ),
        (
            ("seeds: 2", "seeds: 0"),
            "mine.yaml:7: seeds: should be a number of seeds from 1 to 10000, or",
        ),
        (("seeds: 2", "seeds: 2000000000"), "mine.yaml:7: seeds: should be a number of seeds from 1 to 10000"),
        (("seeds: 2", f"seeds: [{2**63}]"), "mine.yaml:7: seeds[0]: should be less than 9223372036854775808"),
        (("base: minnow.yaml", 'base: "a\\0.yaml"'), "mine.yaml:1: base: "),
        (("minnow.yaml", "~nobody-is-called-this/a.yaml"), "mine.yaml:1: base: ~nobody-is-called-this/a.yaml: no such"),
        (("seeds: 2", "seeds: [1, 1]"), "mine.yaml:7: seeds: has a seed twice; keep one"),
        (("seeds: 2", "seeds: [-1]"), "mine.yaml:7: seeds[0]: should be greater than or equal to 0, but is -1"),
        (("epochs: 1", "epoch: 1"), "mine.yaml:8: recipe.epoch: unknown field; did you mean 'epochs'?"),
        (("epochs: 1", "epochs: 0"), "mine.yaml:8: recipe.epochs: should be greater than or equal to 1, but is 0"),
        (
            ("seeds: 2", "baseline: {polling: 1}"),
            "mine.yaml:7: baseline.polling: there is no axis 'polling'; did you mean 'pooling'?",
        ),
        (("seeds: 2", "baseline: {depth: 9}"), "mine.yaml:7: baseline.depth: 9 is not among the levels 1, 2"),
        (("seeds: 2", "baseline: {depth: true}"), "mine.yaml:7: baseline.depth: True is not among the levels 1, 2"),
        (
            ("tail[1].depth", "image_size"),
            "mine.yaml:6: axes.depth.path: image_size cannot be an axis: all variants",
        ),
        (("base: minnow.yaml\n", ""), "mine.yaml:1: base: is missing; add it"),
        (("tail[1].depth", "classes"), "mine.yaml:6: axes.depth.path: classes cannot be an axis: all variants share"),
        (
            ("tail[1].depth", "tail.downsampel"),
            "mine.yaml:6: axes.depth.path: tail[0].downsampel: unknown field; did",
        ),
        (
            ("tail[1].depth", "head[2].downsample"),
            "mine.yaml:6: axes.depth.path: head[2].downsample is set by axis pooling already; keep it in one place",
        ),
        (
            ('"tail[1].depth"', '["tail[1].depth", tail.depth]'),
            "mine.yaml:6: axes.depth.path: tail[1].depth is set by axis depth already; keep it in one place",
        ),
        (
            ('"tail[1].depth", values: [1, 2]', "tail.depth, range: {from: 1, to: 100}, per: stage"),
            "mine.yaml:2: axes: make 2000000 variants, more than 10000; shorten them",
        ),
        (
            ("recipe: {epochs: 1, batch_size: 8}", "recipe: {epochs: on, learning_rate: 1e-4, momentum: no}"),
            "mine.yaml:8: recipe.epochs: should be a whole number, but is on, which YAML reads as true",
        ),
        (("seeds: 2", "workers: 0"), "mine.yaml:7: workers: should be greater than or equal to 1, but is 0"),
        (("seeds: 2", "resources: {cpu: 0}"), "mine.yaml:7: resources.cpu: should be greater than or equal to 1"),
        (
            ("seeds: 2", "resources: {gpus: 1}"),
            "mine.yaml:7: resources.gpus: unknown field; did you mean 'gpu'? one of cpu, gpu",
        ),
    ],
)
def test_a_mistake_is_answered_with_its_line(tmp_path, change, sentence):
    assert change[0] in GOOD
    with pytest.raises(SpaceError) as refusal:
        space_from(tmp_path, GOOD.replace(*change))
    assert sentence in str(refusal.value)


def test_each_fault_of_a_base_is_told_with_the_line_that_names_it(tmp_path):
    (tmp_path / "broken.yaml").write_text("base: fishnet-nano\nclasses: 0\nnorm: nome\n")
    with pytest.raises(SpaceError) as refusal:
        space_from(tmp_path, GOOD.replace("minnow.yaml", "broken.yaml"))
    lines = str(refusal.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{tmp_path}/mine.yaml:1: base: {tmp_path}/broken.yaml:") for line in lines)


@pytest.mark.parametrize("path", sorted(SPACES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_space_that_comes_with_the_project_can_be_spelled_out(path):
    made = list(load_space(path).candidates())
    assert isinstance(made[0], Candidate)
    assert len({one.name for one in made}) == len(made)


def test_the_spaces_that_come_with_the_project_show_every_design():
    spelled = [load_space(path) for path in SPACES.glob("*.yaml")]
    designs = {one.space.design.kind for one in spelled}
    assert designs == {"one-factor", "grid", "list", "random", "tpe", "nsga2", "cmaes", "evolution"}
    assert {one.space.stop.kind for one in spelled if one.space.stop} == {"asha", "hyperband"}
    assert any(one.space.match for one in spelled)
    assert any(axis.when for one in spelled for axis in one.axes.values())


def test_the_first_space_compares_four_ways_of_halving_the_resolution():
    made = list(load_space(SPACES / "downsample.yaml").candidates())
    assert [one.name for one in made] == ["max-2x2", "max-3x3", "avg-2x2", "conv-3x3"]
    nano = load_spec("fishnet-nano")
    assert [one.spec for one in made] == [
        with_fields(nano, {"tail.downsample": one.name, "head.downsample": one.name}) for one in made
    ]


WHOLE = """\
description: everything that can be written
base: minnow.yaml
axes:
  pooling: {path: [tail.downsample, head.downsample], values: {a: max-2x2, b: avg-2x2}}
  dilation: {path: body.dilation, values: [1, [2]], when: {pooling: [a]}}
  depth: {path: body.depth, range: {from: 1, to: 5, step: 2}, per: stage}
  rate: {path: recipe.learning_rate, range: {from: 0.1, to: 1, log: true}}
baseline: {pooling: b, depth.body1: 3}
constraints: {macs: {min: 0.5x base, max: 1G}, latency_ms: {max: 1.2x base}}
match: {metric: macs, by: width, within: 1%}
design: {kind: random, candidates: 3, seed: 1}
stop: {kind: asha, first: 1, keep: 3}
seeds: 3
data: digits
recipe: {epochs: 2, learning_rate: 0.2}
resources: {cpu: 1, gpu: 0.5}
workers: 1
"""

DESIGNS = [
    "grid",
    {"kind": "one-factor", "pairs": [["pooling", "depth"]]},
    {"kind": "list", "variants": {"a": {}, "b": {"rate": 0.5}}},
    {"kind": "tpe", "candidates": 3, "objectives": ["top1"], "finalists": 2},
    {"kind": "cmaes", "candidates": 3},
]
ODD_NUMBERS = [None, True, False, 0, -1, 1, 2, 2**70, 0.5, -0.0, 1e300, float("nan"), float("inf")]
ODD_WORDS = [
    "",
    "a",
    "1e-3",
    "grid",
    "top1",
    "1x base",
    "../x",
    "tail",
    "tail.depth",
    "recipe.epochs",
    "recipe.",
    "ü\0",
]
ODD_PARTS = ["depth.body1", [], [1], ["a", "b"], [[1], [1]], {}, {"a": 1}, {"from": 1, "to": 2}, {"kind": "grid"}]
ODD = st.sampled_from([*ODD_NUMBERS, *ODD_WORDS, *ODD_PARTS])


def places(data, at=()):
    yield at
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, inner in items:
        yield from places(inner, (*at, step))


@st.composite
def odd_spaces(draw):
    """The space above with some values that do not belong there."""
    data = yaml.safe_load(WHOLE)
    data["design"] = copy.deepcopy(draw(st.sampled_from([data["design"], *DESIGNS])))
    for _ in range(draw(st.integers(1, 3))):
        *steps, last = draw(st.sampled_from([at for at in places(data) if at]))
        inside = data
        for step in steps:
            inside = inside[step]
        what = draw(st.integers(0, 3))
        if what == 0 and isinstance(inside, dict):
            inside[draw(st.sampled_from(["", "a", "ü", "from", "path", "depth", "a b"]))] = inside.pop(last)
        elif what == 1:
            del inside[last]
        else:
            inside[last] = copy.deepcopy(draw(ODD))
        if not any(at for at in places(data)):
            break
    return data


@settings(deadline=None, max_examples=100)
@given(odd_spaces())
def test_any_space_is_spelled_out_or_refused_with_file_and_line(data):
    with tempfile.TemporaryDirectory() as folder:
        try:
            spelled = space_from(Path(folder), yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
            made = list(islice(spelled.candidates(), 20))
        except SpaceError as refusal:
            assert all(f"{folder}/mine.yaml:" in line for line in str(refusal).splitlines())
        else:
            assert made[0] == spelled.baseline
