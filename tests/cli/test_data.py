"""`nas-sr data`: the commands as users give them, killed, given twice, and given broken files."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nas_sr.cli.main import run
from nas_sr.data.pack import HR, LR, Pack
from nas_sr.data.unfinished import Unfinished
from tests.data.pictures import write_div2k, write_images

SIZE = (112, 128)


def _json(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict:
    assert run(["data", *arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def _start(*arguments: str) -> subprocess.Popen[str]:
    """The command in a process of its own, as a shell starts it."""
    command = [sys.executable, "-c", "from nas_sr.cli import main; main()", "data", *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def div2k(tmp_path: Path) -> Path:
    write_div2k(tmp_path / "DIV2K", "DIV2K_train", ["0001", "0002", "0003"], SIZE)
    write_div2k(tmp_path / "DIV2K", "DIV2K_valid", ["0801"], SIZE)
    return tmp_path / "DIV2K"


def test_prepare_and_check(capsys: pytest.CaptureFixture[str], tmp_path: Path, div2k: Path) -> None:
    out = tmp_path / "pack"
    arguments = ["prepare", str(div2k), "--out", str(out), "--val-data", str(div2k / "DIV2K_valid_HR")]
    said = _json(capsys, *arguments)
    assert set(said) == {"pack", "scale", "train", "val", "notes", "wall_s"}
    assert (said["pack"], said["scale"]) == (str(out), 4)
    train = Pack(out / "train")
    assert said["train"] == {
        "folder": str(out / "train"),
        "images": 3,
        "digest": train.digest,
        "bytes": train.size,
        "decoded": 3,
        "problems": [],
    }
    assert said["val"]["images"] == 1
    assert _json(capsys, *arguments)["train"]["decoded"] == 0
    assert _json(capsys, "check", str(out)) == {"kind": "pack", "images": 4, "bad": [], "notes": []}
    assert run(["data", *arguments]) == 0
    assert "3 images to train on, 1 to validate" in capsys.readouterr().out
    with (out / "train" / HR).open("r+b") as pixels:
        first = pixels.read(1)
        pixels.seek(0)
        pixels.write(bytes([first[0] ^ 1]))
    assert run(["data", *arguments]) == 1  # given again, it still reads back what is there
    assert "1 images did not read back as written, the first: " in capsys.readouterr().err


def test_next_command_takes_the_pack_whatever_it_is_called(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "photos", ["a.png", "b.png"], SIZE)
    for out, options, told in [
        ("it's $here", ["--val", "1"], ["--data", "it's $here"]),
        ("-pack", ["--val", "0"], ["--data=-pack", "--val", "DIR"]),
        ("x3", ["--val", "1", "--scale", "3"], ["--data", "x3", "--space", "SPACE"]),
    ]:
        assert run(["data", "prepare", "photos", f"--out={out}", "--min-lr", "8", *options]) == 0
        said = capsys.readouterr().out
        assert shlex.split(said.splitlines()[-1].removeprefix("next: ")) == ["nas-sr", "search", *told]
        assert all(f"{word} stands for" in said for word in told if word in ("DIR", "SPACE"))


def test_check_ends_with_status_1_and_a_line_for_each_bad_file(capsys: pytest.CaptureFixture[str], div2k: Path) -> None:
    for name in ("0001.png", "0003.png"):
        (div2k / "DIV2K_train_HR" / name).write_bytes(b"no image")
    said = _json(capsys, "check", str(div2k), status=1)
    assert [Path(bad["file"]).name for bad in said["bad"]] == ["0001.png", "0003.png"]
    assert {"file", "problem"} == set(said["bad"][0])
    assert run(["data", "check", str(div2k)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"{div2k / 'DIV2K_train_HR' / '0001.png'}: corrupt, or not an image" in lines
    assert lines[-1] == "2 bad among 3 images"


def test_prepare_names_every_bad_file_and_ends_with_status_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, div2k: Path
) -> None:
    for name in ("0001.png", "0003.png"):
        (div2k / "DIV2K_train_HR" / name).write_bytes(b"no image")
    arguments = ["data", "prepare", str(div2k), "--out", str(tmp_path / "pack"), "--val", "0"]
    assert run(arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    *named, last = said.err.strip().splitlines()
    assert [Path(line.split(": ")[0]).name for line in named] == ["0001.png", "0003.png"]
    assert last.startswith("nas-sr: ")
    assert "2 of 3 images cannot be packed" in last
    assert "--leave-out-bad" in last
    assert run([*arguments, "--leave-out-bad"]) == 0
    assert len(Pack(tmp_path / "pack" / "train")) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prepare", "nowhere", "--out", "pack"], "nowhere: does not exist; expected a folder with HR/"),
        (["prepare", "DIV2K"], "--out"),
        (["prepare", "DIV2K", "--out", "pack", "--val", "1", "--val-data", "DIV2K"], "--val N or --val-data DIR"),
        (["prepare", "DIV2K", "--out", "pack", "--scale", "5"], "--scale"),
        (["prepare", "DIV2K", "--out", "DIV2K"], "holds other things"),
        (["check", "nowhere"], "nowhere: does not exist"),
    ],
)
def test_mistake_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, div2k: Path, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(div2k.parent)
    assert run(["data", *arguments]) == 2
    said = capsys.readouterr()
    (line,) = said.err.strip().splitlines()
    assert line.startswith("nas-sr: ")
    assert words in line
    assert said.out == ""
    assert [path.name for path in div2k.parent.iterdir()] == ["DIV2K"]


def test_killed_at_any_moment_it_continues(tmp_path: Path) -> None:
    count = 60
    source = write_images(tmp_path / "HR", [f"{number:02}.png" for number in range(count)], (288, 400))
    arguments = ["prepare", str(source), "--val", "0", "--workers", "2", "--json", "--out"]
    whole = json.loads(_start(*arguments, str(tmp_path / "whole")).communicate(timeout=120)[0])
    out = tmp_path / "killed"
    journal = out / ".train.part" / "packed.jsonl"
    for at_least in sorted(random.sample(range(1, count // 2), 2)):
        process = _start(*arguments, str(out))
        while process.poll() is None and not (journal.is_file() and journal.read_bytes().count(b"\n") > at_least):
            time.sleep(0.001)
        workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert psutil.wait_procs(workers, timeout=60)[1] == []  # they do not outlive what started them
    kept = journal.read_bytes().count(b"\n") - 1
    assert 0 < kept < count
    said = json.loads(_start(*arguments, str(out)).communicate(timeout=120)[0])
    assert said["train"]["decoded"] == count - kept
    assert said["train"]["digest"] == whole["train"]["digest"]
    for name in (HR, LR):
        assert (out / "train" / name).read_bytes() == (tmp_path / "whole" / "train" / name).read_bytes()
    assert sorted(path.name for path in (out / "train").iterdir()) == sorted(
        path.name for path in (tmp_path / "whole" / "train").iterdir()
    )


def test_second_process_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    source = write_images(tmp_path / "HR", ["1.png", "2.png"], SIZE)
    out = tmp_path / "pack"
    with Unfinished(out / "train", 4, lambda folder: None):
        process = _start("prepare", str(source), "--val", "0", "--json", "--out", str(out))
        assert process.stderr
        line = process.stderr.readline()
        assert line == f"waiting for another process that is packing in {out / '.train.part'}\n"
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(output)["train"]["decoded"] == 2


def test_two_processes_that_start_together_make_one_pack(tmp_path: Path) -> None:
    source = write_images(tmp_path / "HR", [f"{number}.png" for number in range(20)], SIZE)
    both = [_start("prepare", str(source), "--json", "--out", str(tmp_path / "pack")) for _ in range(2)]
    said = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert sorted(one["train"]["decoded"] for one in said) == [0, 18]
    assert said[0]["train"]["digest"] == said[1]["train"]["digest"]
    assert sorted(path.name for path in (tmp_path / "pack").iterdir()) == ["train", "val"]


def test_interrupt_ends_with_status_130_and_keeps_what_is_done(tmp_path: Path) -> None:
    source = write_images(tmp_path / "HR", [f"{number:02}.png" for number in range(60)], (288, 400))
    process = _start("prepare", str(source), "--val", "0", "--workers", "2", "--out", str(tmp_path / "pack"))
    journal = tmp_path / "pack" / ".train.part" / "packed.jsonl"
    while not (journal.is_file() and journal.read_bytes().count(b"\n") > 3):
        time.sleep(0.001)
    for each in [process, *psutil.Process(process.pid).children()]:  # as a terminal sends it: to all of them
        os.kill(each.pid, signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130, errors
    assert errors.strip().splitlines() == ["nas-sr: interrupted; the state is kept"]
    assert journal.read_bytes().count(b"\n") > 3
