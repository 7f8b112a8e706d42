"""What a space asks for, before anything is paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from fishnet_search.engine.survey import Survey
from fishnet_search.errors import MissingImagesError
from fishnet_search.space.axes import label_of
from fishnet_search.space.candidates import Candidate, Refusal
from fishnet_search.space.design import ExplicitList, Search
from fishnet_search.terminal.histogram import histogram
from fishnet_search.terminal.tables import WIDE
from fishnet_search.terminal.words import counted, duration_of_work, literal

if TYPE_CHECKING:
    from fishnet_search.engine.probe import Estimate

MOST_ROWS, HEAD, TAIL = 40, 20, 5
"""Candidates that are listed; of more, the first and the last."""
MOST_EXAMPLES = 3
"""Of what one rule refused."""


def check(survey: Survey, width: int, *, everything: bool) -> Iterator[RenderableType]:
    """Yield what there is to say of a space.

    Args:
        survey: of the space.
        width: columns there are.
        everything: whether to list all candidates and refusals, however many they are.
    """
    yield from map(literal, _about(survey))
    yield candidates_table(survey, width, everything=everything)
    if len(survey.candidates) > 1:
        for metric, title in (("macs", "MACs (multiply-accumulates of one image)"), ("params", "parameters")):
            yield from histogram([getattr(each.cost, metric) for each in survey.candidates], title, width)
    yield from _listed(_duplicates(survey), everything=everything)
    yield from _refused(survey, everything=everything)
    yield from _asked(survey)


def candidates_table(survey: Survey, width: int, *, everything: bool) -> Table:
    """Return a row a candidate with its costs, beside those of the baseline."""
    candidates, base = survey.candidates, survey.baseline.cost
    whole = width >= WIDE or survey.dearest.cost.macs < 1e9
    table = Table()
    table.add_column("candidate", overflow="fold")
    for name in ("parameters", "× base-\nline", "MACs", "× base-\nline"):
        table.add_column(name, justify="right", no_wrap=True)

    def add(some: Sequence[Candidate]) -> None:
        for each in some:
            macs = f"{each.cost.macs:,}" if whole else f"{each.cost.macs / 1e6:,.2f} M"
            times = (f"{figure:.2f}" for figure in (each.cost.params / base.params, each.cost.macs / base.macs))
            table.add_row(_named(each, survey), f"{each.cost.params:,}", next(times), macs, next(times))

    if everything or len(candidates) <= MOST_ROWS:
        add(candidates)
        return table
    add(candidates[:HEAD])
    table.add_row(Text(f"… {len(candidates) - HEAD - TAIL:,} more (--all)", "dim"), *["…"] * 4)
    add(candidates[-TAIL:])
    return table


def estimated(estimate: Estimate, survey: Survey) -> Iterator[Text]:
    """Yield how long it would take, and what that rests on."""
    epochs = ", ".join(f"{one.name} {duration_of_work(seconds)}" for one, seconds in estimate.epochs)
    threads = counted(estimate.threads, "thread")
    yield literal(f"probe: an epoch on {estimate.device} with {threads} takes about: {epochs}")
    trial = duration_of_work(estimate.least_trial)
    if estimate.most_trial > estimate.least_trial * 1.05:
        trial += f" to {duration_of_work(estimate.most_trial)}"
    yield literal(f"estimate: a trial {trial}, the study {duration_of_work(estimate.study)}", "bold")
    yield literal(
        "It assumes one trial at a time here, none of which stops early, epochs whose time goes by MACs between those "
        f"timed, {survey.train_images:,} training images, and a machine as busy as now."
    )


def _about(survey: Survey) -> Iterator[str]:
    space, design = survey.space, survey.space.space.design
    size = space.cardinality
    combinations = "more combinations than can be counted" if size is None else counted(size, "combination")
    axes = "1 axis" if len(space.axes) == 1 else f"{len(space.axes)} axes"
    yield f"space {space.name}: {design.kind} over {axes} with {combinations}"
    levels = ", ".join(f"{axis}={label_of(level)}" for axis, level in survey.baseline.levels.items())
    yield f"base {space.space.base} for {space.base.classes} classes"
    if isinstance(survey.listed, MissingImagesError):
        source = space.space.data.source
        yield f"images: {source} is not here, which counting does not need; --data says where they are: {survey.listed}"
    yield f"baseline: {levels}"
    if survey.space.searches:
        drawn = len(survey.candidates) + len(survey.refused) - 1
        yield f"the search will choose its own candidates; these {drawn} were drawn evenly to show what there is"


def _named(candidate: Candidate, survey: Survey) -> Text:
    """Return a candidate's name and, where it does not tell them, the levels that set it apart."""
    told = literal(candidate.name)
    if candidate.matches is not None:
        return Text.assemble(told, ("\n  twin of ", "dim"), literal(candidate.matches, "dim"))
    if not isinstance(survey.space.space.design, ExplicitList) or candidate is survey.baseline:
        return told
    return Text.assemble(told, "\n  ", literal(_changes(candidate.levels, survey.baseline.levels), "dim"))


def _changes(levels: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    changed = (f"{axis}={label_of(level)}" for axis, level in levels.items() if baseline.get(axis) != level)
    return ", ".join(changed)


def _duplicates(survey: Survey) -> tuple[str, list[str]]:
    found = survey.duplicates
    title = f"{counted(len(found), 'duplicate')}, the same network and recipe as another candidate, not trained again:"
    return title, [f"{each.name} is {each.duplicate_of}" for each in found]


def _refused(survey: Survey, *, everything: bool) -> Iterator[Text]:
    if not survey.refused:
        return
    total = len(survey.refused) + len(survey.candidates)
    yield literal(f"{counted(len(survey.refused), 'candidate')} of {total:,} refused:")
    by_rule = sorted(survey.refused, key=_where)
    for where, group in groupby(by_rule, key=_where):
        refusals = list(group)
        yield from _listed(
            (f"  {where}: {len(refusals):,}", [f"  {each.name}: {each.reason}" for each in refusals]),
            everything=everything,
        )


def _where(refusal: Refusal) -> str:
    return refusal.where


def _listed(told: tuple[str, list[str]], *, everything: bool) -> Iterator[Text]:
    title, lines = told
    if lines:
        yield literal(title)
        shown = lines if everything else lines[:MOST_EXAMPLES]
        yield from (literal(f"  {line}") for line in shown)
        if len(shown) < len(lines):
            yield Text(f"    and {len(lines) - len(shown):,} more (--all)", "dim")


def _asked(survey: Survey) -> Iterator[Text]:
    """Say how many trials and epochs there are to pay for."""
    space, design = survey.space.space, survey.space.space.design
    seeds = len(space.seeds)
    epochs = f"{survey.epochs:,.0f} epochs"
    if isinstance(design, Search):
        yield literal(
            f"asked for: {counted(design.candidates, 'candidate')} with the first seed, and "
            f"{counted(design.finalists, 'finalist')} and the baseline with {counted(seeds - 1, 'more seed')}: "
            f"up to {survey.trials:,} trials, about {epochs}",
            "bold",
        )
    else:
        yield literal(
            f"asked for: {counted(len(survey.candidates), 'candidate')} × {counted(seeds, 'seed')} = "
            f"{counted(survey.trials, 'trial')}, {epochs}",
            "bold",
        )
    if space.stop is not None:
        first = "a ninth of the epochs" if space.stop.first is None else counted(space.stop.first, "epoch")
        yield literal(f"{space.stop.kind} will stop many of them early, at first after {first}")
    if space.constraints.latency_ms is not None:
        yield literal("constraints.latency_ms is measured when the study runs; it may refuse more of them")
