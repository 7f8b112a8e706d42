"""An axis whose levels are whole networks, of one family or several."""

import pytest

from fishnet_search.cost.ledger import cost_of
from fishnet_search.errors import SpaceError
from fishnet_search.graph.build import build_graph
from fishnet_search.space.candidates import Candidate, Refusal
from fishnet_search.space.enumeration import drawn
from fishnet_search.spec.loading import load_spec, with_fields
from tests.fishes import minnow
from tests.space.spaces import space_from

RESNET = """\
family: resnet
image_size: 64
classes: 7
stages:
  - {depth: 1, width: 32, block: basic, downsample: none}
  - {depth: 1, width: 64, block: basic}
"""

TWO = """\
base: minnow.yaml
axes:
  network: {path: base, values: {fish: minnow.yaml, res: resnet.yaml}}
"""
FAMILIES = TWO + "data: digits\n"


def spelled(folder, text, **arguments):
    (folder / "resnet.yaml").write_text(RESNET)
    return space_from(folder, text, **arguments)


def resnet(folder, **fields):
    (folder / "resnet.yaml").write_text(RESNET)
    return with_fields(load_spec(folder / "resnet.yaml"), {"image_size": 32, "classes": 10} | fields)


def test_each_level_is_a_network_with_the_image_size_and_the_classes_of_the_base(tmp_path):
    made = list(spelled(tmp_path, FAMILIES).candidates())
    assert [one.name for one in made] == ["fish", "res"]
    assert [one.spec for one in made] == [minnow(), resnet(tmp_path)]
    assert made[1].cost == cost_of(build_graph(resnet(tmp_path)))


def test_the_classes_of_the_data_reach_every_network(tmp_path):
    made = list(spelled(tmp_path, FAMILIES, classes=3).candidates())
    assert [one.spec for one in made] == [minnow(classes=3), resnet(tmp_path, classes=3)]


def test_presets_are_levels_by_their_names(tmp_path):
    text = "base: resnet50\naxes: {backbone: {path: base, values: [resnet50, densenet121, fishnet99]}}\n"
    made = list(space_from(tmp_path, text).candidates())
    assert {one.name: one.spec for one in made} == {
        name: load_spec(name) for name in ("resnet50", "densenet121", "fishnet99")
    }


def test_other_axes_change_each_network_that_has_their_fields(tmp_path):
    text = TWO + "  activation: {path: activation, values: [relu, silu]}\n"
    made = {one.name: one.spec for one in spelled(tmp_path, text).candidates()}
    assert made["network=res,activation=silu"] == resnet(tmp_path, activation="silu")
    assert made["network=fish,activation=silu"] == minnow(activation="silu")


def test_of_a_grid_networks_without_a_field_are_refused_by_name(tmp_path):
    text = TWO + "  pooling: {path: tail.downsample, values: [max-2x2, blur]}\n"
    made = {one.name: one for one in spelled(tmp_path, text).candidates()}
    assert isinstance(made["network=fish,pooling=blur"], Candidate)
    refused = made["network=res,pooling=blur"]
    assert isinstance(refused, Refusal)
    assert refused.where == f"{tmp_path}/mine.yaml:2: axes"
    assert "tail: unknown field" in refused.reason


def test_an_axis_under_a_condition_is_of_the_network_that_it_counts_at(tmp_path):
    text = TWO + '  depth: {path: "stages[1].depth", values: [1, 2], when: {network: res}}\n'
    made = {one.name: one.spec for one in spelled(tmp_path, text).candidates()}
    assert made == {
        "network=fish": minnow(),
        "network=res,depth=1": resnet(tmp_path),
        "network=res,depth=2": resnet(tmp_path, **{"stages[1].depth": 2}),
    }


def test_a_range_under_a_condition_begins_at_what_that_network_has(tmp_path):
    text = TWO + '  width: {path: "stages[1].width", range: {from: 32, to: 64, step: 16}, when: {network: res}}\n'
    assert spelled(tmp_path, text).axes["width"].baseline == 64


def test_a_twin_of_another_family_costs_what_the_baseline_does(tmp_path):
    text = FAMILIES + "match: {metric: macs, by: width, within: 1%}\n"
    fish, res, twin = spelled(tmp_path, text).candidates()
    assert (twin.name, twin.matches, twin.spec.family) == ("res-same-macs", "res", "resnet")
    assert abs(twin.cost.macs / fish.cost.macs - 1) <= 0.01 < abs(res.cost.macs / fish.cost.macs - 1)


def test_a_twin_keeps_the_widths_that_an_axis_has_set_in_its_own_network(tmp_path):
    text = (
        TWO
        + '  width: {path: "stages[1].width", values: [64, 96], when: {network: res}}\n'
        + "match: {metric: macs, by: width, within: 2%}\n"
    )
    made = [one for one in spelled(tmp_path, text).candidates() if isinstance(one, Candidate) and one.matches]
    assert [one.spec.stages[1].width for one in made] == [one.levels["width"] for one in made] == [64, 96]


def test_equal_networks_are_one_whatever_they_are_called(tmp_path):
    text = FAMILIES.replace("fish: minnow.yaml", "fish: minnow.yaml, again: minnow.yaml")
    made = {one.name: one for one in spelled(tmp_path, text).candidates()}
    assert made["again"].duplicate_of == "fish"


def test_limits_in_multiples_of_the_base_go_by_the_base_of_the_space(tmp_path):
    text = FAMILIES + "baseline: {network: res}\nconstraints: {params: {max: 1x base}}\n"
    assert cost_of(build_graph(resnet(tmp_path))).params < 0.99 * cost_of(build_graph(minnow())).params
    assert [type(one) for one in spelled(tmp_path, text).candidates()] == [Candidate, Candidate]
    tight = spelled(tmp_path, text.replace("1x base", "0.99x base"))
    assert [type(one) for one in tight.candidates()] == [Candidate, Refusal]


def test_a_search_draws_networks_like_any_level(tmp_path):
    space = spelled(tmp_path, TWO + "design: {kind: tpe, candidates: 4}\n")
    families = {space.candidate(drawn(space.axes, 0, number)).spec.family for number in range(20)}
    assert families == {"fish", "resnet"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("res: resnet.yaml", "res: resnet5"),
            "mine.yaml:3: axes.network.values.res: resnet5: neither a YAML file nor",
        ),
        (("res: resnet.yaml", "res: no.yaml"), "mine.yaml:3: axes.network.values.res: "),
        (("res: resnet.yaml", "res: 3"), "mine.yaml:3: axes.network.values.res: should be a preset's name or a file's"),
        (
            ("{fish: minnow.yaml, res: resnet.yaml}", "[fishnet-nano, a/b.yaml]"),
            "mine.yaml:3: axes.network.values[1]: 'a/b.yaml' cannot be a name; use up to 60 letters",
        ),
        (("path: base", "path: [base, activation]"), "mine.yaml:3: axes.network: sets the base, a whole network"),
        (("path: base,", "path: base, per: stage,"), "mine.yaml:3: axes.network: sets the base, a whole network"),
        (
            ("values: {fish: minnow.yaml, res: resnet.yaml}", "range: {from: 1, to: 2}"),
            "mine.yaml:3: axes.network: sets the base, a whole network",
        ),
        (
            ("data: digits", "  size: {path: base, values: [fishnet-nano]}"),
            "mine.yaml:4: axes.size.path: base is set by axis network already; keep it in one place",
        ),
        (
            ("res: resnet.yaml", "res: fishnet99, deep: deep.yaml"),
            "mine.yaml:3: axes.network.values.deep: deep.yaml: image_size: must be a multiple of 64, the",
        ),
        (
            ("data: digits", "  depth: {path: stages.depth, values: [1]}"),
            "mine.yaml:4: axes.depth.path: stages: unknown field",
        ),
    ],
)
def test_a_mistake_is_answered_with_its_line(tmp_path, change, sentence):
    assert change[0] in FAMILIES
    (tmp_path / "deep.yaml").write_text(RESNET + "  - {depth: 1, width: 64}\n" * 3)
    with pytest.raises(SpaceError) as refusal:
        spelled(tmp_path, FAMILIES.replace(*change))
    assert sentence in str(refusal.value)
