"""A search on a folder of images shows that it packs them first: a large set takes minutes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError
from nas_sr.search.search import search
from nas_sr.search.tune import Resources
from tests.data.pictures import write_images


def test_packing_is_shown_until_all_images_are_packed(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    shown: list[str] = []

    @contextmanager
    def packing() -> Iterator[Callable[[int, int], None]]:
        shown.append("begun")
        yield lambda done, total: seen.append((done, total))
        shown.append("ended")

    photos = write_images(tmp_path / "photos", [f"{index}.png" for index in range(6)], (128, 160))
    (tmp_path / "a file").touch()
    study = tmp_path / "a file" / "study"  # cannot be made, so that nothing is searched
    with pytest.raises(UsageError, match="cannot write to"):
        search(study, StudyConfig(data=str(photos)), 1, Resources(), Console(file=io.StringIO()), packing)
    assert shown == ["begun", "ended"]
    done, total = seen[-1]
    assert done == total > 0
