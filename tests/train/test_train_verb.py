"""`nas-sr train` as a user meets it: messages, refusals, exit statuses."""

import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from nas_sr.cli.main import run
from nas_sr.config import FullTraining, Phase, Training, write_yaml
from nas_sr.errors import UsageError
from nas_sr.export.bundle import read_bundle
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.weights import load_network, save_weights
from nas_sr.files import held_alone, write_json
from nas_sr.train import console_view, session
from nas_sr.train.recipes import CHOICES
from nas_sr.yaml_file import load_yaml
from tests.train.quick import SPEC

TRAINING = Training(
    phases=(
        Phase(steps=4, loss="charbonnier", batch=2, crop_lr=16, ema=0.9, validate_every=2),
        Phase(steps=2, loss="l2", batch=2, crop_lr=16),
    ),
    precision="fp32",
    memory_format="contiguous",
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """As `nas-sr export` leaves one, with a training of six steps."""
    folder = tmp_path / "a bundle"
    folder.mkdir()
    write_json(folder / "spec.json", SPEC.to_json())
    write_yaml(folder / "train.yaml", FullTraining(training=TRAINING), CHOICES)
    network = build(SPEC, 0)
    torch.nn.init.constant_(network.out.bias, 0.05)  # too bright: a few steps make it better
    save_weights(network.state_dict(), SPEC, folder / "weights.safetensors")
    return folder


@pytest.fixture
def train(bundle: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the verb and gives exit status, standard output and standard error."""

    def call(*options: str) -> tuple[int, str, str]:
        status = run(["train", str(bundle), *options])
        said = capsys.readouterr()
        return status, said.out, " ".join(said.err.split())

    return call


@pytest.fixture
def stopped(train: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A training that is interrupted with Ctrl-C while it validates step 2; gives what it said."""

    def call(*options: str) -> str:
        calls = []
        validate = session.validation_psnr_rgb

        def interrupted(*arguments: Any) -> float:
            calls.append(1)
            if len(calls) == 2:
                signal.raise_signal(signal.SIGINT)
            return validate(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(session, "validation_psnr_rgb", interrupted)
            status, _, errors = train(*options)
        assert status == 130
        return errors

    return call


def _edit(bundle: Path, **first_phase: Any) -> None:
    config = load_yaml(bundle / "train.yaml")
    config["training"]["phases"][0] |= first_phase
    (bundle / "train.yaml").write_text(yaml.safe_dump(config))


def test_answer_and_what_is_said(train: Callable, bundle: Path) -> None:
    before = load_network(bundle).state_dict()
    status, output, errors = train("--json")
    assert status == 0
    answer = json.loads(output)
    assert answer.keys() == {"checkpoint", "steps", "psnr_db", "start"}
    assert answer["steps"] == 6
    assert Path(answer["checkpoint"]).is_file()
    assert "steps run on cpu, fp32, contiguous, as the config says" in errors
    assert f"best {answer['psnr_db']:.3f} dB" in errors
    assert any((bundle / "training" / "tensorboard").iterdir())
    after = load_network(bundle).state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert json.loads((bundle / "bundle.json").read_text())["trained"] == {
        "steps": 6, "psnr_db": answer["psnr_db"], "start": "weights as exported",
    }  # fmt: skip


def test_interrupted_training_is_resumed_and_not_replaced(train: Callable, stopped: Callable, bundle: Path) -> None:
    errors = stopped()
    assert f"checkpoint written; continue with: nas-sr train '{bundle}' --resume" in errors
    with pytest.raises(UsageError, match=r"last.ckpt: a checkpoint to resume a training from; .* give the bundle"):
        load_network(bundle / "training" / "last.ckpt")
    status, _, errors = train()
    assert status == 2
    assert "a training stopped at step 2 of 6; continue it with --resume, or begin anew with --overwrite" in errors
    status, output, errors = train("--resume")
    assert status == 0
    assert "resumed after step 2 of 6, best so far" in errors
    assert "steps run on cpu, fp32, contiguous, as when it was begun" in errors
    assert "6 steps, validation PSNR from " in output
    assert "nan" not in output
    trained = load_network(bundle).state_dict()
    assert train("--resume")[0] == 0  # nothing is left to do, and nothing changes
    assert all(torch.equal(value, trained[name]) for name, value in load_network(bundle).state_dict().items())


def test_begun_anew(train: Callable, stopped: Callable) -> None:
    stopped()
    status, _, errors = train("--overwrite", "--steps", "2")
    assert status == 0
    assert "step 2/2" in errors


def test_resumed_as_it_was_begun(train: Callable, stopped: Callable, bundle: Path) -> None:
    path = bundle / "train.yaml"
    path.write_text(path.read_text().replace("tensorboard: true", "tensorboard: false"))
    stopped("--steps", "4")
    _edit(bundle, learning_rate=0.1)
    for options in [(), ("--data", "not-there")]:  # said before any image is looked at
        status, _, errors = train("--resume", *options)
        assert status == 2
        assert "training.phases.0.learning_rate was 0.001 and is now 0.1" in errors
    _edit(bundle, learning_rate=0.001)
    status, _, errors = train("--resume", "--steps", "5")
    assert status == 2
    assert "steps was 4 and is now 5" in errors
    status, output, _ = train("--resume", "--json")
    assert status == 0
    assert json.loads(output)["steps"] == 4
    assert not (bundle / "training" / "tensorboard").exists()


def test_images_that_changed_are_refused(train: Callable, stopped: Callable, tmp_path: Path) -> None:
    for folder, count in [("photos", 3), ("val", 1)]:
        (tmp_path / folder / "HR").mkdir(parents=True)
        for number in range(count):
            noise = np.random.default_rng([count, number]).integers(0, 256, (96, 96, 3), np.uint8)
            cv2.imwrite(str(tmp_path / folder / "HR" / f"{number}.png"), noise)
    stopped("--data", str(tmp_path / "photos"), "--val", str(tmp_path / "val"))
    shutil.move(tmp_path / "photos", tmp_path / "moved")
    shutil.copy(tmp_path / "moved" / "HR" / "0.png", tmp_path / "kept.png")
    (tmp_path / "moved" / "HR" / "0.png").unlink()
    options = ("--resume", "--data", str(tmp_path / "moved"), "--val", str(tmp_path / "val"))
    status, _, errors = train(*options)
    assert status == 2
    assert "training_images was 3 images, digest" in errors
    assert "and is now 2 images, digest" in errors
    shutil.copy(tmp_path / "kept.png", tmp_path / "moved" / "HR" / "0.png")
    assert train(*options)[0] == 0  # the same images elsewhere


def test_files_of_another_network_are_refused(train: Callable, stopped: Callable, bundle: Path) -> None:
    stopped()
    other = ImdeceptionSpec(core=8, gidbs=2, depth=2, head=16, nla_after=(1,))
    save_weights(build(other, 0).state_dict(), other, bundle / "weights.safetensors")
    status, _, errors = train("--resume")
    assert status == 2
    assert "weights.safetensors: of another network: core was 8 and is now 4;" in errors
    assert "parameters differ: gidbs.0.gblocks.0.grouped.weight (" in errors
    write_json(bundle / "spec.json", other.to_json())
    status, _, errors = train("--resume")
    assert status == 2
    assert "last.ckpt: of another network: core was 4 and is now 8;" in errors


def test_diverged_training_says_what_to_do(train: Callable, bundle: Path) -> None:
    _edit(bundle, learning_rate=1.0, clip=1e9, steps=40, schedule={"kind": "cosine", "warmup": 0.0}, loss="l2")
    before = (bundle / "weights.safetensors").read_bytes()
    status, _, errors = train()
    assert status == 1
    assert "training diverged" in errors
    assert "lower learning_rate in train.yaml and begin anew with --overwrite" in errors
    assert (bundle / "weights.safetensors").read_bytes() == before
    assert (bundle / "training" / "best.safetensors").is_file()


def test_more_workers_than_images_in_a_batch(train: Callable) -> None:
    status, _, errors = train("--workers", "3")
    assert status == 2
    assert "3 workers cannot share a batch of 2; use 2 or fewer" in errors


def test_every_schedule_can_be_chosen_in_the_file(bundle: Path) -> None:
    head = (bundle / "train.yaml").read_text()
    for kind in ("knee", "cosine", "one_cycle", "warmup_constant_decay"):
        assert kind in head.split("training:")[0]  # the file says what there is
        knee = {"warmup": 0.1, "hold": 0.4, "cooldown": 0.4, "after": "restart"} if kind == "knee" else {}
        _edit(bundle, schedule={"kind": kind, **knee})
        assert read_bundle(bundle)[1].training.phases[0].schedule.kind == kind
    _edit(bundle, schedule={"kind": "linear"})
    with pytest.raises(UsageError) as raised:
        read_bundle(bundle)
    assert "train.yaml: training.phases.0.schedule" in str(raised.value)
    assert "'cosine', 'knee', 'one_cycle', 'warmup_constant_decay'" in str(raised.value)


def test_one_training_at_a_time(bundle: Path, train: Callable[..., tuple[int, str, str]]) -> None:
    (bundle / "training").mkdir()
    with held_alone(bundle / "training" / ".training", "unused"):
        status, _, errors = train()
    assert status == 2
    assert "another training is running in it" in errors
    assert train()[0] == 0


def test_without_a_terminal_a_line_now_and_then_says_how_long_it_takes(
    train: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_view, "_PLAIN_LINE_EVERY_S", 0)
    assert re.search(r"step 3/6 best \d\d\.\d{3} dB [\d.]+/s 0:00:\d\d left", train()[2])
