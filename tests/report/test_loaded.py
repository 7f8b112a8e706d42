"""Studies as a notebook has them: frames, effects, plots, what is best, and several studies together."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from fishnet_search import build_graph, build_network, load_studies, load_study
from fishnet_search.errors import StudyError
from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.effects import EFFECT_COLUMNS
from fishnet_search.evidence.frames import CURVE_COLUMNS, TRIAL_COLUMNS
from fishnet_search.evidence.naming import names_of
from fishnet_search.study.store import trial_file, write_record
from tests.records import DATA, OF_CLASSIFICATION, SPEC, complete, failed, pruned, study_of, trials_of, variant

TOP1 = {"base": [0.90, 0.91, 0.92], "better": [0.95, 0.96, 0.971], "same": [0.91, 0.90, 0.93]}


@pytest.fixture(autouse=True)
def figures_are_closed():
    mpl.use("agg")
    yield
    plt.close("all")


def written(folder, study, trials):
    write_record(folder / "study.json", study)
    for trial in trials:
        write_record(trial_file(folder, trial.trial), trial)
    return folder


@pytest.fixture
def folder(tmp_path):
    """The folder of a complete study of three variants and three seeds."""
    return written(tmp_path / "studies" / "pooling", study_of(list(TOP1)), trials_of(TOP1))


def validated(name, seed, validation, **fields):
    """A complete trial that this validation top-1 chose; all have the same test figures."""
    epochs = tuple(
        epoch.model_copy(update={"validation": {"loss": 0.1, "top1": validation, "top5": 1.0}})
        for epoch in complete(name, seed, 0.5).epochs
    )
    return complete(name, seed, 0.5, epochs=epochs, **fields)


def test_a_study_is_loaded_by_name_and_by_path(folder, monkeypatch):
    monkeypatch.chdir(folder.parents[1])
    for asked in (("pooling",), (Path("studies/pooling"),), ("studies/pooling",), ("pooling", folder.parent)):
        assert load_study(*asked).record.name == "pooling"


def test_a_name_that_no_study_has_is_refused_with_the_nearest(folder):
    with pytest.raises(StudyError, match=r"holds no study 'poling'; did you mean 'pooling'\? one of pooling"):
        load_study("poling", folder.parent)
    with pytest.raises(StudyError, match=r"nowhere: holds no study; run one by `fishnet-search run`"):
        load_study("poling", folder / "nowhere")


def test_a_path_without_a_study_and_another_format_are_refused(folder):
    with pytest.raises(StudyError, match="is not a study, or it has only begun"):
        load_study(folder / "trials")
    path = folder / "study.json"
    path.write_text(path.read_text().replace('"format": 4', '"format": 3'))
    with pytest.raises(StudyError, match="has the record format 3 of another version of fishnet-search"):
        load_study(folder)


def test_frames_have_the_columns_that_are_explained_and_the_numbers_of_the_records(folder):
    study = load_study(folder)
    assert list(study.trials) == names_of(TRIAL_COLUMNS, OF_CLASSIFICATION)
    assert list(study.curves) == names_of(CURVE_COLUMNS, OF_CLASSIFICATION)
    assert study.trials.set_index(["variant", "seed"])["test_top1"].to_dict() == {
        (name, seed): value for name, values in TOP1.items() for seed, value in enumerate(values, 1)
    }
    assert len(study.curves) == 18  # 3 variants, 3 seeds, 2 epochs
    assert study.curves.loc[study.curves["variant"] == "better", "validation_top1"].max() == 0.971


def test_effects_and_the_like_are_those_of_the_report(folder):
    study, reported = load_study(folder), analyse(study_of(list(TOP1)), trials_of(TOP1))
    pd.testing.assert_frame_equal(study.effects, reported.effects)
    pd.testing.assert_frame_equal(study.pairs, reported.pairs)
    pd.testing.assert_frame_equal(study.levels, reported.levels)
    assert list(study.effects) == names_of(EFFECT_COLUMNS, OF_CLASSIFICATION)
    assert study.effects.set_index("variant").loc["better", "difference_top1"] == pytest.approx(0.0503333, abs=1e-6)
    assert "better" in " ".join(study.summary)


def test_the_best_is_chosen_on_validation_and_can_be_built(folder, tmp_path):
    chosen = load_study(folder).best
    assert (chosen.variant, chosen.seeds) == ("better", 3)
    assert chosen.test_mean == pytest.approx(0.9603333, abs=1e-6)
    assert sum(p.numel() for p in build_network(build_graph(chosen.spec)).parameters()) > 0
    assert chosen.spec == SPEC
    assert repr(chosen) == "<best on validation images: better, 96.03 ± 2.61 % test top-1 over 3 seeds>"
    assert "<svg" in chosen._repr_html_()
    study = study_of(["base", "good"], seeds=(1, 2))
    trials = [validated(name, seed, value) for name, value in (("base", 0.8), ("good", 0.9)) for seed in (1, 2)]
    assert load_study(written(tmp_path / "other", study, trials)).best.variant == "good"  # equal on test images


def test_a_variant_with_fewer_seeds_is_not_the_best(tmp_path):
    trials = [validated("base", 1, 0.8), validated("base", 2, 0.8), validated("lucky", 1, 0.9), pruned("lucky", 2)]
    assert load_study(written(tmp_path, study_of(["base", "lucky"], (1, 2)), trials)).best.variant == "base"


def test_the_front_weighs_validation_accuracy_against_cost(tmp_path):
    macs = {"base": 100, "small": 50, "waste": 200, "large": 300}
    top1 = {"base": 0.8, "small": 0.7, "waste": 0.75, "large": 0.9}
    study = study_of(list(macs), (1, 2), name="front").model_copy(
        update={"variants": tuple(variant(name, macs=cost) for name, cost in macs.items())}
    )
    trials = [validated(name, seed, value, macs=macs[name]) for name, value in top1.items() for seed in (1, 2)]
    loaded = load_study(written(tmp_path, study, trials))
    assert loaded.pareto["variant"].tolist() == ["small", "base", "large"]
    assert loaded.pareto["cost"].tolist() == [50, 100, 300]
    line = loaded.plot_pareto().lines[0]
    assert line.get_ydata() == pytest.approx([70, 80, 90])


PLOTS = ["plot_effects", "plot_accuracy_against_macs", "plot_learning_curves", "plot_pareto"]


@pytest.mark.parametrize("plot", PLOTS)
def test_plots_draw_on_the_axes_they_are_given_and_return_them(folder, plot):
    ax = Figure().subplots()
    assert getattr(load_study(folder), plot)(ax=ax) is ax
    assert ax.has_data()
    assert plt.get_fignums() == []


@pytest.mark.parametrize("plot", PLOTS)
def test_plots_without_axes_are_figures_that_a_notebook_shows(folder, plot):
    before = dict(mpl.rcParams)
    ax = getattr(load_study(folder), plot)()
    assert plt.get_fignums() == [ax.figure.number]
    assert dict(mpl.rcParams) == before
    ax.figure.canvas.draw()


def test_learning_curves_are_of_the_column_that_is_asked_for(folder):
    ax = load_study(folder).plot_learning_curves("train_loss")
    assert ax.get_ylabel() == "train loss"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["base", "better", "same"]


@pytest.mark.parametrize(
    ("column", "label"),
    [("validation_top5", "validation top-5 (%)"), ("learning_rate", "learning rate"), ("seconds", "seconds")],
)
def test_every_figure_of_the_curves_can_be_drawn(folder, column, label):
    assert load_study(folder).plot_learning_curves(column, ax=Figure().subplots()).get_ylabel() == label


@pytest.mark.parametrize("column", ["validation_top", "state"])
def test_what_is_no_figure_of_the_curves_is_refused_with_the_nearest(folder, column):
    with pytest.raises(StudyError, match=f"no figures '{column}'.* one of learning_rate, .*validation_top1"):
        load_study(folder).plot_learning_curves(column)
    assert plt.get_fignums() == []


def test_where_what_is_compared_is_not_complete_that_is_said(tmp_path):
    study = study_of(["base", "other"], design="tpe")
    loaded = load_study(written(tmp_path, study, [complete("former", 1, 0.9)]))
    for asked in ("plot_accuracy_against_macs", "plot_learning_curves"):
        with pytest.raises(StudyError, match="no variant that is compared has a complete trial; run the study again"):
            getattr(loaded, asked)()
    with pytest.raises(StudyError, match="no variant that is compared has a complete trial"):
        _ = loaded.best
    with pytest.raises(StudyError, match="has completed all the seeds"):
        loaded.plot_pareto()
    with pytest.raises(StudyError, match="no variant has a seed in common"):
        loaded.plot_effects()


def test_a_study_that_is_running_has_frames_and_says_why_it_has_no_effects(tmp_path):
    begun = pruned("base", 1).model_copy(update={"state": "interrupted", "best_epoch": 1})
    study = load_study(written(tmp_path, study_of(["base", "other"]), [begun, failed("other", 1)]))
    assert study.trials["state"].value_counts().to_dict() == {"missing": 4, "interrupted": 1, "failed": 1}
    assert len(study.curves) == 1
    assert list(study.specs) == ["base", "other"]
    for asked in ("effects", "levels", "pareto", "best", "summary"):
        with pytest.raises(StudyError, match="none of its 6 trials is complete yet"):
            getattr(study, asked)
    for plot in PLOTS:
        with pytest.raises(StudyError, match="none of its 6 trials is complete yet"):
            getattr(study, plot)()
    assert "none of its 6 trials is complete yet" in study._repr_html_()
    assert repr(study) == "<study pooling: 0 of 6 planned trials complete, 4 missing, 1 interrupted, 1 failed>"


def test_a_study_without_any_trial_has_empty_frames(tmp_path):
    study = load_study(written(tmp_path, study_of(["base"]), []))
    assert study.trials["state"].tolist() == ["missing"] * 3
    assert list(study.curves) == names_of(CURVE_COLUMNS, OF_CLASSIFICATION)
    assert study.curves.empty


def test_no_difference_to_draw_is_said(tmp_path):
    study = load_study(written(tmp_path, study_of(["base", "other"]), [complete("base", 1, 0.9)]))
    with pytest.raises(StudyError, match="no variant has a seed in common with the baseline"):
        study.plot_effects()
    assert study.best.variant == "base"


def test_a_study_shows_itself_with_what_it_holds_escaped(tmp_path):
    study = study_of(["base", "<b>"], description="Is a < b?")
    trials = trials_of({"base": [0.90, 0.91, 0.92], "<b>": [0.95, 0.96, 0.971]})
    trials = [trial.model_copy(update={"trial": f"t{i}"}) for i, trial in enumerate(trials)]
    page = load_study(written(tmp_path, study, trials))._repr_html_()
    assert "6 of 6 planned trials complete" in page
    assert "Is a &lt; b?" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "+5.03" in page


def test_a_long_table_is_cut_in_the_middle(tmp_path):
    top1 = {f"variant-{i}": [0.5 + i / 1000] for i in range(50)}
    page = load_study(written(tmp_path, study_of(list(top1), (1,)), trials_of(top1)))._repr_html_()
    assert page.count("<tr") < 30


def two(tmp_path, other=None, **fields):
    """Two studies with the seeds 1, 2, 3 loaded together, the second of other variants and with these fields."""
    other = other or {"base": [0.90, 0.92, 0.92], "wide": [0.93, 0.95, 0.96]}
    first = written(tmp_path / "pooling", study_of(list(TOP1)), trials_of(TOP1))
    trials = [trial.model_copy(update={"key": f"other {trial.key}"}) for trial in trials_of(other)]
    if "data" in fields:
        trials = [trial.model_copy(update={"data": fields["data"]}) for trial in trials]
    second = written(tmp_path / "width", study_of(list(other), **{"name": "width"} | fields), trials)
    return load_studies([first, second])


def test_several_studies_are_one_frame_with_the_studys_name_in_front(tmp_path):
    studies = two(tmp_path)
    assert list(studies.trials) == ["study", *names_of(TRIAL_COLUMNS, OF_CLASSIFICATION)]
    assert list(studies.curves) == ["study", *names_of(CURVE_COLUMNS, OF_CLASSIFICATION)]
    assert studies.trials.groupby("study").size().to_dict() == {"pooling": 9, "width": 6}
    assert studies.curves.groupby("study").size().to_dict() == {"pooling": 18, "width": 12}
    assert studies.effects.groupby("study")["verdict"].first().to_dict() == {"pooling": "baseline", "width": "baseline"}
    assert studies["width"].record.name == "width"


def test_variants_of_studies_of_the_same_images_are_compared_seed_by_seed(tmp_path):
    compared = two(tmp_path).comparison.set_index(["study", "variant"])
    assert list(compared.reset_index())[:2] == ["study", "variant"]
    assert len(compared) == 5
    assert compared.loc[("pooling", "base"), "verdict"] == "baseline"
    # by hand: (0.90 − 0.90) + (0.92 − 0.91) + (0.92 − 0.92) over 3, and (0.03 + 0.04 + 0.04) over 3
    assert compared.loc[("width", "base"), "difference_top1"] == pytest.approx(0.01 / 3)
    assert compared.loc[("width", "wide"), "difference_top1"] == pytest.approx(0.11 / 3)
    assert compared.loc[("width", "wide"), "pairs"] == 3


def test_a_comparison_is_drawn(tmp_path):
    ax = Figure().subplots()
    assert two(tmp_path).plot_comparison(ax=ax) is ax
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["pooling: better", "pooling: same", "width: base", "width: wide"]


def test_studies_of_other_images_load_together_but_are_not_compared(tmp_path):
    studies = two(tmp_path, data=DATA.model_copy(update={"fingerprint": "77" * 32, "source": "shapes"}))
    assert len(studies.trials) == 15
    assert len(studies.effects) == 5
    why = r"only where these have the same images.*pooling: digits \(5d5d5d5d5d5d\); width: shapes \(777777777777\)"
    with pytest.raises(StudyError, match=why):
        _ = studies.comparison
    with pytest.raises(StudyError, match=why):
        studies.plot_comparison()
    assert "only where these have the same images" in studies._repr_html_()


def test_studies_of_one_name_are_told_apart_by_their_folders(tmp_path):
    studies = two(tmp_path, name="pooling")
    assert list(studies.studies) == [str(tmp_path / "pooling"), str(tmp_path / "width")]
    with pytest.raises(StudyError, match="is asked for twice"):
        load_studies([tmp_path / "pooling", tmp_path / "pooling"])
    with pytest.raises(StudyError, match=r"no study is named; .*path.parent for path in Path\('studies'\).glob"):
        load_studies([])


def test_several_studies_show_themselves(tmp_path):
    studies = two(tmp_path)
    assert repr(studies) == "<studies pooling, width: 15 trials>"
    page = studies._repr_html_()
    assert "width: wide" in page
    assert re.search(r"&lt;study width: 6 of 6 planned trials complete&gt;", page)


def test_of_many_variants_of_several_studies_the_best_are_drawn(tmp_path):
    many = {"base": [0.5], **{f"v{i}": [0.6 + i / 1000] for i in range(40)}}
    ax = two(tmp_path, other=many).plot_comparison(ax=Figure().subplots())
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert len(names) == 24
    assert {"pooling: better", "width: v39"} <= set(names)
    assert "width: v0" not in names


def test_long_cells_are_shown_whole(tmp_path):
    name = ",".join(f"an-axis-{i}=a-level-{i}" for i in range(9))
    study = study_of(["base"], [1], match=None).model_copy(update={"variants": (variant("base"), variant(name))})
    trials = [complete("base", 1, 0.9), complete(name, 1, 0.9).model_copy(update={"trial": "t"})]
    assert name in load_study(written(tmp_path, study, trials))._repr_html_()
