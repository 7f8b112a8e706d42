"""The small learning curves of single trials, read back from their SVG."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from fishnet_search.report.curve import curve_svg
from fishnet_search.study.record import EpochRecord
from tests.records import SPEED, complete

LOSSES, ACCURACIES = (2.0, 1.0, 0.5), (0.2, 0.6, 0.4)


def epoch(n, loss, top1):
    train = {"loss": loss, "top1": top1, "top5": 1.0}
    validation = {"loss": loss + 1, "top1": top1 / 2, "top5": 1.0}
    return EpochRecord(epoch=n, learning_rate=0.1, train=train, validation=validation, seconds=1.0, **SPEED)


def trial(losses=LOSSES, accuracies=ACCURACIES, **fields):
    epochs = tuple(epoch(n, *each) for n, each in enumerate(zip(losses, accuracies, strict=True), 1))
    return complete("a < b", 1, 0.9, epochs=epochs, **fields)


def drawn(record):
    """Lines and texts of both panels."""
    root = ElementTree.fromstring(curve_svg(record))
    lines = [
        [tuple(map(float, point.split(","))) for point in line.get("points").split()] for line in root.iter("polyline")
    ]
    return lines, [text.text for text in root.iter("text")], list(root.iter("circle"))


def test_a_line_goes_through_every_epoch_in_proportion():
    (train, validation, *_), _, _ = drawn(trial())
    xs, ys = zip(*train, strict=True)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    assert (ys[0] - ys[1]) / (ys[0] - ys[2]) == pytest.approx(2.0, abs=0.02)  # by hand: 0.4 of accuracy over 0.2
    per_point = (ys[0] - ys[1]) / 40  # pixels
    assert validation[0][1] == pytest.approx(ys[0] + 10 * per_point, abs=0.2)  # by hand: 10 % where training has 20 %


def test_axes_name_what_is_highest_lowest_first_and_last():
    _, texts, _ = drawn(trial())
    assert texts.count("training") == texts.count("validation") == 2
    for word in ("top-1 (%)", "10", "60", "loss", "0.5", "3", "epoch 1"):
        assert word in texts


def test_a_dot_marks_the_best_epoch():
    (_, validation, *_), _, circles = drawn(trial(best_epoch=2))
    assert float(circles[0].get("cx")) == pytest.approx(validation[1][0], abs=0.1)
    assert float(circles[0].get("cy")) == pytest.approx(validation[1][1], abs=0.1)


def test_a_single_epoch_is_a_dot():
    lines, texts, circles = drawn(trial((1.0,), (0.5,), best_epoch=1))
    assert lines == []
    assert len(circles) == 6
    assert texts.count("epoch 1") == 2
    assert {circle.get("cx") for circle in circles} == {"46"}


def test_values_that_are_all_equal_are_drawn_in_the_middle():
    same = {"loss": 1.0, "top1": 0.5, "top5": 1.0}
    level = tuple(epoch(n, 1.0, 0.5).model_copy(update={"train": same, "validation": same}) for n in (1, 2))
    lines, texts, _ = drawn(complete("a", 1, 0.9, epochs=level))
    assert {y for line in lines for _, y in line} == {74.0}  # between 26 and 122
    assert {"49.5", "50.5"} <= set(texts)


def test_curves_have_no_ids_that_could_meet_on_a_page():
    assert " id=" not in curve_svg(trial())
    assert 'aria-label="learning curve of a &lt; b seed 1"' in curve_svg(trial())
