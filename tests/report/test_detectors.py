"""Studies whose networks are judged by another figure than top-1, from their records to all that is told of them."""

import math

import pandas as pd
import pytest
from safetensors.torch import save_file

from fishnet_search.engine.searching import directions, finalists_of, values_of
from fishnet_search.errors import SpaceError, StudyError
from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.candidates import cost_metric
from fishnet_search.export.choosing import chosen
from fishnet_search.report.loaded import load_study
from fishnet_search.report.write import write_report
from fishnet_search.space.space import load_space
from fishnet_search.study.reading import study_and_evidence
from fishnet_search.study.record import StudyRecord, TrialRecord
from fishnet_search.study.store import read_trial, trial_file, weights_file, write_record
from fishnet_search.study.trial import Trial, best_epoch_of
from fishnet_search.task.models import build_model
from fishnet_search.task.settings import Classification, Detection
from fishnet_search.terminal.words import ending, told
from tests.detections import WITHOUT_SMALL_OBJECTS, detector, detectors, study_of_detectors
from tests.records import RECIPE, complete, study_of, variant

STUDY = study_of_detectors()
TRIALS = detectors(STUDY)
SHOWN = ["ap", "ap50", "ap75", "ap_small"]


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "studies" / "pooling"
    write_record(where / "study.json", STUDY)
    for trial in TRIALS:
        write_record(trial_file(where, trial.trial), trial)
    return where


# Records


def test_records_are_read_alike_one_by_one_and_all_at_once(folder):
    study, trials = study_and_evidence(folder)
    assert (study, study.metric, study.task) == (STUDY, "ap", Detection())
    for trial in trials:
        alone = read_trial(trial_file(folder, trial.trial))
        assert trial.model_copy(update={"epochs": tuple(trial.epochs)}) == alone
        assert alone in TRIALS


def test_records_of_classification_say_nothing_of_task_and_metric():
    for record in (study_of(["a"]), complete("a", 1, 0.5)):
        assert not {"task", "metric"} & record.model_dump().keys()
        assert type(record).model_validate_json(record.model_dump_json()) == record
    assert {"task", "metric"} <= TRIALS[0].model_dump().keys()


@pytest.mark.parametrize(
    "change",
    [
        {"test": {"ap50": 0.5}},  # lacks what networks are chosen by
        {"test": {"ap": 0.5, "top1": 0.5}},  # of another task
        {"test": {"ap": 0.5, "beauty": 0.5}},
        {"test": {"ap": math.nan}},
        {"metric": "miou"},
    ],
)
def test_figures_that_do_not_belong_to_the_task_are_refused(change):
    with pytest.raises(ValueError, match=r"figure|finite"):
        TrialRecord.model_validate(dict(TRIALS[0]) | change)


def test_an_epoch_without_the_metric_is_refused_both_ways(folder):
    file = trial_file(folder, "base-seed1")
    file.write_text(file.read_text().replace('"ap":', '"map50":'))
    for read in (lambda: study_and_evidence(folder), lambda: read_trial(file)):
        with pytest.raises(StudyError, match="base-seed1"):
            read()


def test_the_key_is_another_for_another_task_and_another_metric():
    trial = Trial(variant("a"), 1)
    keys = [
        trial.key(study_of(["a"], **fields))
        for fields in (
            {},
            {"objectives": ("top5",)},
            {"task": Detection(), "objectives": ("ap",)},
            {"task": Detection(), "objectives": ("ap50", "macs")},
            {"task": Detection(pyramid_channels=128), "objectives": ("ap",)},
        )
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == trial.key(study_of(["a"], task=Classification(), objectives=("macs", "top1")))


def test_the_best_epoch_needs_no_loss_and_is_the_earlier_of_equals():
    epochs = detector("base", 1, 0.5).epochs
    assert best_epoch_of(epochs, "ap") == 2
    assert best_epoch_of((epochs[0], epochs[0].model_copy(update={"epoch": 2})), "ap50") == 1


# Evidence and reports


def test_frames_have_the_figures_that_occur_the_metric_first():
    analysis = analyse(STUDY, TRIALS)
    parts = [name for name in analysis.trials if name.startswith(("validation_", "test_"))]
    assert parts == [*(f"validation_{one}" for one in SHOWN), *(f"test_{one}" for one in SHOWN), "test_images"]
    assert [name for name in analysis.curves if name.startswith(("train_", "validation_"))] == [
        "train_loss",
        *(f"validation_{one}" for one in SHOWN),
    ]
    lacking = analysis.trials.set_index(["variant", "seed"])["test_ap_small"].isna()
    assert lacking[lacking].index.tolist() == [WITHOUT_SMALL_OBJECTS]
    deep = analysis.effects.set_index("variant").loc["deep"]
    assert deep["difference_ap"] == pytest.approx(0.054)  # by hand: 0.05 + 0.002 × (1 + 2 + 3) / 3
    assert deep["test_ap_small_mean"] == pytest.approx((0.354 + 0.362) / 4)  # of two seeds


def test_nothing_is_rounded_to_images():
    same = [detector(one, seed, ap) for one, ap in (("base", 0.3), ("deep", 0.301)) for seed in (1, 2, 3)]
    assert analyse(STUDY, same).effects.set_index("variant").loc["deep", "verdict"] == "larger than the noise"


def test_a_report_speaks_of_ap(tmp_path):
    report = write_report(STUDY, TRIALS, tmp_path, command="fishnet-search report pooling")
    markdown, html = report.markdown.read_text(), report.html.read_text()
    for page in (markdown, html):
        for word in ("test AP (%)", "Test AP:", "Test AP against MACs", "The epoch is chosen on validation AP"):
            assert word in page
        for word in ("top-1", "top-5", "top1", "top5", "guessing", "test images is"):
            assert word not in page
    assert "Test AP" in report.summary[0] or "test AP" in report.summary[0]
    table = pd.read_csv(report.csv)
    assert [name for name in table if name.endswith("_mean")] == [
        *(f"test_{one}_mean" for one in SHOWN),
        "validation_ap_mean",
    ]
    assert "difference_ap" in table
    assert (tmp_path / "curves.csv").read_text().startswith('"variant","seed","state","epoch","learning_rate"')
    assert list(report.table)[4:9] == [
        "test AP (%)",
        "test AP50 (%)",
        "test AP75 (%)",
        "test AP small (%)",
        "validation AP (%)",
    ]


def test_a_report_on_one_detector_has_no_interval_by_images(tmp_path):
    study = study_of_detectors(["base"], [1])
    report = write_report(study, detectors(study), tmp_path, command="x")
    assert "% test AP, " in report.summary[0]
    assert "Wilson" not in " ".join(report.summary)
    assert "There AP is " in " ".join(report.summary)


def searched(**fields):
    told = {"levels": {}, "recipe": RECIPE}
    variants = tuple(
        variant(f"v{i}", **told | {"levels": {"depth": i // 2, "pool": "ab"[i % 2]}, "macs": 1_000_000 * (1 + i // 2)})
        for i in range(12)
    )
    names = [one.name for one in variants]
    study = study_of_detectors(names, (1,), design="tpe", axes={"depth": ("body.depth",), "pool": ("x",)}, **fields)
    return study.model_copy(update={"variants": variants})


def test_a_report_on_a_search_speaks_of_ap_in_all_its_parts(tmp_path):
    study = searched(objectives=("ap", "macs"), finalists=("v11", "v10"))
    report = write_report(study, detectors(study), tmp_path, command="x")
    page = report.markdown.read_text()
    for word in ("The best validation AP, ", "validation AP against cost", "between validation AP after an epoch"):
        assert word in page
    assert "top" not in page.replace("stop", "")
    assert "validation_ap" in (tmp_path / "pareto.csv").read_text()
    assert "shortfall_ap" in (tmp_path / "fidelity.csv").read_text()


def test_a_loaded_study_names_its_best_by_ap(folder):
    study = load_study(folder)
    assert (study.best.variant, study.best.metric) == ("deep", "ap")
    assert "% test AP over 3 seeds" in repr(study.best)
    assert study.plot_learning_curves().get_ylabel() == "validation AP (%)"
    with pytest.raises(StudyError, match="no figures 'validation_top1'"):
        study.plot_learning_curves("validation_top1")


# The terminal, exports and searches


def test_the_terminal_tells_the_metric(folder, call, monkeypatch):
    monkeypatch.chdir(folder.parent.parent)
    out = call("status", "pooling")[1]
    assert "6 of 6 trials done · 6 complete · best validation AP 35.2%: deep-seed3" in out
    assert ending(TRIALS[0]) == "base-seed1: validation 29.2% (epoch 2), test 30.2%, 1 min 23 s"
    assert told({"ap50": 0.5, "ap": 0.25}) == "AP 25.00%, AP50 50.00%"


def test_the_best_by_ap_is_exported(folder):
    for trial in TRIALS:
        model = build_model(trial.spec, trial.task, trial.data.classes, seed=0)
        save_file(model.state_dict(), weights_file(folder, trial.trial))
    (best,) = chosen(str(folder), trial="best", spec=None, studies=folder.parent)
    assert best.model.record.trial == "deep-seed3"
    assert best.why.startswith("deep has the highest validation AP of study pooling, ")


def test_a_search_seeks_high_figures_and_low_costs():
    objectives = ("ap", "macs")
    assert directions(objectives) == ["maximize", "minimize"]
    assert values_of(objectives, TRIALS[0]) == [0.292, 12_345_678]
    assert values_of(["ap_small"], TRIALS[0]) == [0.146]
    with pytest.raises(StudyError, match="has no ap_small"):
        values_of(["ap_small"], next(one for one in TRIALS if (one.variant, one.seed) == WITHOUT_SMALL_OBJECTS))
    values = {one.variant: tuple(values_of(["ap"], one)) for one in TRIALS}
    assert finalists_of(values, ["ap"], 1) == ["deep"]
    assert cost_metric(study_of_detectors(objectives=("ap", "params"))) == "params"


SPACE = 'base: fishnet-nano\naxes: {{depth: {{path: "tail[0].depth", values: [1, 2]}}}}\ntask: {}\ndesign: {}\n{}'


def space_of(tmp_path, task, design, more=""):
    file = tmp_path / "mine.yaml"
    file.write_text(SPACE.format(task, design, more))
    return load_space(file).space


@pytest.mark.parametrize(
    ("task", "design", "objectives"),
    [
        ("detection", "grid", ("ap",)),
        ("classification", "{kind: tpe, candidates: 2}", ("top1",)),
        ("detection", "{kind: tpe, candidates: 2}", ("ap",)),
        ("{kind: instance-segmentation}", "{kind: tpe, candidates: 2, objectives: [macs, ap50]}", ("macs", "ap50")),
        ("semantic-segmentation", "{kind: tpe, candidates: 2}", ("miou",)),
    ],
)
def test_a_space_seeks_figures_of_its_task(tmp_path, task, design, objectives):
    assert space_of(tmp_path, task, design).objectives == objectives


@pytest.mark.parametrize(
    ("task", "objectives", "sentence"),
    [
        ("detection", "[top1, macs]", "has top1, a figure of classification; this task has ap, ap50"),
        ("classification", "[ap]", "has ap, a figure of detection; this task has top1, top5"),
        ("detection", "[macs]", "does not have ap, the validation AP, without which nothing is learned; add it"),
    ],
)
def test_a_figure_of_another_task_is_refused_by_name(tmp_path, task, objectives, sentence):
    with pytest.raises(SpaceError, match=f"mine.yaml:4: design.objectives: {sentence}"):
        space_of(tmp_path, task, f"{{kind: tpe, candidates: 2, objectives: {objectives}}}")


def test_early_stopping_names_the_figure_that_it_goes_by(tmp_path):
    with pytest.raises(SpaceError, match="goes by one objective, ap, but the search has 2; remove it, or all but ap"):
        space_of(tmp_path, "detection", "{kind: tpe, candidates: 2, objectives: [ap, macs]}", "stop: asha\n")


def test_the_metric_is_the_first_figure_that_is_sought():
    def metric(**fields):
        return StudyRecord.model_validate(dict(study_of(["a"])) | fields).metric

    assert [metric(), metric(objectives=("macs", "top5", "top1"))] == ["top1", "top5"]
    assert metric(task="detection", objectives=("macs",)) == "ap"
