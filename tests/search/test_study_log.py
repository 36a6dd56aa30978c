"""What `nas-sr logs` says of real searches: every candidate's way, and where one failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nas_sr.cli.main import run
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.search import candidate_training
from nas_sr.search.outcome import Outcome
from nas_sr.search.study_log import LOG, StudyLog, read_log
from tests.search.quick import answered, searched, write_configs


class Logged(NamedTuple):
    folder: Path
    studies: list[str]
    found: dict[str, Any]
    failed: int  # number of the second one


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """Two candidates; the training of the second one breaks."""
    folder = tmp_path_factory.mktemp("logged")

    def broken(*given: Any) -> None:
        raise ValueError("no such layer")

    with pytest.MonkeyPatch.context() as patch:
        arguments = [*write_configs(folder), "--budget"]
        searched([*arguments, "1"])
        patch.setattr(candidate_training.CandidateTraining, "run", broken)
        found, _ = searched([*arguments, "2"])
    study = folder / "studies" / "quick"
    failed = next(event["trial"] for event in read_log(study) if event.get("state") == "failed")
    return Logged(study, ["--studies", str(folder / "studies")], found, failed)


def test_every_candidate_has_its_way_in_the_log(logged: Logged) -> None:
    first, second = (read_log(logged.folder, trial) for trial in (0, logged.failed))
    assert [event["event"] for event in first][:2] == ["began", "reached"]
    assert first[-1]["event"] == "ended"
    assert first[-1]["psnr_db"] == logged.found["front"][0]["pytorch_psnr_db"]
    assert next(event["stage"] for event in first if event["event"] == "reached") == "latency"
    assert (second[-1]["state"], second[-1]["reason"]) == ("failed", "ValueError: no such layer")
    searches = [event for event in read_log(logged.folder) if event["event"] == "search"]
    assert [event["budget"] for event in searches] == [1, 2]
    assert searches[0]["versions"]["torch"]


def test_command_tells_everything_of_a_trial(logged: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["logs", "quick", "--trial", str(logged.failed), *logged.studies]) == 0
    text = capsys.readouterr().out
    for part in ("failed", "ValueError: no such layer", "in broken", "latency:", "spec.json", "began"):
        assert part in text, text
    found, _ = answered(["logs", "quick", "--trial", "0", "--json", *logged.studies])
    assert found["trial"]["state"] == "complete"
    assert found["seconds"]["training"] > 0
    assert "weights.safetensors" in found["files"]
    assert found["traceback"] == ""


def test_command_tells_the_whole_study(logged: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["logs", "quick", *logged.studies]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(read_log(logged.folder))
    assert "search" in lines[0]
    _, errors = answered(["logs", "quick", "--trial", "99", *logged.studies], status=2)
    assert "trial" in errors


def test_line_cut_off_by_a_kill_costs_only_itself(tmp_path: Path) -> None:
    log = StudyLog(tmp_path)
    log.began(0, ImdeceptionSpec())
    with (tmp_path / LOG).open("ab") as file:
        file.write(b'{"at": "2026')
    log.ended(0, Outcome("failed", reason="first\nsecond \u2028 third"))
    assert [event["event"] for event in read_log(tmp_path)] == ["began", "ended"]
    assert read_log(tmp_path)[1]["reason"] == "first\nsecond \u2028 third"


def test_disk_that_takes_no_more_stops_nothing(tmp_path: Path) -> None:
    StudyLog(tmp_path / "missing").began(0, ImdeceptionSpec())
    assert read_log(tmp_path / "missing") == []
