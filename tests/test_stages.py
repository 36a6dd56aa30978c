"""The record of where a process's time goes."""

import os
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from nas_sr import stages
from nas_sr.stages import read_stages, recording, stage


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still; what is added to its only element passes."""
    now = [100.0]
    monkeypatch.setattr(stages.time, "time", lambda: now[0])
    return now


def test_stages_inside_others_interrupt_them(tmp_path: Path, clock: list[float]) -> None:
    with recording(tmp_path / "stages.json"):
        clock[0] += 1
        with stage("training"):
            clock[0] += 2
            with stage("waiting"):
                clock[0] += 4
            clock[0] += 8
    found = read_stages(tmp_path / "stages.json")
    assert found is not None
    assert found.process == os.getpid()
    assert [(each.name, each.end_s - each.start_s) for each in found.stages] == [
        ("other", 1), ("training", 2), ("waiting", 4), ("training", 8),
    ]  # fmt: skip
    assert all(before.end_s == after.start_s for before, after in pairwise(found.stages))


def test_what_was_reached_is_kept_when_it_fails(tmp_path: Path, clock: list[float]) -> None:
    with suppress(OSError), recording(tmp_path / "stages.json"), stage("export"):
        clock[0] += 3
        raise OSError
    found = read_stages(tmp_path / "stages.json")
    assert found is not None
    assert [each.name for each in found.stages] == ["export"]


def test_without_a_record_stages_are_nothing(tmp_path: Path) -> None:
    with stage("training"):
        pass
    assert read_stages(tmp_path / "stages.json") is None
    (tmp_path / "stages.json").write_text('{"process": 1}')
    assert read_stages(tmp_path / "stages.json") is None
