"""Whose failure it is: a candidate's, the environment's, or one that all candidates share."""

from __future__ import annotations

import re

import torch

from nas_sr.errors import UsageError
from nas_sr.files import remedy

IN_A_ROW = 5  # then it is no longer believed that the candidates are to blame

# What torch says in plain RuntimeErrors (some AssertionErrors) where the device or the host gave way.
_GAVE_WAY = re.compile(
    r"CUDA error|CUDA driver|CUDA-capable|CUDA unknown error|not compiled with CUDA|No CUDA GPUs|NVIDIA driver"
    r"|NCCL error|DefaultCPUAllocator|can't allocate memory|cannot allocate memory",
    re.IGNORECASE,
)
# A path, an address, a number (or what a loss may be instead of one), a digest, a number inside a word.
_VARIABLE = re.compile(
    r"(?<![\w/])/[^\s:;,'\"]+"
    r"|\b0x[0-9a-f]+\b"
    r"|[-+]?\b(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|nan|inf)\b"
    r"|\b(?=[a-f]*\d)[0-9a-f]{8,}\b"
    r"|\d+(?:\.\d+)?",
    re.IGNORECASE,
)


def of_environment(error: Exception) -> str | None:
    """What gave way and what helps, of an error that says nothing of the candidate at work; else None.

    Files, disk, memory of the host, packages, the GPU as such. A GPU's memory is not among them: a smaller network may
    do with what there is.
    """
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return "; ".join(filter(None, [f"{where}{error.strerror or error or type(error).__name__}", remedy(error)]))
    if isinstance(error, UsageError):
        return str(error)
    if isinstance(error, ImportError):
        return f"{error}; install what is missing"
    if isinstance(error, MemoryError):
        return "out of memory; free some, or run fewer candidates at once with a larger --cpus-per-trial"
    if isinstance(error, torch.OutOfMemoryError):
        return None
    if isinstance(error, (RuntimeError, AssertionError)) and _GAVE_WAY.search(str(error)):
        return " ".join(str(error).strip().splitlines()[:1])
    return None


def kind(reason: str) -> str:
    """A reason without what differs between two failures of one kind: numbers, digests, paths."""
    return " ".join(_VARIABLE.sub("#", reason).split())


class FailuresInARow:
    """Failures since a candidate last did not fail, by kind; hopeless for good once there are five of one.

    Those of one search: what failed in an earlier one may have been mended since.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, list[int]] = {}
        self._hopeless: str | None = None
        self.reason = ""  # the first of the hopeless kind

    def failed(self, number: int, reason: str) -> None:
        """A candidate failed."""
        numbers = self._numbers.setdefault(kind(reason), [])
        numbers.append(number)
        if self._hopeless is None and len(numbers) == IN_A_ROW:
            self._hopeless, self.reason = kind(reason), reason

    def did_not_fail(self) -> None:
        """A candidate got to its end, or was too slow."""
        if self._hopeless is None:
            self._numbers.clear()

    @property
    def hopeless(self) -> tuple[int, ...]:
        """Candidates that failed for the reason which stops the search; none while it goes on."""
        return tuple(self._numbers[self._hopeless]) if self._hopeless is not None else ()
