"""Optuna's dashboard on a study, for looking only: a study that runs is not disturbed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from fishnet_search.engine.mirror import open_storage
from fishnet_search.errors import StudyError

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""What WSGI calls with a request and with the function that begins the answer."""


def dashboard_server(folder: Path, *, storage: str | None, host: str, port: int) -> WSGIServer:
    """Return a server of the dashboard, which listens already and answers in `serve_forever`.

    Args:
        folder: of the study.
        storage: URL of the database that the study has, if it has one in place of `journal.log`.
        host: name or address to listen at.
        port: to listen at; 0 takes one that is free.

    Raises:
        StudyError: the dashboard is not installed, the study has no storage or a damaged one, or the port is taken.
    """
    try:
        from optuna_dashboard import wsgi
    except ImportError as problem:
        raise StudyError(
            f"Optuna's dashboard cannot be imported ({problem}); pip install optuna-dashboard"
        ) from problem
    app = read_only(wsgi(_storage(folder, storage)))
    try:
        return make_server(host, port, app, server_class=_Server, handler_class=_Quiet)
    except (OSError, OverflowError) as problem:
        raise StudyError(f"{host}:{port}: cannot listen there: {problem}; give another --host or --port") from problem


def read_only(app: App) -> App:
    """Return an application that refuses every request that could change something."""

    def answer(request: dict[str, Any], begin: Callable[..., Any]) -> Iterable[bytes]:
        if request["REQUEST_METHOD"] in ("GET", "HEAD"):
            return app(request, begin)
        begin("405 Method Not Allowed", [("Content-Type", "application/json"), ("Allow", "GET, HEAD")])
        return [json.dumps({"reason": "fishnet-search shows studies only; nothing can be changed here"}).encode()]

    return answer


def _storage(folder: Path, url: str | None) -> BaseStorage:
    journal = folder / "journal.log"
    if url is not None:
        return open_storage(folder, url)
    if not journal.is_file():
        raise StudyError(f"{folder}: is no study that has been run; `fishnet-search list` shows which there are")
    try:
        return JournalStorage(JournalFileBackend(str(journal)))
    except OSError:
        raise
    except Exception as damage:  # Optuna fails in as many ways as a journal can be damaged
        raise StudyError(f"{journal}: is damaged: {damage}; run the study again to make it anew") from damage


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the standard library
        """Leave the terminal to the address."""
