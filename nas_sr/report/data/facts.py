"""Nested values (environment, config, protocol) as flat rows that a table can show."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from nas_sr.quantities import NOTHING, significant
from nas_sr.records import StudyRecord

UNITS = {"gb_s": "GB/s", "s": "s", "ms": "ms", "db": "dB", "gb": "GB", "mb": "MB", "mhz": "MHz", "c": "°C", "w": "W"}
TITLES = {"frozen": "fixed when the study began"}
MOST_ITEMS = 8  # of a list: a training set has thousands of images


class Facts(NamedTuple):
    """A titled table of (what, value)."""

    title: str
    rows: tuple[tuple[str, str], ...]


def environment_facts(study: StudyRecord) -> tuple[Facts, ...]:
    """One table for each section of the environment; loose values come first, under "Study".

    The hardware profiles among what is fixed are left out: each target has its own, see `profile_facts`.
    """
    loose = {"folder": study.study_dir}
    sections: dict[str, Any] = {}
    for key, value in study.environment.items():
        (sections if isinstance(value, dict) else loose)[key] = value
    if "frozen" in sections:
        sections["frozen"] = {name: value for name, value in sections["frozen"].items() if name != "hw"}
    return (
        Facts("Study", tuple(rows(loose))),
        *(Facts(TITLES.get(title, _words(title)), tuple(rows(value))) for title, value in sections.items()),
    )


def profile_facts(study: StudyRecord) -> tuple[Facts, ...]:
    """The target's hardware profile as it was when the latencies on it were begun."""
    return (Facts(f"Hardware profile {study.target}", tuple(rows(study.profile))),) if study.profile else ()


def config_facts(study: StudyRecord) -> tuple[Facts, ...]:
    """The study's config as one table."""
    return (Facts("Study config", tuple(rows(study.config))),)


def rows(value: Any, path: str = "") -> list[tuple[str, str]]:
    """A nested value as (path, text), in its own order; lists of plain values stay on one line."""
    if isinstance(value, dict) and value:
        return [row for key, inner in value.items() for row in rows(inner, _join(path, _words(str(key))))]
    if isinstance(value, list | tuple) and any(isinstance(inner, dict) for inner in value):
        return [row for number, inner in enumerate(value, 1) for row in _item(inner, _join(path, str(number)))]
    return [(path, _text(value))]


def _item(value: Any, path: str) -> list[tuple[str, str]]:
    """One element of a list: on one line where it is flat."""
    found = rows(value)
    if isinstance(value, dict) and len(found) == len(value):
        return [(path, ", ".join(f"{name} {text}" for name, text in found))]
    return rows(value, path)


def merged(values: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Rows common to several values: one text where they agree, else the range of numbers or how many texts."""
    found: dict[str, dict[str, None]] = {}
    for value in values:
        for path, text in rows(value):
            found.setdefault(path, {})[text] = None
    return tuple((path, _spread(list(texts))) for path, texts in found.items())


def _spread(texts: list[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    try:
        ordered = sorted(texts, key=float)
    except ValueError:
        return "; ".join(texts) if len(texts) <= 3 else f"{len(texts)} different values"
    return f"{ordered[0]} to {ordered[-1]}"


def _text(value: Any) -> str:
    if value is None or value in ({}, [], (), ""):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        plain = math.isfinite(value) and 1e-3 <= abs(value) < 1e9
        return significant(value, 4).rstrip("0").rstrip(".") if plain and value % 1 else f"{value:g}"
    if isinstance(value, list | tuple):
        texts = [
            "+".join(map(str, inner)) or "none" if isinstance(inner, list | tuple) else _text(inner) for inner in value
        ]
        more = len(texts) - MOST_ITEMS
        return ", ".join(texts) if more <= 0 else f"{', '.join(texts[:MOST_ITEMS])} and {more} more"
    return str(value)


def _join(path: str, key: str) -> str:
    return f"{path} › {key}" if path else key


def _words(key: str) -> str:
    for unit, written in UNITS.items():
        if key.endswith(f"_{unit}"):
            return f"{key.removesuffix(f'_{unit}').replace('_', ' ')} [{written}]"
    return key.replace("_", " ")
