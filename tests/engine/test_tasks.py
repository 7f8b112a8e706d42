"""Studies of detection and segmentation: the same on every engine, and whatever befalls them."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from fishnet_search.engine.plan import plan_study
from fishnet_search.engine.ray import set_up
from fishnet_search.errors import SpaceError, WeightsError
from fishnet_search.study import training
from fishnet_search.study.store import findings_file, read_study, read_trials, weights_file
from fishnet_search.task.backbone import backbone_of
from fishnet_search.task.figures import OF_TASK
from fishnet_search.train.loop import Training
from tests.engine.survival import Telling, assert_nothing_is_lost, befall, numbers
from tests.engine.tiny import Recorder, run

pytestmark = pytest.mark.usefixtures("one_thread")

DILATION = Path(__file__).parents[2] / "spaces" / "dilation.yaml"
BASE = "base: fishnet-nano\nimage_size: 48\n"
BOXES = (
    "pyramid_channels: 8, head_channels: 16, smallest_anchor: 8, train_boxes: 16, train_proposals: 50, "
    "test_proposals: 20"
)
SETTINGS = {
    "classification": "",
    "detection": BOXES,
    "instance-segmentation": f"{BOXES}, mask_channels: 8",
    "semantic-segmentation": "head_channels: 8",
}
RECIPE = "{epochs: 2, batch_size: 8, optimiser: adamw, learning_rate: 0.002, flip: true}"
TASKS = pytest.mark.parametrize("kind", SETTINGS)


def space(kind, values="[max-2x2, avg-2x2]", more=""):
    task = f"{{kind: {kind}, {SETTINGS[kind]}}}"
    return f"""\
base: base.yaml
task: {task}
axes: {{downsample: {{path: [tail.downsample, head.downsample], values: {values}}}}}
seeds: 1
data: "shapes:32"
recipe: {RECIPE}
{more}"""


def planned(home, text, name="study", **changes):
    """The study of a space, in a folder of this name."""
    (home / "base.yaml").write_text(BASE)
    (home / "space.yaml").write_text(text)
    return plan_study(home / "space.yaml", home / name, **({"command": "test", "limit": 16} | changes))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a study of a task that nothing happened to; each is run once, in this process."""
    known = {}

    def folder(kind):
        if kind not in known:
            home = tmp_path_factory.mktemp(kind)
            run(planned(home, space(kind)), home / "study")
            known[kind] = home / "study"
        return known[kind]

    return folder


@TASKS
def test_a_study_of_each_task_has_its_figures_and_all_that_is_needed_to_do_it_again(undisturbed, kind):
    folder = undisturbed(kind)
    study, records = read_study(folder), read_trials(folder)
    assert [(record.trial, record.state) for record in records] == [
        ("avg-2x2-seed0", "complete"),
        ("max-2x2-seed0", "complete"),
    ]
    assert (study.task.kind, study.metric, study.objectives) == (kind, OF_TASK[kind][0], OF_TASK[kind][:1])
    for record in records:
        assert (record.task, record.metric, len(record.epochs)) == (study.task, study.metric, 2)
        judged = [epoch.validation for epoch in record.epochs] + [record.test]
        assert all(set(figures) <= {"loss", *OF_TASK[kind]} for figures in judged)
        assert all(study.metric in figures for figures in judged)
        assert all(0 <= figures[name] <= 1 for figures in judged for name in figures if name != "loss")
        assert all(epoch.train["loss"] > 0 for epoch in record.epochs)
        assert weights_file(folder, record.trial).is_file()
        assert findings_file(folder, record.trial).is_file() == (kind != "classification")
    assert len(study.data.class_names) == (9 if kind == "semantic-segmentation" else 8)
    for variant in study.variants:
        alone = (variant.backbone_params, variant.backbone_macs)
        assert alone == (None, None) or (0 < alone[0] < variant.params and 0 < alone[1] < variant.macs)
        assert (alone == (None, None)) == (kind == "classification")


@TASKS
def test_two_worker_processes_come_to_the_same_figures(undisturbed, tmp_path, kind):
    run(planned(tmp_path, space(kind)), tmp_path / "study", jobs=2)
    assert_nothing_is_lost(tmp_path / "study", read_trials(undisturbed(kind)))


def test_two_ranks_train_a_detector_together_and_go_on_alike(tmp_path):
    text = space("detection", "[max-2x2]", "workers: 2\n")
    (record,) = run(planned(tmp_path, text), tmp_path / "study")
    (again,) = run(planned(tmp_path, text, "again"), tmp_path / "again")
    assert (record.state, record.workers, len(record.epochs)) == ("complete", 2, 2)
    assert numbers(again) == numbers(record)


# A trial that is killed

LONG = space("detection", "[max-2x2]").replace("epochs: 2", "epochs: 4")


def train_long(told, home):
    befall([], home)
    run(planned(home, LONG), home / "study", Telling(told))


def test_a_detector_that_is_killed_goes_on_to_the_same_figures(tmp_path, processes):
    process = processes(train_long)
    while (event := process.await_event()) != ("epoch", "max-2x2-seed0", 2):
        assert event is not None, process.errors
    process.kill()
    assert (read_trials(tmp_path / "study"), len(list(tmp_path.glob("study/trials/*.checkpoint")))) == ((), 1)
    process = processes(train_long)
    events = process.events()
    assert process.await_end() == 0, process.errors
    (started,) = [epochs for what, _, epochs in events if what == "started"]
    assert started >= 1, "it did not begin anew"
    records = run(planned(tmp_path, LONG, "other"), tmp_path / "other")
    assert_nothing_is_lost(tmp_path / "study", records)


# Backbones


@pytest.fixture
def beginnings(monkeypatch):
    """The weights that the backbone of each training in this process begins with."""
    seen = []

    class Seen(Training):
        def __init__(self, network, *arguments, **keywords):
            seen.append({name: value.clone() for name, value in backbone_of(network).state_dict().items()})
            super().__init__(network, *arguments, **keywords)

    monkeypatch.setattr(training, "Training", Seen)
    return seen


@pytest.mark.parametrize("kind", ["detection", "semantic-segmentation"])
def test_backbones_begin_as_a_study_left_the_classifier_of_the_same_architecture(
    undisturbed, tmp_path, beginnings, kind
):
    classifiers = undisturbed("classification")
    given = planned(tmp_path, space(kind), backbone_from=classifiers, epochs=1)
    records = run(given, tmp_path / "study")
    assert len(beginnings) == len(records) == 2
    for record, weights in zip(records, beginnings, strict=True):
        file = weights_file(classifiers, f"{record.variant}-seed0")
        assert Path(record.backbone.file) == file.resolve()
        trained = load_file(file)
        assert len(weights) > 50
        assert all(weights[name].equal(trained[name]) for name in weights)
    fresh = planned(tmp_path, space(kind), "fresh", epochs=1)
    assert run(fresh, tmp_path / "fresh")[0].key != records[0].key


def test_of_several_seeds_the_best_backbone_is_taken(tmp_path):
    text = space("classification", "[max-2x2]").replace("seeds: 1", "seeds: 3")
    records = run(planned(tmp_path, text, "many", epochs=1), tmp_path / "many")
    best = max(records, key=lambda record: record.best_validation["top1"])
    study = planned(tmp_path, space("detection", "[max-2x2]"), backbone_from=tmp_path / "many").study
    taken = Path(study.variants[0].backbone.file).stem
    (one,) = [record for record in records if record.trial == taken]
    assert one.best_validation["top1"] == best.best_validation["top1"]


def test_an_architecture_that_no_study_trained_is_refused_and_the_others_go_on(undisturbed, tmp_path):
    text = space("detection", "[max-2x2, blur]")
    recorder = Recorder()
    given = planned(tmp_path, text, backbone_from=undisturbed("classification"), epochs=1)
    (refused,) = given.study.refused
    assert (refused.name, refused.where) == ("blur", "backbone_from")
    assert "has no complete trial of this architecture; train it there" in refused.reason
    records = run(given, tmp_path / "study", recorder)
    assert [record.variant for record in records] == ["max-2x2"]


def test_a_baseline_that_no_study_trained_ends_the_plan(undisturbed, tmp_path):
    with pytest.raises(SpaceError, match=r"the baseline: .*has no complete trial of this architecture"):
        planned(tmp_path, space("detection", "[blur, max-2x2]"), backbone_from=undisturbed("classification"))


def test_a_detectors_study_is_no_source_of_classifiers(undisturbed, tmp_path):
    with pytest.raises(SpaceError, match="has no complete trial of this architecture"):
        planned(tmp_path, space("detection"), backbone_from=undisturbed("detection"))


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="is no study"):
        planned(tmp_path, space("detection"), backbone_from=tmp_path)


def test_weights_that_changed_after_the_plan_fail_the_trial_with_a_sentence(tmp_path):
    run(planned(tmp_path, space("classification", "[max-2x2]"), "first", epochs=1), tmp_path / "first")
    given = planned(tmp_path, space("detection", "[max-2x2]"), backbone_from=tmp_path / "first", epochs=1)
    file = weights_file(tmp_path / "first", "max-2x2-seed0")
    file.write_bytes(file.read_bytes()[:-1] + b"\0\0")
    (record,) = run(given, tmp_path / "study")
    assert record.state == "failed"
    assert "is another file than when the study was planned" in record.failure.message


# A search, and Ray


def dilations(home, name):
    """The small version of the search that comes with the project, on fewer pictures."""
    changes = {"command": "test", "small": True, "limit": 16, "epochs": 1}
    return plan_study(DILATION, home / name, **changes)


def assert_a_search_for_precise_boxes(folder):
    study, records = read_study(folder), read_trials(folder)
    assert (study.design, study.objectives, study.metric) == ("tpe", ("ap",), "ap")
    assert {record.state for record in records} <= {"complete", "duplicate"}  # of so few some are suggested twice
    assert {record.seed for record in records} == {0, 1}
    assert len([record for record in records if record.seed == 0]) == 4
    assert {record.variant for record in records if record.seed == 1} == {"baseline", *study.finalists}
    dilated = {json.dumps(record.levels, sort_keys=True) for record in records}
    assert len(dilated) > 1


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The folder of the search, run in this process."""
    home = tmp_path_factory.mktemp("search")
    run(dilations(home, "study"), home / "study")
    return home / "study"


def test_the_search_over_dilations_runs_in_small(searched):
    assert_a_search_for_precise_boxes(searched)


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster of one node with two cores."""
    set_up()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield cluster.address
    cluster.shutdown()


def test_a_study_of_detectors_has_the_same_figures_on_ray(undisturbed, tmp_path, cluster):
    run(planned(tmp_path, space("detection")), tmp_path / "study", engine="ray", ray_address=cluster)
    assert_nothing_is_lost(tmp_path / "study", read_trials(undisturbed("detection")))
    assert all(findings_file(tmp_path / "study", name).is_file() for name in ("avg-2x2-seed0", "max-2x2-seed0"))


@pytest.mark.slow
def test_the_search_over_dilations_runs_in_small_on_ray_with_the_same_candidates(searched, tmp_path, cluster):
    run(dilations(tmp_path, "study"), tmp_path / "study", engine="ray", ray_address=cluster, jobs=1)
    assert_a_search_for_precise_boxes(tmp_path / "study")
    baselines = [next(r for r in read_trials(one) if r.variant == "baseline") for one in (searched, tmp_path / "study")]
    assert numbers(baselines[0]) == numbers(baselines[1])
