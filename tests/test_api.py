"""What a notebook calls does what the verbs do, and importing it is quick."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nas_sr import api
from nas_sr.config import FullTraining, Phase, Training, write_yaml
from nas_sr.data.images import read_rgb, write_png
from nas_sr.errors import UsageError, WorkError
from nas_sr.families.network import build
from nas_sr.families.presets import preset
from nas_sr.families.weights import save_weights
from nas_sr.files import write_json
from nas_sr.train.recipes import CHOICES
from tests.search.made_study import made_study
from tests.search.quick import write_configs
from tests.search.without_ray import without_ray
from tests.train.quick import SPEC

ROOT = Path(__file__).parents[1]


def test_importing_is_quick() -> None:
    heavy = "('torch', 'ray', 'optuna', 'onnx', 'onnxruntime', 'pandas', 'plotly', 'cv2', 'scipy', 'pydantic', 'rich')"
    loaded = f"import sys, nas_sr.api; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "[]\n"


def test_every_function_is_typed_and_documented() -> None:
    for name in api.__all__:
        function = getattr(api, name)
        assert "return" in function.__annotations__
        for part in ("Args:", "Raises:", f"api.{name}("):
            assert part in function.__doc__
    assert (ROOT / "nas_sr" / "py.typed").is_file()


def test_a_search_and_its_study(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_configs(tmp_path)
    options = {"config": tmp_path / "study.yaml", "studies": tmp_path / "studies", "name": "quick", "quiet": True}
    with without_ray():
        found = api.search(budget=2, **options)
    study = found.study
    assert not found.space_exhausted
    assert [trial.state for trial in study.trials if trial.repeats is None] == ["complete"] * 2
    assert study.front
    assert api.load_study("quick", studies=tmp_path / "studies").front == study.front
    assert api.load_study(tmp_path / "studies" / "quick", "quick-cpu") == api.load_study(study.study_dir)
    assert capfd.readouterr().err == ""
    with without_ray():  # the same call, with nothing left to do, and a larger budget
        again = api.search(budget=2, **options)
        more = api.search(budget=3, **options)
    assert len(again.study.trials) == len(study.trials)
    assert len([trial for trial in more.study.trials if trial.repeats is None]) == 3


def test_study_that_comes_with_the_project() -> None:
    study = api.load_study(ROOT / "studies" / "example")
    assert len(study.trials) == 12
    front = [study.trial(number) for number in study.front]
    assert len(front) == 4
    assert all(trial.latency and trial.latency.kind == "measured" for trial in front)
    table = (ROOT / "reports" / "example" / "pareto.csv").read_text().splitlines()
    assert [int(line.split(",")[0]) for line in table[1:]] == list(study.front)


def test_no_such_study(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no study there"):
        api.load_study("nothing", studies=tmp_path)
    store = made_study(tmp_path / "made")
    with pytest.raises(UsageError, match="unknown target of study 'made' 'gpu'; known: cpu"):
        api.load_study(store.folder, "gpu")


def test_a_latency(tmp_path: Path) -> None:
    write_configs(tmp_path)
    hw, told = tmp_path / "quick-cpu.yaml", []
    found = api.measure(SPEC, hw, progress=told.append)
    assert (found.kind, found.target) == ("measured", "quick-cpu")
    assert found.latency_ms > 0
    assert told
    (tmp_path / "spec.json").write_text(SPEC.model_dump_json())
    assert api.measure(tmp_path / "spec.json", hw) == found  # kept, and named in another way
    with pytest.raises(UsageError, match="unknown hardware 'cpuu'; known: cpu"):
        api.measure("imdeception-c4", "cpuu")
    with pytest.raises(UsageError, match=r"none\.onnx"):
        api.measure("none.onnx", hw)


def test_a_training(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    training = Training(phases=(Phase(steps=4, batch=2, crop_lr=16, validate_every=2),), precision="fp32")
    training = training.model_copy(update={"memory_format": "contiguous"})
    write_json(bundle / "spec.json", SPEC.to_json())
    write_yaml(bundle / "train.yaml", FullTraining(training=training, tensorboard=False), CHOICES)
    network = build(SPEC, 0)
    torch.nn.init.constant_(network.out.bias, 0.05)  # too bright: a few steps make it better
    save_weights(network.state_dict(), SPEC, bundle / "weights.safetensors")
    trained = api.train(bundle, steps=2, quiet=True)
    assert trained.steps == 2
    assert trained.psnr_db >= trained.start_psnr_db
    assert (bundle / "model.onnx").is_file()
    with pytest.raises(UsageError, match="not a bundle"):
        api.train(tmp_path)


def test_larger_images(tmp_path: Path) -> None:
    spec = preset("imdeception-c4")
    weights = tmp_path / "weights.safetensors"
    save_weights(build(spec, 0).state_dict(), spec, weights)
    for name in ("a", "b"):
        write_png(tmp_path / "in" / f"{name}.png", np.full((12, 20, 3), 90, np.uint8))
    (one,) = api.upscale(weights, tmp_path / "in" / "a.png", tmp_path / "a.png", device="cpu")
    assert read_rgb(one).shape == (48, 80, 3)
    files = api.upscale("bicubic", [tmp_path / "in"], f"{tmp_path}/out/", scale=2)
    assert [path.name for path in files] == ["a.png", "b.png"]
    assert read_rgb(files[0]).shape == (24, 40, 3)
    with pytest.raises(UsageError, match=r"exist"):
        api.upscale("bicubic", tmp_path / "in", f"{tmp_path}/out/")
    (tmp_path / "in" / "c.png").write_bytes(b"no image")
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(WorkError, match=r"1 of 3 images not upscaled; the first: .*c\.png"):
        api.upscale("bicubic", tmp_path / "in", f"{tmp_path}/out/")
    assert len(list((tmp_path / "out").iterdir())) == 2
