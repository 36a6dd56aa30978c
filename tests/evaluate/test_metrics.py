"""Published figures with the published weights, and the metrics' own properties."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_sr.arch.network import build
from nas_sr.arch.presets import PRESETS, preset
from nas_sr.arch.weights import load_network
from nas_sr.data.image_sets import image_sets
from nas_sr.evaluate.evaluate import bicubic, evaluate, evaluate_folder, network_upscaler, validation_psnr_rgb
from nas_sr.evaluate.metrics import luma, psnr_db, ssim, to_uint8


def test_official_weights_on_set5(images: Path, official_weights: Path) -> None:
    upscaler = network_upscaler(load_network(official_weights))
    scores = evaluate_folder(upscaler, images / "Set5", 4)
    assert scores.n == 5
    assert scores.psnr_y_db == pytest.approx(32.135, abs=0.005)
    assert scores.ssim_y == pytest.approx(0.8946, abs=0.0005)
    assert scores.psnr_rgb_db == pytest.approx(30.235, abs=0.005)
    assert evaluate_folder(upscaler, images / "Set5", 4, rounded_y=True).psnr_y_db == pytest.approx(32.114, abs=0.005)


def test_official_weights_on_set14(images: Path, official_weights: Path) -> None:
    scores = evaluate_folder(network_upscaler(load_network(official_weights)), images / "Set14", 4)
    assert scores.psnr_y_db == pytest.approx(28.649, abs=0.005)
    assert scores.psnr_rgb_db == pytest.approx(26.835, abs=0.005)


@pytest.mark.parametrize(
    ("name", "psnr_y_db"), [("Set5", 28.43), ("Set14", 26.09), ("BSD100", 25.96), ("Kodak24", 27.23)]
)
def test_bicubic(images: Path, name: str, psnr_y_db: float) -> None:
    assert evaluate_folder(bicubic(4), images / name, 4).psnr_y_db == pytest.approx(psnr_y_db, abs=0.006)


@pytest.mark.parametrize("name", PRESETS)
def test_untrained_network_is_nearly_bicubic(name: str) -> None:
    pack = image_sets(None, None, 4, 24).val
    untrained = validation_psnr_rgb(build(preset(name), seed=0), pack)
    assert untrained > evaluate(bicubic(4), pack, 4).psnr_rgb_db - 0.3


@pytest.mark.parametrize("scale", [2, 3])
def test_untrained_network_is_nearly_bicubic_at_other_scales(scale: int) -> None:
    pack = image_sets(None, None, scale, 24).val
    untrained = validation_psnr_rgb(build(preset("imdeception-c4").at_scale(scale), seed=0), pack)
    assert untrained > evaluate(bicubic(scale), pack, scale).psnr_rgb_db - 0.3


def test_untrained_network_on_kodak(images: Path) -> None:
    network = build(preset("imdeception-c8"), seed=1)
    scores = evaluate_folder(network_upscaler(network), images / "Kodak24", 4)
    assert scores.psnr_rgb_db > evaluate_folder(bicubic(4), images / "Kodak24", 4).psnr_rgb_db - 0.3


def test_psnr_by_hand() -> None:
    black, grey = np.zeros((12, 12, 3), np.uint8), np.full((12, 12, 3), 16, np.uint8)
    assert psnr_db(black, grey, 4) == pytest.approx(20 * np.log10(255 / 16))
    assert psnr_db(grey, grey, 0) == float("inf")
    grey[:2] = 200  # outside of the border that counts
    assert psnr_db(black, grey, 2) == pytest.approx(20 * np.log10(255 / 16))


def test_luma_of_the_corners_of_the_cube() -> None:
    corners = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], np.uint8)
    assert luma(corners)[0] == pytest.approx([16, 235, 16 + 65.481])
    assert luma(corners, rounded=True)[0].tolist() == [16, 235, 81]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_ssim_is_one_for_equal_images_symmetric_and_below_one_otherwise(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.uniform(0, 255, (2, 24, 20))
    assert ssim(a, a, 0) == pytest.approx(1)
    assert ssim(a, b, 0) == pytest.approx(ssim(b, a, 0))
    assert ssim(a, b, 0) < 1


def test_output_is_rounded_and_clamped() -> None:
    values = torch.tensor([-0.5, 0.0, 0.49 / 255, 0.51 / 255, 254.6 / 255, 1.0, 7.0])
    output = values.reshape(1, 1, 1, 7).expand(1, 3, 1, 7)
    assert to_uint8(output)[0, :, 0].tolist() == [0, 0, 0, 1, 255, 255, 255]
