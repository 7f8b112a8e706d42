"""Spaces of detection and segmentation, those that come with the project among them."""

from pathlib import Path

import pytest

from fishnet_search.cost.ledger import cost_of
from fishnet_search.engine.survey import survey
from fishnet_search.errors import SpaceError
from fishnet_search.graph.build import build_graph
from fishnet_search.space.candidates import Candidate, Refusal
from fishnet_search.space.space import load_space
from fishnet_search.task.cost import model_cost
from tests.archives import unpacked
from tests.space.spaces import space_from

SPACES = Path(__file__).parents[2] / "spaces"
SHAPES = sorted((SPACES / "shapes").glob("[!f]*.yaml"))
NEW = [*SHAPES, SPACES / "bccd.yaml", SPACES / "dilation.yaml"]


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("path", NEW, ids=lambda path: path.stem)
def test_every_candidate_of_the_spaces_that_come_along_is_a_network(path, small):
    found = list(load_space(path, small=small).candidates())
    assert all(isinstance(one, Candidate) for one in found), found


def test_whole_images_regions_and_pixels_see_the_same_networks():
    spaces = {path.stem: load_space(path, classes=8) for path in SHAPES}
    assert {name: space.space.task.kind for name, space in spaces.items()} == {
        "image": "classification",
        "pixel": "semantic-segmentation",
        "region": "detection",
    }
    specs = [[one.spec for one in space.candidates()] for space in spaces.values()]
    assert specs[0] == specs[1] == specs[2]
    assert {space.space.data.source.partition(":")[0] for space in spaces.values()} == {"shapes"}
    assert {len(space.space.seeds) for space in spaces.values()} == {3}


def test_the_backbones_for_blood_cells_cost_alike_and_are_of_three_kinds():
    space = load_space(SPACES / "bccd.yaml")
    alone = {one.name: model_cost(one.spec, space.space.task, 3).backbone.macs for one in space.candidates()}
    assert set(alone) == {"fish", "detnet", "resnet"}
    assert max(alone.values()) < 1.05 * min(alone.values())
    recipe = space.space.recipe
    assert (recipe.epochs, recipe.shorter_side, space.space.seeds) == (12, 160, (0, 1, 2))


@pytest.mark.parametrize("small", [False, True])
def test_the_space_of_blood_cells_is_checked_on_its_images(tmp_path, small):
    root = unpacked("bccd-voc.tar.xz", tmp_path) / "BCCD"
    found = survey(SPACES / "bccd.yaml", data=f"voc:{root}", small=small)
    assert (found.train_images, found.space.base.classes) == (205, 3)
    assert [one.name for one in found.candidates] == ["resnet", "detnet", "fish"]
    assert not found.refused


DETECTION = """\
base: minnow.yaml
task: {kind: detection, pyramid_channels: 16, head_channels: 16}
axes: {width: {path: "tail[2].width", values: [64, 32]}}
data: shapes
"""


def test_candidates_cost_what_the_whole_model_does(tmp_path):
    space = space_from(tmp_path, DETECTION)
    (first, _) = space.candidates()
    whole = model_cost(first.spec, space.space.task, first.spec.classes)
    assert (first.cost.params, first.cost.macs) == (whole.params, whole.macs)
    assert first.cost.macs > cost_of(build_graph(first.spec)).macs
    assert first.cost.params > whole.backbone.params


def test_limits_go_by_the_whole_model(tmp_path):
    space = space_from(tmp_path, DETECTION)
    wide, narrow = space.candidates()
    middle = (wide.cost.params + narrow.cost.params) // 2
    text = DETECTION + f"baseline: {{width: 32}}\nconstraints: {{params: {{max: {middle}}}}}\n"
    found = {one.name: type(one) for one in space_from(tmp_path, text).candidates()}
    assert found == {"32": Candidate, "64": Refusal}


def test_of_several_networks_one_without_the_taps_is_refused_by_name(tmp_path):
    text = DETECTION.replace("head_channels: 16", "taps: [head0, head1]")
    networks = "axes: {network: {path: base, values: {fish: minnow.yaml, res: resnet50}}}\n"
    lines = [networks if line.startswith("axes") else line for line in text.splitlines(keepends=True)]
    fish, res = space_from(tmp_path, "".join(lines)).candidates()
    assert isinstance(fish, Candidate)
    assert isinstance(res, Refusal)
    assert res.where == f"{tmp_path}/mine.yaml:2: task"
    assert "there is no stage 'head0'" in res.reason


def test_a_base_without_the_taps_is_no_measure_for_limits(tmp_path):
    text = """\
base: minnow.yaml
task: {kind: detection, taps: [c2, c3]}
axes: {network: {path: base, values: {det: detnet59.yaml}}}
constraints: {params: {max: 1x base}}
data: shapes
"""
    (tmp_path / "detnet59.yaml").write_text("base: detnet59\nimage_size: 32\n")
    with pytest.raises(SpaceError, match=r"mine\.yaml:2: task: the base: there is no stage 'c2'"):
        space_from(tmp_path, text)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("kind: detection", "kind: detecting"), "mine.yaml:2: task: there is no task 'detecting'; did you mean"),
        (("kind: detection, ", ""), "mine.yaml:2: task: has no kind; add it, such as kind: detection"),
        (("pyramid_channels", "pyramids"), "mine.yaml:2: task.pyramids: unknown field; did you mean 'pyramid_channels"),
        (("pyramid_channels: 16", "tap: body0"), "mine.yaml:2: task.tap: unknown field; did you mean 'taps'?"),
        (("kind: detection", "kind: classification"), "mine.yaml:2: task.pyramid_channels: unknown field"),
        (("pyramid_channels: 16", "pyramid_channels: 0"), "mine.yaml:2: task.pyramid_channels: should be greater"),
        (('"tail[2].width"', "recipe.cutmix"), "mine.yaml:3: axes.width.path: recipe.cutmix means nothing for detecti"),
        (("data: shapes", "recipe: {crop: pad}"), "mine.yaml:4: recipe.crop: is for classification alone"),
    ],
)
def test_a_task_that_does_not_fit_is_answered_with_its_line(tmp_path, change, sentence):
    assert change[0] in DETECTION
    with pytest.raises(SpaceError) as refusal:
        space_from(tmp_path, DETECTION.replace(*change))
    assert sentence in str(refusal.value)


def test_a_field_for_regions_is_no_axis_of_classifiers(tmp_path):
    text = "base: minnow.yaml\naxes: {side: {path: recipe.shorter_side, values: [32, 64]}}\n"
    with pytest.raises(SpaceError, match=r"mine\.yaml:2: axes\.side\.path: recipe\.shorter_side means nothing for cla"):
        space_from(tmp_path, text)
