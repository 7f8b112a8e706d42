"""Variants as they are and at the baseline's cost, against numbers worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.wording import change
from fishnet_search.plots.figures import draw_matched_effects
from fishnet_search.plots.looks import looks
from fishnet_search.report.summary import summarise
from fishnet_search.report.table import matched_table
from fishnet_search.report.write import write_report
from tests.records import complete, refused, study_of, trials_of, variant

VARIANTS = (
    variant("base", macs=10_000_000),
    variant("conv", macs=22_000_000),
    variant("conv-same-macs", macs=10_030_000, matches="conv"),
    variant("avg", macs=10_000_000),
    variant("wide", macs=39_000_000),
    variant("deep", macs=11_200_000),
)
REFUSED = (
    refused("wide-same-macs", "match", "macs come no nearer"),
    refused("deep-same-macs", "constraints.params", "params 9 is more than 8"),
)
STUDY = study_of(["base"], match="macs", refused=REFUSED).model_copy(update={"variants": VARIANTS})
TOP1 = {
    "base": [0.90, 0.91, 0.92],
    "conv": [0.95, 0.96, 0.971],  # + 5, 5 and 5.1 points
    "conv-same-macs": [0.91, 0.90, 0.93],  # + 1, − 1 and 1 points
    "avg": [0.91, 0.90, 0.93],
    "wide": [0.95, 0.96, 0.971],
    "deep": [0.85, 0.86, 0.871],  # − 5, − 5 and − 4.9 points
}
TRIALS = trials_of(TOP1)


def test_a_variant_stands_beside_its_twin():
    conv = analyse(STUDY, TRIALS).matched.set_index("variant").loc["conv"]
    assert conv.matched_by == "conv-same-macs"
    assert conv.cost_change == pytest.approx(1.2)
    assert conv.matched_cost_change == pytest.approx(0.003)
    assert conv.matched_difference_top1 == pytest.approx(0.01 / 3)
    assert conv.matched_verdict == "within the noise"


def test_the_table_has_both_differences_and_twins_have_no_row_of_their_own():
    analysis = analyse(STUDY, TRIALS)
    table = matched_table(analysis.effects, analysis.matched, "MACs").set_index("variant")
    assert table.index.tolist() == ["conv", "avg", "wide", "deep"]
    assert table.loc["conv"].tolist() == [
        "+120 %", "+5.03 ± 0.34", "larger than the noise",
        "conv-same-macs", "+0.3 %", "+0.33 ± 2.87", "within the noise",
    ]  # fmt: skip
    assert table.loc["avg", ["matched by", "matched difference (points)"]].tolist() == ["as it is", "+0.33 ± 2.87"]
    assert table.loc["wide", ["matched by", "MACs matched", "matched verdict"]].tolist() == [
        "no width reaches it", "–", "–",
    ]  # fmt: skip
    assert table.loc["deep", "matched by"] == "refused"


def test_what_remains_at_the_baselines_cost_is_said_in_words():
    words = "\n".join(summarise(analyse(STUDY, TRIALS)))
    assert words.startswith(
        "At the baseline's MACs, none of 2 differences to the baseline base (91.00 % test top-1 over 3 seeds) is "
        "larger than the noise. As they are, 3 of 4 are larger than the noise."
    )
    assert (
        "conv is 5.03 ± 0.34 points above the baseline, larger than the noise, as it is (+120 % MACs); at the "
        "baseline's MACs (+0.3 %) it is 0.33 ± 2.87 points above the baseline, within the noise." in words
    )
    assert (
        "avg has the baseline's MACs within the tolerance as it is (0.0 %) and is 0.33 ± 2.87 points above the "
        "baseline, within the noise." in words
    )
    assert "(+290 % MACs); no width reaches the baseline's MACs: macs come no nearer." in words
    assert (
        "deep is 4.97 ± 0.34 points below the baseline, larger than the noise, as it is (+12 % MACs); its twin was "
        "refused: params 9 is more than 8." in words
    )


def test_a_twin_that_is_not_trained_yet_is_not_compared_yet():
    words = "\n".join(summarise(analyse(STUDY, [each for each in TRIALS if each.variant != "conv-same-macs"])))
    assert "at the baseline's MACs (+0.3 %) it is not compared yet." in words


def test_many_variants_within_the_noise_either_way_are_told_together():
    names = [f"v{i}" for i in range(11)]
    study = study_of(["base", *names], match="macs")
    trials = trials_of({"base": [0.90, 0.91, 0.92], **{name: [0.91, 0.90, 0.93] for name in names}})
    assert summarise(analyse(study, trials))[1:] == (
        f"Within the noise as they are and at the baseline's MACs: {', '.join(names)}.",
        # Holm's correction holds the next of 11 against 0.05 / 11
        "Over 100 more seeds would settle a difference of 0.33 points (v0), which takes the fewest: in 80 of 100 "
        "studies, if in truth difference and spread are those seen.",  # 164
    )


def test_of_many_pairs_the_largest_are_told_one_by_one():
    names = [f"v{i}" for i in range(30)]
    top1 = {name: [0.80 - i / 100, 0.81 - i / 100, 0.821 - i / 100] for i, name in enumerate(names)}
    study = study_of(["base", *names], match="macs")
    words = summarise(analyse(study, trials_of({"base": [0.90, 0.91, 0.92], **top1})))
    told = [sentence.split()[0] for sentence in words if "has the baseline's MACs within the tolerance" in sentence]
    assert told == names[-12:]
    assert "18 more, which the table has, differ by less." in words


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [(1.2, "+120 %"), (0.1, "+10 %"), (0.0996, "+10 %"), (0.003, "+0.3 %"), (-0.35, "−35 %"), (0.0, "0.0 %")],
)
def test_costs_are_told_as_what_they_are_beyond_the_baselines(fraction, shown):
    assert change(fraction) == shown


def test_raw_and_matched_are_drawn_in_one_row_filled_where_larger_than_the_noise():
    analysis = analyse(STUDY, TRIALS)
    look = looks(analysis.effects["variant"].tolist(), "base", {"conv-same-macs": "conv"})
    ax = draw_matched_effects(analysis.effects, analysis.matched, analysis.pairs, look, "MACs").axes[0]
    drawn = {float(bar[0].get_ydata()[0]): bar[0] for bar in ax.containers}
    raw, twin = drawn[-0.21], drawn[0.21]
    assert raw.get_xdata()[0] == pytest.approx(5.0333, abs=1e-4)
    assert twin.get_xdata()[0] == pytest.approx(0.3333, abs=1e-4)
    assert raw.get_markerfacecolor() == look["conv"].colour == look["conv-same-macs"].colour
    assert twin.get_markerfacecolor() == "white"
    assert (raw.get_marker(), twin.get_marker()) == ("o", "D")
    assert [text.get_text() for text in ax.texts][-3:] == ["matched as it is", "no width matches", "twin refused"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["conv", "avg", "wide", "deep"]


def test_the_files_have_the_matched_figures_and_explain_them(tmp_path):
    report = write_report(STUDY, [*TRIALS, complete("former", 1, 0.9)], tmp_path, command="report")
    table = pd.read_csv(report.csv).set_index("variant")
    assert table.loc["conv", "matched_difference_top1"] == pytest.approx(0.01 / 3)
    assert table.loc["wide", "matched_reason"] == "macs come no nearer"
    assert table.loc[["base", "conv-same-macs", "former"], "matched_by"].isna().all()
    section = report.markdown.read_text().split("`table.csv`:")[1]
    assert all(f"- {column}: ".replace("_", r"\_") in section for column in table.columns)
    assert (tmp_path / "figures" / "effects.png").is_file()
    assert "## As they are and at the baseline's MACs" in report.markdown.read_text()
    assert "spaces/pooling.yaml:14: constraints.params refused 1: deep-same-macs." in report.html.read_text()
