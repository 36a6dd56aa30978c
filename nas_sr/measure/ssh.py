"""Reaching a device by OpenSSH: the user's own client and configuration, no password, no unknown host key."""

from __future__ import annotations

import shlex
from pathlib import Path

from nas_sr.measure.measurement_error import FailureKind
from nas_sr.measure.profile import Ssh

OWN_STATUS = 255  # of ssh itself; any other is the remote command's

_SWITCHED_ON = "it cannot be reached: is it switched on, and on a network that this machine reaches?"
# What ssh says -> what a person can do about it. The first that fits is given.
_REMEDIES = (
    (
        "Offending",
        "its host key is not the one known: if you know why (a new system on it), remove the line named here;"
        " if not, do not connect",
    ),
    (
        "Host key verification failed",
        "its host key is not known: run `{by_hand}`, compare the fingerprint with the device's own and accept it",
    ),
    ("UNPROTECTED PRIVATE KEY FILE", "others may read the private key: run `chmod 600 {key}`"),
    ("not accessible: No such file", "there is no such private key: check `key:` in the profile"),
    (
        "Permission denied",
        "it refuses the key or the user name: try `{by_hand}`; name another key with `key:` in the profile,"
        " or add the key to the device's ~/.ssh/authorized_keys",
    ),
    ("Too many authentication failures", "it was offered too many keys: name the right one with `key:` in the profile"),
    ("Could not resolve hostname", "there is no such host name: check `host:` in the profile"),
    ("Connection refused", "nothing listens there: is the ssh server running on it, is `port:` right?"),
    ("timed out", _SWITCHED_ON),
    ("No route to host", _SWITCHED_ON),
    ("Network is unreachable", _SWITCHED_ON),
)
# It was reached, and may be again.
_TRANSIENT = ("closed by", "Connection closed", "Connection reset", "Broken pipe", "not responding")
_NOT_RUN = (126, 127)  # every shell's status for a command that is not there, or is no program


def command(ssh: Ssh, python_arguments: list[str]) -> list[str]:
    """The command that runs Python on the device with these arguments, whichever login shell is there."""
    options = ["-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10"]
    # A network that is cut leaves no other sign for hours.
    options += ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "ClearAllForwardings=yes"]
    # What the user's configuration may hold for people, and what outlives the command.
    options += ["-o", "ControlMaster=no", "-o", "RemoteCommand=none"]
    if ssh.known_hosts is not None:
        options += ["-o", f'UserKnownHostsFile=~/.ssh/known_hosts "{_own(ssh.known_hosts)}"']
    remote = " ".join([*(_quoted(word) for word in shlex.split(ssh.python)), shlex.join(python_arguments)])
    return ["ssh", *options, *_destination(ssh), remote]


def explain(ssh: Ssh, status: int | None, errors: str) -> tuple[FailureKind, str]:
    """Whose fault it is that nothing was heard of the device, and the remedy.

    Args:
        ssh: how it was tried.
        status: of the ssh client, which is the remote command's where that ended; None where it was killed.
        errors: what was written to standard error.
    """
    lines = [line.strip("@ \r") for line in errors.splitlines() if line.strip("@ \r")]
    if status == OWN_STATUS:
        for sign, remedy in _REMEDIES:
            if sign in errors:
                line = next(line for line in lines if sign in line)
                line = line.removeprefix("ssh: ").rstrip(".")
                return "device", f"{remedy.format(by_hand=_by_hand(ssh), key=ssh.key)} (ssh: {line})"
        kind: FailureKind = "transient" if any(sign in errors for sign in _TRANSIENT) else "device"
        return kind, f"the connection failed{f' (ssh: {lines[-1]})' if lines else f': try `{_by_hand(ssh)}`'}"
    if status in _NOT_RUN or "ommand not found" in errors:
        return (
            "device",
            f"`{ssh.python}` cannot be run there: install Python >= 3.8 or name it with `python:` in the profile",
        )
    if status is None:
        return "device", f"it was connected to, but did not answer: try `{_by_hand(ssh)}`"
    last = f": {lines[-1]}" if lines else ""
    return "device", f"`{ssh.python}` ended there with status {status} before it said a word{last}"


def _destination(ssh: Ssh) -> list[str]:
    options = []
    if ssh.key is not None:
        options += ["-i", _own(ssh.key), "-o", "IdentitiesOnly=yes"]
    if ssh.jump is not None:
        options += ["-J", ssh.jump]
    if ssh.port is not None:
        options += ["-p", str(ssh.port)]
    return [*options, "--", ssh.host]


def _by_hand(ssh: Ssh) -> str:
    return shlex.join(["ssh", *(word for word in _destination(ssh) if word != "--")])


def _quoted(word: str) -> str:
    """As shlex.quote, but a leading ~/ is left to the device's shell."""
    return "~/" + shlex.quote(word[2:]) if word.startswith("~/") else shlex.quote(word)


def _own(path: str) -> str:
    return str(Path(path).expanduser())
