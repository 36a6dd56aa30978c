"""The paper's networks by name, and the one place where a user's ARCH text becomes a spec."""

from __future__ import annotations

from pathlib import Path

from nas_sr.errors import UsageError, unknown_name
from nas_sr.families.imdeception.spec import ArchSpec

PRESETS: dict[str, ArchSpec] = {
    "imdeception-c16-nla": ArchSpec(core=16, nla_after=(2, 4)),
    "imdeception-c16": ArchSpec(core=16),
    "imdeception-c12": ArchSpec(core=12),
    "imdeception-c8": ArchSpec(core=8),
    "imdeception-c4-nla": ArchSpec(core=4, nla_after=(2, 4)),
    "imdeception-c4": ArchSpec(core=4),
}


def preset(name: str) -> ArchSpec:
    """The preset of that name.

    Raises:
        UsageError: unknown; the message lists all presets, nearest first.
    """
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return PRESETS[name]


def preset_name(spec: ArchSpec) -> str | None:
    """The paper's name of this network, if it has one."""
    return next((name for name, known in PRESETS.items() if known.digest == spec.digest), None)


def spec_from(text: str) -> ArchSpec:
    """The spec behind a preset's name or a JSON file.

    Raises:
        UsageError: neither.
    """
    path = Path(text)
    if path.is_file():
        return ArchSpec.read(path)
    if text.endswith(".json"):
        raise UsageError(f"no spec file at '{text}'")
    return preset(text)
