"""What is drawn of searches and grids, read back from the axes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from fishnet_search.evidence.search import Corner, error_distribution
from fishnet_search.plots.coordinates import MOST_LINES, plot_parallel_coordinates
from fishnet_search.plots.fidelity import plot_best_lost, plot_rank_agreement
from fishnet_search.plots.looks import looks
from fishnet_search.plots.search import (
    MOST_POINTS,
    plot_error_distribution,
    plot_front,
    plot_hypervolume,
    plot_importance,
    plot_progress,
    thinned,
)


def axes_of():
    return Figure().subplots()


def points_of(collection):
    return sorted(map(tuple, collection.get_offsets().tolist()))


PROGRESS = pd.DataFrame(
    {
        "trial": [1, 2, 3, 4],
        "variant": ["base", "a", "b", "c"],
        "state": ["complete", "complete", "pruned", "duplicate"],
        "epochs": [9, 9, 1, 0],
        "epochs_spent": [9, 18, 19, 19],
        "validation_top1": [0.90, 0.95, 0.40, 0.93],
        "cost": [4e6, 5e6, 6e6, 7e6],
        "best_top1": [0.90, 0.95, 0.95, 0.95],
    }
)
SCORES = PROGRESS.assign(validation_top1=[0.90, 0.95, np.nan, 0.93])


@pytest.mark.parametrize(("against", "places"), [("trial", [1, 2, 4]), ("epochs_spent", [9, 18, 19])])
def test_the_best_so_far_is_a_staircase_over_points_with_what_was_stopped_apart(against, places):
    ax = axes_of()
    assert plot_progress(PROGRESS, against=against, baseline="base", ax=ax) is ax
    counted, stopped = ax.collections
    assert [x for x, _ in points_of(counted)] == places
    # 40 % is below the figure, which begins 6 % of the range below the lowest that counts
    assert points_of(stopped) == [(PROGRESS[against][2], pytest.approx(90 - 0.06 * 5))]
    best, baseline = ax.lines
    assert best.get_drawstyle() == "steps-post"
    assert best.get_ydata().tolist() == [90, 95, 95]
    assert best.get_xdata().tolist() == [places[0], places[1], PROGRESS[against][3]]
    assert baseline.get_ydata() == [90, 90]


def test_the_front_is_a_line_to_the_highest_cost_and_the_reference_point_is_marked():
    ax = plot_front(SCORES, Corner(7e6, 0.90, 4e6, 0.95), "macs", looks(["base"], "base"), ax=axes_of())
    line, baseline = ax.lines
    assert line.get_xdata().tolist() == [4, 5, 7]  # millions
    assert line.get_ydata().tolist() == [90, 95, 95]
    everyone, reference, front = (
        points_of(one) for one in ax.collections if len(one.get_offsets()) and points_of(one) != [(0, 0)]
    )
    assert everyone == [(4, 90), (5, 95), (7, 93)]
    assert front == [(4, 90), (5, 95)]
    assert reference == [(7, 90)]
    assert (baseline.get_xdata().tolist(), baseline.get_ydata().tolist()) == ([4], [90])
    assert ax.get_xlabel() == "MACs of one image (million multiply-accumulates)"


def test_the_front_names_some_by_their_looks_but_for_those_that_are_far_out():
    scores = pd.DataFrame(
        {
            "variant": ["base", *"abcdef", "_best"],
            "state": "complete",
            "validation_top1": [0.1, 0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96],
            "cost": np.arange(8) * 1e6,
        }
    )
    look = looks(["base", "a", "_best"], "base")
    ax = plot_front(scores, None, "macs", look, ax=axes_of())
    assert {line.get_label(): line.get_color() for line in ax.lines} == {
        "a": look["a"].colour,
        " _best": look["_best"].colour,  # a legend leaves out what begins with an underscore
    }
    assert len(ax.legend().get_texts()) == 2
    assert ax.get_ylim()[0] > 80


def test_the_hypervolume_is_drawn_where_it_grows_and_to_the_end():
    shares = pd.Series([0.2, 0.2, 0.5, 0.5, 0.5], index=range(1, 6))
    (line,) = plot_hypervolume(shares, ax=axes_of()).lines
    assert line.get_xdata().tolist() == [1, 3, 5]
    assert line.get_ydata().tolist() == [20, 50, 50]


def test_an_axis_that_explains_no_more_than_a_decoy_is_hollow():
    importance = pd.DataFrame(
        {"axis": ["rate", "depth"], "share": [0.6, 0.1], "share_by_chance": 0.2, "beyond_chance": [True, False]}
    )
    ax = plot_importance(importance, ax=axes_of())
    assert [bar.get_width() for bar in ax.patches] == [60, 10]
    assert [bar.get_facecolor()[:3] == (1, 1, 1) for bar in ax.patches] == [False, True]
    assert [text.get_text() for text in ax.texts] == ["60 %", "10 %"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["rate", "depth"]


def test_distributions_rise_from_0_and_leave_out_what_is_far_off():
    errors = [0.02, 0.03, 0.04, 0.05, 0.9]
    scores = pd.DataFrame({"state": "complete", "validation_top1": [1 - error for error in errors]})
    ax = plot_error_distribution({"all": error_distribution(scores)}, ax=axes_of())
    (line,) = ax.lines
    assert line.get_ydata().tolist() == pytest.approx([0, 20, 40, 60, 80, 100])
    assert line.get_xdata().tolist() == pytest.approx([2, 2, 3, 4, 5, 90])
    assert ax.get_xlim()[1] < 10


def candidates_of(n):
    """Levels and scores of n candidates, the last of which lack an axis."""
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(n)]
    axes = pd.DataFrame(
        {
            "pool": rng.choice(["max-2x2", "average-pooling-2x2"], n),
            "rate": np.exp(rng.uniform(-7, 0, n)),
            "groups": [float(i % 4) if i < n - 2 else np.nan for i in range(n)],
        },
        index=pd.Index(names, name="variant"),
    )
    scores = pd.DataFrame(
        {
            "variant": names,
            "state": "complete",
            "validation_top1": rng.uniform(0.9, 1, n),
            "cost": rng.uniform(1e6, 9e6, n),
        }
    )
    return axes, scores


def lines_of(ax):
    (lines,) = (one for one in ax.collections if isinstance(one, LineCollection) and len(one.get_segments()[0]) > 2)
    return np.array(lines.get_segments())


def test_each_candidate_is_a_line_through_its_levels_its_cost_and_its_accuracy():
    axes, scores = candidates_of(20)
    ax = plot_parallel_coordinates(axes, scores, "macs", ax=axes_of())
    lines = lines_of(ax)
    assert lines.shape == (20, 5, 2)
    best = lines[-1]  # drawn last, on top
    top = scores.loc[scores["validation_top1"].idxmax()]
    assert best[4, 1] == 1
    low, high = np.log(axes["rate"].min()), np.log(axes["rate"].max())
    assert best[1, 1] == pytest.approx((np.log(axes["rate"][top["variant"]]) - low) / (high - low))  # by ratios
    assert best[3, 1] == pytest.approx((top["cost"] - scores["cost"].min()) / np.ptp(scores["cost"]))
    assert (lines[:, 2, 1] < -0.05).sum() == 2  # those without groups run below
    texts = [text.get_text() for text in ax.texts]
    assert {"pool", "rate (log)", "groups", "MACs (M)", "top-1 (%)", "none", "max-2x2", "average-\npooling-2x2"} <= set(
        texts
    )


def test_lines_of_one_level_do_not_lie_on_each_other():
    axes, scores = candidates_of(20)
    heights = lines_of(plot_parallel_coordinates(axes, scores, "macs", ax=axes_of()))[:, 0, 1]
    assert len(set(heights.round(9))) == 20
    assert all(min(abs(height), abs(height - 1)) < 0.1 for height in heights)


def test_stopped_candidates_are_no_lines():
    axes, scores = candidates_of(20)
    scores.loc[3, ["state", "validation_top1"]] = ["pruned", np.nan]
    assert len(lines_of(plot_parallel_coordinates(axes, scores, "macs", ax=axes_of()))) == 19


def test_of_very_many_candidates_the_best_and_some_others_are_drawn():
    axes, scores = candidates_of(10 * MOST_LINES)
    drawn = lines_of(plot_parallel_coordinates(axes, scores, "macs", ax=axes_of()))
    assert len(drawn) == MOST_LINES
    best = scores["validation_top1"].nlargest(MOST_LINES // 3)
    lowest = scores["validation_top1"].min()
    heights = (best - lowest) / (best.max() - lowest)
    assert (drawn[:, 4, 1] >= heights.min() - 0.01).sum() >= MOST_LINES // 3
    assert len(thinned(scores, MOST_POINTS)) == MOST_POINTS


FIDELITY = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "tau": [0.2, 0.5, 0.9],
        "tau_low": [-0.1, 0.3, 0.8],
        "tau_high": [0.4, 0.7, 1.0],
        "best_lost": [0.5, 0.5, 0.0],
        "best_lost_of_half": [0.5, 0.0, 0.0],
    }
)


def test_rank_agreement_is_drawn_with_its_interval_and_the_hurdles():
    ax = plot_rank_agreement(FIDELITY, [1, 3], ax=axes_of())
    tau, _, *hurdles = ax.lines
    assert tau.get_ydata().tolist() == [0.2, 0.5, 0.9]
    assert [line.get_xdata()[0] for line in hurdles] == [1, 3]
    assert len(ax.collections) == 1
    assert ax.get_ylim()[0] < -0.1


@pytest.mark.parametrize(("keep", "labels"), [(3, ["if 1 in 3 goes on", "if half go on"]), (2, ["if 1 in 2 goes on"])])
def test_what_is_lost_is_drawn_for_the_rule_and_for_a_halving(keep, labels):
    ax = plot_best_lost(FIDELITY, [], keep, ax=axes_of())
    assert [line.get_label() for line in ax.lines] == labels
    assert ax.lines[0].get_ydata().tolist() == [50, 50, 0]
