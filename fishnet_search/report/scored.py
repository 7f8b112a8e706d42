"""What is said of candidates and their scores in every part of a report on searches and grids."""

from __future__ import annotations

import pandas as pd

from fishnet_search.evidence.candidates import lowest_usual
from fishnet_search.evidence.naming import column
from fishnet_search.evidence.plan import is_search
from fishnet_search.evidence.search import UNSCORED, has_order
from fishnet_search.evidence.wording import counts, percent, seed_count
from fishnet_search.study.record import StudyRecord

COSTS = {"macs": "MACs", "params": "parameters", "activations": "activations", "latency_ms": "latency"}
"""Names of the metrics that accuracy is weighed against."""


def is_space(study: StudyRecord) -> bool:
    """Tell whether candidates cross the axes; where variants were written one by one their distribution says little."""
    return has_order(study) or study.design == "grid"


def of_seeds(study: StudyRecord) -> str:
    """Say which trials a score is made of."""
    if is_search(study) or len(study.seeds) == 1:
        return f"with seed {study.seeds[0]} alone"
    return f"in the mean over {seed_count(len(study.seeds))}"


def tried(scores: pd.DataFrame) -> str:
    """Return how many candidates have a score or were stopped early."""
    return f"{scores['state'].isin(('complete', 'pruned')).sum():,}"


def incomplete(scores: pd.DataFrame) -> str:
    """Say how many candidates have no score, and why."""
    states = scores["state"].value_counts()
    reasons = {"pruned": "stopped early", UNSCORED: "without all their figures"}
    told = [f"{states[state]:,} {reason}" for state, reason in reasons.items() if state in states]
    return f" Left out: {', '.join(told)}." if told else ""


def drawn(n: int, most: int) -> str:
    """Say how many of the points are drawn, if not all."""
    return f" {most:,} of {n:,} points are drawn, chosen at random." if n > most else ""


def cut(seen: pd.DataFrame) -> str:
    """Say how many candidates are so far below the others that they are outside the figure."""
    accuracies = seen[column(seen, "validation_metric")]
    below = int((accuracies < (lowest := lowest_usual(accuracies))).sum())
    return f" {below:,} below {percent(lowest)} % are outside the figure." if below else ""


def cost_in_words(cost: float, metric: str) -> str:
    """Return a cost with its unit."""
    return f"{cost:.2f} ms" if metric == "latency_ms" else counts([round(cost)])[0]
