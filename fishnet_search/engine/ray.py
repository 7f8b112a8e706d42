"""Runs the trials of a study by Ray Tune, on this machine or on a cluster.

Ray Tune only executes: what runs next, how long, and what becomes of it is the conductor's, in the driver's thread, as
on the local engine. The records and checkpoints in the study's folder are the truth. What Ray Tune writes about itself
lies in a temporary folder and is never read again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fishnet_search.engine.conductor import Conductor
from fishnet_search.engine.plan import Plan
from fishnet_search.errors import StudyError

if TYPE_CHECKING:
    from fishnet_search.space.design import Resources

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial without a GPU sees none, as Ray has it; unset, it warns
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # of what Ray prints here about its workers' ends
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # it makes Ctrl-C look like a normal end
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # nobody restores Ray Tune's own state
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",  # trials start together; how many there may be is told below
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
"""Environment of Ray and Ray Tune."""

_SCRATCH = "fishnet-ray-"

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ray and Ray Tune handle these in ways of their own."""

SECONDS_TO_ANSWER = 10
"""That a cluster has."""

Bundle = Mapping[str, float]
"""What one process of a trial has to itself: {"CPU": 2, "GPU": 0.25}."""


def run_on_ray(
    conductor: Conductor, plan: Plan, folder: Path, *, address: str | None, time_limit: float | None
) -> None:
    """Run what the conductor asks for, as many trials at a time as there are resources, until nothing is left.

    Args:
        conductor: decides.
        plan: of the study, whose space says what a trial may use.
        folder: of the study, which all nodes of the cluster see under the same path.
        address: of a running cluster, "auto" for the one that this machine belongs to; None starts Ray on this machine
            alone, and ends it afterwards.
        time_limit: seconds that a trial may take.

    Raises:
        StudyError: Ray is not installed or cannot be reached, no node has what a trial needs, or a node does not see
            the folder.
    """
    if conductor.done:
        return  # it takes seconds to start Ray
    with _scratch() as scratch, _connected(address, scratch):
        from fishnet_search.engine.ray_tune import run_trials

        bundle = bundle_of(plan.space.space.resources)
        refuse_what_never_fits(bundle, plan.study.workers)
        _refuse_blind_nodes(folder.resolve())
        run_trials(conductor, plan, folder.resolve(), bundle=bundle, time_limit=time_limit, scratch=scratch)


def bundle_of(resources: Resources) -> Bundle:
    """Return what each process of a trial has to itself: a GPU where there are any, if the space does not say."""
    asked = "gpu" in resources.model_fields_set
    gpu = resources.gpu if asked else float(any(node["Resources"].get("GPU") for node in _nodes()))
    return {"CPU": resources.cpu} | ({"GPU": gpu} if gpu else {})


def places_for(bundle: Bundle) -> int:
    """Return how many processes the cluster has room for, as far as can be told without packing them."""
    rounding = 1e-6
    return sum(
        min(int(node["Resources"].get(name, 0) / each + rounding) for name, each in bundle.items()) for node in _nodes()
    )


def refuse_what_never_fits(bundle: Bundle, workers: int) -> None:
    """Ray would wait for it for ever.

    Raises:
        StudyError: there is no room for a single trial in the whole cluster.
    """
    if (places := places_for(bundle)) >= workers:
        return
    each = ", ".join(f"{name.lower()}: {amount:g}" for name, amount in bundle.items())
    nodes = "; ".join(map(_described, _nodes()))
    raise StudyError(
        f"resources: {{{each}}} for {workers} workers a trial: Ray has room for {places} of them ({nodes}); "
        "ask for less in the space, or add nodes to the cluster"
    )


def _nodes() -> list[dict[str, Any]]:
    """Return the nodes that are up."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def _described(node: Mapping[str, Any]) -> str:
    had = ", ".join(f"{name.lower()} {node['Resources'].get(name, 0):g}" for name in ("CPU", "GPU"))
    return f"node {node['NodeManagerAddress']}: {had}"


def _refuse_blind_nodes(folder: Path) -> None:
    """The trials' checkpoints and weights go to the study's folder, from whichever node they run on.

    Raises:
        StudyError: a node does not see the folder, or has no fishnet-search.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    own = ray.get_runtime_context().get_node_id()
    others = [node for node in _nodes() if node["NodeID"] != own]
    if not others:
        return
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".seen-from-", suffix=".partial") as token:
        look = ray.remote(num_cpus=0, max_retries=0)(_sees)
        looks = {
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)).remote(
                token.name
            ): node["NodeManagerAddress"]
            for node in others
        }
        for seen, node in looks.items():
            try:
                sees = ray.get(seen)
            except ray.exceptions.RayError as problem:
                last = str(problem).strip().splitlines()[-1]
                raise StudyError(f"node {node}: cannot run fishnet-search: {last}; install it there too") from problem
            if not sees:
                raise StudyError(
                    f"node {node}: does not see {folder}; keep studies in a folder that all nodes of the cluster share "
                    "under the same path, such as an NFS mount"
                )


def _sees(token: str) -> bool:
    return Path(token).exists()


def set_up() -> None:
    """Choose Ray's settings before it is imported; those that a person has chosen stay."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


@contextmanager
def _connected(address: str | None, scratch: Path) -> Iterator[None]:
    """Connect to a cluster, or start Ray on this machine alone, quietly; end what was begun."""
    set_up()
    try:
        import ray
        from ray import tune  # noqa: F401
    except ImportError as problem:
        raise StudyError(f"the ray engine needs Ray Tune ({problem}): pip install 'ray[tune]'") from problem
    if ray.is_initialized():
        raise StudyError("this process is connected to Ray already; call ray.shutdown() before")
    if address is not None:
        _refuse_unreachable(address)
    private: dict[str, Any] = {"_temp_dir": str(scratch), "include_dashboard": False} if address is None else {}
    with _own_signals() as take_back, _silence():
        try:
            ray.init(address or "local", log_to_driver=False, logging_level=logging.CRITICAL, **private)
            take_back()
            yield
        except ConnectionError as problem:
            raise _unreachable(str(address), problem) from problem
        finally:
            ray.shutdown()


def _refuse_unreachable(address: str) -> None:
    """Ray itself waits a minute for a cluster that is not there, and ends the process then."""
    if address.startswith("ray://"):
        raise StudyError(
            f"--ray-address {address}: Ray Tune does not run through Ray Client; give the command on a machine of the "
            "cluster with --ray-address auto, or by `ray job submit`"
        )
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_ANSWER).close()
        except OSError as problem:
            raise _unreachable(address, problem) from problem


def _unreachable(address: str, problem: Exception) -> StudyError:
    reason = str(problem).partition("\n")[0]
    return StudyError(
        f"--ray-address {address}: {reason}; start Ray by `ray start --head`, or leave the option out; a "
        "cluster that asks for a token needs RAY_AUTH_MODE=token in the environment of every command"
    )


@contextmanager
def _silence() -> Iterator[None]:
    """What Ray has to say of trials is in their records; this process alone speaks."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _own_signals() -> Iterator[Any]:
    """Keep this process's ways with signals, whatever Ray makes of them; yields what takes them back at once."""
    before = {one: signal.getsignal(one) for one in _SIGNALS}

    def take_back() -> None:
        if threading.current_thread() is threading.main_thread():
            for one, handler in before.items():
                signal.signal(one, handler)

    try:
        yield take_back
    finally:
        take_back()


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder of this machine whose path is short: sockets lie in it. Those of killed processes are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        with suppress(OSError), (left / "lock").open("r+") as lock:  # another user's, or in use
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_SCRATCH))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
