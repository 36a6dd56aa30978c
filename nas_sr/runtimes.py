"""What measures on this machine: each runtime, the shipped targets that use it, and what it lacks here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from nas_sr import shipped
from nas_sr.device_program.backends import RUNTIMES
from nas_sr.device_program.backends.base import CPU, Runtime
from nas_sr.measure.ahead_of_time import PACKAGE as RTX_PACKAGE
from nas_sr.measure.profile import profile

_LOADING_S = 60
DEFAULT_TARGET = "cpu"  # what a search measures on if nothing else is said


class Check(NamedTuple):
    """One thing looked at. What is optional and missing is fine: `remedy` says how to get it."""

    name: str
    status: str  # "ok", "missing" (optional) or "broken" (nas-sr cannot work)
    found: str
    remedy: str = ""


_GPU = "it needs an NVIDIA GPU and its driver (`nvidia-smi` shows both)"


def runtime_checks(backends: Mapping[str, Mapping[str, Any]]) -> list[Check]:
    """A check for each runtime.

    Args:
        backends: as a probe of this machine gives them: versions and precisions of each, or what it lacks.
    """
    checks = []
    for name, runtime in RUNTIMES.items():
        loading = _load(runtime.package) if runtime.package else None
        checks.append(_measuring(name, backends[name], loading))
        if runtime.package == RTX_PACKAGE and loading and loading.version:
            found = f"{loading.version} builds engines without a GPU (`nas-sr measure ARCH --build-only --sm 75`)"
            checks.append(Check(f"{runtime.title}, building only", "ok", f"{found}; nothing is timed with them"))
    return checks


class _Loading(NamedTuple):
    """What became of importing a module: its version, or why there is none; neither where it is not installed."""

    version: str | None = None
    error: str | None = None


def _measuring(name: str, there: Mapping[str, Any], loading: _Loading | None) -> Check:
    runtime, used = RUNTIMES[name], _use(name)
    if "versions" in there:
        return Check(runtime.title, "ok", f"{there['versions'][name]}{_computes(runtime, there)}; {used}")
    lacks = str(there["lacks"])
    missing = "broken" if name in profile(DEFAULT_TARGET).backends else "missing"
    if loading is not None and loading.error:
        return Check(runtime.title, missing, f"installed, but does not load: {loading.error}; {used}", runtime.install)
    if loading is not None and loading.version:
        remedy = _GPU if "GPU" in lacks or "driver" in lacks else "install what is named there"
        return Check(
            runtime.title, missing, f"{loading.version} is installed, but cannot measure here: {lacks}; {used}", remedy
        )
    found = "not installed" if loading is not None else lacks.split("; ")[0]
    return Check(runtime.title, missing, f"{found}; {used}", runtime.install)


def _computes(runtime: Runtime, there: Mapping[str, Any]) -> str:
    """In which precisions here, and which this processor lacks; nothing of a GPU's, whose profiles say it."""
    if runtime.device != CPU:
        return ""
    has = there["precisions"]
    lacks = [each for each in runtime.precisions if each not in has]
    return f" in {' and '.join(has)}" + (f" (not in {' or '.join(lacks)}: the processor cannot)" if lacks else "")


# How /proc/cpuinfo marks a processor that computes in a precision, and what its makers call that.
_PROCESSOR_MARKS = {
    "bf16": {"avx512_bf16": "AVX512-BF16", "amx_bf16": "AMX-BF16", "bf16": "ARMv8.6"},
    "fp16": {"avx512_fp16": "AVX512-FP16", "amx_fp16": "AMX-FP16", "asimdhp": "ARMv8.2"},
}


def processor_precisions(cpu: Mapping[str, str]) -> str:
    """In which precisions a processor computes, and by what; whether a runtime uses that is another question.

    Args:
        cpu: what the kernel says of it, by its own keys (see device_program.cores.cpuinfo).
    """
    flags = (cpu.get("flags") or cpu.get("Features") or "").split()
    texts = ["computes in fp32"]
    for precision, marks in _PROCESSOR_MARKS.items():
        by = [name for mark, name in marks.items() if mark in flags]
        texts.append(f"in {precision} by {' and '.join(by)}" if by else f"not in {precision}")
    return ", ".join(texts)


def _use(backend: str) -> str:
    """Which shipped targets a backend measures, and where others are tried before it."""
    targets: dict[tuple[str, ...], list[str]] = {}
    for name in shipped.names("hw_profiles"):
        backends = profile(name).backends
        if backend in backends:
            targets.setdefault(backends[: backends.index(backend)], []).append(name)
    uses = [
        f"for {', '.join(names)}" + (f" where {' and '.join(before)} cannot measure" if before else "")
        for before, names in targets.items()
    ]
    return "; ".join(uses) or "no shipped target uses it"


def _load(module: str) -> _Loading:
    """Imports a module in a process of its own: a library that does not fit may end its process."""
    if importlib.util.find_spec(module) is None:
        return _Loading()
    program = f"import {module}; print({module}.__version__)"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=_LOADING_S,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _Loading(error=f"importing it took more than {_LOADING_S} s")
    if done.returncode == 0:
        return _Loading(version=done.stdout.strip() or "of unknown version")
    last = done.stderr.strip().splitlines()[-1:]
    ended = f"its process ended by signal {-done.returncode}" if done.returncode < 0 else "importing it failed"
    return _Loading(error=last[0] if last else ended)
