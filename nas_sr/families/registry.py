"""The families there are. A further one is a folder beside this file and its name in `NAMES`."""

from __future__ import annotations

import functools
import importlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from nas_sr.errors import UsageError, unknown_name
from nas_sr.families.base import Family, Spec

NAMES = ("imdeception", "compact")
# Specs written before there was a second family do not name theirs.
UNNAMED = "imdeception"


@functools.cache
def family(name: str) -> Family[Any]:
    """The family of that name.

    Raises:
        UsageError: unknown; the message lists all of them, nearest first.
    """
    if name not in NAMES:
        raise unknown_name("family", name, NAMES)
    found: Family[Any] = importlib.import_module(f"nas_sr.families.{name}").FAMILY
    return found


def family_of(spec: Spec) -> Family[Any]:
    """The family that a spec belongs to."""
    return family(spec.family)


def parse_spec(value: Any, where: str = "spec") -> Spec:
    """The spec in a parsed JSON value, of the family that its key `family` names.

    Raises:
        UsageError: one line naming `where`, the key, and what is allowed.
    """
    if not isinstance(value, dict):
        raise UsageError(f"{where}: expected keys and values, but got {type(value).__name__}")
    name = value.get("family", UNNAMED)
    if name not in NAMES:
        raise UsageError(f"{where}: {unknown_name('family', str(name), NAMES)}")
    spec: Spec = family(name).spec_type.from_json(value, where)
    return spec


def read_spec(path: Path) -> Spec:
    """The spec in a JSON file.

    Raises:
        UsageError: unreadable, or no spec.
    """
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable spec file: {error}") from None
    return parse_spec(value, str(path))


def _validated(value: Any) -> Spec:
    if isinstance(value, Spec):
        return value
    try:
        return parse_spec(value)
    except UsageError as error:
        raise ValueError(str(error)) from None


# A field of a record that holds a spec of any family.
SpecField = Annotated[SerializeAsAny[Spec], BeforeValidator(_validated)]
