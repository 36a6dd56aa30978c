"""The destinations of a bundle. A further one is a module beside this file and its name in `NAMES`.

A destination's module is called as it is, with `_` for `-`, and holds DESTINATION (see `base`).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nas_sr.errors import UsageError, unknown_name
from nas_sr.export.formats.base import Destination

NAMES = ("onnxruntime", "tensorrt", "openvino", "ncnn", "chainner", "vs-mlrt")
ALL = "all"


class Wanted(NamedTuple):
    """Destinations to write; of `all` of them, those that cannot be written are left out, with the reason."""

    names: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    lenient: bool = False  # a network that a destination cannot do is left out, too


def destination(name: str) -> Destination:
    """The destination of that name.

    Raises:
        UsageError: unknown; the message lists all of them, nearest first.
    """
    if name not in NAMES:
        raise unknown_name("destination", name, (*NAMES, ALL))
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    found: Destination = module.DESTINATION
    return found


def wanted(texts: Iterable[str], besides: Sequence[str] = ()) -> Wanted:
    """The destinations that are asked for by name, several in one text divided by commas, in the table's order.

    Args:
        texts: as typed.
        besides: more, by name, such as those that a bundle has already.

    Raises:
        UsageError: one is unknown, or needs a package that is not installed: how to install it.
    """
    asked = {part.strip() for text in texts for part in text.split(",") if part.strip()}
    for name in asked - {ALL}:
        destination(name)
    named = asked - {ALL} | set(besides)
    lacking = {name: lack for name in NAMES if (ALL in asked or name in named) and (lack := missing_packages(name))}
    refused = [text for name, text in lacking.items() if name in named]
    if refused:
        raise UsageError("; ".join(refused))
    names = tuple(name for name in NAMES if name not in lacking and (ALL in asked or name in named))
    return Wanted(names, tuple(lacking.items()), lenient=ALL in asked)


def without_missing(names: Iterable[str]) -> Wanted:
    """Those of a bundle's destinations that can be written here; the others are left out, with the reason."""
    lacking = {name: lack for name in names if (lack := missing_packages(name))}
    return Wanted(tuple(name for name in names if name not in lacking), tuple(lacking.items()), lenient=True)


def missing_packages(name: str) -> str:
    """What writing a destination lacks here, and how to install it; nothing where all of it is there."""
    found = destination(name)
    lacking = [package for package in found.packages if importlib.util.find_spec(package) is None]
    return f"{name} needs {' and '.join(lacking)}, not installed here: {found.install}" if lacking else ""
