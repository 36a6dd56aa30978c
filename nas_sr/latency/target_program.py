"""Sends the measuring program with a job to a target, hears what it says, and never waits for one that is gone.

The program travels with every job (50 KB), so there is nothing to install on a device and no version to go stale.
This machine is a target like any other; only the command that starts Python differs.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import queue
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from nas_sr.cache import cache_folder
from nas_sr.latency import ssh
from nas_sr.latency.failure import MeasurementFailed
from nas_sr.latency.profile import HardwareProfile
from nas_sr.target import receive
from nas_sr.target.said import heard

PROGRAM = Path(receive.__file__).parent
SILENT_S = 30.0  # the program speaks every two seconds
_BEAT_S = 5.0

Told = Callable[[str], None]


def run(job: dict[str, Any], files: dict[str, Path], profile: HardwareProfile, told: Told = lambda text: None) -> Any:
    """The program's result for a job; nothing of it runs on, there or here, when this returns or raises.

    Args:
        job: what job.json holds.
        files: name in the job's folder -> file.
        profile: the target; one unit of it.
        told: hears each stage.

    Raises:
        MeasurementFailed: by the candidate's or the device's fault, or passing: a connection that was cut.
    """
    archive = _archive(job, files)
    name = hashlib.sha256(archive).hexdigest()[:16]
    try:
        process = subprocess.Popen(
            _command(profile, name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise MeasurementFailed("device", f"{profile.name}: no `{error.filename}` command on this machine") from None
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    errors: list[str] = []
    lines: queue.Queue[str | None] = queue.Queue()
    over = threading.Event()
    threads = [
        threading.Thread(target=_feed, args=(process.stdin, archive, over), daemon=True),
        threading.Thread(target=_read, args=(process.stdout, lines.put), daemon=True),
        threading.Thread(target=_read, args=(process.stderr, lambda line: errors.append(line or "")), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        result, last = _listen(lines, told)
    finally:
        over.set()
        status = _ended(process)
        for thread in threads:
            thread.join(5)
    if result is None:
        raise _no_result(profile, status, "".join(errors), last)
    if not result["ok"]:
        raise MeasurementFailed(result["kind"], result["error"])
    return result


def _command(profile: HardwareProfile, name: str) -> list[str]:
    # One line without quotes or spaces inside: no login shell reads that in a way of its own.
    source = base64.b64encode(Path(receive.__file__).read_bytes()).decode()
    start = ["-u", "-c", f"import base64;exec(base64.b64decode('{source}'))"]
    for reached in profile.ssh:
        return ssh.command(reached, [*start, reached.folder, name])
    return [sys.executable, *start, str(cache_folder("target")), name]


def _archive(job: dict[str, Any], files: dict[str, Path]) -> bytes:
    """The program and the job as a tar file; equal for equal content."""
    content = {f"program/{path.relative_to(PROGRAM)}": path.read_bytes() for path in sorted(PROGRAM.rglob("*.py"))}
    content |= {name: path.read_bytes() for name, path in files.items()}
    content["job.json"] = json.dumps(job, sort_keys=True).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _feed(pipe: IO[bytes], archive: bytes, over: threading.Event) -> None:
    """Sends the job, then a byte now and then: the program ends when it hears nothing more."""
    with suppress(OSError):  # it is gone; whoever reads its output learns why
        pipe.write(archive)
        pipe.flush()
        while not over.wait(_BEAT_S):
            pipe.write(b".")
            pipe.flush()


def _read(pipe: IO[bytes], take: Callable[[str | None], None]) -> None:
    for line in io.TextIOWrapper(pipe, encoding="utf-8", errors="replace", newline="\n"):
        take(line)
    take(None)


def _listen(lines: queue.Queue[str | None], told: Told) -> tuple[dict[str, Any] | None, str]:
    """The result, or None when there is none to come; and the last stage heard ("" for none)."""
    stage = ""
    patience_s = 4 * SILENT_S  # until the first word: a connection, an upload, a slow device
    while True:
        try:
            line = lines.get(timeout=patience_s)
        except queue.Empty:
            return None, stage
        if line is None:
            return None, stage
        said = heard(line)
        if said is None:
            continue
        patience_s = SILENT_S
        if "result" in said:
            return said["result"], stage
        if "stage" in said:
            stage = said["stage"]
            told(stage)


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """Exit status of what was started; None where it had to be killed. Closing its input makes the program end."""
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
    try:
        return process.wait(3)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def _no_result(profile: HardwareProfile, status: int | None, errors: str, stage: str) -> MeasurementFailed:
    if profile.ssh and not stage:
        why = ssh.explain(profile.ssh[0], status, errors)
        return MeasurementFailed("device", f"{profile.name} ({profile.where}): {why}")
    lines = errors.strip().splitlines()
    how = "went silent" if status is None else f"ended with status {status} and no result"
    return MeasurementFailed(
        "passing",
        f"{profile.name} ({profile.where}): the measuring program {how}"
        f" (stage: {stage or 'start'}){': ' + lines[-1] if lines else ''}",
    )
