"""Training by several processes under Ray Train: the GPUs of this machine or of a cluster, or CPU cores.

Rank 0 tells the process that started it all what a session tells, and that one alone writes to the disk: workers need
no shared folder but that of the packs. Run with CPU workers; GPUs (NCCL) and several machines have not been run.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import redirect_stdout
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

os.environ.setdefault("RAY_TRAIN_METRICS_ENABLED", "0")

import ray
import torch
from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig, get_context
from ray.train.torch import TorchTrainer, get_device

from nas_sr.errors import UsageError, WorkError
from nas_sr.ray_cluster import ray_cluster
from nas_sr.train.event_queue import EventQueue
from nas_sr.train.events import Callback, Saved, Stepped, TrainingEvent
from nas_sr.train.group import Group
from nas_sr.train.loop import Diverged
from nas_sr.train.session import Interrupted, TrainingJob, carry_out

_BETWEEN_LOOKS_S = 0.3


class _Share(NamedTuple):
    """What a cluster gives to each worker."""

    cpus: int
    gpus: int


def carry_out_together(job: TrainingJob, callback: Callback, workers: int, address: str | None) -> None:
    """As `session.carry_out`, in `workers` processes that each compute a share of every batch.

    The result is that of one process up to rounding; a checkpoint may go on with another number of workers.

    Raises:
        UsageError: there is no such cluster, or it has not enough GPUs (cores, where it has no GPU).
        WorkError: a worker died, or Ray does not start here. Else as `carry_out`.
    """
    with redirect_stdout(sys.stderr), ray_cluster(address), TemporaryDirectory(prefix="nas-sr-") as unused:
        share = _share(workers)
        queue = ray.remote(num_cpus=0)(EventQueue).remote()
        trainer = TorchTrainer(
            _work,
            train_loop_config={"job": job, "queue": queue, "threads": share.cpus},
            scaling_config=ScalingConfig(
                num_workers=workers,
                use_gpu=share.gpus > 0,
                resources_per_worker={"CPU": share.cpus, **({"GPU": share.gpus} if share.gpus else {})},
            ),
            run_config=RunConfig(
                name="train",
                storage_path=unused,  # nothing is reported to Ray
                failure_config=FailureConfig(max_failures=0),
                logging_config=LoggingConfig(log_level="ERROR"),
            ),
        )
        _listen(queue, callback, trainer)


def _listen(queue: Any, callback: Callback, trainer: TorchTrainer) -> None:
    """Passes on the workers' events until they are done, and raises what ended them."""
    known: list[Exception] = []
    failures: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except (Exception, SystemExit) as error:  # Ray raises the latter where it is shut down meanwhile
            failures.append(error)

    # Not in the main thread: there Ray would take over SIGINT and end the workers without a checkpoint.
    fitting = threading.Thread(target=fit, daemon=True)
    fitting.start()
    running = True
    while running:
        time.sleep(_BETWEEN_LOOKS_S)
        running = fitting.is_alive()
        events: list[TrainingEvent | _Failed] = ray.get(queue.take.remote())
        for event in events:
            if isinstance(event, _Failed):
                known.append(event.error)
            else:
                callback.on_event(event)
        queue.acknowledge.remote(len(events), callback.stop_requested())
    if known:
        raise known[0]
    if failures:
        causes = getattr(failures[0], "worker_failures", None) or {0: failures[0]}
        rank, cause = sorted(causes.items())[0]
        reason = (str(cause) or type(cause).__name__).splitlines()[0]
        raise WorkError(f"worker {rank} failed: {reason}; continue from the last checkpoint with --resume")


class _Failed(NamedTuple):
    """The error that ended the training, as a value: Ray would wrap it in others."""

    error: Exception


class _Sender:
    """A worker's callback: it sends events on, steps a few at a time."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self._events: list[TrainingEvent | _Failed] = []
        self._sent_at = 0.0
        self._stop = False

    def on_event(self, event: TrainingEvent) -> None:
        if isinstance(event, Saved):
            event = Saved(event.checkpoint._replace(values=_on_cpu(event.checkpoint.values)))
        self._events.append(event)
        if not isinstance(event, Stepped):
            self._flush()
        if isinstance(event, Saved):
            while not ray.get(self._queue.all_acknowledged.remote()):  # nothing goes on before it is on the disk
                time.sleep(_BETWEEN_LOOKS_S / 10)
            self._flush()

    def stop_requested(self) -> bool:
        if time.monotonic() - self._sent_at > _BETWEEN_LOOKS_S:
            self._flush()
        return self._stop

    def failed(self, error: Exception) -> None:
        self._events.append(_Failed(error))
        self._flush()

    def _flush(self) -> None:
        events, self._events = self._events, []
        self._stop = ray.get(self._queue.put.remote(events))
        self._sent_at = time.monotonic()


def _work(config: dict[str, Any]) -> None:
    """One worker's life."""
    context, sender = get_context(), _Sender(config["queue"])
    device = get_device()
    if device.type == "cpu":
        torch.set_num_threads(config["threads"])
    group = Group(context.get_world_rank(), context.get_world_size(), device.type)
    try:
        carry_out(config["job"], sender, group, shares_devices=context.get_local_rank() == 0)
    except Interrupted as stop:  # in every worker
        if group.rank == 0:
            sender.failed(stop)
    except (UsageError, WorkError, Diverged) as error:
        sender.failed(error)
        raise  # the others may be waiting for this worker


def _on_cpu(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.cpu()
    if isinstance(value, dict):
        return {key: _on_cpu(part) for key, part in value.items()}
    return value


def _share(workers: int) -> _Share:
    """Ray would wait for ever for what a cluster does not have, or not in one of its machines."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores = [int(machine.get("CPU", 0)) for machine in machines]
    gpus = [int(machine.get("GPU", 0)) for machine in machines]
    if any(gpus):
        with_a_core = sum(map(min, gpus, cores))
        if workers > with_a_core:
            raise UsageError(f"{workers} workers need a GPU and a core each, and there are {with_a_core}")
        return _Share(1, 1)
    cpus = sum(cores)
    if workers > cpus:
        raise UsageError(f"{workers} workers need a core each, and there are {cpus}")
    return _Share(max(each for each in range(1, cpus + 1) if sum(its // each for its in cores) >= workers), 0)
