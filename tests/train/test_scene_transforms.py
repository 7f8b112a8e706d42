"""How images and what is in them are seen: by hand, and that boxes, masks, maps and pixels stay together."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_scenes import objects, random_objects

from fishnet_search.data.scenes import UNJUDGED
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.scene_transforms import (
    View,
    drawn_view,
    seen_image,
    seen_map,
    seen_objects,
    whole_view,
)

NOTHING = (0.0, 0.5, 0.5, 0.5, 0.9)
"""Chances by which the first scale is taken, and an image stays in the middle and is not mirrored."""


def view_of(sides, image_size=64, chances=NOTHING, *, square=False, **fields):
    return drawn_view(Recipe(**fields), sides, image_size, chances, square=square)


# Views


@pytest.mark.parametrize(
    ("sides", "fields", "resized"),
    [
        ((480, 640), {"shorter_side": 240}, (240, 320)),
        ((640, 480), {"shorter_side": 240}, (320, 240)),
        ((480, 640), {}, (64, 85)),  # of a network with an image size of 64
        ((375, 500), {"shorter_side": 600, "longer_side": 1000}, (600, 800)),
        ((300, 600), {"shorter_side": 600, "longer_side": 1000}, (500, 1000)),  # the smaller factor wins
        ((333, 333), {"shorter_side": 600}, (600, 600)),
        ((1, 2000), {"shorter_side": 10, "longer_side": 20}, (1, 20)),
    ],
)
def test_images_are_resized_by_the_shorter_side_unless_the_longer_one_exceeds_its_own(sides, fields, resized):
    assert view_of(sides, **fields) == whole_view(Recipe(**fields), sides, 64) == View(resized, resized)


@pytest.mark.parametrize(("chance", "shorter"), [(0, 48), (0.33, 48), (0.34, 64), (0.7, 96), (0.999, 96)])
def test_training_draws_from_the_scales_evenly_and_evaluation_knows_none(chance, shorter):
    fields = {"scales": (48, 64, 96), "shorter_side": 80}
    assert view_of((100, 100), chances=(chance, *NOTHING[1:]), **fields).resized == (shorter, shorter)
    assert whole_view(Recipe(**fields), (100, 100), 64).resized == (80, 80)


@pytest.mark.parametrize(("chance", "side"), [(0, 50), (0.5, 100), (1 - 1e-9, 200)])
def test_a_zoom_is_drawn_log_evenly_and_the_window_stays(chance, side):
    view = view_of((100, 100), 100, (0, chance, 0, 0, 0.9), zoom_least=0.5, zoom_most=2)
    assert (view.resized, view.window) == ((side, side), (100, 100))
    assert (view.top, view.left) == (min(0, side - 100),) * 2


def test_a_window_may_begin_at_each_place_that_wastes_nothing():
    def starts(side):
        drawn = (view_of((side, side), 10, (0, 0, i / 100, 0, 0.9), square=True, shorter_side=side) for i in range(100))
        return {view.top for view in drawn}

    assert starts(13) == {0, 1, 2, 3}
    assert starts(7) == {-3, -2, -1, 0}
    assert starts(10) == {0}


def test_one_in_two_is_mirrored_if_any():
    def flipped(mirror, **fields):
        return view_of((9, 9), chances=(*NOTHING[:4], mirror), **fields).flipped

    assert [flipped(mirror, flip=True) for mirror in (0.49, 0.5)] == [True, False]
    assert not flipped(0.1)


def test_evaluated_images_have_sides_that_are_multiples_of_the_stride():
    assert whole_view(Recipe(), (100, 150), 64, 32) == View((64, 96), (64, 96))
    assert whole_view(Recipe(), (100, 151), 64, 32) == View((64, 97), (64, 128))


# Objects by hand


def test_mirroring_moves_boxes_as_by_hand():
    target = seen_objects(objects([[1, 2, 4, 7]], [6]), View((10, 20), (10, 20), flipped=True), (10, 20), masks=False)
    assert target["boxes"].tolist() == [[16, 2, 19, 7]]
    assert target["labels"].tolist() == [7]  # 0 is the background
    assert type(target["boxes"]) is torch.Tensor
    assert (target["boxes"].dtype, target["labels"].dtype) == (torch.float32, torch.int64)


def test_resizing_scales_boxes_by_the_factor_of_each_side():
    target = seen_objects(objects([[1, 2, 4, 7]]), View((20, 21), (20, 21)), (10, 20), masks=False)
    torch.testing.assert_close(target["boxes"], torch.tensor([[1.05, 4, 4.2, 14]]))


def test_padding_moves_boxes_and_cutting_ends_them():
    seen = objects([[1, 2, 4, 7]])
    assert seen_objects(seen, View((10, 10), (20, 20), -3, -5), (10, 10), masks=False)["boxes"].tolist() == [
        [6, 5, 9, 10]
    ]
    assert seen_objects(seen, View((10, 10), (5, 5), 3, 2), (10, 10), masks=False)["boxes"].tolist() == [[0, 0, 2, 4]]


def test_an_object_that_is_cut_away_vanishes_with_its_label_and_mask():
    masks = np.zeros((3, 10, 10))
    masks[0, :2, :2] = masks[1, 6:9, 6:9] = masks[2, 4:6, :2] = 1
    found = objects([[0, 0, 2, 2], [6, 6, 9, 9], [0, 4, 2, 6]], [3, 4, 5], masks=masks)
    target = seen_objects(found, View((10, 10), (5, 5), 5, 5), (10, 10), masks=True)
    assert target["boxes"].tolist() == [[1, 1, 4, 4]]
    assert target["labels"].tolist() == [5]
    assert target["masks"].shape == (1, 5, 5)
    assert torch.equal(target["masks"][0], torch.from_numpy(masks[1, 5:, 5:]).byte())


def test_less_than_a_pixel_of_an_object_is_nothing():
    target = seen_objects(objects([[0, 0, 1, 10], [0, 0, 2, 10]], [1, 2]), View((5, 5), (5, 5)), (10, 10), masks=False)
    assert target["labels"].tolist() == [3]


def test_a_box_up_to_the_edge_stays_whatever_the_rounding():
    for side in range(2, 200):
        resized = (side, side + 3)
        target = seen_objects(objects([[0, 0, 37, 41]]), View(resized, resized), (41, 37), masks=False)
        assert len(target["boxes"]) == 1


def test_neither_crowds_nor_difficult_objects_are_learnt():
    found = objects([[0, 0, 5, 5]] * 3, [1, 2, 3], crowd=[0], difficult=[2])
    assert seen_objects(found, View((9, 9), (9, 9)), (9, 9), masks=False)["labels"].tolist() == [3]


@pytest.mark.parametrize("masks", [False, True])
def test_an_image_without_objects_has_empty_targets(masks):
    target = seen_objects(objects([], [], masks=[]), View((8, 12), (6, 6), 1, 1, flipped=True), (4, 6), masks=masks)
    assert target["boxes"].shape == (0, 4)
    assert target["labels"].shape == (0,)
    assert not masks or target["masks"].shape == (0, 6, 6)


def test_what_is_left_of_a_cut_object_gets_a_box_of_its_own():
    """An L that loses its foot ends where its stem does."""
    mask = np.zeros((20, 20))
    mask[:, :3] = mask[17:, :15] = 1
    target = seen_objects(objects([[0, 0, 15, 20]], masks=[mask]), View((20, 20), (10, 20)), (20, 20), masks=True)
    assert target["boxes"].tolist() == [[0, 0, 3, 10]]


def test_masks_that_are_not_there_are_named():
    with pytest.raises(ValueError, match="boxes without masks"):
        seen_objects(objects([[0, 0, 5, 5]]), View((9, 9), (9, 9)), (9, 9), masks=True)


# Pixels


def test_images_and_maps_by_hand():
    image = torch.arange(12, dtype=torch.uint8).view(1, 3, 4).expand(3, 3, 4)
    view = View((3, 4), (4, 3), -1, 2, flipped=True)
    expected = [[7, 7, 7], [7, 3, 2], [7, 7, 6], [7, 11, 10]]
    assert seen_image(image, view, (7, 8, 9))[0].tolist() == expected
    assert seen_image(image, view, (7, 8, 9))[2, 0].tolist() == [9, 9, 9]
    beyond = UNJUDGED
    assert seen_map(image[0], view).tolist() == [[beyond] * 3, [beyond, 3, 2], [beyond, 7, 6], [beyond, 11, 10]]


def test_maps_are_resized_without_new_classes():
    found = seen_map(torch.tensor([[0, 9], [UNJUDGED, 3]], dtype=torch.uint8), View((4, 6), (4, 6)))
    assert found.tolist() == [[0, 0, 0, 9, 9, 9]] * 2 + [[UNJUDGED] * 3 + [3] * 3] * 2


def test_a_map_is_seen_where_its_image_is():
    """An image whose levels are its classes looks like its map, at every whole factor."""
    classes = torch.randint(0, 2, (8, 12), generator=torch.Generator().manual_seed(0)).to(torch.uint8) * 200
    view = View((16, 24), (20, 20), -1, 3, flipped=True)
    image, seen = seen_image(classes.expand(3, 8, 12), view, [UNJUDGED] * 3)[0], seen_map(classes, view)
    assert torch.equal((image > 100)[seen != UNJUDGED], (seen > 100)[seen != UNJUDGED])
    assert torch.equal(image == UNJUDGED, seen == UNJUDGED)


VIEWS = st.builds(
    view_of,
    sides=st.just((40, 60)),
    image_size=st.integers(16, 90),
    chances=st.tuples(*[st.floats(0, 1, exclude_max=True)] * 5),
    square=st.booleans(),
    flip=st.booleans(),
    zoom_least=st.floats(0.3, 1),
    zoom_most=st.floats(1, 3),
    longer_side=st.integers(60, 100),
)


@settings(deadline=None)
@given(view=VIEWS, seed=st.integers(0, 1000))
def test_boxes_masks_and_pixels_stay_together_whatever_is_done(view, seed):
    found = random_objects(np.random.default_rng(seed), 40, 60, masks=True)
    target = seen_objects(found, view, (40, 60), masks=True)
    assert target["masks"].shape == (len(target["boxes"]), *view.window)
    assert len(target["labels"]) == len(target["boxes"])
    assert set(target["masks"].unique().tolist()) <= {0, 1}
    for (x1, y1, x2, y2), mask in zip(target["boxes"].tolist(), target["masks"], strict=True):
        assert 0 <= x1 < x2 <= view.window[1] and 0 <= y1 < y2 <= view.window[0]
        ys, xs = torch.nonzero(mask).unbind(1)
        around = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert np.allclose((x1, y1, x2, y2), around, rtol=0, atol=1.001)


@settings(deadline=None)
@given(view=VIEWS)
def test_an_image_and_its_map_have_the_same_pixels_beyond_them(view):
    image = seen_image(torch.zeros(3, 40, 60, dtype=torch.uint8), view, [255] * 3)
    seen = seen_map(torch.zeros(40, 60, dtype=torch.uint8), view)
    assert image.shape == (3, *view.window)
    assert torch.equal(image[0], seen)
    assert (seen == 0).any()
