"""The published ablations are rebuilt as published, in full and in small."""

from pathlib import Path

import pytest
import yaml

from fishnet_search.cost.ledger import cost_of
from fishnet_search.graph.build import build_graph
from fishnet_search.space.candidates import Candidate
from fishnet_search.space.space import load_space
from fishnet_search.spec.loading import load_spec, with_fields
from fishnet_search.train.named import load_recipe

PAPER = Path(__file__).parents[2] / "spaces" / "paper"
SPACES = {path.stem: path for path in sorted(PAPER.glob("*.yaml")) if path.stem != "published"}
FIGURES = yaml.safe_load((PAPER / "published.yaml").read_text(encoding="utf-8"))["figures"]

RELEASE = {  # parameters, multiply-accumulates, top-1 and top-5
    "fishnet99": ("16.62M", "4.31G", "77.41%", "93.59%"),
    "fishnet150": ("24.96M", "6.45G", "78.14%", "93.95%"),
    "fishnet201": ("44.58M", "10.58G", "78.76%", "94.39%"),
}
COSINE = {"fishnet150": ("79.35%", "94.75%"), "fishnet201": ("79.71%", "94.79%")}
ERRORS = {  # top-1 error in the paper and the parameters that it gives
    "fishnet150": ("21.93%", "26.4M"),
    "resnet50": ("23.78%", "25.5M"),
    "resnet101": ("22.30%", "44.5M"),
    "fishnext150": ("21.5%", "26.2M"),
    "resnext50": ("22.5%", "25.0M"),
}
OTHERS = {
    "fishnet150-detection-resnet50": {"ap_gain": "2.6%"},
    "fishnet150-detection-resnext50": {"ap_gain": "1.3%"},
    "cifar-training": {"top1": "98.31%", "top5": "99.52%"},
    "cifar-validation": {"top1": "83.10%", "top5": "96.74%"},
    "cifar-test": {"top1": "85.06%", "top5": "99.18%"},
    "detnet59-paper": {"top1_error": "23.5%"},
    "detnet59-code": {"top1_error": "23.8%"},
    "resnet50-detnet-code": {"top1_error": "23.9%"},
    "detnet59-voc2007": {"map": "75.9%"},
    "resnet101-voc2007": {"map": "75.7%"},
    "detnet59-voc0712": {"map": "80.7%"},
    "resnet101-voc0712": {"map": "80.5%"},
    "max-pooling-paper": {},
}
VARIANTS = {
    "downsampling": ["max-2x2", "max-3x3", "avg-2x2", "conv-3x3"],
    "dilation": ["none", "body", "body-and-head"],
    "stem": ["conv-7x7", "residual"],
    "size": ["fishnet150", "fishnet99", "fishnet201"],
    "block": ["fishnet150", "fishnext150"],
    "backbones": ["resnet50", "resnext50-32x4d", "densenet161", "fishnet150", "resnet101", "fishnet201"],
}


def count(text: str) -> float:
    return float(text[:-1]) * {"M": 1e6, "G": 1e9}[text[-1]]


def cost(preset: str):
    return cost_of(build_graph(load_spec(preset)))


def test_every_published_figure_is_as_it_was_checked_and_no_other_is_there():
    words = ("source", "setting", "statement", "note")
    figures = {name: {key: one[key] for key in one if key not in words} for name, one in FIGURES.items()}
    release = {
        f"{name}-release": dict(zip(("params", "macs", "top1", "top5"), row, strict=True))
        for name, row in RELEASE.items()
    }
    cosine = {f"{name}-cosine": {"top1": top1, "top5": top5} for name, (top1, top5) in COSINE.items()}
    paper = {f"{name}-paper": {"top1_error": error, "params": params} for name, (error, params) in ERRORS.items()}
    assert figures == release | cosine | paper | OTHERS


def test_the_release_counts_the_parameters_of_these_presets_and_about_their_macs():
    for name, (params, macs, *_) in RELEASE.items():
        assert abs(cost(name).params - count(params)) <= 0.01e6
        assert 0 <= count(macs) / cost(name).macs - 1 <= 0.012  # it also counts something beside convolutions


def test_the_paper_counts_the_parameters_of_the_resnets_but_more_of_the_fish_which_is_said():
    for name in ("resnet50", "resnet101", "resnext50-32x4d"):
        published = ERRORS[name.removesuffix("-32x4d")][1]
        assert abs(cost(name).params - count(published)) <= 0.06e6
    for name in ("fishnet150", "fishnext150"):
        assert count(ERRORS[name][1]) - cost(name).params > 1.4e6
        assert f"{cost(name).params / 1e6:.2f} M" in FIGURES[f"{name}-paper"]["note"]


def test_there_is_a_space_for_every_published_ablation():
    assert SPACES.keys() == VARIANTS.keys()


@pytest.mark.parametrize("name", VARIANTS)
def test_every_space_is_the_published_comparison_at_full_size(name):
    space = load_space(SPACES[name])
    made = list(space.candidates())
    assert [one.name for one in made] == VARIANTS[name]
    assert all(isinstance(one, Candidate) for one in made)
    assert {(one.spec.image_size, one.spec.classes) for one in made} == {(224, 1000)}
    assert {one.recipe for one in made} == {load_recipe("fishnet-imagenet")}
    assert space.space.data.source == "imagenet:PATH"
    assert {one.variant for one in space.published} <= set(VARIANTS[name])


@pytest.mark.parametrize("name", VARIANTS)
def test_every_space_has_a_small_version_of_the_same_networks_at_an_eighth_of_their_width(name):
    whole, small = (list(load_space(SPACES[name], small=small).candidates()) for small in (False, True))
    space = load_space(SPACES[name], small=True)
    assert len(small) == len(whole)
    assert all(isinstance(one, Candidate) for one in small)
    for one, other in zip(small, whole, strict=True):
        assert one.name.removeprefix("small-")[:3] in other.name
        assert one.cost.layers == other.cost.layers  # as deep
        assert (one.spec.image_size, one.spec.classes, 8 * one.spec.stem.width) == (64, 10, other.spec.stem.width)
    assert len(space.space.seeds) >= 3
    assert (space.space.data.source, space.space.resources.cpu) == ("digits", 1)
    assert space.space.recipe.epochs <= 5
    assert [(one.metric, one.value) for one in space.published] == [
        (one.metric, one.value) for one in load_space(SPACES[name]).published
    ]


def test_the_baseline_of_the_downsampling_is_the_published_network():
    space = load_space(SPACES["downsampling"])
    assert space.baseline.spec == load_spec("fishnet150")
    assert "max-pooling 2×2 is better than" in next(one.note for one in space.published if one.metric == "statement")


def test_the_dilated_body_is_the_published_network_and_the_head_is_dilated_where_the_body_is():
    made = {one.name: one.spec for one in load_space(SPACES["dilation"]).candidates()}
    fish = load_spec("fishnet150")
    plain = with_fields(fish, {"body.dilation": 1})
    assert made["none"].identity() == plain.identity()
    assert made["body"].identity() == fish.identity()
    assert (
        made["body-and-head"].identity() == with_fields(fish, {"head[1].dilation": 4, "head[2].dilation": 2}).identity()
    )


def test_sizes_blocks_and_backbones_are_the_presets():
    for name in ("size", "block", "backbones"):
        for one in load_space(SPACES[name]).candidates():
            assert one.spec == load_spec(one.name)


def test_variants_have_the_figures_of_their_networks():
    backbones = load_space(SPACES["backbones"]).published
    top1 = {one.variant: one.value for one in backbones if one.metric == "top1" and "1901.03495" in one.source}
    assert top1 == {"resnet50": 0.7622, "resnext50-32x4d": 0.775, "fishnet150": 0.7807, "resnet101": 0.777}
    assert {one.value for one in backbones if one.metric == "ap_gain"} == {0.026, 0.013}
    size = load_space(SPACES["size"]).published
    assert {(one.variant, one.value) for one in size if one.metric == "top5"} == {
        ("fishnet99", 0.9359),
        ("fishnet150", 0.9395),
        ("fishnet150", 0.9475),
        ("fishnet201", 0.9439),
        ("fishnet201", 0.9479),
    }
    assert {one.value for one in size if (one.variant, one.metric) == ("fishnet150", "params")} == {24.96e6, 26.4e6}
