"""Published figures with the published weights, and what is known to go wrong in other people's evaluations.

`tests/benchmarks/published_figures.py` prints the whole table; BSD100 in full takes half a minute on one core.
"""

import functools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from nas_sr.data.folders import find_pairs
from nas_sr.data.resize import downscale
from nas_sr.data.user_images import read_picture
from nas_sr.evaluate.benchmark import open_benchmark
from nas_sr.evaluate.evaluate import Scores, bicubic, evaluate_images
from nas_sr.evaluate.metrics import luma, psnr_db, to_samples
from nas_sr.evaluate.upscalers import Upscaler, network_upscaler, to_batch
from nas_sr.families.weights import load_network


@functools.cache
def _published(weights: Path) -> Upscaler:
    """With a memory, since several tests ask for the same images."""
    upscaler = network_upscaler(load_network(weights))
    known: dict[bytes, np.ndarray] = {}

    def enlarge(image: np.ndarray) -> np.ndarray:
        key = image.tobytes()
        if key not in known:
            known[key] = upscaler.enlarge(image)
        return known[key]

    return Upscaler(upscaler.tiling, enlarge)


@functools.cache
def _pairs(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    return [pair.read(4) for pair in find_pairs(folder, 4).pairs]


def _scores(upscaler: Upscaler, folder: Path, first: int | None = None, rounded_y: bool = False) -> Scores:
    sources = open_benchmark(folder, 4).sources[:first]
    scores = evaluate_images({"": upscaler}, sources, 4, rounded_y=rounded_y)[""]
    assert scores.problems == ()
    assert scores.n == len(sources)
    return scores


def _mean_psnr_y(upscaler: Upscaler, pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    return float(np.mean([psnr_db(luma(upscaler(lr)), luma(hr), 4) for lr, hr in pairs]))


@pytest.mark.parametrize(
    ("name", "psnr_y_db", "rounded_db", "ssim_y", "psnr_rgb_db"),
    [("Set5", 32.135, 32.114, 0.8946, 30.235), ("Set14", 28.649, 28.639, 0.7826, 26.835)],
)
def test_published_weights(
    images: Path,
    official_weights: Path,
    name: str,
    psnr_y_db: float,
    rounded_db: float,
    ssim_y: float,
    psnr_rgb_db: float,
) -> None:
    scores = _scores(_published(official_weights), images / name)
    assert scores.psnr_y_db == pytest.approx(psnr_y_db, abs=0.0006)
    assert scores.ssim_y == pytest.approx(ssim_y, abs=0.00006)
    assert scores.psnr_rgb_db == pytest.approx(psnr_rgb_db, abs=0.0006)
    rounded = _scores(_published(official_weights), images / name, rounded_y=True)
    assert rounded.psnr_y_db == pytest.approx(rounded_db, abs=0.0006)


def test_published_weights_on_the_first_images_of_bsd100(images: Path, official_weights: Path) -> None:
    """Values of the run over all 100, whose means (27.603, 0.7369, 26.258) are the published ones."""
    scores = _scores(_published(official_weights), images / "BSD100", first=10)
    assert scores.psnr_y_db == pytest.approx(27.6624, abs=0.0006)
    assert scores.ssim_y == pytest.approx(0.75829, abs=0.00006)
    assert scores.psnr_rgb_db == pytest.approx(26.3255, abs=0.0006)


@pytest.mark.parametrize(
    ("name", "psnr_y_db", "ssim_y"),
    [("Set5", 28.43, 0.8111), ("Set14", 26.09, 0.7048), ("BSD100", 25.96, 0.6681), ("Kodak24", 27.23, 0.7194)],
)
def test_bicubic(images: Path, name: str, psnr_y_db: float, ssim_y: float) -> None:
    scores = _scores(bicubic(4), images / name)
    assert scores.psnr_y_db == pytest.approx(psnr_y_db, abs=0.0055)
    assert scores.ssim_y == pytest.approx(ssim_y, abs=0.00006)


def test_set14_in_the_literature_takes_the_grey_image_as_it_is(images: Path) -> None:
    figures = []
    for pair in find_pairs(images / "Set14", 4).pairs:
        lr, hr = pair.read(4)
        stored_grey = read_picture(pair.hr).colour.shape[2] == 1
        output = bicubic(4)(lr)
        own = (output[:, :, 0], hr[:, :, 0]) if stored_grey else (luma(output), luma(hr))
        figures.append(psnr_db(*own, 4))
    assert np.mean(figures) == pytest.approx(26.00, abs=0.0055)


def test_what_truncation_and_full_range_cost(images: Path, official_weights: Path) -> None:
    network = load_network(official_weights).eval()
    rounded, truncated, full_range = [], [], []
    for lr, hr in _pairs(images / "Set5"):
        with torch.inference_mode():
            output = network(to_batch(lr))
        image = to_samples(output, np.dtype(np.uint8))
        cut = to_samples(((output * 255).floor() / 255), np.dtype(np.uint8))
        rounded.append(psnr_db(luma(image), luma(hr), 4))
        truncated.append(psnr_db(luma(cut), luma(hr), 4))
        full_range.append(psnr_db(*((luma(one) - 16) * 255 / 219 for one in (image, hr)), 4))
    assert np.mean(rounded) - np.mean(truncated) == pytest.approx(0.02, abs=0.005)
    assert np.mean(rounded) - np.mean(full_range) == pytest.approx(1.32, abs=0.005)


def test_what_another_downscaler_costs(images: Path, official_weights: Path) -> None:
    pairs = _pairs(images / "Set5")
    other = [
        (cv2.resize(hr, (lr.shape[1], lr.shape[0]), interpolation=cv2.INTER_CUBIC), hr) for lr, hr in pairs
    ]  # not antialiased
    upscaler = _published(official_weights)
    assert _mean_psnr_y(upscaler, pairs) - _mean_psnr_y(upscaler, other) == pytest.approx(8, abs=0.3)


def test_mirrored_edges_change_the_outer_two_pixels_only(images: Path) -> None:
    for lr, hr in _pairs(images / "Set5"):
        mirrored = downscale(np.pad(hr, ((16, 16), (16, 16), (0, 0)), mode="symmetric"), 4)[4:-4, 4:-4]
        assert np.array_equal(mirrored[2:-2, 2:-2], lr[2:-2, 2:-2])
