"""A study while it runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.text import Text

from fishnet_search.study.record import TrialRecord
from fishnet_search.study.tracker import Tracker
from fishnet_search.terminal.picture import STYLES, facts, picture
from fishnet_search.terminal.words import ending, literal

PLAIN_SECONDS = 60.0
"""From one line that sums up to the next, where there is no terminal."""


class LiveProgress(Tracker):
    """Shows how a study goes on: a line for every trial that ends, and below them, in a terminal, those that run.

    Where there is no terminal the sums come as a line, at most once a minute, when an epoch ends.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._console = console
        self._moves = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, get_renderable=self._picture, transient=True)
        self._summed_up = clock()

    def __enter__(self) -> LiveProgress:
        if self._moves:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def study_started(self, *, planned: int, done: Iterable[TrialRecord]) -> None:
        """See `Observer`."""
        records = list(done)
        super().study_started(planned=planned, done=records)
        if records:
            states = Counter(record.state for record in records)
            words = ", ".join(f"{states[state]} {state}" for state in STYLES if states[state])
            these = "complete already" if set(states) == {"complete"} else f"over already ({words})"
            self._say(f"{len(records)} of {planned} trials are {these}; {planned - len(records)} to go")

    def epoch_ended(self, snapshot: TrialRecord) -> None:
        """See `Observer`."""
        super().epoch_ended(snapshot)
        if not self._moves and self._clock() - self._summed_up >= PLAIN_SECONDS:
            self._summed_up = self._clock()
            self._say(" · ".join(fact.plain for fact in facts(self.progress(), self._console.width)))

    def trial_ended(self, record: TrialRecord) -> None:
        """See `Observer`."""
        super().trial_ended(record)
        progress = self.progress()
        count = f"[{progress.over:>{len(str(progress.planned))}}/{progress.planned}] "
        self._say(count + ending(record), STYLES[record.state] if record.state != "complete" else "")

    def noticed(self, sentence: str) -> None:
        """See `Observer`."""
        self._say(sentence, "yellow")

    def _say(self, sentence: str, style: str = "") -> None:
        """Print one line; a terminal breaks it between words, a file has it whole."""
        self._console.print(literal(sentence, style), soft_wrap=not self._moves)

    def _picture(self) -> RenderableType:
        progress = self.progress()
        if not progress.planned:
            return Text()
        height = self._console.height * 2 // 3  # the rest shows the trials that have ended
        return Group(Rule(style="dim"), picture(progress, self._console.width, height))
