"""evaluate and upscale as a user calls them: JSON keys, tables, files, exit statuses."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas_sr.cli.main import run
from nas_sr.data.images import read_rgb, write_png
from nas_sr.data.resize import upscale
from nas_sr.export.bundle import write_weights
from nas_sr.families.network import build
from nas_sr.families.presets import preset
from nas_sr.families.weights import save_weights

RANDOM = np.random.default_rng(0)
IMAGE = upscale(RANDOM.integers(0, 256, (12, 10, 3), dtype=np.uint8), 4)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two image sets and a bundle's weights."""
    monkeypatch.chdir(tmp_path)
    write_png(tmp_path / "SetA" / "HR" / "a.png", IMAGE)
    write_png(tmp_path / "SetA" / "HR" / "b.png", IMAGE[:40])
    write_png(tmp_path / "SetB" / "c.png", IMAGE[::-1])
    (tmp_path / "bundle").mkdir()
    write_weights(tmp_path / "bundle", build(preset("imdeception-c4"), seed=0))
    return tmp_path


def _json(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict:
    assert run([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_contract_of_evaluate(capsys: pytest.CaptureFixture[str], images: Path) -> None:
    said = _json(capsys, "evaluate", "bicubic", "--data", str(images / "Set5"))
    assert set(said) >= {"n", "psnr_y_db", "ssim_y", "psnr_rgb_db", "per_image"}
    assert said["n"] == 5
    assert said["psnr_y_db"] == pytest.approx(28.43, abs=0.005)
    assert "bicubic" not in said  # its figures are those already


@pytest.mark.usefixtures("here")
def test_evaluate_one_and_several(capsys: pytest.CaptureFixture[str]) -> None:
    one = _json(capsys, "evaluate", "bundle", "--data", "SetA")
    assert (one["model"], one["data"], one["scale"], one["n"], one["y"]) == ("bundle", "SetA", 4, 2, "float")
    assert one["bicubic"]["model"] == "bicubic"
    several = _json(
        capsys, "evaluate", "bundle", "bundle/model.onnx", "--data", "SetA", "--data", "SetB", "--rounded-y"
    )
    assert [(entry["model"], entry["data"]) for entry in several["results"]] == [
        (model, data) for data in ("SetA", "SetB") for model in ("bicubic", "bundle", "bundle/model.onnx")
    ]
    torch, onnx = several["results"][1:3]
    assert torch["psnr_y_db"] == pytest.approx(onnx["psnr_y_db"], abs=0.01)
    assert torch["y"] == "rounded"


def test_evaluate_writes_tables_and_pictures(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    command = ["evaluate", "bundle", "--data", "SetA", "--data", "SetB", "--csv", "out/figures.csv"]
    assert run([*command, "--pictures", "out/pictures", "--per-image"]) == 0
    said = capsys.readouterr()
    assert "SetA, x4, 2 images, Y float" in said.out
    assert "SetB, x4, 1 images, Y float" in said.out
    assert said.out.count("bicubic ") >= 2
    assert "SetA: no LR images for x4; made by MATLAB's bicubic" in said.err
    rows = list(csv.DictReader((here / "out" / "figures.csv").open()))
    assert {row["model"] for row in rows} == {"bicubic", "bundle"}
    pictures = sorted(str(path.relative_to(here / "out")) for path in (here / "out" / "pictures").rglob("*.png"))
    assert pictures == ["pictures/SetA-x4/a.png", "pictures/SetA-x4/b.png", "pictures/SetB-x4/c.png"]


def test_image_that_cannot_be_scored_is_status_1_after_the_others(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "SetA" / "HR" / "broken.png").write_bytes(b"no image")
    assert run(["evaluate", "bicubic", "--data", "SetA", "--json", "--csv", "figures.csv"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["n"] == 2
    assert "broken.png" in json.loads(said.out)["problems"][0]
    assert said.err.splitlines()[-1].startswith(
        "nas-sr: not everything could be scored and drawn (1): SetA/HR/broken.png"
    )
    assert (here / "figures.csv").exists()


@pytest.mark.usefixtures("here")
def test_unwritable_places_are_said_before_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("no folder")
    for option, place, words in [
        ("--csv", "file/figures.csv", "cannot write to file"),
        ("--csv", "SetA", "SetA: is a folder; --csv takes a file"),
        ("--pictures", "file", "cannot write to file"),
    ]:
        assert run(["evaluate", "bicubic", "--data", "SetA", option, place]) == 2
        said = capsys.readouterr()
        assert words in said.err
        assert said.out == ""


def test_contract_of_upscale(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    network = build(preset("imdeception-c4"), seed=0)
    save_weights(network.state_dict(), network.spec, here / "w.safetensors")
    said = _json(capsys, "upscale", "w.safetensors", "SetB/c.png", "large.png")
    assert said == {"files": ["large.png"], "problems": []}
    assert read_rgb(here / "large.png").shape == (192, 160, 3)


@pytest.mark.usefixtures("here")
def test_upscale_in_both_runtimes_with_tiles(capsys: pytest.CaptureFixture[str]) -> None:
    for folder, extra in (("torch", []), ("onnx", ["--runtime", "onnxruntime"]), ("tiles", ["--tile", "32"])):
        assert run(["upscale", "bundle", "SetA/HR/*.png", "SetB", f"{folder}/", *extra]) == 0
        assert capsys.readouterr().out.splitlines() == [f"{folder}/{name}.png" for name in "abc"]
    for name in "abc":
        torch, onnx, tiles = (read_rgb(Path(folder) / f"{name}.png") for folder in ("torch", "onnx", "tiles"))
        assert np.abs(torch.astype(int) - onnx).max() <= 1
        assert np.abs(torch.astype(int) - tiles).max() <= 1


def test_upscale_a_folder_with_a_broken_image(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    (here / "SetB" / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    said = _json(capsys, "upscale", "bicubic", "SetB", "out", "--scale", "2", status=1)
    assert said["files"] == ["out/c.png"]
    assert said["problems"] == ["SetB/broken.jpg: cut short or corrupt"]
    assert run(["upscale", "bicubic", "SetB", "out", "--scale", "2"]) == 2
    assert "out/c.png would be overwritten; say --overwrite" in capsys.readouterr().err
    assert run(["upscale", "bicubic", "SetB", "out", "--scale", "2", "--skip-existing"]) == 1
    said_now = capsys.readouterr()
    assert said_now.out == ""
    assert said_now.err == "nas-sr: SetB/broken.jpg: cut short or corrupt\n"
    assert [path.name for path in (here / "out").iterdir()] == ["c.png"]


def test_nothing_left_to_do_is_fine(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    assert run(["upscale", "bicubic", "SetB", "out", "--scale", "2"]) == 0
    capsys.readouterr()
    assert _json(capsys, "upscale", "bicubic", "SetB", "out", "--skip-existing") == {"files": [], "problems": []}
    assert read_rgb(here / "out" / "c.png").shape == (96, 80, 3)


def test_photograph_keeps_what_it_carries(here: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    Image.fromarray(IMAGE).save(here / "photo.jpg", exif=exif)
    assert run(["upscale", "bicubic", "photo.jpg", "large.jpg", "--scale", "3", "--quality", "90"]) == 0
    with Image.open(here / "large.jpg") as large:
        assert large.size == (IMAGE.shape[0] * 3, IMAGE.shape[1] * 3)  # upright: turned by a quarter
        assert large.getexif()[0x010F] == "Maker"
        assert large.getexif().get(0x0112, 1) == 1


def test_interrupted_folder_keeps_what_is_done(here: Path) -> None:
    """A real process, interrupted by Ctrl-C after its first file: that file is whole, and nothing else is there."""
    for index in range(30):
        write_png(here / "many" / f"{index:02}.png", RANDOM.integers(0, 256, (300, 300, 3), dtype=np.uint8))
    command = [sys.executable, "-c", "from nas_sr.cli import main; main()", "upscale", "bicubic", "many", "out"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "out/00.png\n"
        process.send_signal(2)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("nas-sr: interrupted")
    files = sorted((here / "out").iterdir())
    assert 1 <= len(files) < 30
    for file in files:
        assert file.suffix == ".png"
        assert read_rgb(file).shape == (1200, 1200, 3)


def test_names_that_are_no_text_do_not_stop_the_others(here: Path) -> None:
    for name in (b"a\xff.png", b"b.png"):
        Path(os.fsdecode(os.fsencode(here) + b"/odd/" + name)).parent.mkdir(exist_ok=True)
        write_png(Path(os.fsdecode(os.fsencode(here) + b"/odd/" + name)), IMAGE)
    done = subprocess.run(
        [sys.executable, "-c", "from nas_sr.cli import main; main()", "upscale", "bicubic", "odd", "out"],
        cwd=here, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [b"out/a\xff.png", b"out/b.png"]
