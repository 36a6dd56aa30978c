"""`nas-sr verify`: a bundle that is right, and every way in which one is not."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml
from onnx import numpy_helper

from nas_sr.cli.main import run
from nas_sr.export import latency_check
from nas_sr.export import verify as verification
from nas_sr.export.bundle import UNSUMMED
from nas_sr.export.checksums import SUMS, write_sums
from nas_sr.export.verify import verify
from nas_sr.families.weights import load_network, save_weights
from nas_sr.yaml_file import load_yaml
from tests.export.small_bundles import COMPACT, PLAIN, write_small
from tests.report.study_records import measurement
from tests.search.quick import answered, quick_cpu


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without destinations."""
    folder = tmp_path_factory.mktemp("verify") / "small"
    write_small(folder, PLAIN)
    return folder


@pytest.fixture
def bundle(small: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(small, tmp_path / "b"))


def _failed(bundle: Path) -> dict[str, str]:
    return {check.what: check.text for check in verify(bundle) if check.status == "failed"}


def _other_weights(bundle: Path) -> None:
    network = load_network(bundle)
    state = {name: tensor + 0.01 for name, tensor in network.state_dict().items()}
    save_weights(state, network.spec, bundle / "weights.safetensors")


def _cut_short(name: str) -> Callable[[Path], object]:
    return lambda bundle: (bundle / name).write_bytes((bundle / name).read_bytes()[:-100])


def _edit_json(name: str, **values: Any) -> Callable[[Path], object]:
    def edit(bundle: Path) -> None:
        (bundle / name).write_text(json.dumps(json.loads((bundle / name).read_text()) | values))

    return edit


def _write(name: str, text: str) -> Callable[[Path], object]:
    return lambda bundle: (bundle / name).write_text(text)


EDITS: dict[str, tuple[Callable[[Path], object], dict[str, str]]] = {
    "weights changed": (_other_weights, {"weights.safetensors": "checksum differs", "model.onnx": "differs by"}),
    "weights cut short": (
        _cut_short("weights.safetensors"),
        {"weights.safetensors": "nothing can be compared with it: .*cut short or broken"},
    ),
    "weights gone": (lambda bundle: (bundle / "weights.safetensors").unlink(), {"weights.safetensors": "no weights"}),
    "onnx cut short": (_cut_short("model.onnx"), {"model.onnx": "not run: model.onnx was changed"}),
    "a file missing": (lambda bundle: (bundle / "sample.png").unlink(), {"sample.png": "missing"}),
    "a file emptied": (_write("sample.png", ""), {"sample.png": "empty"}),
    "a file too many": (_write("notes.txt", "mine"), {"notes.txt": "not a file of the bundle"}),
    "a folder too many": (
        lambda bundle: shutil.copytree(bundle.with_name("b"), bundle / "copy", ignore=shutil.ignore_patterns("copy")),
        {"copy/spec.json": "not a file of the bundle"},
    ),
    "spec of another network": (
        _edit_json("spec.json", nla_after=[1]),
        {"spec.json": "is of network .*bundle.json is of network"},
    ),
    "spec that is none": (_write("spec.json", '{"core": "four"}'), {"spec.json": "core"}),
    "spec gone": (lambda bundle: (bundle / "spec.json").unlink(), {"spec.json": "missing|not a readable spec"}),
    "counts": (
        _edit_json("bundle.json", counts_at_256x256={"params": 1}),
        {"bundle.json": "checksum", "counts": "bundle.json says"},
    ),
    "bundle.json that is none": (_write("bundle.json", "{"), {"bundle.json": "not JSON"}),
    "card": (_write("README.md", "fast"), {"README.md": "checksum", "counts": "does not say"}),
    "entry": (_edit_json("openmodeldb.json", resources=[{"sha256": "0"}]), {"openmodeldb.json": "1 of its 1 files"}),
    "checksums gone": (lambda bundle: (bundle / SUMS).unlink(), {SUMS: "missing"}),
    "training": (_write("train.yaml", "trainin: 3"), {"train.yaml": "training: Field required"}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edited_bundle_is_caught_and_the_edit_is_named(
    edit: str, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, expected = EDITS[edit]
    spoil(bundle)
    if "model.onnx" not in expected:  # runtimes take most of the time, and others show what they say
        monkeypatch.setattr(verification, "compared", lambda *arguments: [])
    checks = [check for check in verify(bundle) if check.status == "failed"]
    for what, words in expected.items():
        assert any(check.what == what and re.search(words, check.text) for check in checks), checks


def test_bundle_that_is_right(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(bundle)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"0 of {len(lines) - 1} checks failed"
    said, errors = answered(["verify", str(bundle), "--json"])
    assert (said["ok"], errors) == (True, "")
    assert {check["what"] for check in said["checks"]} >= {SUMS, "spec.json", "counts", "model.onnx", "latency"}
    (bundle / "notes.txt").write_text("mine")
    assert run(["verify", str(bundle)]) == 1
    out = capsys.readouterr().out
    assert "failed   notes.txt" in out
    assert "1 of" in out.splitlines()[-1]


def test_train_yaml_is_a_file_to_edit(bundle: Path) -> None:
    config = load_yaml(bundle / "train.yaml")
    config["training"]["phases"][0]["steps"] = 7
    (bundle / "train.yaml").write_text(yaml.safe_dump(config))
    (bundle / "training").mkdir()
    (bundle / "training" / "last.ckpt").write_text("a training that is under way")
    assert _failed(bundle) == {}


def test_what_is_no_bundle_is_a_wrong_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        assert run(["verify", str(place)]) == 2
        assert "not a bundle" in capsys.readouterr().err


def test_file_of_other_weights_with_checksums_of_its_own_is_caught_in_its_runtime(tmp_path: Path) -> None:
    for package in ("openvino", "ncnn", "pnnx"):
        pytest.importorskip(package)
    write_small(tmp_path / "b", COMPACT, ["onnxruntime", "openvino", "ncnn"])
    folder = tmp_path / "b"
    path = folder / "onnxruntime" / "model-24x40-fp16.onnx"
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2, tensor.name))
    onnx.save(model, path)
    for name, at in (("openvino/model.bin", 40), ("ncnn/model.bin", 40)):
        content = bytearray((folder / name).read_bytes())
        content[at : at + 40] = bytes(40)
        (folder / name).write_bytes(content)
    write_sums(folder, UNSUMMED)
    found = _failed(folder)
    assert set(found) == {"onnxruntime/model-24x40-fp16.onnx", "openvino/model.xml", "ncnn/model.param"}
    assert "dB to PyTorch in fp32; at least 50 are needed" in found["onnxruntime/model-24x40-fp16.onnx"]
    assert "less than 0.0001 is allowed" in found["ncnn/model.param"]
    for name in ("onnxruntime", "openvino"):
        shutil.rmtree(folder / name)
    (folder / "ncnn" / "model.bin").write_bytes(b"\0" * 64)  # a library that reads on fails in a process of its own
    write_sums(folder, UNSUMMED)
    assert "ncnn/model.param" in _failed(folder)


def test_runtimes_that_are_not_there_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("ncnn", "pnnx"):
        pytest.importorskip(package)
    write_small(tmp_path / "b", COMPACT, ["ncnn", "chainner"])
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("ncnn", "spandrel") else find(name))
    assert run(["verify", str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "not installed: pip install 'nas-sr[ncnn]'" in out
    assert "not installed: pip install 'nas-sr[spandrel]'" in out
    assert out.splitlines()[-1].endswith("; without ncnn, spandrel")


def test_latency_is_measured_again_where_the_target_is_named(bundle: Path, tmp_path: Path) -> None:
    origin = json.loads((bundle / "bundle.json").read_text())
    alike = {"target": "quick-cpu", "lr_height": 24, "lr_width": 24, "relative_latency": 1e-4}
    (bundle / "bundle.json").write_text(json.dumps(origin | {"latency": origin["latency"] | alike}))
    hardware = quick_cpu()
    hardware["protocol"]["max_run_spread"] = 0.2
    (tmp_path / "quick-cpu.yaml").write_text(yaml.safe_dump(hardware))
    said, _ = answered(["verify", str(bundle), "--hw", str(tmp_path / "quick-cpu.yaml"), "--json"], status=1)
    (latency,) = [check for check in said["checks"] if check["what"] == "latency"]
    assert (latency["status"], latency["by"]) == ("failed", "onnxruntime")
    assert float(latency["text"].split(" ms")[0]) > 0
    assert "times the reference network, 0.000 in bundle.json" in latency["text"]
    assert "at most 20 % is allowed" in latency["text"]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({}, "ok", r"10\.\d+ ms now; .* \(\+0\.0%\)"),
        ({"backend": "openvino"}, "ok", "bundle.json has none that was measured so"),
        ({"stable": False, "labels": ("samples vary",)}, "skipped", "samples vary"),
    ],
)
def test_latency_is_compared_with_one_taken_alike(
    changes: dict[str, Any], status: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = measurement(10.0)
    monkeypatch.setattr(latency_check, "measured_together", lambda specs, target: [recorded.model_copy(update=changes)])
    check = latency_check.latency_check(PLAIN, {"latency": recorded.summary()}, "cpu", lambda text: None)
    assert check.status == status
    assert re.search(words, check.text)
