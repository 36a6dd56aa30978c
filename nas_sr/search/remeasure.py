"""Measures again what is in doubt in a study, without searching on."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from nas_sr.errors import UsageError, unknown_name
from nas_sr.records import StudyRecord
from nas_sr.search.finalists import finalise
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.targets import first_contact, keep_epoch, target
from nas_sr.space import read_spaces


def retake(folder: Path, name: str | None, console: Console, new_epoch: bool = False) -> StudyRecord:
    """The study on one of its targets, once latencies that are predicted, not stable or of an earlier epoch are
    measured again, and its front in turn.

    Args:
        folder: the study's.
        name: of one of its targets; None is its first.
        console: is told the progress.
        new_epoch: whether a device that has changed may be measured on, everything anew.

    Raises:
        UsageError: no such study or target, or the device has changed.
        MeasurementFailed: the device does not answer, and nothing can predict for it either.
    """
    store = StudyStore.open(folder)
    name = name or store.targets[0]
    if name not in store.targets:
        raise unknown_name(f"target of study '{folder.name}'", name, list(store.targets))
    asked = target(store.hw(name), folder)
    silent = first_contact(asked)
    if silent is not None:
        raise UsageError(f"{name} cannot be measured on now: {silent}")

    def tell(text: str) -> None:
        console.print(text, style="dim", soft_wrap=True, highlight=False)

    with store.searching():
        keep_epoch(asked, new_epoch, tell)
        finalise(store, asked, "all", tell)
        again = Proposals(store, read_spaces(store.config.space)).again
    if again:
        numbers = ", ".join(map(str, again))
        tell(f"not too slow, or not behind the front, after all: trial {numbers}; the search's own command trains them")
    return store.record(name)
