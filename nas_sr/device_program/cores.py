"""How many processors this process may use: its affinity, and the CPU quotas of its control groups (v1 and v2)."""

from __future__ import annotations

import os
import posixpath
from typing import Any, Iterator

_QUOTA_FILES = {"cgroup2": ("cpu.max",), "cgroup": ("cpu.cfs_quota_us", "cpu.cfs_period_us")}


def usable_cpus(root: str = "/") -> int:
    """Logical processors that this process may keep busy all the time; at least one.

    A quota is rounded down: one thread more than it pays for, and all of them stop together many times a second.

    Args:
        root: the folder that holds `proc` and `sys`.
    """
    quota = cpu_quota(root)
    allowed = len(_affinity())
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def physical_cores(root: str = "/") -> int:
    """Physical cores among them; as many as `usable_cpus` where they cannot be told apart."""
    allowed = _affinity()
    found = {
        (cpu["physical id"], cpu["core id"])
        for cpu in cpuinfo(root)
        if "core id" in cpu and "physical id" in cpu and int(cpu["processor"]) in allowed
    }
    usable = usable_cpus(root)
    return min(len(found), usable) if found else usable


def cpu_quota(root: str = "/") -> float | None:
    """Processors' worth of time that the control groups of this process allow; None where they do not limit it."""
    quotas = [quota for folder, kind in _groups(root) for quota in _quota(folder, kind)]
    return min(quotas) if quotas else None


def cpuinfo(root: str = "/") -> list[dict[str, str]]:
    """What the kernel says of each logical processor."""
    cpus = []
    for block in read_text(os.path.join(root, "proc/cpuinfo")).strip().split("\n\n"):
        pairs = (line.split(":", 1) for line in block.splitlines() if ":" in line)
        cpus.append({key.strip(): value.strip() for key, value in pairs})
    return [cpu for cpu in cpus if cpu.get("processor", "").isdigit()]


def _affinity() -> Any:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _groups(root: str) -> Iterator[tuple[str, str]]:
    """Folder and kind (`cgroup`, `cgroup2`) of every control group that can limit this process: its own and those
    around it, as far as they can be seen from here."""
    paths = _own_paths(root)
    for kind, top, mount in _mounts(root):
        path = paths.get(kind)
        if path is None:
            continue
        # A container sees its own group as the top one, and may be told its path from outside.
        inside = posixpath.relpath(path, top) if _holds(top, path) else "."
        parts = [] if inside == "." else inside.split("/")
        for depth in range(len(parts) + 1):
            yield os.path.join(root, mount.lstrip("/"), *parts[:depth]), kind


def _own_paths(root: str) -> dict[str, str]:
    """Kind -> the group of this process there."""
    found = {}
    for line in read_text(os.path.join(root, "proc/self/cgroup")).splitlines():
        _, _, named = line.partition(":")
        controllers, separator, path = named.partition(":")
        if separator and not controllers:
            found["cgroup2"] = path
        elif "cpu" in controllers.split(","):
            found["cgroup"] = path
    return found


def _mounts(root: str) -> Iterator[tuple[str, str, str]]:
    """Kind, the group that is mounted, and where, of each hierarchy that can hold a CPU quota."""
    for line in read_text(os.path.join(root, "proc/self/mountinfo")).splitlines():
        before, _, after = line.partition(" - ")
        fields, described = before.split(), after.split()
        if len(fields) < 5 or len(described) < 3:
            continue
        kind, options = described[0], described[2].split(",")
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options):
            yield kind, fields[3], fields[4]


def _holds(top: str, path: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def _quota(folder: str, kind: str) -> Iterator[float]:
    """Microseconds allowed in each period, as processors; nothing where there is no limit (`max`, -1)."""
    words = " ".join(read_text(os.path.join(folder, name)) for name in _QUOTA_FILES[kind]).split()
    if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[0]) and int(words[1]):
        yield int(words[0]) / int(words[1])


def read_text(path: str) -> str:
    """The content of one of the kernel's files; nothing where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
