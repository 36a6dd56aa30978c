"""Finds the YAML files that come with nas-sr: search spaces, hardware profiles and study configs."""

from __future__ import annotations

from pathlib import Path

from nas_sr.errors import UsageError, unknown_name

_PACKAGE = Path(__file__).parent
KINDS = {"search_spaces": "search space", "hw_profiles": "hardware", "studies": "study config"}


def folder(kind: str) -> Path:
    """Where shipped files of one kind lie: inside the package in a wheel, beside it in a checkout."""
    in_wheel = _PACKAGE / "shipped_files" / kind
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / kind


def names(kind: str) -> list[str]:
    """The names a user may give for one kind, sorted."""
    return sorted(path.stem for path in folder(kind).glob("*.yaml"))


def find(kind: str, name_or_path: str) -> Path:
    """The file for a shipped name or for a path to a user's own file.

    Raises:
        UsageError: nothing of that name; the message lists the shipped names, nearest first.
    """
    looks_like_path = name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path
    if looks_like_path:
        path = Path(name_or_path)
        if path.is_file():
            return path
        raise UsageError(f"no {KINDS[kind]} file at '{name_or_path}'; shipped ones: {', '.join(names(kind))}")
    if name_or_path in names(kind):
        return folder(kind) / f"{name_or_path}.yaml"
    raise unknown_name(KINDS[kind], name_or_path, names(kind))
