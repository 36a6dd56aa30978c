"""Reading verbs on a study that nobody may write to, and on one that is being written to."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nas_sr.cli.main import run
from nas_sr.data.images import write_png
from nas_sr.search.store import StudyStore
from tests.search.made_study import made_study

UNFINISHED = b'{"op_code": 5, "worker_id": "xyz'

# Each verb's exit status, after a write that must fail: else this shows nothing.
PROGRAM = """
import json, sys
from pathlib import Path
from nas_sr.cli.main import run
try:
    Path(sys.argv[1], "probe").touch()
except OSError as error:
    print(json.dumps({"write": type(error).__name__}), flush=True)
for arguments in json.loads(sys.argv[2]):
    status = run(arguments)
    print(json.dumps({"ran": arguments[0], "status": status}), flush=True)
"""


def _read_only(folder: Path) -> list[str]:
    """The beginning of a command that sees the folder mounted read-only; root may write where permissions forbid it."""
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" "$0" && exec "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder)]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True) if shutil.which("unshare") else None
    if tried is None or tried.returncode:
        pytest.skip(f"no read-only mount here: {tried.stderr.strip() if tried else 'no unshare'}")
    return command


def test_reading_verbs_work_where_nothing_can_be_written(tmp_path: Path) -> None:
    store = made_study(tmp_path / "studies" / "shared")
    (store.folder / "journal.log.lock").unlink()
    write_png(tmp_path / "set" / "a.png", np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "net.onnx").write_bytes(b"")
    studies = ["--studies", str(tmp_path / "studies")]
    verbs = [
        ["report", "shared", *studies, "--reports", str(tmp_path / "reports")],
        ["describe", "shared:1", *studies],
        ["export", "shared", "--knee", *studies, "--out", str(tmp_path / "bundle")],
        ["upscale", "shared:1", str(tmp_path / "set" / "a.png"), str(tmp_path / "large.png"), *studies],
        ["evaluate", "shared:0", "--data", str(tmp_path / "set"), *studies],
        ["measure", str(tmp_path / "net.onnx"), "--as", "other", "--study", "shared", *studies],  # which writes
    ]
    command = [*_read_only(tmp_path / "studies"), sys.executable, "-c", PROGRAM, str(store.folder), json.dumps(verbs)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert lines[0] == {"write": "OSError"}, ended.stderr
    assert [line["status"] for line in lines[1:]] == [0, 0, 0, 0, 0, 2], ended.stderr
    assert "cannot write to" in ended.stderr.strip().splitlines()[-1]
    assert (tmp_path / "reports" / "shared" / "index.html").is_file()
    assert (tmp_path / "large.png").is_file()


def _contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_reading_leaves_an_unfinished_line_to_its_writer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = made_study(tmp_path / "studies" / "s")
    (store.folder / "journal.log.lock").unlink()
    journal = store.folder / "journal.log"
    whole = journal.read_bytes()
    for length in (1, 10, len(UNFINISHED)):
        journal.write_bytes(whole + UNFINISHED[:length])
        before = _contents(store.folder)
        assert len(StudyStore.read(store.folder).record().trials) == 2
        assert run(["report", str(store.folder), "--reports", str(tmp_path / "reports"), "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)["front"]) == 2
        assert _contents(store.folder) == before
    StudyStore.open(store.folder).study.ask()  # whoever goes on with the study drops the line
    content = journal.read_bytes()
    assert content.startswith(whole)
    assert all(json.loads(line) for line in content.splitlines())


@pytest.mark.parametrize("line", ["not JSON", "{}", "3", '{"op_code": 99, "worker_id": "x"}', "[]"])
def test_journal_with_a_line_of_something_else_is_refused(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = made_study(tmp_path / "s")
    with (store.folder / "journal.log").open("a") as file:
        file.write(f"{line}\n")
    assert run(["report", str(store.folder), "--reports", str(tmp_path / "reports")]) == 2
    assert "journal.log: not a readable journal" in capsys.readouterr().err
