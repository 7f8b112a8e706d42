"""Axes and searches without a base: what samplers see of a space."""

import optuna

from fishnet_search.engine.searching import directions, sampler_of, suggested
from fishnet_search.space.axes import Range, SpelledAxis
from fishnet_search.space.design import Search


def listed(name, *levels, values=None, when=None):
    return SpelledAxis(name, name, (), (), levels, values or levels, None, when or {}, levels[0])


def ranged(name, low, high, step=None, log=False, when=None, baseline=None):
    extent = Range.model_validate({"from": low, "to": high, "step": step, "log": log})
    return SpelledAxis(name, name, (), (), None, None, extent, when or {}, low if baseline is None else baseline)


def space(*axes):
    return {axis.name: axis for axis in axes}


def begin(design, storage=None, name="search"):
    return optuna.create_study(
        study_name=name, storage=storage, directions=directions(design.objectives), load_if_exists=True
    )


def ask(study, design, axes):
    """Ask like the engine: with a new sampler for every suggestion."""
    study.sampler = sampler_of(design, len(study.get_trials(deepcopy=False)))
    trial = study.ask()
    return trial, suggested(trial, axes)


def search(design, axes, value, study=None):
    """Try candidates one after the other until there are as many as the design wants; return their levels."""
    study = begin(design) if study is None else study
    while len(study.get_trials(deepcopy=False)) < design.candidates:
        trial, levels = ask(study, design, axes)
        study.tell(trial, value(levels))
    return [suggested(optuna.trial.FixedTrial(trial.params), axes) for trial in study.trials]


def design(kind, candidates=40, seed=0, objectives=None):
    objectives = objectives or (("top1", "macs") if kind == "nsga2" else ("top1",))
    return Search(kind=kind, candidates=candidates, seed=seed, objectives=objectives)
