"""Reaching a device by OpenSSH: the user's own client and configuration, no password, no unknown host key."""

from __future__ import annotations

import shlex
from pathlib import Path

from nas_sr.latency.profile import Ssh

# What ssh says -> what a person can do about it. The first that fits is given.
_REMEDIES = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "its host key is not the one known: find out why before you trust it"),
    ("Host key verification failed", "its host key is not known: run `{ssh}` once and compare the fingerprint"),
    (
        "Permission denied",
        "it refuses the key: set `key:` in the profile or add the key to the device's authorized_keys",
    ),
    ("Could not resolve hostname", "no such host name: check `host:` in the profile"),
    ("Connection refused", "nothing listens there: is the ssh server running, is `port:` right?"),
    ("timed out", "it does not answer: is it switched on and on this network?"),
    ("No route to host", "it cannot be reached: is it switched on and on this network?"),
    ("Network is unreachable", "it cannot be reached: is this machine on the same network?"),
    ("No space left on device", "its disk is full: make room"),
)
_NO_COMMAND = 127


def command(ssh: Ssh, python_arguments: list[str]) -> list[str]:
    """The command that runs Python on the device with these arguments."""
    options = ["-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10"]
    # A network that is cut leaves no other sign for hours.
    options += ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "ClearAllForwardings=yes"]
    if ssh.known_hosts is not None:
        options += ["-o", f'UserKnownHostsFile="{_own(ssh.known_hosts)}"']
    if ssh.key is not None:
        options += ["-i", _own(ssh.key), "-o", "IdentitiesOnly=yes"]
    if ssh.jump is not None:
        options += ["-J", ssh.jump]
    if ssh.port is not None:
        options += ["-p", str(ssh.port)]
    return ["ssh", *options, "--", ssh.host, shlex.join([*shlex.split(ssh.python), *python_arguments])]


def explain(ssh: Ssh, status: int | None, errors: str) -> str:
    """Why nothing was heard of the device, and the remedy; `status` is ssh's own or the remote command's."""
    if status == _NO_COMMAND:
        return f"no `{ssh.python}` there: install Python >= 3.8 or name it with `python:` in the profile"
    said = [line.strip() for line in errors.splitlines() if line.strip()]
    for sign, remedy in _REMEDIES:
        if sign in errors:
            return f"{remedy} (ssh: {next(line for line in said if sign in line)})"
    if status is None:
        return "it was connected to, but did not answer"
    return f"ssh ended with status {status}" + (f": {said[-1]}" if said else "")


def _own(path: str) -> str:
    return str(Path(path).expanduser())
