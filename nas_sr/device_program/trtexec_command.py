"""TensorRT's command trtexec: where it is, what its version knows, and what it says when it fails."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
from typing import Any, Callable

from .failure_kinds import Failure
from .nvinfer.log import diagnosed

ON_JETSON = "/usr/src/tensorrt/bin/trtexec"
_BANNER = re.compile(r"\[TensorRT v(\d+)\]")
_MESSAGE = re.compile(r"\[([EFW])\] (?:\[TRT\] )?(.*)")
LOOK_EVERY_S = 0.5


class Trtexec:
    """The command. Options that versions spell differently are looked up in its own help.

    Args:
        path: of the program.

    Raises:
        Failure: kind device; the program cannot be run, or is something else.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._help = subprocess.run(
                [path, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
            ).stdout.decode(errors="replace")
        except (OSError, subprocess.SubprocessError) as error:
            raise Failure("device", "{} cannot be run: {}".format(path, error)) from error
        banner = _BANNER.search(self._help)
        if banner is None:
            raise Failure("device", "{} does not say which TensorRT it is of: {}".format(path, self._help[-300:]))
        self.version = version_of(banner.group(1))

    def knows(self, option: str) -> bool:
        """Whether this version has an option."""
        return re.search(r"^ *{}\b".format(re.escape(option)), self._help, re.MULTILINE) is not None

    def known(self, *spellings: str) -> list[str]:
        """The first spelling of an option (with its value) that this version knows; nothing if it knows none."""
        return [each for each in spellings if self.knows(each.split("=")[0])][:1]

    def run(
        self,
        options: list[str],
        what: str,
        workspace_mb: int,
        meanwhile: Callable[[subprocess.Popen[Any]], None] = lambda process: None,
    ) -> list[str]:
        """Runs it to its end; the warnings it gave.

        Args:
            options: its arguments.
            what: begins the failure's text.
            workspace_mb: for the failure's text.
            meanwhile: called with the process now and then while it runs, and once when it has ended.

        Raises:
            Failure: it did not succeed; kind and remedy by what it said.
        """
        environment = {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # as NVML counts the GPUs
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen([self.path, *options], stdout=output, stderr=output, env=environment)
            status = None
            while status is None:
                meanwhile(process)
                try:
                    status = process.wait(LOOK_EVERY_S)
                except subprocess.TimeoutExpired:
                    continue
            meanwhile(process)
            output.seek(0)
            text = output.read().decode(errors="replace")
        messages = _MESSAGE.findall(text)
        warnings = list(dict.fromkeys(words for level, words in messages if level == "W"))
        if status != 0:
            ended = "ended by signal {}".format(-status) if status < 0 else "ended with status {}".format(status)
            # Where CUDA itself fails, the command writes that without any mark and aborts.
            errors = [words for level, words in messages if level != "W"] or text.strip().splitlines()[-2:]
            reason = " | ".join(dict.fromkeys(errors)) or "nothing was said"
            raise diagnosed(
                "{}: {} (trtexec {} {})".format(what, reason, self.version, ended), "\n".join(warnings), workspace_mb
            )
        return warnings


def version_of(digits: str) -> str:
    """The version in trtexec's banner: 8502 is 8.5.2; since version 10 there are two digits more, 100300 is 10.3.0."""
    number = int(digits)
    thousands = 1000 if number < 10000 else 10000
    return "{}.{}.{}".format(number // thousands, number % thousands // 100, number % 100)


@functools.lru_cache(maxsize=None)
def find(named: str | None) -> Trtexec:
    """The program that is named, or else the one on the PATH or where a Jetson has it.

    Raises:
        Failure: kind device; there is none, or it is something else.
    """
    places = [named] if named else ["trtexec", ON_JETSON]
    found = next((path for path in map(shutil.which, places) if path), None)
    if found is None:
        raise Failure(
            "device",
            "no trtexec: looked for {}; on a Jetson `sudo apt install tensorrt` brings it, elsewhere set TRTEXEC to its"
            " path".format(" and ".join(places)),
        )
    return Trtexec(found)
