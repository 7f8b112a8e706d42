"""Recipes: what they refuse, those that come with the package, and files on top of them."""

import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fishnet_search.errors import SpecError
from fishnet_search.train.named import load_recipe, recipe_names, spelled
from fishnet_search.train.recipe import Recipe, label_problems, scene_problems

FOR_LABELS = ["cifar-strong", "digits", "fishnet-cifar", "fishnet-imagenet", "fishnet-imagenet-200", "tiny-imagenet"]
FOR_SCENES = ["bccd", "coco-1x", "shapes-detection", "shapes-instances", "shapes-pixels", "voc-frcnn"]
NAMES = sorted([*FOR_LABELS, *FOR_SCENES])


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"nesterov": True, "optimiser": "adamw"},
            "nesterov: is for optimiser sgd, but the optimiser is adamw; use false",
        ),
        (
            {"nesterov": True, "momentum": 0},
            "nesterov: needs a momentum, but that is 0; use false, or a momentum such as 0.9",
        ),
        (
            {"epochs": 5, "warmup_epochs": 5},
            "warmup_epochs: must be less than epochs, 5, but is 5; lower it too, or set it to 0",
        ),
        (
            {"batch_size": 7, "accumulate": 4},
            "accumulate: leaves a part of a batch of 7 with one image, but is 4; use at most 3",
        ),
        ({"crop_least": 0.5, "crop_most": 0.4}, "crop_least: must not be over crop_most, 0.4, but is 0.5"),
        (
            {"schedule": "milestones"},
            "milestones: schedule milestones has none; name epochs, such as [8, 11], or use step",
        ),
        ({"zoom_least": 1.5, "zoom_most": 1.2}, "zoom_least: must not be over zoom_most, 1.2, but is 1.5"),
        (
            {"shorter_side": 800, "longer_side": 600},
            "shorter_side: must not be over longer_side, 600, but is 800; raise longer_side too",
        ),
        (
            {"scales": [480, 800], "longer_side": 600},
            "scales: must not be over longer_side, 600, but one is 800; raise it too",
        ),
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields, sentence):
    with pytest.raises(SpecError) as refusal:
        load_recipe(fields)
    assert str(refusal.value) == f"recipe: {sentence}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimiser", "lion"),
        ("schedule", "poly"),
        ("crop", "center"),
        ("precision", "float64"),
        ("ema", 1.0),
        ("test_crop", 0),
        ("randaugment_magnitude", 31),
        ("accumulate", 0),
        ("clip_norm", 0),
        ("mixup", -0.1),
        ("lighting", float("nan")),
        ("batch_size", True),
        ("flip", 3),
        ("shorter_side", 0),
        ("longer_side", 1.5),
        ("zoom_most", 11),
        ("norm", "synchronized"),
        ("frozen_stages", -1),
        ("group_aspects", "tall"),
    ],
)
def test_a_value_out_of_range_is_refused(name, value):
    with pytest.raises(SpecError, match=f"^recipe: {name}: "):
        load_recipe({name: value})


def test_the_defaults_do_nothing_to_images_and_are_plain_sgd():
    recipe = Recipe()
    assert (recipe.optimiser, recipe.nesterov, recipe.decay_on, recipe.clip_norm) == ("sgd", False, "all", None)
    assert (recipe.ema, recipe.accumulate, recipe.warmup_epochs) == (0, 1, 0)
    assert (recipe.crop, recipe.flip, recipe.randaugment, recipe.lighting) == ("centre", False, 0, 0)
    assert (recipe.mixup, recipe.cutmix, recipe.test_crop, recipe.normalise) == (0, 0, 1, "data")


@given(image_size=st.integers(1, 5000), test_crop=st.floats(0.01, 1))
def test_the_short_side_that_is_kept_leads_back_to_the_networks_size(image_size, test_crop):
    recipe = Recipe(test_crop=test_crop)
    assert recipe.image_size(recipe.short_side(image_size)) == image_size


def test_images_of_224_pixels_are_tested_as_the_centre_of_256():
    assert load_recipe("fishnet-imagenet").short_side(224) == 256


def test_only_parts_of_random_aspect_need_what_lies_beside_the_centre_square():
    assert [Recipe(crop=crop).wants_squares for crop in ("centre", "pad", "resized")] == [True, True, False]


def test_all_recipes_that_come_with_the_package_can_be_loaded():
    assert recipe_names() == NAMES
    for name in NAMES:
        assert isinstance(load_recipe(name), Recipe)


def test_fishnet_imagenet_is_what_its_authors_published():
    recipe = load_recipe("fishnet-imagenet")
    assert (recipe.epochs, recipe.batch_size, recipe.schedule, recipe.step_epochs) == (100, 256, "step", 30)
    assert (recipe.optimiser, recipe.learning_rate, recipe.momentum, recipe.nesterov) == ("sgd", 0.1, 0.9, False)
    assert (recipe.weight_decay, recipe.decay_on, recipe.label_smoothing) == (1e-4, "all", 0)
    assert (recipe.crop, recipe.crop_least, recipe.crop_most, recipe.crop_aspect) == ("resized", 0.08, 1, 4 / 3)
    assert (recipe.flip, recipe.lighting, recipe.test_crop, recipe.normalise) == (True, 0.1, 0.875, "imagenet")
    assert (recipe.mixup, recipe.cutmix, recipe.randaugment, recipe.ema) == (0, 0, 0, 0)


def test_fishnet_imagenet_200_differs_in_three_things():
    changed = {"epochs": 200, "schedule": "cosine", "label_smoothing": 0.1}
    assert load_recipe("fishnet-imagenet-200") == load_recipe("fishnet-imagenet").model_copy(update=changed)


def test_fishnet_cifar_is_that_of_the_study():
    assert load_recipe("fishnet-cifar") == Recipe(
        epochs=100, batch_size=256, learning_rate=0.1, schedule="step", step_epochs=30, crop="pad", flip=True
    )


def test_digits_are_not_mirrored():
    assert not load_recipe("digits").flip


def test_voc_frcnn_is_that_of_the_detnet_study():
    recipe = load_recipe("voc-frcnn")
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.milestones) == (12, 2, 1e-3, (9,))
    assert (recipe.shorter_side, recipe.longer_side, recipe.flip) == (600, 1000, True)
    assert (recipe.momentum, recipe.weight_decay, recipe.norm, recipe.normalise) == (0.9, 5e-4, "frozen", "imagenet")


def test_coco_1x_warms_up_for_500_steps_and_goes_on_for_90000():
    recipe = load_recipe("coco-1x")
    steps = 117_266 / recipe.batch_size
    assert recipe.warmup_epochs * steps == pytest.approx(500, rel=0.01)
    assert [epoch * steps for epoch in (*recipe.milestones, recipe.epochs)] == pytest.approx(
        [60_000, 80_000, 90_000], rel=0.03
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_recipe_has_fields_of_the_other_tasks(name):
    problems = scene_problems if name in FOR_SCENES else label_problems
    assert not list(problems(load_recipe(name)))


def test_fields_of_the_other_tasks_are_named():
    mixed = Recipe(crop="pad", mixup=0.5, test_crop=0.875, shorter_side=600, scales=(480, 512), group_aspects=True)
    assert list(scene_problems(mixed)) == [
        (("crop",), 'is for classification alone, but is "pad"; leave it at "centre"'),
        (("mixup",), "is for classification alone, but is 0.5; leave it at 0.0"),
        (("test_crop",), "is for classification alone, but is 0.875; leave it at 1.0"),
    ]
    assert list(label_problems(mixed)) == [
        (("shorter_side",), "is for detection and segmentation alone, but is 600; leave it at null"),
        (("scales",), "is for detection and segmentation alone, but is [480, 512]; leave it at []"),
        (("group_aspects",), "is for detection and segmentation alone, but is true; leave it at false"),
    ]
    assert not [*scene_problems(Recipe()), *label_problems(Recipe())]


def test_a_recipe_is_known_by_the_fields_of_the_first_studies_and_by_later_ones_that_are_set():
    """So the keys of trials that were made before there were scenes stay what they were."""
    digest = hashlib.sha256(json.dumps(load_recipe("fishnet-imagenet").model_dump()).encode()).hexdigest()
    assert digest == "cb7c113214a919c77fb49f94399bb8a9b311168a229cf99a517953b0a4bbdfaa"
    assert Recipe(norm="frozen").model_dump() == Recipe().model_dump() | {"norm": "frozen"}


def test_fields_stand_in_place_of_their_bases():
    recipe = load_recipe({"base": "fishnet-imagenet", "epochs": 10})
    assert recipe == load_recipe("fishnet-imagenet").model_copy(update={"epochs": 10})


def test_a_file_may_stand_on_another_file_beside_it(tmp_path):
    (tmp_path / "first.yaml").write_text("base: digits\nepochs: 7\nflip: true\n")
    (tmp_path / "second.yaml").write_text("base: first.yaml\nepochs: 9\n")
    assert load_recipe(tmp_path / "second.yaml") == load_recipe("digits").model_copy(update={"epochs": 9, "flip": True})
    assert load_recipe("second.yaml", tmp_path).epochs == 9


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epohcs: 7", "{file}:1: epohcs: unknown field; did you mean 'epochs'?"),
        ("flip: true\nepochs: 0.5", "{file}:2: epochs: should be a whole number, but is 0.5"),
        ("base: digit", "{file}:1: base: 'digit': neither a recipe nor a YAML file; did you mean 'digits'?"),
        ("epochs: 3\nbase: 7", "{file}:2: base: 7: is no recipe's name and no file's; one of bccd, cifar-strong"),
        ("base: not-there.yaml", "{file}:1: base: {folder}/not-there.yaml: no such file; check the path"),
        ("base: digits\nwarmup_epochs: 30", "{file}:2: warmup_epochs: must be less than epochs, 20, but is 30"),
        ("- digits", "{file}:1: should be fields with values"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_line(tmp_path, text, sentence):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as refusal:
        load_recipe(file)
    assert str(refusal.value).startswith(sentence.format(file=file, folder=tmp_path))


def test_files_that_are_each_others_base_are_refused(tmp_path):
    (tmp_path / "one.yaml").write_text("base: two.yaml")
    (tmp_path / "two.yaml").write_text("base: one.yaml")
    with pytest.raises(SpecError, match=r"two\.yaml:1: base: leads back to .*one\.yaml; name another base$"):
        load_recipe(tmp_path / "one.yaml")


def test_more_files_in_a_row_than_anyone_needs_are_refused(tmp_path):
    for i in range(30):
        (tmp_path / f"{i}.yaml").write_text(f"base: {i + 1}.yaml")
    with pytest.raises(SpecError, match=r"21\.yaml: is the base of more than 20 files in a row; join some$"):
        load_recipe(tmp_path / "0.yaml")


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=3))
def test_whatever_stands_for_a_base_is_refused_in_a_sentence_or_taken(base):
    try:
        load_recipe({"base": base})
    except SpecError as problem:
        assert str(problem).startswith("recipe: base: ")
    else:
        assert base in NAMES


def test_a_name_or_a_base_is_spelled_as_the_fields_it_stands_for(tmp_path):
    (tmp_path / "mine.yaml").write_text("base: digits\nepochs: 7\n")
    assert spelled("digits") == dict(load_recipe("digits"))
    assert spelled({"base": "digits", "epochs": "wrong"}) == dict(load_recipe("digits")) | {"epochs": "wrong"}
    assert spelled({"base": "mine.yaml"}, tmp_path)["epochs"] == 7
    with pytest.raises(SpecError, match="did you mean 'digits'"):
        spelled({"base": "digit"})


@pytest.mark.parametrize("value", [{"epochs": "wrong"}, 3, None, ["digits"]])
def test_what_has_no_base_is_left_for_the_recipe_to_judge(value):
    assert spelled(value) == value


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_the_same_after_it_was_written_down(name):
    recipe = load_recipe(name)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_recipes_are_read_without_torch():
    code = (
        "from fishnet_search.train.named import load_recipe; load_recipe('digits'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", f"import sys; {code}"], check=True)
