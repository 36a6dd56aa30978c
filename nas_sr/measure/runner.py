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
from nas_sr.device_program import bootstrap
from nas_sr.device_program.agent import FORGET
from nas_sr.device_program.messages import parse_message
from nas_sr.measure import ssh
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import HardwareProfile
from nas_sr.stages import stage

PROGRAM = Path(bootstrap.__file__).parent
SILENT_S = 30.0  # the program speaks every two seconds
CONNECTED_S = 120.0  # until its first word: a connection, an upload, a slow device
# The program ends when it hears nothing for this long; a network that is cut leaves no other sign for hours.
ASKER_SILENT_S = 60.0
BEAT_S = 5.0
_PIECE = 1 << 16

Tell = Callable[[str], None]


@stage("timing")
def run(
    job: dict[str, Any], files: dict[str, Path], profile: HardwareProfile, progress: Tell = lambda text: None
) -> Any:
    """The program's result for a job. When this returns or raises, nothing of it runs on here; there it ends by itself,
    and its files go with it unless the same job may be asked for again.

    Args:
        job: what job.json holds.
        files: name in the job's folder -> file.
        profile: the target; one unit of it.
        progress: hears each stage.

    Raises:
        MeasurementFailed: by the candidate's or the device's fault, or transient: a connection that was cut.
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
        text = f"{_named(profile)}: there is no `{error.filename}` command on this machine: install it"
        raise MeasurementFailed("device", text) from None
    errors: list[str] = []
    lines: queue.Queue[str | None] = queue.Queue()
    last_word: queue.Queue[bytes] = queue.Queue()
    threads = [
        threading.Thread(target=_feed, args=(process.stdin, archive, last_word, lines), daemon=True),
        threading.Thread(target=_read, args=(process.stdout, lines.put), daemon=True),
        threading.Thread(target=_read, args=(process.stderr, lambda line: errors.append(line or "")), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        result, last = _listen(lines, progress)
    except BaseException:
        last_word.put(FORGET)
        raise
    finally:
        last_word.put(b"")
        status = _ended(process)
        for thread in threads:
            thread.join(5)
    if result is None:
        raise _no_result(profile, status, "".join(errors), last)
    if not result["ok"]:
        raise MeasurementFailed(result["kind"], f"{_named(profile)}: {result['error']}")
    return result


def _command(profile: HardwareProfile, name: str) -> list[str]:
    # No login shell finds anything in this to read in a way of its own.
    source = base64.b64encode(Path(bootstrap.__file__).read_bytes()).decode()
    start = ["-u", "-c", "import base64,sys;exec(base64.b64decode(sys.argv.pop(1)))", source]
    for reached in profile.ssh:
        return ssh.command(reached, [*start, reached.folder, name])
    return [sys.executable, *start, str(cache_folder("target")), name]


def _named(profile: HardwareProfile) -> str:
    return f"{profile.name} ({profile.where})"


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


def _feed(pipe: IO[bytes], archive: bytes, last_word: queue.Queue[bytes], lines: queue.Queue[str | None]) -> None:
    """Sends the job, then a byte now and then: the program ends when it hears nothing more, or its input's end."""
    with suppress(OSError), pipe:  # it is gone; whoever reads its output learns why
        for start in range(0, len(archive), _PIECE):
            pipe.write(archive[start : start + _PIECE])
            lines.put("")  # it takes what is sent, however slowly
        while True:
            pipe.flush()
            try:
                pipe.write(last_word.get(timeout=BEAT_S))
            except queue.Empty:
                pipe.write(b".")
            else:
                return


def _read(pipe: IO[bytes], take: Callable[[str | None], None]) -> None:
    """Gives each line, "" for every part of a long one (a result may have megabytes), and None at the end."""
    line = b""
    with pipe:
        while piece := pipe.readline(_PIECE):
            line += piece
            whole = line.endswith(b"\n")
            take(line.decode(errors="replace") if whole else "")
            line = b"" if whole else line
    take(line.decode(errors="replace"))
    take(None)


def _listen(lines: queue.Queue[str | None], progress: Tell) -> tuple[dict[str, Any] | None, str]:
    """The result, or None when there is none to come; and the last stage heard ("" for none)."""
    stage = ""
    patience_s = CONNECTED_S
    while True:
        try:
            line = lines.get(timeout=patience_s)
        except queue.Empty:
            return None, stage
        if line is None:
            return None, stage
        message = parse_message(line)
        if message is None:
            continue
        patience_s = SILENT_S
        if "result" in message:
            return message["result"], stage
        if "stage" in message:
            stage = message["stage"]
            progress(stage)


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """Exit status of what was started; None where it had to be killed. Closing its input makes the program end."""
    try:
        return process.wait(3)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def _no_result(profile: HardwareProfile, status: int | None, errors: str, stage: str) -> MeasurementFailed:
    if profile.ssh and not stage:
        kind, why = ssh.explain(profile.ssh[0], status, errors)
        return MeasurementFailed(kind, f"{_named(profile)}: {why}")
    lines = errors.strip().splitlines()
    if status is None:
        how = "the measuring program went silent"
    elif profile.ssh and status == ssh.OWN_STATUS:
        how = "the connection was cut"
    else:
        how = f"the measuring program ended with status {status} and no result"
    last = f": {lines[-1].strip()}" if lines else ""
    return MeasurementFailed("transient", f"{_named(profile)}: {how} (stage: {stage or 'start'}){last}")
