"""What a user is told of targets: predicted where there is none, built ahead of time, probed, refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas_sr.cli.main import run
from nas_sr.families.base import Spec
from nas_sr.measure import latency_cache
from nas_sr.measure.ahead_of_time import PACKAGE
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import HardwareProfile
from tests.measure.conftest import CREDULOUS


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_without_the_device_a_latency_is_predicted_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    said = {name: _json(capsys, "measure", f"imdeception-{name}", "--hw", "xavier") for name in ("c12", "c16-nla")}
    for value in said.values():
        if value["kind"] == "measured":
            pytest.skip("this is a Xavier")
        assert (value["kind"], value["target"], value["stable"]) == ("predicted", "xavier", None)
        assert value["low_ms"] < value["latency_ms"] < value["high_ms"]
        assert "Table 4" in value["calibration"]["source"]
        assert any(label.startswith("not measured: xavier") for label in value["labels"])
    assert said["c12"]["latency_ms"] > said["c16-nla"]["latency_ms"]  # as the paper measured
    assert run(["measure", "imdeception-c12", "--hw", "xavier"]) == 0
    assert "ms PREDICTED for xavier" in capsys.readouterr().out


def test_device_without_a_calibration_is_an_error_with_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["measure", "imdeception-c4", "--hw", "a100"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "a100 (this machine)" in said


def test_probe_says_what_is_there_and_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    (unit,) = _json(capsys, "hw", "probe", "cpu")["units"]
    assert unit["differs"] == []
    assert unit["machine"]["cores"] >= 1
    assert "onnxruntime" in unit["backends"]["onnxruntime"]["versions"]
    assert unit["backend"] == "onnxruntime"
    (unit,) = _json(capsys, "hw", "probe", "xavier")["units"]
    if unit["backend"] is not None:
        pytest.skip("this machine has TensorRT")
    assert unit["differs"]
    assert run(["hw", "probe", "xavier"]) == 0
    said = capsys.readouterr().out
    assert "DIFFERS: xavier" in said
    assert said.count("no trtexec") == 1


def test_probe_shows_all_of_the_backend_that_measures_and_little_of_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["hw", "probe", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (used,) = (line.split() for line in lines if line.strip().startswith("versions.onnxruntime"))
    assert used[1][0].isdigit()
    (others,) = (line for line in lines if "other backends" in line)
    assert len(others) <= 120
    assert {"tensorrt", "trtexec"} <= set(others.replace(",", " ").split())


def test_all_runtimes_of_a_device_are_rows_of_one_object(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_SR_CACHE", str(tmp_path / "cache"))
    values = {"extends": "cpu", "name": "cpu", "lr_height": 16, "lr_width": 24, "threads": 1}
    values["protocol"] = CREDULOUS.model_dump(mode="json")
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(values))
    command = ["measure", "imdeception-c4-nla", "--hw", str(tmp_path / "quick.yaml"), "--all-runtimes"]
    really_measured = latency_cache.cached_or_measured

    def measured(spec: Spec, target: HardwareProfile, **how: Any) -> Measurement:
        """By one runtime; that each of them measures, test_all_runtimes.py shows."""
        if (target.backends, target.precision) != (("onnxruntime",), "fp32"):
            raise MeasurementFailed("device", "not here")
        return really_measured(spec, target, **how)

    monkeypatch.setattr(latency_cache, "cached_or_measured", measured)
    said = _json(capsys, *command)
    assert (said["network"], said["hw"]) == ("imdeception-c4-nla", "cpu")
    rows = {(row["backend"], row["precision"]): row for row in said["rows"]}
    assert {name for name, _ in rows} == {"onnxruntime", "openvino", "ncnn"}
    for row in rows.values():
        assert (row["latency_ms"] is None) == bool(row["reason"])
    assert rows["onnxruntime", "fp32"]["relative_latency"] > 0
    assert run(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(rows)
    (first,) = (line.split() for line in lines if line.split()[:2] == ["onnxruntime", "fp32"])
    assert first[3] == "ms"
    assert run([*command, "--layers"]) == 2


@pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="TensorRT for RTX is not installed")
def test_engine_is_built_for_a_gpu_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    said = _json(capsys, "measure", "imdeception-c4", "--build-only", "--sm", "75")
    assert (said["backend"], said["compute_capability"], said["precision"]) == ("tensorrt-rtx", "7.5", "fp16")
    assert said["kernels"] == len(said["layers"]) > 50
    assert "latency_ms" not in said


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--sm", "75"], "--sm CC goes with --build-only"),
        (["--build-only"], "--sm CC goes with --build-only"),
        (["--build-only", "--sm", "turing"], "--sm must be a compute capability such as 75 or 8.6"),
        (["--as", "X"], "--as NAME goes with --study STUDY and an ONNX file"),
        (["--layout", "nhwc"], "--layout and --range go with an ONNX file"),
        (["--range", "255"], "--layout and --range go with an ONNX file"),
        (["--hw", "xaveir"], "xavier"),
    ],
)
def test_calls_that_make_no_sense(capsys: pytest.CaptureFixture[str], arguments: list[str], text: str) -> None:
    assert run(["measure", "imdeception-c4", *arguments]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--layout", "hwc"], "unknown layout 'hwc'; known: nhwc, nchw"),
        (["--range", "2"], "must be 1 or 255, but got 2"),
    ],
)
def test_image_of_an_onnx_file_is_said_in_known_words(
    capsys: pytest.CaptureFixture[str], options: list[str], text: str
) -> None:
    for verb in (["measure", "n.onnx"], ["evaluate", "n.onnx", "--data", "d"], ["upscale", "n.onnx", "a", "b"]):
        assert run([*verb, *options]) == 2
        said = capsys.readouterr().err
        assert text in said
        assert said.count("\n") == 1
