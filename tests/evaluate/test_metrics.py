"""The metrics' own properties, and what an untrained network scores."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from nas_sr.data.image_sets import image_sets
from nas_sr.evaluate.evaluate import bicubic, evaluate, evaluate_images
from nas_sr.evaluate.metrics import luma, psnr_db, ssim, to_samples
from nas_sr.evaluate.tiles import Tiling
from nas_sr.evaluate.upscalers import Upscaler
from nas_sr.evaluate.validation import validation_psnr_rgb
from nas_sr.families.imdeception import FAMILY as IMDECEPTION
from nas_sr.families.network import build
from nas_sr.families.presets import preset


@pytest.mark.parametrize("name", IMDECEPTION.presets)
def test_untrained_network_is_nearly_bicubic(name: str) -> None:
    pack = image_sets(None, None, 4, 24).val
    untrained = validation_psnr_rgb(build(preset(name), seed=0), pack)
    assert untrained > evaluate(bicubic(4), pack, 4).psnr_rgb_db - 0.3


@pytest.mark.parametrize("scale", [2, 3])
def test_untrained_network_is_nearly_bicubic_at_other_scales(scale: int) -> None:
    pack = image_sets(None, None, scale, 24).val
    untrained = validation_psnr_rgb(build(preset("imdeception-c4").at_scale(scale), seed=0), pack)
    assert untrained > evaluate(bicubic(scale), pack, scale).psnr_rgb_db - 0.3


def test_psnr_by_hand() -> None:
    black, grey = np.zeros((12, 12, 3), np.uint8), np.full((12, 12, 3), 16, np.uint8)
    assert psnr_db(black, grey, 4) == pytest.approx(20 * np.log10(255 / 16))
    assert psnr_db(grey, grey, 0) == float("inf")
    grey[:2] = 200  # outside of the border that counts
    assert psnr_db(black, grey, 2) == pytest.approx(20 * np.log10(255 / 16))


@pytest.mark.parametrize("rows", [9, 263, 264, 265, 700])
def test_psnr_of_a_tall_picture_is_that_of_all_its_pixels(rows: int) -> None:
    a, b = np.random.default_rng(rows).integers(0, 256, (2, rows, 17, 3), dtype=np.uint8)
    error = np.mean((a[4:-4, 4:-4].astype(float) - b[4:-4, 4:-4]) ** 2)
    assert psnr_db(a, b, 4) == pytest.approx(10 * np.log10(255**2 / error), rel=1e-12)
    y = 16 + a.astype(float) @ [65.481, 128.553, 24.966] / 255
    assert (luma(a) == y).all()
    assert (luma(a, rounded=True) == np.floor(y + 0.5)).all()


def test_memory_of_scoring_is_the_pictures_their_luma_and_a_strip() -> None:
    shape = (4000, 1000, 3)
    lr, hr = np.zeros((1000, 250, 3), np.uint8), np.full(shape, 128, np.uint8)
    nearest = Upscaler(Tiling(4, 0), lambda image: image.repeat(4, axis=0).repeat(4, axis=1))
    tracemalloc.start()
    try:
        scores = evaluate_images({"nearest": nearest}, [("picture", lambda: (lr, hr))], 4)["nearest"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert scores.n == 1
    pixels, strip = shape[0] * shape[1], 266 * shape[1]
    assert peak < pixels * (3 + 2 * 8) + strip * 8 * 20


def test_luma_of_the_corners_of_the_cube() -> None:
    corners = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], np.uint8)
    assert luma(corners)[0] == pytest.approx([16, 235, 16 + 65.481])
    assert luma(corners, rounded=True)[0].tolist() == [16, 235, 81]


@pytest.mark.parametrize("rows", [11, 40, 266, 267, 700])  # a strip is 256 and the window's reach
def test_ssim_is_that_of_scikit_image(rows: int) -> None:
    random = np.random.default_rng(0)
    a = random.uniform(0, 255, (rows, 33))
    b = a + random.normal(0, 20, a.shape)
    expected = structural_similarity(
        a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, truncate=3.4, full=True
    )[1][5:-5, 5:-5].mean()
    assert ssim(a, b, 0) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_ssim_is_one_for_equal_images_symmetric_and_below_one_otherwise(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.uniform(0, 255, (2, 24, 20))
    assert ssim(a, a, 0) == pytest.approx(1)
    assert ssim(a, b, 0) == pytest.approx(ssim(b, a, 0))
    assert ssim(a, b, 0) < 1


@pytest.mark.parametrize(("kind", "highest"), [(np.uint8, 255), (np.uint16, 65535)])
def test_output_is_rounded_and_clamped(kind: type, highest: int) -> None:
    values = torch.tensor([-0.5, 0.0, 0.49 / highest, 0.51 / highest, (highest - 0.4) / highest, 1.0, 7.0])
    samples = to_samples(values.reshape(1, 1, 1, 7).expand(1, 3, 1, 7), np.dtype(kind))
    assert samples.dtype == kind
    assert samples[0, :, 0].tolist() == [0, 0, 0, 1, highest, highest, highest]


def test_output_that_is_not_finite_is_an_error_not_a_pixel() -> None:
    with pytest.raises(ArithmeticError, match="not finite"):
        to_samples(torch.full((1, 3, 2, 2), float("nan")), np.dtype(np.uint8))
