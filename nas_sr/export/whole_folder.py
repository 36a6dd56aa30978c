"""Writing a folder beside its place, and putting it there whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def building_beside(place: Path) -> Iterator[Path]:
    """A folder beside the bundle's that goes whatever happens, unless it has taken its place."""
    building = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        building.mkdir()
        yield building
    finally:
        shutil.rmtree(building, ignore_errors=True)


def take_place(building: Path, place: Path) -> None:
    """Puts the folder in its place; what was there goes, unless this fails."""
    replaced = place.with_name(f".{place.name}.{os.getpid()}.replaced")
    if place.exists():
        place.rename(replaced)
    try:
        building.rename(place)
    except BaseException:
        if replaced.exists():
            replaced.rename(place)
        raise
    shutil.rmtree(replaced, ignore_errors=True)
