"""Answers one job: the device to itself, every step in a worker process that can be killed, nothing left behind."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Iterator

from .failure_kinds import Failure, failure_of
from .file_lock import lock, try_lock
from .job import Job, read
from .messages import parse_message, send, send_stage
from .steps import answer_file

HEARTBEAT_S = 2.0
# What the asker's last byte is when nobody will ask for this job again.
FORGET = b"!"
STALE_S = 24 * 3600.0
# Anybody's program that measures on this device takes the same file.
DEVICE_LOCK = Path(tempfile.gettempdir()) / "nas-sr-device.lock"
# Whose fault it is when a worker dies without an answer, by the last stage it named; later ones may pass.
FAULT_OF_STAGE = {
    "start": "device",
    "building the reference network": "device",
    "building the network": "candidate",
    "reference": "device",
    "candidate": "candidate",
}


def answer(folder: Path) -> None:
    """Does the job in `folder`, says its result and removes the folder.

    The folder stays only when the connection is cut: who asks again for the same job finds its engines built.
    """
    workers = _Workers(folder)
    try:
        job = read(folder)
        threading.Thread(target=_end_with_asker, args=(workers, job.silent_s), daemon=True).start()
        threading.Thread(target=_beat, args=(workers,), daemon=True).start()
        send_stage("start")
        work = _inspected if job.action == "inspect" else _measured
        result = {"ok": True, **work(job, workers)}
    except ConnectionError:
        workers.end()  # nobody hears this any more
    except Exception as error:  # the border: whatever went wrong is an answer too
        failure = failure_of(error, "measuring program")
        result = {"ok": False, "kind": failure.kind, "error": failure.text}
    if workers.given_way():
        workers.end()
    with workers.ending:
        shutil.rmtree(str(folder), ignore_errors=True)  # first: who has the result lets go of this process
    send(result=result)


def _inspected(job: Job, workers: _Workers) -> dict[str, Any]:
    return workers.step("inspect", 0, job.build_limit_s)


def _measured(job: Job, workers: _Workers) -> dict[str, Any]:
    with _device_alone() as held:
        workers.hold = (held,)
        _remove_stale(job.folder)
        builds: list[dict[str, Any]] = []
        runs: list[dict[str, Any]] = []
        for build in range(job.builds):
            for _network in range(job.networks):
                builds.append(workers.step("build", len(builds), job.build_limit_s, keep=True))
            for run in range(job.runs):
                limit_s = job.plan.limit_s * job.networks
                runs.append({"build": build, "run": run, **workers.step("run", len(runs), limit_s)})
        return {"builds": builds, "runs": runs}


@contextmanager
def _device_alone() -> Iterator[int]:
    """Has the device alone; yields the descriptor that holds it."""
    try:
        descriptor = os.open(str(DEVICE_LOCK), os.O_RDONLY)
    except FileNotFoundError:
        descriptor = os.open(str(DEVICE_LOCK), os.O_RDONLY | os.O_CREAT, 0o644)
        os.fchmod(descriptor, 0o644)  # whatever the umask: other users must be able to take it
    try:
        if not try_lock(descriptor):
            send_stage("waiting for the device")
            lock(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


class _Workers:
    """Starts the worker processes of one job, one at a time, and ends them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: subprocess.Popen[str] | None = None
        # Descriptors that workers inherit: a device is held for as long as anything runs on it.
        self.hold: tuple[int, ...] = ()
        self.ending = threading.Lock()

    def step(self, name: str, number: int, limit_s: float, keep: bool = False) -> dict[str, Any]:
        """The answer of one step; with `keep`, that of an earlier, interrupted try at this very job will do.

        Raises:
            Failure: what the worker failed with, or how it ended without an answer.
        """
        path = answer_file(self._folder, name, number)
        if not (keep and path.is_file()):
            with suppress(FileNotFoundError):
                path.unlink()
            self._run(name, number, limit_s)
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return values

    def _run(self, name: str, number: int, limit_s: float) -> None:
        program = str(Path(__file__).parent)
        command = [sys.executable, "-u", "-B", program, "--step", name, str(number), str(self._folder)]
        stage, failure = "start", None
        timed_out = threading.Event()

        def at_limit() -> None:
            timed_out.set()
            self.kill()

        with (self._folder / "errors").open("wb") as errors:
            self._running = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # closes when this process ends, however it ends, and the worker with it
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
                pass_fds=self.hold,
                # NumPy's own threads have nothing to do here and would only be counted.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        timer = threading.Timer(limit_s, at_limit)
        timer.start()
        try:
            assert self._running.stdout is not None
            for line in self._running.stdout:
                message = parse_message(line) or {}
                failure = message.get("failure", failure)
                if "stage" in message:
                    stage = message["stage"]
                    send_stage(stage)
            status = self._running.wait()
        finally:
            timer.cancel()
            self.kill()
        if failure:
            raise Failure(failure["kind"], failure["error"])
        if not answer_file(self._folder, name, number).is_file():
            raise _died(stage, None if timed_out.is_set() else status, limit_s, self._last_error())

    def _last_error(self) -> str:
        lines = (self._folder / "errors").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """Ends the running worker and all it started."""
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)

    def given_way(self) -> bool:
        """Whether a later try at this job has taken the folder over."""
        owner = self._folder / "owner"
        return owner.is_file() and owner.read_text(encoding="utf-8") != str(os.getpid())

    def end(self, remove: bool = False) -> None:
        """Ends the running worker and this program; the folder stays unless it is to be removed."""
        self.ending.acquire()  # and never released: nothing else happens any more
        self.kill()
        if self._running is not None:
            with suppress(subprocess.TimeoutExpired):
                self._running.wait(5)
        if remove:
            shutil.rmtree(str(self._folder), ignore_errors=True)
        os._exit(3)


def _died(stage: str, ended: int | None, limit_s: float, error: str) -> Failure:
    kind = FAULT_OF_STAGE.get(stage, "transient")
    if ended is None:
        what = "killed after {:g} s".format(limit_s)
    elif ended == -signal.SIGKILL:
        kind, what = "transient", "killed by the system, which happens when memory runs out"
    else:
        what = "ended by signal {}".format(-ended) if ended < 0 else "ended with status {}".format(ended)
    return Failure(
        kind, "the measuring process was {} (stage: {})".format(what, stage) + (": " + error if error else "")
    )


def _beat(workers: _Workers) -> None:
    while not workers.given_way():
        send(alive=True)
        time.sleep(HEARTBEAT_S)
    workers.end()


def _end_with_asker(workers: _Workers, silent_s: float) -> None:
    """Ends everything when standard input closes or falls silent: whoever asked is gone, by whatever signal."""
    while select.select([0], [], [], silent_s)[0]:
        content = os.read(0, 4096)
        if not content or FORGET in content:
            workers.end(remove=FORGET in content)
    workers.end()


def _remove_stale(folder: Path) -> None:
    """Removes what jobs left that were interrupted and never asked for again, by the file system's own clock."""
    now = folder.stat().st_mtime
    for other in folder.parent.iterdir():
        with suppress(FileNotFoundError):  # its own program removes it at this moment
            if now - other.stat().st_mtime > STALE_S:
                shutil.rmtree(str(other), ignore_errors=True)
