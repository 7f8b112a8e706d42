"""How names, figures and ends of trials are written."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.cells import cell_len
from rich.text import Text

from fishnet_search.study.record import StudyRecord, TrialRecord
from fishnet_search.task.figures import FIGURES, MEANINGS, Evaluation

MINUTE, HOUR, DAY = 60, 3600, 86400

MOST_TOLD = 5
"""Refused candidates that are named before a study begins."""


def literal(text: str, style: str = "") -> Text:
    """Return a text that shows as it is: no markup, no emoji codes, and what cannot be printed by its code."""
    return Text("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text), style)


def shortened(name: str, width: int) -> str:
    """Return a name in at most so many columns; what is left out is in the middle, for the end has level and seed."""
    if cell_len(name) <= width:
        return name
    head, tail = list(name), list[str]()
    while head and cell_len("".join(head + tail)) > width - 1:
        tail.insert(0, head.pop()) if len(tail) < (width - 1) // 2 else head.pop()
    return "".join(head) + "…" + "".join(tail)


def counted(number: int, noun: str) -> str:
    """Write "1 trial" and "2 trials"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """Write a time in its two largest units, as long as they matter."""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min" + (f" {whole % MINUTE} s" if whole < 10 * MINUTE else "")
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def three_digits(figure: float) -> str:
    """Write a figure with as many places as a measurement bears."""
    places = max(0, 2 - math.floor(math.log10(figure))) if figure > 0 else 0
    return f"{figure:,.{places}f}"


def ending(record: TrialRecord) -> str:
    """Say in one line how a trial ended."""
    after = f"after {counted(len(record.epochs), 'epoch')}"
    best, split = record.best_validation, ""
    if record.micro_batches > 1:
        split = f", batches split into {record.micro_batches} micro-batches after memory ran out"
    if record.failure is not None:
        reason = record.failure.message.partition("\n")[0]
        return f"{record.trial}: failed {after}: {record.failure.type}: {reason}{split}"
    if record.state in ("pruned", "interrupted"):
        reached = "" if best is None else f": validation {best[record.metric]:.1%} (epoch {record.best_epoch})"
        return f"{record.trial}: {record.state} {after}{reached}{split}"
    figures = "" if best is None else f"validation {best[record.metric]:.1%} (epoch {record.best_epoch}), "
    figures += "" if record.test is None else f"test {record.test[record.metric]:.1%}, "
    if record.state == "duplicate":
        return f"{record.trial}: duplicate of {record.duplicate_of}: {figures}not trained again"
    return f"{record.trial}: {figures}{duration_of_work(record.wall_seconds)}{split}"


def told(figures: Evaluation) -> str:
    """Write all that was measured, fractions in per cent: "top-1 97.31%, top-5 99.90%, loss 0.1023"."""
    fractions = [f"{MEANINGS[name].label} {figures[name]:.2%}" for name in FIGURES if name in figures]
    return ", ".join([*fractions, *([f"loss {figures['loss']:.4f}"] if "loss" in figures else [])])


def duration_of_work(seconds: float) -> str:
    """Write a time that was measured; short ones with a decimal."""
    return f"{seconds:.1f} s" if seconds < MINUTE else duration(seconds)


def planned(study: StudyRecord) -> Iterator[str]:
    """Say what a study is about to do."""
    data, count = study.data, len(study.variants)
    what = f"{study.design}, {counted(count, 'variant')}" if count > 1 else study.design
    yield (
        f"study {study.name}: {what}, {counted(len(study.seeds), 'seed')}, {counted(study.recipe.epochs, 'epoch')}, "
        f"{data.source} with {data.train_images:,} training, {data.validation_images:,} validation and "
        f"{data.test_images:,} test images"
    )
    for refused in study.refused[:MOST_TOLD]:
        yield f"refused: {refused.name}: {refused.where}: {refused.reason}"
    if len(study.refused) > MOST_TOLD:
        yield f"refused: {len(study.refused) - MOST_TOLD} more; `fishnet-search check` shows all"
