"""Ray, for as long as one command needs it: of this machine alone, or a cluster that runs already."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")

import psutil
import ray

from nas_sr.errors import UsageError, WorkError
from nas_sr.target.cores import usable_cpus

_TRIES = 3  # Ray waits 30 s for its own processes, which is short on a machine that is busy with other things


@contextmanager
def ray_cluster(address: str | None = None) -> Iterator[None]:
    """Inside, Ray runs: with this machine's cores and GPUs, or those of the cluster at `address`.

    Raises:
        UsageError: there is no cluster at this address.
        WorkError: Ray does not start on this machine, after three tries.
    """
    on_term = signal.getsignal(signal.SIGTERM)
    if address is None:
        _start()
    else:
        _join(address)
    signal.signal(signal.SIGTERM, on_term)  # Ray's own handler would leave without saving anything
    try:
        yield
    finally:
        ray.shutdown()


def _start() -> None:
    for last in (number == _TRIES for number in range(1, _TRIES + 1)):
        children = set(psutil.Process().children(recursive=True))
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
            for process in set(psutil.Process().children(recursive=True)) - children:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            if last:
                raise WorkError(
                    f"Ray does not start on this machine, after {_TRIES} tries: {_reason(error)}"
                ) from error


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
