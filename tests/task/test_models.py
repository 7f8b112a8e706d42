import copy

import pytest
import torch
from torchvision.models.detection import fasterrcnn_resnet50_fpn, maskrcnn_resnet50_fpn
from torchvision.ops import box_iou
from torchvision.ops.poolers import LevelMapper

from fishnet_search.errors import SpecError
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import build_network
from fishnet_search.network.reference import load_reference_weights
from fishnet_search.spec.loading import load_spec
from fishnet_search.task.backbone import backbone_of
from fishnet_search.task.detector import LevelRoIAlign
from fishnet_search.task.levels import Level
from fishnet_search.task.losses import detection_loss, pixel_loss
from fishnet_search.task.models import build_model
from fishnet_search.task.settings import Classification, Detection, InstanceSegmentation
from tests.task.tiny import BOXES, FAMILIES, MASKS, PIXELS, noise, targets

OBJECTS = [(1, 4, 6, 30, 28), (3, 20, 20, 60, 50)]
TASKS = {"boxes": BOXES, "masks": MASKS, "pixels": PIXELS, "images": Classification()}

families = pytest.mark.parametrize("family", FAMILIES)


def model(family, task=BOXES, classes=3, seed=0):
    return build_model(FAMILIES[family], task, classes, seed=seed)


@families
def test_levels_have_the_resolution_that_their_strides_say(family):
    pyramid = model(family).backbone
    shapes = {name: tuple(features.shape) for name, features in pyramid(noise(1, 3, 64, 96)).items()}
    sides = {"fish": [16, 8, 4, 2, 1], "detnet": [16, 8, 4, 4, 4]}.get(family, [16, 8, 4, 2, 1])
    widths = [24, 12, 6, 6, 6] if family == "detnet" else [24, 12, 6, 3, 2]
    assert list(shapes.values()) == [(1, 16, height, width) for height, width in zip(sides, widths, strict=True)]
    assert len(pyramid.body.taps) == (5 if family == "detnet" else 4)


@families
@pytest.mark.parametrize("task", [BOXES, MASKS], ids=["boxes", "masks"])
def test_a_training_step_has_finite_losses_and_a_gradient_in_every_parameter(family, task):
    detector = model(family, task)
    images = [noise(3, 64, 64), noise(3, 40, 56, seed=1)]
    found = detector(images, targets(OBJECTS, [(2, 3, 3, 20, 20)]))
    assert set(found) == {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg"} | (
        {"loss_mask"} if task is MASKS else set()
    )
    loss = detection_loss(found)
    loss.backward()
    assert torch.isfinite(loss)
    assert [name for name, value in detector.named_parameters() if value.grad is None] == []
    assert all(torch.isfinite(value.grad).all() for value in detector.parameters())


@families
def test_pixels_have_logits_at_full_resolution_and_gradients_everywhere(family):
    segmenter = model(family, PIXELS)
    logits = segmenter(noise(2, 3, 64, 96))
    assert logits.shape == (2, 3, 64, 96)
    pixel_loss(logits, torch.ones(2, 64, 96, dtype=torch.uint8)).backward()
    assert [name for name, value in segmenter.named_parameters() if value.grad is None] == []
    assert segmenter.head.dropout.p == (0 if family == "fish" else 0.1)


def test_sides_that_do_not_fit_are_refused_where_nothing_pads_them():
    with pytest.raises(SpecError, match="image side 40 does not fit"):
        model("fish", PIXELS)(noise(1, 3, 64, 40))


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_all_weights_follow_from_the_seed_and_no_global_state_is_touched(task):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = model("fish", task, seed=1).state_dict()
    assert torch.equal(torch.rand(3), expected)
    same, other = model("fish", task, seed=1).state_dict(), model("fish", task, seed=2).state_dict()
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    drawn = [name for name, value in one.items() if value.is_floating_point() and value.std() > 0]
    assert [name for name in drawn if torch.equal(one[name], other[name])] == []


@families
@pytest.mark.parametrize("task", [BOXES, PIXELS], ids=["boxes", "pixels"])
def test_a_backbone_begins_as_the_classifier_of_its_seed_does(family, task):
    classifier = build_network(build_graph(FAMILIES[family]), seed=4).state_dict()
    body = backbone_of(model(family, task, seed=4)).state_dict()
    assert all(torch.equal(value, classifier[name]) for name, value in body.items())


def test_a_classifier_has_the_classes_that_are_asked_for():
    assert model("resnet", Classification(), classes=7)(noise(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize("task", [BOXES, MASKS], ids=["boxes", "masks"])
def test_images_without_objects_are_learnt_from(task):
    detector = model("resnet", task)
    loss = detection_loss(detector([noise(3, 64, 64)] * 2, targets([], [])))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(value.grad).all() for value in detector.parameters())


def test_what_is_found_lies_in_the_image_as_it_came():
    detector = model("detnet", MASKS).eval()
    detector.roi_heads.score_thresh = 0.0
    images = [noise(3, 33, 70), noise(3, 64, 40)]
    for image, found in zip(images, detector(images), strict=True):
        height, width = image.shape[-2:]
        count = len(found["boxes"])
        assert 0 < count <= 100
        assert (found["boxes"] >= 0).all()
        assert (found["boxes"] <= torch.tensor([width, height, width, height])).all()
        assert found["masks"].shape == (count, 1, height, width)
        assert set(found["labels"].tolist()) <= {1, 2, 3}


def test_an_image_in_which_nothing_is_found_has_empty_results():
    detector = model("resnet", MASKS).eval()
    detector.roi_heads.score_thresh = 1.0
    (found,) = detector([noise(3, 64, 48)])
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "boxes": (0, 4),
        "labels": (0,),
        "scores": (0,),
        "masks": (0, 1, 64, 48),
    }


def test_images_are_padded_but_neither_resized_nor_normalised():
    images = [noise(3, 33, 64), noise(3, 30, 20, seed=1)]
    for detector in (model("resnet"), model("resnet").eval()):
        batch, untouched = detector.transform(images, targets(OBJECTS, []))
        assert batch.tensors.shape == (2, 3, 64, 64)
        assert torch.equal(batch.tensors[0, :, :33], images[0])
        assert torch.equal(batch.tensors[1, :, :30, :20], images[1])
        assert batch.tensors[1, :, 30:].abs().sum() == 0
        assert torch.equal(untouched[0]["boxes"], targets(OBJECTS)[0]["boxes"])


def usual_levels():
    return [Level(str(i), 4 * 2**i, 32.0, 56.0 * 2**i) for i in range(4)]


def test_proposals_go_to_the_levels_that_torchvision_would_choose():
    sides = torch.cat([torch.tensor([1.0, 55.9, 56, 111.9, 112, 223.9, 224, 447.9, 448, 900]), noise(50).abs() * 300])
    boxes = torch.stack([torch.zeros_like(sides), torch.zeros_like(sides), sides, sides], dim=1)
    assert torch.equal(LevelRoIAlign(usual_levels(), 7).map_levels([boxes]), LevelMapper(2, 5)([boxes]))


def test_levels_of_one_stride_each_have_their_proposals():
    pool = LevelRoIAlign([Level(str(i), 16, 32.0, 56.0 * 2**i) for i in range(3)], 7)
    features = {str(i): torch.full((1, 1, 64, 64), float(i)) for i in range(3)}
    boxes = torch.tensor([[0.0, 0, side, side] for side in (20, 111, 113, 223, 225, 900)])
    pooled = pool(features, [boxes], [(1024, 1024)])
    assert pooled.mean(dim=(1, 2, 3)).tolist() == [0, 0, 1, 1, 2, 2]


def test_a_small_first_image_does_not_decide_where_proposals_are_pooled():
    """torchvision would take the stride for 1 here: 20 pixels become 16 places, since they are padded to 64."""
    pool = LevelRoIAlign([Level("0", 4, 32.0, 56.0)], 1)
    features = {"0": torch.arange(16.0).expand(1, 1, 16, 16)}
    pooled = pool(features, [torch.tensor([[16.0, 16, 20, 20]])], [(20, 20)])
    assert pooled.item() == pytest.approx(4.5)  # between the places 4 and 5


def test_boxes_and_masks_are_in_full_precision_whatever_convolutions_compute_in():
    detector = model("resnet", MASKS)
    with torch.autocast("cpu", torch.bfloat16):
        losses = detector([noise(3, 64, 64)], targets(OBJECTS))
        (found,) = detector.eval()([noise(3, 64, 64)])
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert {found[name].dtype for name in ("boxes", "scores", "masks")} == {torch.float32}
    assert detector.rpn.anchor_generator.cell_anchors[0].dtype == torch.float32


def test_logits_of_pixels_are_in_full_precision_whatever_convolutions_compute_in():
    with torch.autocast("cpu", torch.bfloat16):
        assert model("resnet", PIXELS)(noise(2, 3, 64, 64)).dtype == torch.float32


def test_a_detector_can_be_copied():
    detector = model("resnet").eval()
    image = [noise(3, 64, 64)]
    detector.roi_heads.score_thresh = 0.0
    assert torch.equal(copy.deepcopy(detector)(image)[0]["boxes"], detector(image)[0]["boxes"])


@pytest.mark.parametrize(
    ("task", "reference"),
    [
        (Detection(test_proposals=50), fasterrcnn_resnet50_fpn),
        (InstanceSegmentation(test_proposals=50), maskrcnn_resnet50_fpn),
    ],
    ids=["boxes", "masks"],
)
def test_on_a_resnet50_the_model_is_torchvisions_and_finds_the_same(task, reference):
    few = {"rpn_pre_nms_top_n_test": 50, "rpn_post_nms_top_n_test": 50}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        theirs = reference(weights=None, weights_backbone=None, num_classes=91, **few).eval()
    ours = build_model(load_spec("resnet50"), task, 90, seed=0).eval()
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    assert ours.rpn.anchor_generator.sizes == theirs.rpn.anchor_generator.sizes
    body = {name: value for name, value in theirs.state_dict().items() if ".body." in name}
    load_reference_weights(backbone_of(ours), {name.partition(".body.")[2]: value for name, value in body.items()})
    rest = {name: value for name, value in ours.state_dict().items() if ".body." in name}
    ours.load_state_dict(rest | {name: value for name, value in theirs.state_dict().items() if name not in body})
    theirs.transform = ours.transform
    for heads in (theirs.roi_heads, ours.roi_heads):
        heads.score_thresh, heads.detections_per_img = 0.0, 10
    images = [noise(3, 96, 128)]
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


def shapes_image():
    """Two bright shapes on a dark ground."""
    image = torch.full((3, 64, 64), -1.0)
    image[0, 6:28, 4:30], image[1, 20:50, 34:60] = 1.0, 1.0
    return image, targets([(1, 4, 6, 30, 28), (2, 34, 20, 60, 50)])[0]


def test_a_detector_learns_an_image_by_heart():
    image, target = shapes_image()
    detector = model("resnet", MASKS, classes=2)
    optimiser = torch.optim.Adam(detector.parameters(), lr=3e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(40):
            optimiser.zero_grad()
            loss = detection_loss(detector([image], [target]))
            loss.backward()
            optimiser.step()
    (found,) = detector.eval()([image])
    best = found["labels"][:2].argsort()
    assert loss.item() < 0.6
    assert found["labels"][best].tolist() == [1, 2]
    assert box_iou(found["boxes"][best], target["boxes"]).diag().min() > 0.7
    assert ((found["masks"][best, 0] > 0.5) == target["masks"].bool()).float().mean() > 0.95


def test_a_segmenter_learns_an_image_by_heart():
    image, target = shapes_image()
    truth = (target["masks"] * target["labels"].byte()[:, None, None]).sum(dim=0, dtype=torch.uint8)
    segmenter = model("fish", PIXELS, classes=3)
    optimiser = torch.optim.Adam(segmenter.parameters(), lr=1e-2)
    images, maps = image.expand(2, -1, -1, -1), truth.expand(2, -1, -1)
    for _ in range(25):
        optimiser.zero_grad()
        loss = pixel_loss(segmenter(images), maps)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.2
