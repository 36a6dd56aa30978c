"""Known networks by name, and the one place where a user's ARCH text becomes a spec."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from nas_sr.errors import UsageError, unknown_name
from nas_sr.families.base import Spec
from nas_sr.families.counts import Counts, counts
from nas_sr.families.registry import NAMES, family, read_spec

PRESETS: dict[str, Spec] = {name: spec for each in NAMES for name, spec in family(each).presets.items()}


def preset(name: str) -> Spec:
    """The preset of that name.

    Raises:
        UsageError: unknown; the message lists all presets, nearest first.
    """
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return PRESETS[name]


def preset_name(spec: Spec) -> str | None:
    """The name that this network is known by, if it has one."""
    own = counts(spec)  # digests take longer, so only those of a likely one are compared
    likely = (name for name in family(spec.family).presets if _counts_of(name) == own)
    return next((name for name in likely if PRESETS[name].digest == spec.digest), None)


@cache
def _counts_of(name: str) -> Counts:
    return counts(PRESETS[name])


def spec_from(text: str) -> Spec:
    """The spec behind a preset's name or a JSON file.

    Raises:
        UsageError: neither.
    """
    path = Path(text)
    if path.is_file():
        return read_spec(path)
    if text.endswith(".json"):
        raise UsageError(f"no spec file at '{text}'")
    return preset(text)
