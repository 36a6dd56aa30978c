"""A real ssh server on loopback with throw-away keys, to be a device for the tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from nas_sr.measure.profile import Ssh

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def skip_without_server() -> None:
    """Skips the test, saying why, where no server can be started."""
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no OpenSSH server here (Debian: openssh-server)")
    if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):
        os.mkdir("/run/sshd", 0o755)


class Server:
    """A server in a folder of its own; a context manager. `device` is the working folder of the device."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.device = folder / 'the drone\'s "own" folder'
        (folder / "tmp").mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for name in ("host", "key", "other"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True, timeout=60
            )
        shutil.copyfile(folder / "key.pub", folder / "authorized")
        self.know(self.host_key())
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
            f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            f"KbdInteractiveAuthentication no\nPidFile none\nPermitRootLogin prohibit-password\nAllowTcpForwarding no\n"
            # Its lock on the device is not that of whatever else measures on this machine.
            f"SetEnv TMPDIR={folder}/tmp\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def host_key(self) -> str:
        return " ".join((self.folder / "host.pub").read_text().split()[:2])

    def know(self, key: str | None) -> None:
        """What the client takes for this server's key."""
        line = f"[127.0.0.1]:{self.port} {key}\n" if key else ""
        (self.folder / "known hosts").write_text(line)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listens, when this returns."""
        assert SSHD is not None
        self._process = subprocess.Popen(
            [SSHD, "-D", "-E", str(self.folder / "log"), "-f", str(self.folder / "config")]
        )
        for _ in range(1000):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Ends the server and every connection it has: the device is off."""
        if self._process is not None:
            self.cut()
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def cut(self) -> None:
        """Kills the processes that serve connections, and nothing that they started."""
        for process in self.connections():
            process.send_signal(signal.SIGKILL)

    def connections(self) -> list[psutil.Process]:
        """The server's processes for single connections."""
        assert self._process is not None
        found = []
        for process in psutil.Process(self._process.pid).children(recursive=True):
            try:
                if process.name().startswith("sshd"):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def started(self) -> list[psutil.Process]:
        """Every process that connections started and that still runs: the measuring program and its workers."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or ())
            if str(self.device) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def lying(self) -> list[Path]:
        """What jobs have left on the device; what it keeps for later jobs is not among it."""
        return [*(self.device / "jobs").glob("*"), *(self.folder / "tmp").glob("*/*")]

    def reached(self, python: str, **changes: object) -> Ssh:
        """How a profile reaches it."""
        values = {
            "host": "127.0.0.1",
            "port": self.port,
            "key": str(self.folder / "key"),
            "known_hosts": str(self.folder / "known hosts"),
            "python": python,
            "folder": str(self.device),
        }
        return Ssh.model_validate({**values, **changes})
