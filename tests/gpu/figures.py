"""The figures of a run, in one JSON file that docs can quote and a table beside it for people."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

NAME = "gpu-figures.json"
FORMAT = 1


class Figure(NamedTuple):
    """One figure; `note` is what a reader must know of it."""

    name: str
    value: float | str
    unit: str
    note: str


class Figures:
    """What a run found. Both files are written anew with every figure, so that a run that is killed leaves them too."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        self.about = about
        self._figures: dict[str, Figure] = {}
        self._outcomes: dict[str, tuple[str, str]] = {}
        self._write()

    @property
    def table(self) -> Path:
        """The file for people."""
        return self.path.with_suffix(".md")

    def record(self, name: str, value: float | str, unit: str = "", note: str = "") -> None:
        """Keeps a figure.

        Raises:
            ValueError: the name is taken, or the value is not finite.
        """
        if name in self._figures:
            raise ValueError(f"there is a figure '{name}' already")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"figure '{name}' is {value}")
        self._figures[name] = Figure(name, value, unit, note)
        self._write()

    def ended(self, test: str, outcome: str, reason: str) -> None:
        """Keeps how a test ended: a figure that is not there has its reason."""
        self._outcomes[test] = outcome, reason
        self._write()

    def _write(self) -> None:
        tests = [{"test": test, "outcome": how, "reason": why} for test, (how, why) in self._outcomes.items()]
        figures = [figure._asdict() for figure in self._figures.values()]
        value = {"format": FORMAT, "about": self.about, "figures": figures, "tests": tests}
        _replace(self.path, json.dumps(value, indent=1) + "\n")
        _replace(self.table, self._as_table())

    def _as_table(self) -> str:
        about = [f"- {key}: {value}" for key, value in self.about.items() if value]
        rows = [
            f"| {_cell(each.name)} | {_shown(each.value)} | {_cell(each.unit)} | {_cell(each.note)} |"
            for each in self._figures.values()
        ]
        other = [f"- {test}: {how}: {why}" for test, (how, why) in self._outcomes.items() if how != "passed"]
        passed = sum(how == "passed" for how, _why in self._outcomes.values())
        lines = [
            "# Figures of `make test-gpu`",
            "",
            *about,
            "",
            "| figure | | unit | |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
        return "\n".join([*lines, f"{passed} tests passed.", *([""] if other else []), *other]) + "\n"


def _shown(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else _cell(str(value))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text)
    os.replace(temporary, path)
