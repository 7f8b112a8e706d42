"""Average precision and mIoU, held to figures worked out by hand and to pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from faster_coco_eval.core import mask as run_lengths
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fishnet_search.data.scenes import UNJUDGED, Objects
from fishnet_search.task.coco import answered, asked_dataset, coco_figures
from fishnet_search.task.found import Found
from fishnet_search.task.tallies import PixelTally, object_figures
from fishnet_search.task.voc import curves_of

SQUARE = (10.0, 10.0, 20.0, 20.0)
FAR = (60.0, 60.0, 70.0, 70.0)
MOVED = (10.0, 12.0, 20.0, 22.0)  # IoU with the square: 80 / 120
BARELY = (10.0, 10.0, 20.0, 15.0)  # 50 / 100: exactly enough


def truth(*boxes, labels=None, difficult=(), crowd=(), masks=None):
    boxes_K4 = torch.tensor(np.array(boxes), dtype=torch.float32).reshape(-1, 4)
    flags = [
        torch.tensor([index in chosen for index in range(len(boxes))], dtype=torch.bool)
        for chosen in (crowd, difficult)
    ]
    sides = boxes_K4[:, 2:] - boxes_K4[:, :2]
    return Objects(boxes_K4, torch.tensor(labels or [0] * len(boxes)).long(), sides.prod(1), *flags, masks)


def found(*boxes, labels=None, masks=None):
    """The surest first."""
    boxes_K4 = torch.tensor(np.array(boxes), dtype=torch.float32).reshape(-1, 4)
    scores_K = torch.linspace(0.9, 0.1, len(boxes))
    return Found(boxes_K4, torch.tensor(labels or [0] * len(boxes)).long(), scores_K, masks)


@pytest.mark.parametrize(
    ("boxes", "truths", "by_area", "at_11_points"),
    [
        ([SQUARE], [SQUARE], 1.0, 1.0),
        ([MOVED], [SQUARE], 1.0, 1.0),
        ([BARELY], [SQUARE], 1.0, 1.0),  # VOCevaldet.m: ovmax >= minoverlap
        ([FAR], [SQUARE], 0.0, 0.0),
        ([], [SQUARE], 0.0, 0.0),
        # precision 1, 1/2 at recall 1/2, 1/2: half the recall at precision 1; 6 of 11 points are at most 0.5
        ([SQUARE, FAR], [SQUARE, (40.0, 40.0, 50.0, 50.0)], 0.5, 6 / 11),
        # the first is wrong: precision 0, 1/2, 2/3 at recall 0, 1/2, 1, made to fall: 2/3 everywhere
        ([FAR, SQUARE, (40.0, 40.0, 50.0, 50.0)], [SQUARE, (40.0, 40.0, 50.0, 50.0)], 2 / 3, 2 / 3),
        # the second box on one object is a false alarm, and comes before the other object is found
        ([SQUARE, MOVED, FAR], [SQUARE, FAR], 0.5 + 0.5 * 2 / 3, (6 + 5 * 2 / 3) / 11),
    ],
)
def test_voc_precision_is_as_worked_out_by_hand(boxes, truths, by_area, at_11_points):
    (curve,) = curves_of([found(*boxes)], [truth(*truths)], 1)
    assert curve.by_area() == pytest.approx(by_area)
    assert curve.at_11_points() == pytest.approx(at_11_points)


def test_difficult_objects_are_neither_asked_for_nor_false_alarms():
    (curve,) = curves_of([found(FAR, SQUARE)], [truth(SQUARE, FAR, difficult=[1])], 1)
    assert curve.recall_D.tolist() == [1.0]
    assert curve.precision_D.tolist() == [1.0]


def test_a_box_is_matched_in_its_own_image_only():
    (curve,) = curves_of([found(SQUARE), found()], [truth(), truth(SQUARE)], 1)
    assert curve.by_area() == 0.0


def test_a_class_without_objects_does_not_count_in_the_mean():
    figures = object_figures([found(SQUARE, FAR, labels=[0, 1])], [truth(SQUARE)], classes=2)
    assert figures["map50"] == 1.0
    assert figures["ap50"] == pytest.approx(1.0)


def test_nothing_to_be_found_has_no_figures():
    assert object_figures([found(SQUARE)], [truth()], classes=2) == {}


def random_scenes(seed, images, *, masks=False):
    rng = np.random.default_rng(seed)

    def boxes(count):
        corner, sides = rng.uniform(0, 150, (count, 2)), rng.uniform(3, 150, (count, 2))
        return np.concatenate([corner, corner + sides], axis=1)

    def painted(corners):
        canvas = np.zeros((300, 300, len(corners)), np.uint8, order="F")
        for index, (left, top, right, bottom) in enumerate(corners.round().astype(int)):
            canvas[top : bottom + 1, left : right + 1, index] = 1
        return tuple(run_lengths.encode(canvas)) if masks else None

    truths, finds = [], []
    for _ in range(images):
        count = int(rng.integers(0, 6))
        own, labels = boxes(count), rng.integers(0, 4, count).tolist()
        crowd, difficult = (np.flatnonzero(rng.random(count) < 0.15).tolist() for _ in range(2))
        truths.append(truth(*own, labels=labels, crowd=crowd, difficult=difficult, masks=painted(own)))
        near = np.concatenate([own + rng.normal(0, 6, own.shape).clip(-9, 9), boxes(2)])
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        near = near.clip(0)
        finds.append(found(*near, labels=[*labels, *rng.integers(0, 4, 2).tolist()], masks=painted(near)))
    return finds, truths


@pytest.mark.parametrize("of", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(3))
def test_coco_figures_are_those_of_pycocotools(of, seed):
    finds, truths = random_scenes(seed, 25, masks=True)
    asked, answers = COCO(), COCO()
    asked.dataset = asked_dataset(truths, 4, of)
    answers.dataset = {**asked.dataset, "annotations": answered(finds, of)}
    asked.createIndex()
    answers.createIndex()
    judge = COCOeval(asked, answers, of)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    theirs = [stat for stat in judge.stats[: 6 if of == "bbox" else 3].tolist() if stat >= 0]
    assert list(coco_figures(finds, truths, 4, of).values()) == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), images=st.integers(1, 4))
def test_precisions_are_fractions_and_perfect_where_all_is_found(seed, images):
    finds, truths = random_scenes(seed, images)
    assert all(0 <= figure <= 1 for figure in object_figures(finds, truths, 4).values())
    perfect = [Found(one.boxes_K4, one.labels_K, torch.ones(len(one))) for one in truths]
    assert all(figure == pytest.approx(1) for figure in object_figures(perfect, truths, 4).values())


def test_miou_is_as_worked_out_by_hand():
    tally = PixelTally(4)
    truths = torch.tensor([[0, 0, 1, UNJUDGED], [0, 1, 1, UNJUDGED]], dtype=torch.uint8)
    guesses = torch.tensor([[0, 1, 1, 3], [0, 1, 2, 0]])
    tally.add(guesses, truths)
    figures = tally.figures()
    # background 2 of 3; class 1: 2 of 4; class 2 is guessed once, wrongly: 0; class 3 only where nobody judges
    assert figures["miou"] == pytest.approx((2 / 3 + 2 / 4 + 0) / 3)
    assert figures["pixel_accuracy"] == pytest.approx(4 / 6)


def test_pixels_counted_in_parts_are_those_counted_at_once():
    generator = torch.Generator().manual_seed(0)
    truths, guesses = (torch.randint(0, 5, (6, 8, 8), generator=generator) for _ in range(2))
    at_once, in_parts = PixelTally(5), PixelTally(5)
    at_once.add(guesses, truths)
    for guess, map_HW in zip(guesses, truths, strict=True):
        in_parts.add(guess, map_HW)
    assert at_once.figures() == in_parts.figures()


def test_maps_without_a_judged_pixel_have_no_figures():
    tally = PixelTally(3)
    tally.add(torch.zeros(2, 2), torch.full((2, 2), UNJUDGED))
    assert tally.figures() == {}
