"""Steps that are made in threads while others are learnt from."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

AHEAD = 4
"""Batches that are under way at most, each in a thread of its own."""

Made = TypeVar("Made")


class Steps(Iterator[Made], Generic[Made]):
    """The steps of an epoch, one after the other."""

    def __init__(self, steps: Iterator[Made], count: int) -> None:
        self._steps, self._count = steps, count
        self.waited = 0.0
        """Seconds that were spent on waiting for steps so far."""

    def __len__(self) -> int:
        """Return how many steps the epoch has in all."""
        return self._count

    def __next__(self) -> Made:
        start = time.perf_counter()
        try:
            return next(self._steps)
        finally:
            self.waited += time.perf_counter() - start


def ahead(tasks: Iterable[Callable[[], Made]]) -> Iterator[Made]:
    """Yield what tasks return, in order, while others after them are under way in threads."""
    workers = min(AHEAD, os.cpu_count() or 1)
    under_way: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="batches") as pool:
        try:
            for task in tasks:
                under_way.append(pool.submit(task))
                if len(under_way) > workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
