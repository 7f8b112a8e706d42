import pytest
import torch
from torch import distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fishnet_search.errors import TrainingError, WeightsError
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import features_only
from fishnet_search.network.network import build_network
from fishnet_search.task.backbone import StillNorm, backbone_of, freeze, load_backbone, with_norm
from fishnet_search.task.losses import detection_loss
from fishnet_search.task.models import build_model
from fishnet_search.task.settings import Classification
from tests.task.tiny import BOXES, FAMILIES, PIXELS, noise, targets


def model(family, task=BOXES, seed=0):
    return build_model(FAMILIES[family], task, 3, seed=seed)


def step(detector):
    """Train on one batch, and return the state before and after."""
    optimiser = torch.optim.SGD([p for p in detector.parameters() if p.requires_grad], lr=0.1)
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    images = [noise(3, 64, 64), noise(3, 64, 64, seed=1)]
    with torch.random.fork_rng(devices=[]):
        detection_loss(detector.train()(images, targets([(1, 4, 6, 30, 28)], []))).backward()
    optimiser.step()
    return before, detector.state_dict()


def changed(before, after):
    """The parts of a model in which something changed, stages of the backbone apart."""
    names = [name for name, value in after.items() if not torch.equal(value, before[name])]
    return {name.removeprefix("backbone.body.").partition(".")[0] for name in names}


def norms(module):
    return [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]


@pytest.mark.parametrize(
    ("family", "stages", "trained"),
    [
        ("fish", 5, {"body1", "body2", "head0", "head1", "head2"}),
        ("resnet", 0, {"stage0", "stage1", "stage2", "stage3"}),
        ("resnet", 2, {"stage2", "stage3"}),
        ("densenet", 2, {"stage2", "transition2", "stage3"}),
        ("detnet", 5, set()),
    ],
)
def test_frozen_stages_stay_as_they_are_and_the_others_learn(family, stages, trained):
    before, after = step(freeze(model(family), stages))
    assert changed(before, after) == {*trained, "backbone", "rpn", "roi_heads"}


def test_frozen_norms_stay_in_evaluation_mode_while_the_others_follow_the_model():
    body = backbone_of(freeze(model("resnet"), 1).train())
    assert not any(norm.training for norm in norms(body.stem) + norms(body.stage0))
    assert all(norm.training for norm in norms(body.stage1))
    assert not any(norm.training for norm in norms(body.eval()))


def test_a_classifier_is_frozen_up_to_its_last_layer():
    network = freeze(model("fish", Classification()), 9)
    assert {name.partition(".")[0] for name, value in network.named_parameters() if value.requires_grad} == {
        "head2",
        "classifier",
    }


def test_more_stages_than_there_are_cannot_be_frozen():
    with pytest.raises(TrainingError, match=r"cannot freeze 5 stages: the backbone has 4, stage0, .*; use 4 or fewer"):
        freeze(model("resnet"), 5)


def test_with_frozen_norms_the_convolutions_learn_and_no_norm_of_the_backbone_changes():
    detector = with_norm(model("resnet"), "frozen")
    before, after = step(detector)
    assert changed(before, after) >= {"stem", "stage0", "stage3"}
    frozen = {name for name in after if ".norm" in name}
    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)


def test_frozen_norms_leave_those_of_the_head_alone():
    segmenter = with_norm(model("fish", PIXELS), "frozen")
    assert all(isinstance(norm, StillNorm) for norm in norms(segmenter.body))
    assert segmenter.head.norm1.weight.requires_grad
    assert segmenter.train().head.norm1.training


@pytest.mark.parametrize("change", [lambda m: freeze(m, 2), lambda m: with_norm(m, "frozen")])
def test_the_state_dict_and_what_is_computed_of_it_stay_the_same(change):
    plain, other = model("resnet", PIXELS), change(model("resnet", PIXELS))
    assert list(other.state_dict()) == list(plain.state_dict())
    other.load_state_dict(plain.state_dict())
    images = noise(1, 3, 64, 64)
    assert torch.equal(other.eval()(images), plain.eval()(images))


def test_trained_norms_are_plain_ones_and_so_are_synchronised_ones_in_a_single_process():
    for choice in ("trained", "synchronised"):
        assert {type(norm) for norm in norms(with_norm(model("resnet"), choice))} == {nn.BatchNorm2d}


def test_of_several_ranks_norms_are_synchronised_but_for_those_that_are_frozen(monkeypatch):
    pretend_ranks(monkeypatch, 2)
    with torch.device("meta"):
        moved = model("resnet", PIXELS).to("meta")
    names = list(moved.state_dict())
    segmenter = with_norm(freeze(moved, 1), "synchronised")
    assert {type(norm) for norm in norms(segmenter.body.stage0)} == {StillNorm}
    assert {type(norm) for norm in norms(segmenter.body.stage1) + norms(segmenter.head)} == {nn.SyncBatchNorm}
    assert list(segmenter.state_dict()) == names
    frozen = freeze(segmenter, 3)
    assert {type(norm) for norm in norms(frozen.body.stage2)} == {StillNorm}


def test_norms_of_several_ranks_on_the_cpu_cannot_be_synchronised(monkeypatch):
    pretend_ranks(monkeypatch, 2)
    with pytest.raises(TrainingError, match="synchronises batch norms on GPUs alone"):
        with_norm(model("resnet"), "synchronised")


def pretend_ranks(monkeypatch, count):
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: count)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("task", [BOXES, PIXELS], ids=["boxes", "pixels"])
def test_a_backbone_takes_a_classifiers_weights_and_gives_its_features(family, task):
    graph = build_graph(FAMILIES[family].model_copy(update={"classes": 17}))
    state = build_network(graph, seed=9).state_dict()
    other = model(family, task)
    load_backbone(other, state, where="here")
    body = backbone_of(other).eval()
    reference = build_network(features_only(graph, [tap.node for tap in body.taps])).eval()
    reference.load_state_dict({name: state[name] for name in reference.state_dict()})
    images = noise(1, 3, 64, 64)
    features = reference(images)
    assert all(torch.equal(body(images)[tap.name], features[tap.node]) for tap in body.taps)


def test_a_classifier_of_other_classes_takes_all_but_the_last_layer():
    state = build_network(build_graph(FAMILIES["densenet"]), seed=9).state_dict()
    network = model("densenet", Classification())
    last = network.classifier.linear.weight.clone()
    load_backbone(network, state, where="here")
    assert torch.equal(network.stage0.layer0.conv1.weight, state["stage0.layer0.conv1.weight"])
    assert torch.equal(network.classifier.linear.weight, last)


def test_weights_that_are_missing_or_of_another_shape_are_named_and_none_is_loaded():
    state = build_network(build_graph(FAMILIES["resnet"]), seed=9).state_dict()
    del state["stem.norm1.bias"]
    state["stage0.block0.conv1.weight"] = torch.zeros(1)
    detector = model("resnet")
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    with pytest.raises(WeightsError, match=r"^best\.pt: .*: 1 missing: stem\.norm1\.bias; 1 of another shape: stage0"):
        load_backbone(detector, state, where="best.pt")
    assert changed(before, detector.state_dict()) == set()
