"""What happened in a study's searches, event by event: JSON lines in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from nas_sr.families.base import Spec
from nas_sr.records import Score
from nas_sr.search.outcome import Outcome, Reached

LOG = "log.jsonl"
TRACEBACK = "traceback.txt"  # in a trial's folder: where a candidate failed


class SearchListener(Protocol):
    """Who hears of what becomes of the candidates of a running search."""

    def began(self, number: int, spec: Spec) -> None:
        """A candidate was handed to a worker."""

    def reached(self, number: int, event: Reached) -> None:
        """A candidate has come this far."""

    def ended(self, number: int, outcome: Outcome) -> None:
        """A candidate has its outcome."""

    def trained(self, number: int, score: Score) -> None:
        """A candidate has been trained longer, or from a further seed."""

    def tries_again(self, number: int, why: str) -> None:
        """A candidate that is begun anew."""

    def gave_back(self, number: int, why: str) -> None:
        """A candidate that nothing can be said of now."""


class ToAll:
    """Several listeners as one."""

    def __init__(self, listeners: Sequence[SearchListener]) -> None:
        self._listeners = listeners

    def began(self, number: int, spec: Spec) -> None:
        """A candidate was handed to a worker."""
        for each in self._listeners:
            each.began(number, spec)

    def reached(self, number: int, event: Reached) -> None:
        """A candidate has come this far."""
        for each in self._listeners:
            each.reached(number, event)

    def ended(self, number: int, outcome: Outcome) -> None:
        """A candidate has its outcome."""
        for each in self._listeners:
            each.ended(number, outcome)

    def trained(self, number: int, score: Score) -> None:
        """A candidate has been trained longer, or from a further seed."""
        for each in self._listeners:
            each.trained(number, score)

    def tries_again(self, number: int, why: str) -> None:
        """A candidate that is begun anew."""
        for each in self._listeners:
            each.tries_again(number, why)

    def gave_back(self, number: int, why: str) -> None:
        """A candidate that nothing can be said of now."""
        for each in self._listeners:
            each.gave_back(number, why)


class StudyLog:
    """Appends to a study's log. It decides nothing: a disk that takes no more of it stops no search."""

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: of the study.
        """
        self._path = folder / LOG

    def write(self, event: str, **values: Any) -> None:
        """One line: when, what, and its values."""
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **values})
        # In one write, and after what a killed search left half written on a line of its own.
        with suppress(OSError), self._path.open("ab+") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else f"\n{line}"
            file.write(f"{line}\n".encode())

    def began(self, number: int, spec: Spec) -> None:
        """A candidate was handed to a worker."""
        self.write("began", trial=number, network=spec.label(), digest=spec.digest)

    def reached(self, number: int, event: Reached) -> None:
        """A candidate has come this far."""
        self.write("reached", trial=number, **event._asdict())

    def ended(self, number: int, outcome: Outcome) -> None:
        """A candidate has its outcome."""
        self.write("ended", trial=number, **outcome._asdict())

    def trained(self, number: int, score: Score) -> None:
        """A candidate has been trained longer, or from a further seed."""
        self.write("trained", trial=number, **score.model_dump(mode="json"))

    def tries_again(self, number: int, why: str) -> None:
        """A candidate that is begun anew."""
        self.write("tries_again", trial=number, reason=why)

    def gave_back(self, number: int, why: str) -> None:
        """A candidate that nothing can be said of now."""
        self.write("gave_back", trial=number, reason=why)


def read_log(folder: Path, trial: int | None = None) -> list[dict[str, Any]]:
    """The events of a study, or of one of its trials, in order; a line that was cut off is left out."""
    try:
        lines = (folder / LOG).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        with suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict) and {"at", "event"} <= value.keys() and trial in (None, value.get("trial")):
                found.append(value)
    return found
