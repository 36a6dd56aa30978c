"""A bundle's files for runtimes and tools, with the real packages."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from nas_sr.cli.main import run
from nas_sr.config import FullTraining, StudyConfig
from nas_sr.data.images import read_rgb, write_png
from nas_sr.errors import UsageError, WorkError
from nas_sr.export.checksums import SUMS, sha256
from nas_sr.export.formats import NAMES, destination, wanted
from nas_sr.export.formats.base import Target
from nas_sr.export.formats.conventions import violations
from nas_sr.export.formats.tensorrt_recipe import build_command, file, opset, python_calls, time_command, versions
from nas_sr.export.sample import write_sample
from nas_sr.export.verify import verify
from nas_sr.measure.profile import profile
from tests.export.small_bundles import ATTENTION, COMPACT, PLAIN, SIZE, trained, write_small

SPECS = {"compact": (COMPACT, "all"), "attention": (ATTENTION, "all"), "plain": (PLAIN, "ncnn")}
# What each destination's folder holds; `*` stands for the name by which others know the network.
FILES = {
    "onnxruntime": {"model-24x40-fp32.onnx", "model-24x40-fp16.onnx"},
    "tensorrt": {"model-24x40-fp32.onnx", "model-24x40-fp16.onnx", "README.md"},
    "openvino": {"model.xml", "model.bin"},
    "ncnn": {"model.param", "model.bin"},
    "chainner": {"*.onnx", "*.safetensors"},
    "vs-mlrt": {"*.onnx", "*.vpy"},
}
LOOK_ALIKE = Path(__file__).parents[1] / "device_program" / "trtexec_look_alike.py"


def _here(name: str) -> bool:
    return all(importlib.util.find_spec(package) for package in destination(name).packages)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By family and attention: a bundle for everything that can be written here."""
    folder = tmp_path_factory.mktemp("bundles")
    for name, (spec, asked) in SPECS.items():
        if asked == "all" or _here(asked):
            write_small(folder / name, spec, [asked])
    return {name: folder / name for name in SPECS}


def test_every_destination_is_in_the_table_and_here() -> None:
    assert set(FILES) == set(NAMES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("network", ["compact", "attention"])
def test_files_of_a_destination(name: str, network: str, bundles: dict[str, Path]) -> None:
    if not _here(name):
        pytest.skip(destination(name).install)
    found = {re.sub(r"^[234]x-[A-Za-z0-9-]+\.", "*.", path.name) for path in (bundles[network] / name).glob("*")}
    assert found == (set() if (name, network) == ("ncnn", "attention") else FILES[name])


def test_layer_that_a_runtime_lacks_is_named_and_all_leaves_it_out(bundles: dict[str, Path], tmp_path: Path) -> None:
    if not _here("ncnn"):
        pytest.skip(destination("ncnn").install)
    left_out = json.loads((bundles["attention"] / "bundle.json").read_text())["left_out"]
    assert "cannot do layers of the network: /nlas.0/" in left_out["ncnn"]
    assert left_out["ncnn"] in (bundles["attention"] / "README.md").read_text()
    with pytest.raises(WorkError, match=r"ncnn: ncnn .* cannot do layers .*/nlas\.0/.*; nothing was written"):
        write_small(tmp_path / "b", ATTENTION, ["tensorrt", "ncnn"])
    assert not (tmp_path / "b").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("network", SPECS)
def test_every_file_computes_what_the_weights_do_in_every_runtime_here(network: str, bundles: dict[str, Path]) -> None:
    if not bundles[network].exists():
        pytest.skip(destination("ncnn").install)
    checks = verify(bundles[network])
    assert [check for check in checks if check.status == "failed"] == []
    done = {(check.what, check.by) for check in checks if check.status == "ok"}
    files = {path.relative_to(bundles[network]).as_posix() for path in bundles[network].rglob("*")}
    expected = {(file, "ONNX Runtime") for file in files if file.endswith(".onnx")}
    expected |= {(file, "OpenVINO") for file in files if file.endswith(".xml")}
    expected |= {(file, "ncnn") for file in files if file.endswith(".param")}
    if importlib.util.find_spec("tensorrt_rtx_bindings"):
        expected |= {(file, "TensorRT for RTX") for file in files if re.match(r"tensorrt/.*\.onnx", file)}
    assert expected <= done
    assert len(expected) >= (2 if network == "plain" else 9)
    if network != "plain":
        said = {check.by for check in checks}
        assert {"conventions of vs-mlrt", "conventions of chaiNNer", "spandrel", "TensorRT"} <= said


def test_precisions_of_the_files(bundles: dict[str, Path]) -> None:
    for name in ("onnxruntime", "tensorrt"):
        kinds = {}
        for precision in ("fp32", "fp16"):
            model = onnx.load(bundles["compact"] / name / f"model-24x40-{precision}.onnx")
            kinds[precision] = {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 4}
            shapes = [value.type.tensor_type for value in (*model.graph.input, *model.graph.output)]
            assert [each.elem_type for each in shapes] == [TensorProto.FLOAT] * 2
            assert [dim.dim_value for dim in shapes[0].shape.dim] == [1, 3, *SIZE]
        assert kinds == {"fp32": {TensorProto.FLOAT}, "fp16": {TensorProto.FLOAT16}}


def test_a_bundle_is_what_sha256sum_says(bundles: dict[str, Path]) -> None:
    done = subprocess.run(
        ["sha256sum", "-c", "--strict", SUMS], cwd=bundles["compact"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout
    summed = {line.split("  ")[1] for line in (bundles["compact"] / SUMS).read_text().splitlines()}
    files = {
        path.relative_to(bundles["compact"]).as_posix() for path in bundles["compact"].rglob("*") if path.is_file()
    }
    assert files - summed == {SUMS, "train.yaml"}


def test_entry_for_openmodeldb_is_of_the_files(bundles: dict[str, Path]) -> None:
    for network, architecture in (("compact", "compact"), ("attention", "imdeception")):
        entry = json.loads((bundles[network] / "openmodeldb.json").read_text())
        assert (entry["architecture"], entry["scale"], entry["inputChannels"]) == (architecture, 4, 3)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", entry["date"])
        assert entry["description"] == entry["description"].strip() != ""
        files = [next((bundles[network] / "chainner").glob("*.safetensors")), bundles[network] / "model.onnx"]
        for resource, path in zip(entry["resources"], files, strict=True):
            assert (resource["size"], resource["sha256"]) == (path.stat().st_size, sha256(path))
        assert [each["platform"] for each in entry["resources"]] == ["pytorch", "onnx"]


def test_card_says_what_a_reader_must_know(tmp_path: Path) -> None:
    write_small(tmp_path / "b", COMPACT, licence="CC-BY-4.0", author="somebody")
    text = (tmp_path / "b" / "README.md").read_text()
    for words in (
        "By somebody. Licence of the weights: CC-BY-4.0.", "p5 to p95", "onnxruntime in fp32 on cpu",
        "built-in demonstration set", "PSNR is of 8-bit RGB", "without a border of 4 pixels",
    ):  # fmt: skip
        assert words in text
    entry = json.loads((tmp_path / "b" / "openmodeldb.json").read_text())
    assert (entry["license"], entry["author"]) == ("CC-BY-4.0", "somebody")


def test_names_are_checked_and_packages_are_looked_for_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wanted(["vs-mlrt,chainner", "onnxruntime"]).names == ("onnxruntime", "chainner", "vs-mlrt")
    with pytest.raises(UsageError, match=r"unknown destination 'onnx-runtime'; known: onnxruntime, .*all"):
        wanted(["onnx-runtime"])
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("ncnn", "openvino") else find(name))
    with pytest.raises(UsageError, match=r"ncnn needs ncnn, not installed here: pip install 'nas-sr\[ncnn\]'"):
        write_small(tmp_path / "b", PLAIN, ["onnxruntime", "ncnn"])
    assert not (tmp_path / "b").exists()
    found = wanted(["all"])
    assert found.names == ("onnxruntime", "tensorrt", "chainner", "vs-mlrt")
    assert {name for name, _ in found.left_out} == {"openvino", "ncnn"}
    assert "pip install 'nas-sr[openvino]'" in dict(found.left_out)["openvino"]


def test_package_that_is_missing_is_a_wrong_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_small(tmp_path / "b", COMPACT)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "b").rglob("*")}
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else find(name))
    assert run(["export", str(tmp_path / "b"), "--for", "openvino"]) == 2
    assert "openvino needs openvino, not installed here: pip install" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "b").rglob("*")}


def _model(shape: list[object], *, name: str = "input", kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    image = helper.make_tensor_value_info(name, kind, shape)
    output = helper.make_tensor_value_info("output", kind, [1, 3, "h", "w"])
    graph = helper.make_graph([helper.make_node("Relu", [name], ["output"])], "g", [image], [output])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (_model([1, 3, "h", "w"]), None),
        (_model([1, 3, "h", "w"], name="image"), "must be called input, but is called image"),
        (_model([1, 3, 8, 8]), "must have any height and width"),
        (_model(["n", 3, "h", "w"]), "must be of shape"),
        (_model([1, 4, "h", "w"]), "must be of shape"),
        (_model([1, 3, "h", "w"], kind=TensorProto.FLOAT16), "input must be fp32"),
    ],
    ids=["right", "name", "fixed", "batch", "channels", "fp16"],
)
def test_conventions_of_vs_mlrt(model: onnx.ModelProto, words: str | None, tmp_path: Path) -> None:
    onnx.save(model, tmp_path / "1x.onnx")
    found = list(violations(tmp_path / "1x.onnx", 1))
    assert found == [] if words is None else any(words in each for each in found)
    if words is None:
        assert list(violations(tmp_path / "1x.onnx", 2)) == [
            "the size of its output does not follow from that of its input"
        ]


# Version, and how trtexec writes it.
OF_TRTEXEC = {"8.2.1": "8201", "8.5.2": "8502", "8.6.1": "8601", "10.3.0": "100300", "11.4.0": "110400"}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("version", OF_TRTEXEC)
def test_recipe_has_what_that_version_of_trtexec_knows(version: str, precision: str) -> None:
    target = Target(name="board", lr_height=24, lr_width=40, precision=precision, tensorrt=(version,))
    # The options of each version are those of NVIDIA's samples.
    names = subprocess.run(
        [sys.executable, LOOK_ALIKE, "--help"],
        env={"LIKE": OF_TRTEXEC[version]}, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    known = {name.split("=")[0] for name in names if name.startswith("--")}
    for words in (build_command(version, target), time_command(version)):
        options = {word.split("=")[0] for word in words[1:]}
        assert options <= known, options - known
    half = precision == "fp16"
    assert ("--fp16" in build_command(version, target)) == (half and version != "11.4.0")
    assert file(version, target) == f"model-24x40-{'fp16' if half and version == '11.4.0' else 'fp32'}.onnx"
    compile(python_calls(version, target), "recipe", "exec")
    assert ("FP16" in python_calls(version, target)) == (half and version != "11.4.0")
    assert ("EXPLICIT_BATCH" in python_calls(version, target)) == (version != "11.4.0")


def test_recipe_and_opset_follow_the_target(tmp_path: Path) -> None:
    def of(name: str) -> Target:
        return Target.model_validate(profile(name).frozen())

    assert (versions(of("xavier")), opset(of("xavier"))) == (("8.5", "8.2"), 13)
    assert (versions(of("rtx2080")), opset(of("rtx2080"))) == (("8.5", "8.6", "10", "11"), 17)
    assert versions(of("cpu")) == ("8.6", "10", "11")
    write_small(tmp_path / "b", COMPACT, ["tensorrt"], {"tensorrt": ["8.2"], "precision": "fp16"})
    (opset_of,) = onnx.load(tmp_path / "b" / "tensorrt" / "model-24x40-fp32.onnx").opset_import
    assert opset_of.version == 13
    text = (tmp_path / "b" / "tensorrt" / "README.md").read_text()
    assert "## TensorRT 8.2\n" in text
    assert "--onnx=model-24x40-fp32.onnx" in text


def test_sample_is_of_an_image_that_the_study_used(tmp_path: Path) -> None:
    network = trained(COMPACT)
    (tmp_path / "photos").mkdir()
    write_png(tmp_path / "photos" / "green.png", np.full((256, 256, 3), (0, 200, 0), np.uint8))
    training = FullTraining(training=StudyConfig().training)
    for name, own in (("theirs", tmp_path / "photos"), ("gone", tmp_path / "nowhere"), ("none", None)):
        config = training.model_copy(update={"val": str(own) if own else None})
        write_sample(network, config, "ours", tmp_path / f"{name}.png")
    theirs, gone, none = (read_rgb(tmp_path / f"{name}.png") for name in ("theirs", "gone", "none"))
    assert ((theirs == (0, 200, 0)).all(axis=2)).mean() > 0.2
    assert np.array_equal(gone, none)  # the packaged photographs
    assert not ((none == (0, 200, 0)).all(axis=2)).any()
