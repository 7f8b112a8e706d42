import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.segmentation.fcn import FCNHead

from fishnet_search.cost.ledger import ledger_of
from fishnet_search.graph.build import build_graph
from fishnet_search.spec.loading import load_spec
from fishnet_search.task.cost import model_cost
from fishnet_search.task.models import build_model
from fishnet_search.task.settings import Classification, Detection, InstanceSegmentation, SemanticSegmentation
from tests.task.tiny import BOXES, FAMILIES, MASKS, PIXELS, noise

TASKS = {"boxes": BOXES, "masks": MASKS, "pixels": PIXELS, "images": Classification()}


def macs(module, *inputs):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        outputs = module(*inputs)
    return counter.get_total_flops() // 2, outputs


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_parameters_are_those_of_the_model(family, task):
    spec = FAMILIES[family]
    model = build_model(spec, task, 5, seed=0)
    cost = model_cost(spec, task, 5)
    assert cost.params == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_macs_of_a_detector_are_those_that_pytorch_counts(family):
    model = build_model(FAMILIES[family], MASKS, 5, seed=0).eval()
    counted = {}
    counted["backbone"], features = macs(model.backbone.body, noise(1, 3, 64, 64))
    counted["pyramid"], _ = macs(model.backbone.fpn, features)
    counted["proposals"], _ = macs(model.rpn.head, list(model.backbone(noise(1, 3, 64, 64)).values()))
    heads = model.roi_heads
    judged, judgement = macs(heads.box_head, noise(MASKS.test_proposals, 16, 7, 7))
    counted["boxes"] = judged + macs(heads.box_predictor, judgement)[0]
    drawn, drawing = macs(heads.mask_head, noise(100, 16, 14, 14))
    counted["masks"] = drawn + macs(heads.mask_predictor, drawing)[0]
    cost = model_cost(FAMILIES[family], MASKS, 5)
    assert {part.name: part.macs for part in cost.parts} == counted
    assert cost.macs == sum(counted.values())
    assert cost.backbone.macs == counted["backbone"]


@pytest.mark.parametrize("family", FAMILIES)
def test_macs_of_a_segmenter_are_those_that_pytorch_counts(family):
    model = build_model(FAMILIES[family], PIXELS, 5, seed=0).eval()
    assert model_cost(FAMILIES[family], PIXELS, 5).macs == macs(model, noise(1, 3, 64, 64))[0]


def test_a_whole_detector_in_evaluation_costs_what_is_said_if_it_has_all_proposals():
    task = BOXES.model_copy(update={"test_proposals": 5})
    model = build_model(FAMILIES["fish"], task, 5, seed=0).eval()
    model.rpn.nms_thresh = 1.0  # none is left out
    assert macs(model, [noise(3, 64, 64)])[0] == model_cost(FAMILIES["fish"], task, 5).macs


def test_a_detector_pads_what_it_counts():
    spec = FAMILIES["detnet"]
    assert model_cost(spec, BOXES, 5, image_size=48) == model_cost(spec, BOXES, 5, image_size=64)
    assert model_cost(spec, PIXELS, 5, image_size=48).macs < model_cost(spec, PIXELS, 5).macs


def test_a_classifier_costs_what_the_ledger_says():
    spec = load_spec("fishnet99")
    cost, total = model_cost(spec, Classification(), 1000), ledger_of(build_graph(spec)).total
    assert (cost.params, cost.macs) == (total.params, total.macs)
    assert [part.name for part in cost.parts] == ["backbone", "classifier"]


def test_known_models_have_their_known_parameters():
    """As torchvision documents them, where scales and shifts of the backbone's norms, two a channel, are none."""
    spec, norms = load_spec("resnet50"), 2 * 26_560
    assert model_cost(spec, Detection(), 90).params == 41_755_286 + norms
    assert model_cost(spec, InstanceSegmentation(), 90).params == 44_401_393 + norms
    fcn = model_cost(load_spec("resnet50"), SemanticSegmentation(head_channels=512), 21).parts[1]
    assert fcn.params == sum(p.numel() for p in FCNHead(2048, 21).parameters())


def test_costs_are_counted_without_torch():
    code = "import sys, fishnet_search.task.cost; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
