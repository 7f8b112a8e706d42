"""Processes of this machine that train: how they are started, and how they end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

CONTEXT: Any = multiprocessing.get_context("forkserver")
"""A fork of this process would share its locks, and a CUDA context. Tensors that are handed over share their memory."""

CONTEXT.set_forkserver_preload(["fishnet_search.engine.worker", "fishnet_search.engine.team"])


def prepare() -> None:
    """Begin to import what training needs, in a process that all others are forked off.

    That takes seconds, in which this process can do something else: it does not wait.
    """
    with _held_back(signal.SIGINT, signal.SIGTERM):
        forkserver.ensure_running()


def begin(
    target: Callable[..., None], *arguments: Any, gpus: Sequence[int] | None = None
) -> tuple[BaseProcess, Connection]:
    """Start a process that calls `target` with a connection to this process and the arguments.

    It leaves Ctrl-C and SIGTERM to this process, and ends when this process does.

    Args:
        target: is called in the new process.
        arguments: of it.
        gpus: numbers among the GPUs that this process sees, of those that the new one is to see where there are
            several; past the last one they begin again with the first. None: all.
    """
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_begun, args=(target, theirs, _names_of(gpus), arguments), daemon=False)
    with _held_back(signal.SIGINT, signal.SIGTERM):
        process.start()
    theirs.close()
    return process, ours


def _begun(
    target: Callable[..., None], connection: Connection, gpus: str | None, arguments: tuple[object, ...]
) -> None:
    _end_with_parent()
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus
    target(connection, *arguments)


def _end_with_parent() -> None:
    """End this process when the one that started it does: an orphan would train on beside its successor."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _names_of(gpus: Sequence[int] | None) -> str | None:
    """Return what CUDA calls these of the GPUs that this process sees; None where it sees all that there are."""
    import torch  # takes seconds, and `prepare` is to come before it

    visible, count = os.environ.get("CUDA_VISIBLE_DEVICES"), torch.cuda.device_count()
    if gpus is None or count < 2:
        return visible
    names = visible.split(",") if visible else [str(one) for one in range(count)]
    return ",".join(dict.fromkeys(names[gpu % count] for gpu in gpus))


@contextmanager
def _held_back(*numbers: int) -> Iterator[None]:
    """Let signals wait: a process that starts meanwhile, and all that are forked off it, never see them."""
    resource_tracker.ensure_running()  # which else is started with the other process, and lets signals through
    came: list[int] = []
    former = {}
    if threading.current_thread() is threading.main_thread():  # blocking alone leaves them to other threads
        former = {number: signal.signal(number, lambda number, _: came.append(number)) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in former.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
