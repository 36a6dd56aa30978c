"""From a study to a bundle to a trained network, through the command line."""

import importlib.util
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml

from nas_sr.cli.fronts import front_rows
from nas_sr.cli.main import run
from nas_sr.config import FullTraining, StudyConfig, read_yaml
from nas_sr.export.bundle import training_alone
from nas_sr.export.formats import destination
from nas_sr.export.model_card import card
from nas_sr.families.network import build
from nas_sr.families.registry import read_spec
from nas_sr.families.weights import WEIGHTS, load_network, save_weights
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import write_curve, write_latency
from nas_sr.space import parse_space
from nas_sr.yaml_file import load_yaml
from tests.report.study_records import finalist, measurement, prediction, study, trial
from tests.search.quick import answered, finished, start

SPACE = parse_space({"fixed": {"depth": 2, "head": 16}, "parameters": {"core": [2, 4, 6], "gidbs": [1, 2]}}, Path("s"))
POINTS = [(25.0, 10.0), (25.8, 12.0), (26.0, 20.0), (25.5, 30.0)]
ON_BOARD_MS = [40.0, 90.0, 45.0, 41.0]


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A folder with a study of four trials on two targets, measured on one and predicted on the other.

    On the first number 3 is dominated, on the second number 1. The figures are made up, the weights are real.
    """
    environment = {
        "bicubic_psnr_db": 24.5,
        "data": {"description": "made up", "smallest_lr": 106},
        "frozen": {"hw": {"cpu": {"title": "a CPU"}, "board": {"title": "a board"}}},
    }
    store = StudyStore.create(tmp_path / "studies" / "s t'1", StudyConfig(hw=("cpu", "board")), environment)
    for params in reversed(SPACE.architectures.values()):
        store.study.enqueue_trial(SPACE.as_drawn(params))
    proposals = Proposals(store, SPACE)
    for (psnr_db, cpu_ms), board_ms in zip(POINTS, ON_BOARD_MS, strict=True):
        proposal = proposals.ask()
        assert proposal
        folder = store.trial_folder(proposal.number)
        latencies = [finalist(cpu_ms), prediction(board_ms, target="board", labels=("not | measured",))]
        for target, latency in zip(store.targets, latencies, strict=True):
            write_latency(store.latency_path(proposal.number, target), latency)
        save_weights(build(proposal.spec, proposal.number).state_dict(), proposal.spec, folder / "weights.safetensors")
        write_curve(folder, [])
        figures = tuple(latency.latency_ms for latency in latencies)
        proposals.tell(proposal.number, Outcome("complete", psnr_db, figures))
    return tmp_path / "studies"


def _export(studies: Path, *options: str) -> dict:
    said, errors = answered(["export", "s t'1", "--studies", str(studies), "--json", *options])
    assert errors == ""
    return said


def test_every_way_to_choose(
    studies: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(studies.parent)

    def chosen(*options: str) -> int:
        assert run(["export", "s t'1", "--studies", str(studies), "--json", "--overwrite", *options]) == 0
        return json.loads(capsys.readouterr().out)["trial"]

    assert chosen("--knee") == 1
    assert chosen("--trial", "3") == 3
    assert chosen("--max-latency", "15") == 1
    assert chosen("--max-latency", "99") == 2
    assert chosen("--min-psnr", "25.9") == 2
    assert chosen("--min-psnr", "20") == 0
    assert chosen("--hw", "board", "--knee") == 3
    assert chosen("--hw", "board", "--max-latency", "42") == 3
    assert chosen("--hw", "cpu", "--knee") == 1

    for options, words in [
        (["--max-latency", "1"], "no network within 1 ms; the fastest is trial 0"),
        (["--min-psnr", "40"], "no network reaches 40 dB; the best is trial 2"),
        (["--trial", "17"], "trial 17 does not exist; complete trials: 0, 1, 2, 3"),
        (["--knee", "--trial", "1"], "exactly one of"),
        (["--knee", "--hw", "bord"], "board"),
    ]:
        assert run(["export", "s t'1", "--studies", str(studies), *options]) == 2
        assert words in capsys.readouterr().err
    assert run(["export", "s t'1", "--studies", str(studies), "--knee"]) == 2  # it is there already
    assert "--overwrite" in capsys.readouterr().err


def _set_origin(bundle: Path, **values: object) -> None:
    origin = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps(origin | values))


def test_only_bundles_are_replaced_and_none_with_a_full_training(
    studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = studies.parent / "out"
    asked = ["export", "s t'1", "--studies", str(studies), "--trial", "3", "--overwrite", "--out", str(out)]
    assert run(asked) == run(asked) == 0
    (out / "training").mkdir()
    (out / "training" / "best.safetensors").write_text("days of work")
    assert run(asked) == 2
    assert "holds a full training" in capsys.readouterr().err
    shutil.copytree(out, studies.parent / "no checkpoints")
    shutil.rmtree(studies.parent / "no checkpoints" / "training")
    _set_origin(studies.parent / "no checkpoints", trained={"steps": 10, "psnr_db": 27.0})
    assert run([*asked[:-1], str(studies.parent / "no checkpoints")]) == 2
    assert "holds a full training or its weights" in capsys.readouterr().err
    (out / "bundle.json").unlink()
    assert run(asked) == 2
    assert "--overwrite replaces bundles only" in capsys.readouterr().err
    assert (out / "training" / "best.safetensors").read_text() == "days of work"
    assert run([*asked[:-1], str(studies)]) == 2
    assert len(list(studies.iterdir())) == 1
    assert not list(studies.parent.glob(".*"))


def test_bundle_whose_training_has_just_begun_is_not_replaced(
    studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = studies.parent / "out"
    asked = ["export", "s t'1", "--studies", str(studies), "--trial", "3", "--overwrite", "--out", str(out)]
    assert run(asked) == 0
    with training_alone(out):  # and nothing saved yet
        assert run(asked) == 2
        assert "another training is running in it" in capsys.readouterr().err
    assert run(asked) == 0


def test_bundle_holds_one_network_in_three_forms(studies: Path) -> None:
    said = _export(studies, "--knee", "--out", str(studies / "b"))
    bundle = Path(said["bundle"])
    assert {Path(name).name for name in said["files"]} == {
        "spec.json", "weights.safetensors", "model.onnx", "train.yaml", "bundle.json", "README.md", "openmodeldb.json",
        "sample.png", "SHA256SUMS", "longest-rung.safetensors",
    }  # fmt: skip
    network = load_network(bundle).eval()
    assert network.spec == read_spec(bundle / "spec.json")
    session = onnxruntime.InferenceSession(str(bundle / "model.onnx"))
    for height, width in ((5, 7), (33, 64)):
        image = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(image)).numpy()
        assert np.abs(session.run(None, {"input": image})[0] - expected).max() < 1e-4
    text = (bundle / "README.md").read_text()
    assert "12.25 ms (measured, onnxruntime in fp32 on cpu" in text
    assert "3 builds × 3 runs; runs of one build differ by up to 0.40 %, builds by 1.1 %" in text
    assert "predicted" not in text
    assert "--hw cpu" in text
    assert "nas-sr train" in text
    config = read_yaml(bundle / "train.yaml", FullTraining)
    assert config.training.steps == 800 * (2000 + 1300)
    assert config.training.phases[0].crop_lr == 104


def test_bundle_of_a_predicted_network_says_so(studies: Path) -> None:
    bundle = Path(_export(studies, "--hw", "board", "--knee", "--out", str(studies / "b"))["bundle"])
    expected = prediction(41.0, target="board")
    latency = json.loads((bundle / "bundle.json").read_text())["latency"]
    assert (latency["kind"], latency["target"]) == ("predicted", "board")
    assert (latency["low_ms"], latency["high_ms"]) == (expected.low_ms, expected.high_ms)
    assert latency["calibration"]["points"] == 12
    text = (bundle / "README.md").read_text()
    assert "41.00 ms (**predicted, not measured**, for board" in text
    assert f"80 % interval {expected.low_ms:.2f} to {expected.high_ms:.2f} ms" in text
    assert "measured here, 12 points, cross-validated error 12 %" in text
    assert "not \\| measured" in text  # a bar would end its cell of the table
    assert "--hw board" in text


def test_bundle_of_an_unstable_network_says_why(tmp_path: Path) -> None:
    latency = measurement(20.0, stable=False, labels=("samples vary by 9%",))
    chosen = trial(0, latency=latency)
    training = FullTraining(training=StudyConfig().training)
    text = card(study([chosen]), chosen, training, tmp_path)
    assert "(measured, not stable, onnxruntime in fp32 on cpu" in text
    assert "; samples vary by 9%)" in text


def test_memory_that_a_runtime_reports_is_in_the_front_and_on_the_card_and_none_elsewhere(tmp_path: Path) -> None:
    reported = trial(0, latency=measurement(20.0, backend="tensorrt", extra={"runtime_memory_mb": 12.5}))
    silent = trial(1, latency=measurement(10.0), psnr_db=25.0)
    record = study([reported, silent])
    training = FullTraining(training=StudyConfig().training)
    row = "| memory that tensorrt reports | 12.5 MB for activations |"
    assert [row in card(record, each, training, tmp_path) for each in (reported, silent)] == [True, False]
    assert {row["trial"]: row["runtime_memory_mb"] for row in front_rows(record)} == {0: 12.5, 1: None}


def _smaller(bundle: Path) -> None:
    """Crops and batches that two cores train in a moment, set as a user would: by editing train.yaml."""
    config = load_yaml(bundle / "train.yaml")
    for phase in config["training"]["phases"]:
        phase |= {"crop_lr": 24, "batch": 4, "learning_rate": 1e-3}
    config["training"] |= {"precision": "fp32", "memory_format": "contiguous"}
    (bundle / "train.yaml").write_text(yaml.safe_dump(config))


def test_training_improves_the_bundle(studies: Path) -> None:
    bundle = Path(_export(studies, "--knee", "--out", str(studies / "b"))["bundle"])
    _smaller(bundle)
    before = load_network(bundle).state_dict()
    said, errors = answered(["train", str(bundle), "--steps", "80", "--json"])
    assert said["steps"] == 80
    assert Path(said["checkpoint"]).is_file()
    psnr_db = [float(line.split("PSNR")[1].split()[0]) for line in errors.splitlines() if line.startswith("step ")]
    assert said["psnr_db"] == pytest.approx(max(psnr_db), abs=1e-3)
    assert max(psnr_db) > psnr_db[0], psnr_db
    after = load_network(bundle).state_dict()
    assert not all(torch.equal(before[key], after[key]) for key in before)
    assert json.loads((bundle / "bundle.json").read_text())["trained"]["steps"] == 80
    image = np.full((1, 3, 9, 9), 0.5, np.float32)
    with torch.inference_mode():
        expected = load_network(bundle).eval()(torch.from_numpy(image)).numpy()
    session = onnxruntime.InferenceSession(str(bundle / "model.onnx"))
    assert np.abs(session.run(None, {"input": image})[0] - expected).max() < 1e-4


def _here(name: str) -> bool:
    return all(importlib.util.find_spec(package) for package in destination(name).packages)


def test_training_renews_everything_that_is_made_of_the_weights(
    studies: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not _here("ncnn"):
        pytest.skip(destination("ncnn").install)
    bundle = Path(_export(studies, "--knee", "--out", str(studies / "b"), "--for", "ncnn,chainner")["bundle"])
    _smaller(bundle)
    config = load_yaml(bundle / "train.yaml") | {"start": "interpolator"}
    config["training"]["seed"] = 5  # other weights, whether or not a few steps improve them
    (bundle / "train.yaml").write_text(yaml.safe_dump(config))
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    answered(["train", str(bundle), "--steps", "4", "--json"])
    said, _ = answered(["verify", str(bundle), "--json"])
    assert said["ok"], said
    unchanged = {
        path.relative_to(bundle).as_posix() for path, content in before.items() if path.read_bytes() == content
    }
    assert unchanged <= {"spec.json", "train.yaml", "ncnn/model.param", "sample.png", "longest-rung.safetensors"}
    card_ = (bundle / "README.md").read_text()
    assert "**PSNR after full training**, which the weights are of" in card_
    assert "4 steps" in card_
    assert json.loads((bundle / "openmodeldb.json").read_text())["trainingIterations"] == 4

    # Where a package is missing, files of other weights go; the next command brings them back.
    find = importlib.util.find_spec
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None if name == "ncnn" else find(name))
        _, errors = answered(["train", str(bundle), "--steps", "4", "--json", "--overwrite"])
        assert "ncnn/ is no longer in the bundle" in errors
        assert "pip install 'nas-sr[ncnn]'" in errors
        assert not (bundle / "ncnn").exists()
    assert run(["export", str(bundle), "--for", "ncnn"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"next: nas-sr verify {bundle}"
    said, _ = answered(["verify", str(bundle), "--json"])
    assert said["ok"], said
    assert {check["what"] for check in said["checks"]} >= {"ncnn/model.param", "model.onnx"}
    assert (bundle / "training" / "last.ckpt").is_file()
    assert not list(bundle.glob(".*"))


def test_bundle_written_again_from_its_weights(studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Path(_export(studies, "--knee", "--out", str(studies / "b"))["bundle"])
    for options, words in [
        ([], "say what to write it for"),
        (["--knee", "--for", "all"], "takes --for, --optimise, --hw, --licence and --author only"),
        (["--for", "vsmlrt"], "unknown destination 'vsmlrt'; known: vs-mlrt"),
    ]:
        assert run(["export", str(bundle), *options]) == 2
        assert words in capsys.readouterr().err
    (bundle / "model.onnx").write_bytes(b"damaged")
    said, _ = answered(["export", str(bundle), "--for", "vs-mlrt", "--licence", "MIT", "--json"])
    assert (said["trial"], said["left_out"]) == (1, {})
    assert any(Path(name).suffix == ".vpy" for name in said["files"])
    assert answered(["verify", str(bundle), "--json"])[0]["ok"]
    assert "Licence of the weights: MIT." in (bundle / "README.md").read_text()
    answered(["export", str(bundle), "--for", "onnxruntime", "--hw", "cpu", "--json"])  # another size; the rest stays
    assert {path.name for path in bundle.iterdir() if path.is_dir()} == {"vs-mlrt", "onnxruntime"}
    assert (bundle / "onnxruntime" / "model-96x96-fp16.onnx").is_file()

    other = load_network(bundle)
    save_weights({name: tensor * 2 for name, tensor in other.state_dict().items()}, other.spec, bundle / WEIGHTS)
    assert run(["export", str(bundle), "--for", "vs-mlrt"]) == 2
    assert "the card's figures are of other weights" in capsys.readouterr().err


def test_study_and_bundle_of_one_name(studies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(studies.parent)
    where = ["--studies", str(studies), "--json"]
    answered(["export", "s t'1", "--knee", "--out", "s t'1", *where])
    said, _ = answered(["export", "s t'1", "--trial", "3", "--out", "other", *where])  # of the study
    assert said["trial"] == 3
    said, _ = answered(["export", "s t'1", "--for", "vs-mlrt", *where])  # of the bundle
    assert (said["bundle"], said["trial"]) == ("s t'1", 1)


def test_bundle_of_an_earlier_version_is_written_again(studies: Path) -> None:
    bundle = Path(_export(studies, "--knee", "--out", str(studies / "b"))["bundle"])
    origin = json.loads((bundle / "bundle.json").read_text())
    newer = ("card", "target", "written_at", "formats", "left_out", "licence", "author")
    (bundle / "bundle.json").write_text(json.dumps({name: origin[name] for name in origin if name not in newer}))
    for name in ("SHA256SUMS", "sample.png", "openmodeldb.json"):
        (bundle / name).unlink()
    text = (bundle / "README.md").read_text()
    said, _ = answered(["verify", str(bundle), "--json"], status=1)
    assert [check["what"] for check in said["checks"] if check["status"] == "failed"] == ["SHA256SUMS"]
    answered(["export", str(bundle), "--for", "onnxruntime", "--json"])
    assert answered(["verify", str(bundle), "--json"])[0]["ok"]
    assert (bundle / "onnxruntime" / "model-128x128-fp32.onnx").is_file()  # the size of its latency
    assert (bundle / "README.md").read_text() == text


def test_kill_while_a_bundle_is_written_again_leaves_one_that_the_same_command_repairs(
    studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Path(_export(studies, "--knee", "--out", str(studies / "b"))["bundle"])
    replace, calls = os.replace, []

    def stopped(source: Path, target: Path) -> None:
        if Path(target).parent == bundle and not Path(target).name.startswith("."):
            calls.append(target)
            if len(calls) == 3:
                raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stopped)
        assert run(["export", str(bundle), "--for", "chainner", "--licence", "MIT"]) == 130
    said, _ = answered(["verify", str(bundle), "--json"], status=1)
    assert "chainner/" in " ".join(check["what"] for check in said["checks"] if check["status"] == "failed")
    answered(["export", str(bundle), "--for", "chainner", "--json"])
    assert answered(["verify", str(bundle), "--json"])[0]["ok"]


def test_stopped_training_resumes_to_the_same_weights(studies: Path) -> None:
    unbroken = Path(_export(studies, "--knee", "--out", str(studies / "unbroken"))["bundle"])
    _smaller(unbroken)
    stopped = {how: Path(shutil.copytree(unbroken, studies / how.name)) for how in (signal.SIGINT, signal.SIGKILL)}
    answered(["train", str(unbroken), "--steps", "100", "--json"])
    whole = load_network(unbroken).state_dict()

    for how, bundle in stopped.items():
        process = start(["train", str(bundle), "--steps", "100", "--json"], studies.parent)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 20/"):
                break
        process.send_signal(how)
        if how == signal.SIGINT:
            _, errors = finished(process, status=130)
            assert "--resume" in errors
        else:
            process.communicate()
        said, _ = answered(["train", str(bundle), "--resume", "--json"])
        assert said["steps"] == 100
        resumed = load_network(bundle).state_dict()
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_wrong_bundles_are_refused(studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Path(_export(studies, "--knee", "--out", str(studies / "b"))["bundle"])
    assert run(["train", str(bundle), "--resume"]) == 2
    assert "nothing to resume" in capsys.readouterr().err
    (bundle / "training" / "last.ckpt").write_bytes(b"broken")
    assert run(["train", str(bundle), "--resume"]) == 2
    assert "expected is the last.ckpt" in capsys.readouterr().err
    (bundle / "train.yaml").write_text("training: {phases: [{steps: 3}]}\ntrainin: 3")
    assert run(["train", str(bundle)]) == 2
    assert "unknown key 'trainin'" in capsys.readouterr().err
    (bundle / "weights.safetensors").write_bytes(b"")
    assert run(["evaluate", str(bundle), "--data", str(studies)]) == 2
    assert "weights.safetensors: an empty file; expected is" in capsys.readouterr().err
