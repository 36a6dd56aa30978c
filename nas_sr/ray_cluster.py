"""Ray, for as long as one command needs it: of this machine alone, or a cluster that runs already."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")

import psutil
import ray

from nas_sr.device_program.cores import usable_cpus
from nas_sr.errors import UsageError, WorkError
from nas_sr.orphans import ended_with_this

_LONGEST_SOCKET = 107 if sys.platform == "linux" else 103  # bytes of a socket's path
_TRIES = 3  # Ray waits 30 s for its own processes, which is short on a machine that is busy with other things


@contextmanager
def ray_cluster(address: str | None = None) -> Iterator[None]:
    """Inside, Ray runs: with this machine's cores and GPUs, or those of the cluster at `address`.

    Where Ray is initialised in this process already, as in a notebook, that one is used and goes on running.

    Raises:
        UsageError: there is no cluster at this address, this process is connected to another one, or TMPDIR is too long
            for Ray's sockets.
        WorkError: Ray does not start on this machine, after three tries.
    """
    on_term = signal.getsignal(signal.SIGTERM)
    if ray.is_initialized():
        _refuse_other(address)
        yield
        return
    before = _children()
    if address is None:
        refuse_long_folder()
        _start()
    else:
        _join(address)
    signal.signal(signal.SIGTERM, on_term)  # Ray's own handler would leave without saving anything
    # Ray ends with its driver, but for two agents that wait a minute for a cluster which is gone.
    with ended_with_this(_children() - before):
        try:
            yield
        finally:
            ray.shutdown()


def refuse_too_large(cpus: float, gpus: float) -> None:
    """Refuses what no machine of the cluster that runs has: Ray would wait for it for ever."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(machine.get("CPU", 0) >= cpus and machine.get("GPU", 0) >= gpus for machine in machines):
        have = "; ".join(f"{machine.get('CPU', 0):g} cores, {machine.get('GPU', 0):g} GPUs" for machine in machines)
        raise UsageError(f"{cpus:g} cores and {gpus:g} GPUs are needed at once, and Ray's machines have: {have}")


def _refuse_other(address: str | None) -> None:
    connected = ray.get_runtime_context().gcs_address
    if address not in (None, "auto", connected):
        raise UsageError(
            f"--address {address}: Ray is initialised in this process already, at {connected};"
            " leave the address out, or call ray.shutdown() before"
        )


def refuse_long_folder() -> None:
    """Checks, before Ray or any work begins, that Ray's sockets can be made in the folder for temporary files.

    Raises:
        UsageError: their paths would be longer than the system allows.
    """
    variable = next((name for name in ("RAY_TMPDIR", "TMPDIR") if name in os.environ), None)  # in Ray's own order
    if variable is None:
        return
    folder = os.environ[variable]
    longest = Path(
        folder, "ray", f"session_{datetime.now():%Y-%m-%d_%H-%M-%S_%f}_{os.getpid()}", "sockets/plasma_store"
    )
    excess = len(os.fsencode(longest)) - _LONGEST_SOCKET
    if excess > 0:
        raise UsageError(
            f"{variable} is too long for Ray, whose sockets have paths of at most {_LONGEST_SOCKET} bytes in it:"
            f" shorten it by {excess} or more, for instance {variable}=/tmp, but got {folder}"
        )


def _start() -> None:
    for last in (number == _TRIES for number in range(1, _TRIES + 1)):
        children = _children()
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
                num_cpus=usable_cpus(),
            )
            return
        except Exception as error:  # where its time has passed, Ray raises just this
            ray.shutdown()
            for process in _children() - children:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            if last:
                raise WorkError(
                    f"Ray does not start on this machine, after {_TRIES} tries: {_reason(error)}"
                ) from error


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _join(address: str) -> None:
    if address != "auto":
        _refuse_silent(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except Exception as error:  # many kinds, of Ray's own too
        raise UsageError(f"no Ray cluster at {address}: {_reason(error)}") from None


def _refuse_silent(address: str) -> None:
    """Ray itself goes on asking for many minutes where nobody answers."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--address must be HOST:PORT, ray://HOST:PORT or auto, but got {address}")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"no Ray cluster at {address}: {getattr(error, 'strerror', None) or error}") from None


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
