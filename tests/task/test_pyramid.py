import pytest

from fishnet_search.errors import SpecError
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import taps_of
from fishnet_search.spec.loading import load_spec
from fishnet_search.task.levels import detector_graph, levels_of, segmenter_graph, side_multiple
from fishnet_search.task.settings import Detection, SemanticSegmentation
from tests.fishes import minnow
from tests.task.tiny import FAMILIES

USUAL = [(4, 32, 14 * 4), (8, 64, 14 * 8), (16, 128, 14 * 16), (32, 256, 14 * 32), (64, 512, None)]


def levels(spec, **settings):
    task = Detection(**settings)
    return levels_of(detector_graph(build_graph(spec), task), task)


@pytest.mark.parametrize("family", ["fish", "resnet", "densenet"])
def test_a_backbone_that_halves_its_resolution_has_the_levels_of_the_paper(family):
    found = levels(FAMILIES[family])
    assert [level[1:] for level in found] == USUAL
    assert found[-1].name == f"{found[-2].name}/2"


def test_a_fish_gives_the_end_of_its_body_and_its_head():
    assert [level.name for level in levels(FAMILIES["fish"])] == ["body2", "head0", "head1", "head2", "head2/2"]


def test_a_detnet_keeps_its_resolution_and_doubles_its_anchors_all_the_same():
    assert levels(load_spec("detnet59")) == (
        ("c2", 4, 32, 56),
        ("c3", 8, 64, 112),
        ("c4", 16, 128, 224),
        ("c5", 16, 256, 448),
        ("c6", 16, 512, 896),
    )


def test_a_pyramid_stands_on_any_stages_also_on_a_single_one():
    named = levels(FAMILIES["resnet"], taps=("stage0", "stage2"), smallest_anchor=10)
    assert named == (("stage0", 4, 10, 56), ("stage2", 16, 20, 224), ("stage2/2", 32, 40, None))
    assert [level.stride for level in levels(FAMILIES["resnet"], taps=("stage3",))] == [32, 64]


def test_without_a_tap_of_usual_stride_all_are_taken():
    fine = minnow().model_copy(update={"taps": {"coarse": "head0", "fine": "body2"}})
    assert [(level.name, level.stride) for level in levels(fine)] == [("fine", 1), ("coarse", 2), ("coarse/2", 4)]


def test_taps_that_do_not_go_from_fine_to_coarse_are_refused():
    with pytest.raises(SpecError, match="taps go from fine to coarse, not stage2 of stride 16, stage0 of stride 4"):
        levels(FAMILIES["resnet"], taps=("stage2", "stage0"))
    with pytest.raises(SpecError, match="there is no stage 'stage7'"):
        levels(FAMILIES["resnet"], taps=("stage7",))


@pytest.mark.parametrize(
    ("family", "tap"), [("fish", "body2"), ("resnet", "stage3"), ("detnet", "c6"), ("densenet", "stage3")]
)
def test_pixels_are_judged_on_a_fishs_body_and_on_the_last_tap_of_others(family, tap):
    graph = build_graph(FAMILIES[family])
    assert [found.name for found in taps_of(segmenter_graph(graph, SemanticSegmentation()))] == [tap]
    assert [found.name for found in taps_of(segmenter_graph(graph, SemanticSegmentation(tap="stem")))] == ["stem"]


def test_images_are_padded_to_what_both_the_network_and_torchvision_ask_for():
    assert side_multiple(build_graph(load_spec("fishnet-nano"))) == 32
    deep = FAMILIES["resnet"].model_copy(update={"stages": (*FAMILIES["resnet"].stages, FAMILIES["resnet"].stages[-1])})
    assert side_multiple(build_graph(deep)) == 64
