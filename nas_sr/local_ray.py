"""Ray on this machine alone, for as long as one command needs it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")

import psutil
import ray

from nas_sr.errors import WorkError

_TRIES = 3  # Ray waits 30 s for its own processes, which is short on a machine that is busy with other things


@contextmanager
def local_ray() -> Iterator[None]:
    """Inside, Ray runs with this machine's cores and GPUs; SIGTERM does what it did before.

    Raises:
        WorkError: Ray does not start, after three tries.
    """
    on_term = signal.getsignal(signal.SIGTERM)
    for last in (number == _TRIES for number in range(1, _TRIES + 1)):
        children = set(psutil.Process().children(recursive=True))
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
                num_cpus=os.cpu_count(),
            )
            break
        except Exception as error:  # where its time has passed, Ray raises just this
            ray.shutdown()
            for process in set(psutil.Process().children(recursive=True)) - children:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            if last:
                reason = (str(error) or type(error).__name__).splitlines()[0]
                raise WorkError(f"Ray does not start on this machine, after {_TRIES} tries: {reason}") from error
    signal.signal(signal.SIGTERM, on_term)  # Ray's own handler would leave without telling anyone
    try:
        yield
    finally:
        ray.shutdown()
