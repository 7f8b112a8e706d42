"""The statistics held against simulated studies whose truth is known.

A network's figure is what it is worth, plus what the seed does to all networks, plus what it does to this one, which
is normal. All comparisons of a table have the baseline's trials in common, as they have in a study.
"""

from __future__ import annotations

import math
import re
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from fishnet_search.evidence.effects import LARGER, variant_effects
from fishnet_search.evidence.frames import curve_frame
from fishnet_search.evidence.levels import level_effects
from fishnet_search.evidence.paired import (
    BOOTSTRAP_FROM,
    LEVEL,
    bootstrap_interval,
    effect_size,
    half_width,
    holm,
    paired_p,
    seeds_to_settle,
)
from tests.records import study_of, variant

NOISE = 0.004
"""Standard deviation of a network's figures from seed to seed, beside what the seed does to all."""

SPREAD = NOISE * math.sqrt(2)
"""The same of the difference of two."""

STATISTICS = Path(__file__).parents[2] / "docs" / "statistics.md"


def simulated(draws, seeds, effects, rng):
    """Test top-1 of draws × (baseline and variants) × seeds; each variant is better by its effect."""
    worth = 0.9 + np.array([0.0, *effects])[None, :, None]
    shared = 0.01 * rng.standard_normal((draws, 1, seeds))
    return worth + shared + NOISE * rng.standard_normal((draws, len(effects) + 1, seeds))


def differences(top1):
    """Draws × variants × seeds."""
    return top1[:, 1:] - top1[:, :1]


def coverage(draws, seeds, interval, rng, effect=0.01):
    """The share of studies whose interval holds the effect."""
    low, high = interval(differences(simulated(draws, seeds, [effect], rng))[:, 0])
    return float(np.mean((low <= effect) & (effect <= high)))


def t_interval(data):
    return data.mean(axis=-1) - half_width(data), data.mean(axis=-1) + half_width(data)


def rounded(top1, images):
    """Figures as they are of so many test images."""
    return np.round(top1 * images) / images


def found(top1, step=0.0):
    """Which variants of each table are larger than the noise, corrected within it: draws × variants."""
    p = paired_p(differences(top1), step)
    corrected = p if p.shape[1] == 1 else np.array([holm(table) for table in p])  # one comparison needs no correction
    return corrected < LEVEL


def shows_any(top1, step=0.0):
    """Which tables show any difference: Holm's method holds the smallest p against the level over all comparisons."""
    p = paired_p(differences(top1), step)
    return p.min(axis=1) * p.shape[1] < LEVEL


def standard_error(share, draws):
    return math.sqrt(share * (1 - share) / draws)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_t_intervals_cover_95_of_100_true_differences(seeds):
    assert coverage(40_000, seeds, t_interval, np.random.default_rng(seeds)) == pytest.approx(0.95, abs=0.005)


def test_bootstrap_intervals_cover_95_of_100_true_differences_from_where_they_are_shown():
    assert coverage(2_000, BOOTSTRAP_FROM, bootstrap_interval, np.random.default_rng(1)) == pytest.approx(
        0.95, abs=0.01
    )


@pytest.mark.parametrize(("variants", "seeds"), [(1, 3), (4, 3), (4, 2), (12, 5)])
def test_tables_of_equal_networks_seldom_show_any_difference(variants, seeds):
    draws = 20_000
    share = shows_any(simulated(draws, seeds, [0.0] * variants, np.random.default_rng(variants))).mean()
    assert 0.015 < share < 0.05 + 2 * standard_error(0.05, draws)


@pytest.mark.parametrize(("variants", "seeds"), [(4, 2), (4, 3), (12, 3)])
def test_tables_of_equal_networks_on_few_images_seldom_show_any_difference(variants, seeds):
    draws, images = 20_000, 300
    top1 = simulated(draws, seeds, [0.0] * variants, np.random.default_rng(variants))
    share = shows_any(rounded(top1, images), 1 / images).mean()
    assert share < 0.05 + 2 * standard_error(0.05, draws)


def test_a_table_shows_any_difference_where_its_correction_leaves_one():
    top1 = simulated(500, 3, [0.0, 0.0, 0.005], np.random.default_rng(3))
    assert shows_any(top1).tolist() == found(top1).any(axis=1).tolist()


def test_without_correction_tables_of_equal_networks_would_show_more():
    p = paired_p(differences(simulated(6_000, 5, [0.0] * 12, np.random.default_rng(12))))
    assert (p < 0.05).any(axis=1).mean() > 0.25


@pytest.mark.parametrize("size", [0.5, 1.0, 2.0])
def test_a_known_effect_is_found_at_the_stated_power(size):
    seeds, draws = int(seeds_to_settle(size)), 20_000
    stated = TTestPower().power(size, seeds, 0.05)
    share = found(simulated(draws, seeds, [size * SPREAD], np.random.default_rng(seeds))).mean()
    assert stated >= 0.8
    assert share == pytest.approx(stated, abs=3.5 * standard_error(stated, draws))


def test_the_fewest_seeds_are_meant():
    size, draws = 1.0, 20_000
    fewer = int(seeds_to_settle(size)) - 1
    assert found(simulated(draws, fewer, [size * SPREAD], np.random.default_rng(0))).mean() < 0.8


def test_an_effect_among_equal_networks_is_found_at_the_stated_power_after_correction():
    size, variants, draws = 1.5, 4, 4_000
    seeds = int(seeds_to_settle(size, 0.05 / variants))
    effects = [size * SPREAD] + [0.0] * (variants - 1)
    larger = found(simulated(draws, seeds, effects, np.random.default_rng(4)))
    assert larger[:, 0].mean() >= 0.8 - 2 * standard_error(0.8, draws)
    assert larger[:, 1:].any(axis=1).mean() <= 0.05 + 2 * standard_error(0.05, draws)


def frame_of(top1, images=None):
    """Trials of one draw: a row of the frame each."""
    rows = [
        {"variant": f"v{i}" if i else "base", "seed": seed, "planned": True, "state": "complete", "key": f"{i}-{seed}"}
        | {
            "params": 1,
            "macs": 1,
            "test_top1": value,
            "test_top5": 1.0,
            "validation_top1": value,
            "test_images": images,
        }
        for i, values in enumerate(top1)
        for seed, value in enumerate(values, 1)
    ]
    return pd.DataFrame(rows).astype({"test_images": "Int64"})


def table_of(top1, images=None):
    return variant_effects(frame_of(top1, images), "base", curve_frame([])).iloc[1:]


@pytest.mark.parametrize("images", [None, 300])
def test_a_table_says_what_these_simulations_judge(images):
    drawn = simulated(20, 4, [0.0, 0.01, 0.02], np.random.default_rng(5))
    for top1 in drawn if images is None else rounded(drawn, images):
        step = 0.0 if images is None else 1 / images
        table = table_of(top1, images)
        assert table["p_holm"].tolist() == pytest.approx(holm(paired_p(differences(top1[None])[0], step)).tolist())
        assert table["verdict"].eq(LARGER).tolist() == found(top1[None], step)[0].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("images", [None, 300])
def test_whole_tables_of_equal_networks_seldom_show_any_difference(images):
    draws = 2_000
    drawn = simulated(draws, 3, [0.0] * 4, np.random.default_rng(6))
    shown = [LARGER in set(table_of(top1, images)["verdict"]) for top1 in (rounded(drawn, images) if images else drawn)]
    assert np.mean(shown) < 0.05 + 2 * standard_error(0.05, draws)


GRID = [dict(zip(("width", "depth", "rate"), levels, strict=True)) for levels in product((1, 2), (1, 2, 3), (0.1, 0.2))]
CROSSED = study_of(["base"], axes={"width": ("tail.width",), "depth": ("body.depth",), "rate": ("recipe.epochs",)})
CROSSED = CROSSED.model_copy(
    update={"variants": tuple(variant(f"v{i}" if i else "base", levels=levels) for i, levels in enumerate(GRID))}
)


@pytest.mark.slow
def test_intervals_of_main_effects_cover_95_of_100_true_ones_and_equal_levels_seldom_differ():
    draws, seeds = 2_000, 3
    depth = {1: 0.0, 2: 0.01, 3: 0.02}
    effects = [depth[levels["depth"]] for levels in GRID]
    covered, false = [], []
    for top1 in simulated(draws, seeds, effects[1:], np.random.default_rng(7)):
        levels = level_effects(CROSSED, frame_of(top1))
        truth = [depth[int(row.level)] if row.axis == "depth" else 0.0 for row in levels.itertuples()]
        covered.append((levels["difference_top1"] - truth).abs() <= levels["difference_ci95"])
        false.append((levels["verdict"].eq(LARGER) & (np.array(truth) == 0)).any())
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)
    assert np.mean(false) < 0.05 + 2 * standard_error(0.05, draws)


def bca(data):
    interval = stats.bootstrap(
        (data,), np.mean, axis=-1, n_resamples=1_999, batch=50, random_state=0
    ).confidence_interval
    return interval.low, interval.high


def percentiles(data):
    return stats.bootstrap(
        (data,), np.mean, axis=-1, n_resamples=1_999, batch=50, method="percentile", random_state=0
    ).confidence_interval


SHOWN = re.findall(
    r"^\| (\d+) \| ([\d.]+) \| ([\d.–]+) \| ([\d.]+) \| ([\d.]+) \|$", STATISTICS.read_text("utf-8"), re.M
)


@pytest.mark.slow
@pytest.mark.parametrize("row", SHOWN, ids=lambda row: f"{row[0]} seeds")
def test_the_page_gives_the_coverage_that_is_measured(row):
    seeds, draws = int(row[0]), 10_000
    measured = [
        coverage(draws, seeds, interval, np.random.default_rng(seeds))
        for interval in (t_interval, bootstrap_interval, percentiles, bca)
    ]
    for told, share in zip(row[1:], measured, strict=True):
        assert (told == "–" and seeds < BOOTSTRAP_FROM) or float(told) / 100 == pytest.approx(share, abs=0.005), (
            measured
        )


IMAGES = re.findall(r"^  \| (\d+) seeds " + r"\| ([\d.]+) " * 6 + r"\|$", STATISTICS.read_text("utf-8"), re.M)


AGAIN = re.findall(r"^  \| (\d+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \|$", STATISTICS.read_text("utf-8"), re.M)


def test_the_tables_of_the_page_are_found():
    assert [row[0] for row in SHOWN] == ["3", "5", "8", "10"]
    assert [row[:2] for row in AGAIN] == [("3", "1"), ("3", "3"), ("5", "1"), ("5", "3")]
    assert [row[0] for row in IMAGES] == ["2", "3", "5"]


@pytest.mark.parametrize("row", IMAGES, ids=lambda row: f"{row[0]} seeds")
def test_the_page_says_what_few_test_images_do_to_verdicts(row):
    draws, told = 40_000, iter(row[1:])
    for variants in (1, 12):
        top1 = simulated(draws, int(row[0]), [0.0] * variants, np.random.default_rng(8))
        for images in (300, 1_000, 10_000):
            share = shows_any(rounded(top1, images), 1 / images).mean()
            assert float(next(told)) / 100 == pytest.approx(share, abs=2 * standard_error(0.05, draws))


def looked_at_twice(draws, seeds, variants, rng, most=30):
    """Of tables of equal networks, the shares that show any difference: at first, and with the seeds they asked for.

    A table that shows none is given the fewest seeds that would settle one of its differences, as it says, up to
    `most` more; then all its seeds are judged together.
    """
    top1 = simulated(draws, seeds + most, [0.0] * variants, rng)
    before = shows_any(top1[..., :seeds])
    size = effect_size(differences(top1[..., :seeds])).reshape(-1)
    more = (seeds_to_settle(size, LEVEL / variants) - seeds).clip(min=1).reshape(draws, variants).min(axis=1)
    after = before.copy()
    for extra in range(1, most + 1):
        asked = ~before & (more == extra)
        after[asked] = shows_any(top1[asked, :, : seeds + extra])
    return before.mean(), after.mean()


@pytest.mark.slow
@pytest.mark.parametrize("row", AGAIN, ids=lambda row: f"{row[0]} seeds, {row[1]} comparisons")
def test_the_page_says_what_seeds_do_that_are_added_because_the_report_asks_for_them(row):
    draws = 10_000
    before, after = looked_at_twice(draws, int(row[0]), int(row[1]), np.random.default_rng(9))
    assert float(row[2]) / 100 == pytest.approx(before, abs=2 * standard_error(0.1, draws)), (before, after)
    assert float(row[3]) / 100 == pytest.approx(after, abs=2 * standard_error(0.1, draws)), (before, after)


@pytest.mark.slow
def test_the_page_says_how_far_the_number_of_further_seeds_may_be_out():
    needed, low, high = map(int, re.search(ASKED, STATISTICS.read_text("utf-8")).groups())
    size = next(size for size in np.arange(2, 1, -0.01) if seeds_to_settle(size) - 3 >= needed)
    assert seeds_to_settle(size) - 3 == needed
    data = differences(simulated(10_000, 3, [size * SPREAD], np.random.default_rng(10)))[:, 0]
    within = paired_p(data) >= LEVEL
    told = (seeds_to_settle(effect_size(data[within])) - 3).clip(min=1)
    assert np.quantile(told, [0.1, 0.9]).tolist() == pytest.approx([low, high], rel=0.1)


ASKED = r"in truth (\d+) more would\s+settle it, 80 of 100 reports within the noise say between (\d+) and (\d+)"
