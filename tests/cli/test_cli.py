"""The command line's contract: JSON keys, exit statuses, one line for every mistake."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nas_sr import shipped
from nas_sr.cli.main import run
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.presets import PRESETS
from nas_sr.families.registry import parse_spec
from tests.search.quick import quick_cpu


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", PRESETS)
def test_describe(capsys: pytest.CaptureFixture[str], name: str) -> None:
    said = _json(capsys, "describe", name)
    assert list(said) == [
        "name", "digest", "params", "macs_g", "ntire_flops_g", "activations_m", "convs", "spec",
    ]  # fmt: skip
    assert said["name"] == name
    assert parse_spec(said["spec"]).digest == said["digest"]
    assert run(["describe", name]) == 0
    assert f"{said['params']:,}" in capsys.readouterr().out


def test_space_show(capsys: pytest.CaptureFixture[str]) -> None:
    said = _json(capsys, "space", "show", "imdeception_x4_quick")
    assert (said["combinations"], said["distinct"]) == (96, 96)
    assert run(["space", "show", "imdeception_x4_quick"]) == 0
    assert "96 distinct networks" in capsys.readouterr().out
    assert "imdeception_x4" in _json(capsys, "space", "list")["spaces"]


def test_hw(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {entry["name"] for entry in _json(capsys, "hw", "list")["hw"]}
    assert {"cpu", "rtx2080", "rtx2080super", "xavier", "xavier-maxn", "orin64", "h100"} <= listed
    assert _json(capsys, "hw", "show", "cpu")["backends"] == ["onnxruntime"]
    xavier = _json(capsys, "hw", "show", "xavier")
    assert (xavier["lr_width"], xavier["lr_height"], xavier["facts"]["bandwidth_gb_s"]) == (512, 256, 102.4)


def test_measure_gives_the_statistics_and_reuses_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hw_profiles").mkdir()
    (tmp_path / "hw_profiles" / "cpu.yaml").write_text(yaml.safe_dump({**quick_cpu(), "name": "cpu"}))
    monkeypatch.setattr(shipped, "folder", lambda kind: tmp_path / kind)
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(ImdeceptionSpec(core=2, gidbs=1, depth=1, head=8).to_json()))
    said = _json(capsys, "measure", str(spec))
    for key in ("latency_ms", "p5_ms", "p95_ms", "iqr_ms", "cov", "runs", "backend", "kind", "target", "stable"):
        assert key in said
    assert (said["kind"], said["target"]) == ("measured", "cpu")
    assert said["p5_ms"] <= said["latency_ms"] <= said["p95_ms"]
    assert said["stable"]
    assert _json(capsys, "measure", str(spec)) == said


MISTAKES = [
    (["describe", "imdeception-c17"], "unknown preset 'imdeception-c17'; known: imdeception-c1"),
    (["describe", "nothing.json"], "no spec file at 'nothing.json'"),
    (["describe", "nowhere:3"], "no study there"),
    (["measure", "imdeception-c4", "--hw", "cpuu"], "unknown hardware 'cpuu'; known: cpu"),
    (["measure", "none.onnx"], "none.onnx"),
    (["space", "show", "imdeception"], "unknown search space 'imdeception'; known: imdeception_x4"),
    (["search", "--hw", "xavierr"], "unknown hardware 'xavierr'"),
    (["search", "--config", "defualt"], "unknown study config 'defualt'; known: default"),
    (["search", "--data", "nowhere/photos"], "does not exist; expected a folder with HR/"),
    (["search", "--val", "here"], "val needs data"),
    (["search", "--budget", "0"], "--budget"),
    (["search", "--cpus-per-trial", "4096"], "--cpus-per-trial 4096: this process may use"),
    (["search", "--gpus-per-trial", "99"], "--gpus-per-trial 99: torch sees"),
    (["search", "--bugdet", "3"], "--bugdet"),
    (["report", "nothing"], "no study there"),
    (["export", "nothing"], "exactly one of --trial N, --knee, --max-latency MS, --min-psnr DB"),
    (["export", "nothing", "--knee"], "no study there"),
    (["train", "nothing"], "not a bundle"),
    (["evaluate", "nothing", "--data", "."], "no model at 'nothing'; allowed: a bundle folder"),
    (["evaluate", "bicubic", "--data", "nowhere"], "does not exist"),
    (["evaluate", "bicubic"], "--data"),
    (["evaluate", "bicubic", "--data", ".", "--scale", "5"], "--scale"),
    (["evaluate", "bicubic", "nothing", "--data", "."], "no model at 'nothing'"),
    (["upscale", "bicubic", "none.png", "out.png"], "no such image or folder"),
    (["upscale", "bicubic", "*.jpg", "out"], "*.jpg: no image matches; read are png, jpg"),
    (["upscale", "bicubic", ".", "out", "--format", "gif"], "unknown output format 'gif'; known: png, jpg, webp, same"),
    (["upscale", "bicubic", ".", "out", "--overwrite", "--skip-existing"], "exclude each other"),
    (["upscale", "bicubic", "out.png"], "IN..."),
    (["upscale", "nothing", ".", "out"], "no model at 'nothing'"),
    (["upscale", "nothing", ".", "out", "--runtime", "tensorrt"], "unknown runtime 'tensorrt'; known: "),
    (["serach"], "serach"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES)
def test_mistake_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    line = said.err.strip().splitlines()[-1]
    assert line.startswith("nas-sr: ")
    assert words in line
    assert len(said.err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []  # nothing half-written


def test_unwritable_place_is_status_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert run(["search", "--budget", "1", "--studies", str(tmp_path / "file")]) == 2
    assert "cannot write to" in capsys.readouterr().err


def test_help_is_quick_and_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-c", "from nas_sr.cli import main; main()", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "nas-sr search --hw cpu --budget 12" in shown
    for verb in (
        "search",
        "report",
        "export",
        "train",
        "evaluate",
        "upscale",
        "describe",
        "measure",
        "doctor",
        "space",
        "hw",
    ):
        assert re.search(rf"^  {verb} ", shown, re.MULTILINE)
        if verb not in ("space", "hw"):
            assert run([verb, "--help"]) == 0
            assert f"nas-sr {verb}" in capsys.readouterr().out
    # What makes it quick is what it does not load; its time is for the benchmark of a quiet machine.
    heavy = "('torch', 'ray', 'optuna', 'onnx', 'onnxruntime', 'pandas', 'plotly', 'cv2', 'scipy')"
    loaded = f"import sys, nas_sr.cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "[]\n"


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    found = {check["name"]: check for check in _json(capsys, "doctor")["checks"]}
    assert found["python"]["status"] == "ok"
    assert all(check["remedy"] for check in found.values() if check["status"] != "ok")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("nas-sr ")
