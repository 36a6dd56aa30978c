"""From a study to a bundle to a trained network, through the command line."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml

from nas_sr.arch.network import build
from nas_sr.arch.spec import ArchSpec
from nas_sr.arch.weights import load_network, save_weights
from nas_sr.cli.main import run
from nas_sr.config import FullTraining, StudyConfig, load_yaml, read_yaml
from nas_sr.files import write_json
from nas_sr.search.candidate import write_curve
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.space import parse_space
from tests.report.study_records import measurement
from tests.search.quick import finished, start

SPACE = parse_space({"fixed": {"depth": 2, "head": 16}, "parameters": {"core": [2, 4, 6], "gidbs": [1, 2]}}, Path("s"))
POINTS = [(25.0, 10.0), (25.8, 12.0), (26.0, 20.0), (25.5, 30.0)]


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A folder with a study of four trials; number 3 is dominated. The figures are made up, the weights are real."""
    environment = {"bicubic_psnr_db": 24.5, "data": {"description": "made up", "smallest_lr": 106}}
    store = StudyStore.create(tmp_path / "studies" / "s t'1", StudyConfig(), environment)
    proposals = Proposals(store, SPACE)
    for psnr_db, latency_ms in POINTS:
        proposal = proposals.ask()
        assert proposal
        folder = store.trial_folder(proposal.number)
        write_json(folder / "latency.json", measurement(latency_ms).model_dump(mode="json"))
        save_weights(build(proposal.spec, proposal.number).state_dict(), proposal.spec, folder / "weights.safetensors")
        write_curve(folder / "curve.csv", [])
        figure = measurement(latency_ms).latency_ms
        proposals.tell(proposal.number, Outcome("complete", psnr_db, (figure,)))
    return tmp_path / "studies"


def _export(studies: Path, *options: str) -> dict:
    said, errors = finished(start(["export", "s t'1", "--studies", str(studies), "--json", *options], studies.parent))
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

    for options, words in [
        (["--max-latency", "1"], "no network within 1 ms; the fastest is trial 0"),
        (["--min-psnr", "40"], "no network reaches 40 dB; the best is trial 2"),
        (["--trial", "17"], "trial 17 does not exist; complete trials: 0, 1, 2, 3"),
        (["--knee", "--trial", "1"], "exactly one of"),
    ]:
        assert run(["export", "s t'1", "--studies", str(studies), *options]) == 2
        assert words in capsys.readouterr().err
    assert run(["export", "s t'1", "--studies", str(studies), "--knee"]) == 2  # it is there already
    assert "--overwrite" in capsys.readouterr().err


def test_bundle_holds_one_network_in_three_forms(studies: Path) -> None:
    said = _export(studies, "--knee", "--out", str(studies / "b"))
    bundle = Path(said["bundle"])
    assert {Path(name).name for name in said["files"]} == {
        "spec.json", "weights.safetensors", "model.onnx", "train.yaml", "bundle.json", "README.md",
    }  # fmt: skip
    network = load_network(bundle).eval()
    assert network.spec == ArchSpec.read(bundle / "spec.json")
    session = onnxruntime.InferenceSession(str(bundle / "model.onnx"))
    for height, width in ((5, 7), (33, 64)):
        image = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(image)).numpy()
        assert np.abs(session.run(None, {"input": image})[0] - expected).max() < 1e-4
    card = (bundle / "README.md").read_text()
    assert "measured" in card
    assert "nas-sr train" in card
    config = read_yaml(bundle / "train.yaml", FullTraining)
    assert config.training.steps == 800 * (2000 + 1300)
    assert config.training.phases[0].crop_lr == 104


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
    said, errors = finished(start(["train", str(bundle), "--steps", "80", "--json"], studies.parent))
    assert said["steps"] == 80
    assert Path(said["checkpoint"]).is_file()
    psnr_db = [float(line.split("PSNR")[1].split()[0]) for line in errors.splitlines() if line.startswith("step ")]
    assert said["psnr_db"] == pytest.approx(max(psnr_db), abs=1e-3)
    assert max(psnr_db) > psnr_db[0]
    after = load_network(bundle).state_dict()
    assert not all(torch.equal(before[key], after[key]) for key in before)
    assert json.loads((bundle / "bundle.json").read_text())["trained"]["steps"] == 80
    image = np.full((1, 3, 9, 9), 0.5, np.float32)
    with torch.inference_mode():
        expected = load_network(bundle).eval()(torch.from_numpy(image)).numpy()
    session = onnxruntime.InferenceSession(str(bundle / "model.onnx"))
    assert np.abs(session.run(None, {"input": image})[0] - expected).max() < 1e-4


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_training_resumes_to_the_same_weights(studies: Path, how: signal.Signals) -> None:
    bundles = [Path(_export(studies, "--knee", "--out", str(studies / name))["bundle"]) for name in "ab"]
    for bundle in bundles:
        _smaller(bundle)
    finished(start(["train", str(bundles[0]), "--steps", "100", "--json"], studies.parent))

    process = start(["train", str(bundles[1]), "--steps", "100", "--json"], studies.parent)
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
    time.sleep(0.1)
    said, _ = finished(start(["train", str(bundles[1]), "--resume", "--json"], studies.parent))
    assert said["steps"] == 100
    whole, resumed = (load_network(bundle).state_dict() for bundle in bundles)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_wrong_bundles_are_refused(studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Path(_export(studies, "--knee", "--out", str(studies / "b"))["bundle"])
    assert run(["train", str(bundle), "--resume"]) == 2
    assert "nothing to resume" in capsys.readouterr().err
    (bundle / "training" / "last.ckpt").write_bytes(b"broken")
    assert run(["train", str(bundle), "--resume"]) == 2
    assert "not a usable checkpoint" in capsys.readouterr().err
    (bundle / "train.yaml").write_text("training: {phases: [{steps: 3}]}\ntrainin: 3")
    assert run(["train", str(bundle)]) == 2
    assert "unknown key 'trainin'" in capsys.readouterr().err
    (bundle / "weights.safetensors").write_bytes(b"")
    assert run(["evaluate", str(bundle), "--data", str(studies)]) == 2
    assert "not a readable safetensors file" in capsys.readouterr().err
