"""Command lines to print: what is copied from the output runs as it is meant, whatever names are in it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

DEFAULT_STUDIES = Path("studies")
STUDIES_VARIABLE = "NAS_SR_STUDIES"  # overrides that default
DEFAULT_REPORTS = Path("reports")

Value = str | Path | int | float | bool | None


def command(verb: str, *arguments: str | Path, options: Mapping[str, Value] | None = None) -> str:
    """A call of nas-sr for a POSIX shell.

    Args:
        verb: as `export` or `hw calibrate`.
        arguments: its positional arguments.
        options: by their names, as `--out`; True stands for a flag, None and False for one that is not given.
    """
    words = [word for name, value in (options or {}).items() for word in _option(name, value)]
    positional = list(map(str, arguments))
    if any(word.startswith("-") for word in positional):  # all after -- are no options
        return shlex.join(["nas-sr", *verb.split(), *words, "--", *positional])
    return shlex.join(["nas-sr", *verb.split(), *positional, *words])


def studies_option(study_dir: str | Path) -> dict[str, Value]:
    """What a command must be told to find the study in that folder; nothing where it looks there anyway."""
    folder = Path(study_dir).parent
    usual = folder == DEFAULT_STUDIES and not os.environ.get(STUDIES_VARIABLE)
    return {} if usual else {"--studies": folder}


def reports_option(reports: Path) -> dict[str, Value]:
    """What a command must be told to write its report into that folder; nothing where it does so anyway."""
    return {} if reports == DEFAULT_REPORTS else {"--reports": reports}


def _option(name: str, value: Value) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [name]
    text = str(value)
    return [f"{name}={text}"] if text.startswith("-") else [name, text]
