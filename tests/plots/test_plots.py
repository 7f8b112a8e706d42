"""What is drawn, read back from the axes."""

from __future__ import annotations

from itertools import pairwise

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from fishnet_search.evidence.analysis import analyse
from fishnet_search.plots.curves import plot_learning_curve
from fishnet_search.plots.effects import plot_effects
from fishnet_search.plots.figures import draw_accuracy_against_macs
from fishnet_search.plots.looks import looks
from fishnet_search.report.pictures import show
from fishnet_search.report.sections import SECTIONS
from tests.records import study_of, trials_of

TOP1 = {"base": [0.90, 0.91, 0.92], "better": [0.95, 0.96, 0.971], "same": [0.91, 0.90, 0.93]}


def frames_of(top1, seeds=(1, 2, 3)):
    """The paired differences of a study, its curves, its effects, and the looks of its variants."""
    analysis = analyse(study_of(list(top1), seeds), trials_of(top1))
    return analysis.pairs, analysis.curves, analysis.effects, looks(list(top1), analysis.study.baseline)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_effects_are_drawn_in_points_filled_where_larger_than_the_noise():
    pairs, _, effects, look = frames_of(TOP1)
    ax = Figure().subplots()
    assert plot_effects(effects.iloc[1:], pairs, look, ax=ax) is ax
    means = {float(bar[0].get_ydata()[0]): bar[0] for bar in ax.containers}
    assert means[0].get_xdata()[0] == pytest.approx(5.0333, abs=1e-4)  # by hand: (5 + 5 + 5.1) / 3
    assert means[0].get_markerfacecolor() == look["better"].colour
    assert means[1].get_markerfacecolor() == "white"
    dots = sorted(x for x, y in ax.collections[0].get_offsets().tolist() if y > 1)
    assert dots == pytest.approx([-1, 1, 1])


@pytest.mark.parametrize("variants", [1, 4, 20])
def test_labels_of_accuracy_against_macs_do_not_overlap(variants):
    _, _, effects, look = frames_of({f"variant-{i}": [0.90, 0.91] for i in range(variants)})
    figure = draw_accuracy_against_macs(effects, look)
    figure.draw_without_rendering()
    labels = figure.axes[0].texts
    boxes = sorted(Text.get_window_extent(label).intervaly.tolist() for label in labels)  # without their lines
    assert len(boxes) == variants
    assert all(below[1] <= above[0] for below, above in pairwise(boxes))


def test_variants_of_equal_macs_stand_side_by_side():
    _, _, effects, look = frames_of(TOP1)
    figure = draw_accuracy_against_macs(effects, look)
    places = [float(bar[0].get_xdata()[0]) for bar in figure.axes[0].containers]
    assert len(set(places)) == 3
    assert sum(places) / 3 == pytest.approx(12.345678)


def test_a_mean_over_fewer_seeds_says_so_on_its_label():
    _, _, effects, look = frames_of({"base": [0.90, 0.91, 0.92], "other": [0.91, 0.90]})
    assert texts(draw_accuracy_against_macs(effects, look).axes[0]) == ["base", "other (n = 2)"]


def test_learning_curves_are_means_over_seeds():
    _, curves, _, look = frames_of(TOP1)
    ax = plot_learning_curve(curves, look, column="validation_top1", ax=Figure().subplots())
    assert ax.lines[0].get_ydata().tolist() == pytest.approx([91, 91])
    assert len(ax.collections) == 3  # bands


def test_a_difference_over_fewer_pairs_than_seeds_says_so():
    pairs, _, effects, look = frames_of({"base": [0.90, 0.91], "other": [0.91, 0.92, 0.90]})
    ax = plot_effects(effects.iloc[1:], pairs, look, ax=Figure().subplots())
    (told,) = texts(ax)
    assert told.startswith("+1.00 ± ")
    assert told.endswith(" (n = 2)")
    pairs, _, effects, look = frames_of(TOP1)
    ax = plot_effects(effects.iloc[1:], pairs, look, ax=Figure().subplots())
    assert not any("n =" in text for text in texts(ax))


def test_a_name_that_begins_with_an_underscore_stands_in_a_legend():
    _, curves, _, look = frames_of({"base": [0.90, 0.91], "_other": [0.91, 0.92]})
    ax = plot_learning_curve(curves, look, column="validation_top1", ax=Figure().subplots())
    assert [text.get_text().strip() for text in ax.legend().get_texts()] == ["base", "_other"]


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ("validation_top5", 99.3, 100.5),
        ("learning_rate", 0.09, 0.11),
        ("seconds", 1.4, 1.6),
        ("train_loss", 0.09, 0.11),
    ],
)
def test_every_figure_of_a_curve_has_a_range_that_suits_it(column, low, high):
    _, curves, _, look = frames_of(TOP1)
    ax = plot_learning_curve(curves, look, column=column, ax=Figure().subplots())
    drawn = (100 if column.endswith("top5") else 1) * curves[column]
    assert ax.lines[0].get_ydata().tolist() == pytest.approx(drawn.head(2).tolist())
    assert low <= ax.get_ylim()[0] < drawn.min() <= drawn.max() < ax.get_ylim()[1] <= high


def test_variants_keep_looks_of_their_own_and_the_baseline_is_black():
    look = looks([f"variant-{i}" for i in range(20)], "variant-7")
    assert len({(one.colour, one.dashes, one.marker) for one in look.values()}) == 20
    assert look["variant-7"].colour == "#111111"


def test_drawing_leaves_matplotlib_as_it_was():
    before = dict(mpl.rcParams)
    assert len(show(analyse(study_of(["base"], [1]), trials_of({"base": [0.9]})), SECTIONS)) == 1
    assert dict(mpl.rcParams) == before
