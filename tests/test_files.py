"""Files that take another's place: whole, and on the disk before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nas_sr.files import replacing


def test_content_is_on_the_disk_before_the_file_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (did.append("synced"), fsync(descriptor)))
    monkeypatch.setattr(os, "replace", lambda source, target: (did.append("replaced"), replace(source, target)))
    with replacing(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert did == ["synced", "replaced"]
    assert (tmp_path / "file").read_text() == "new"


def test_block_that_ends_badly_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "file") as temporary:
        (temporary.write_text("half"), tmp_path.write_text("not a file"))
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
