"""The pixels that candidates are validated on, and the figure on them."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_sr.data.image_sets import image_sets
from nas_sr.data.pack import Entry, Pack
from nas_sr.evaluate.evaluate import bicubic, evaluate
from nas_sr.evaluate.validation import (
    CROP_LR,
    Crop,
    ValidationSet,
    bounded,
    everything,
    mean_psnr_rgb,
    shared_out,
    validation_psnr_rgb,
)
from nas_sr.families.network import build
from nas_sr.families.presets import preset

SIDES = st.integers(13, 400)


class Sized(Pack):
    """A pack of which only the sizes are known."""

    def __init__(self, sizes: list[tuple[int, int]], scale: int) -> None:
        self.scale, self.folder = scale, Path("sized")
        self.entries = [Entry(f"{i}", h, w, 0, "", "") for i, (h, w) in enumerate(sizes)]


@pytest.fixture(scope="module")
def pack() -> Pack:
    return image_sets(None, None, 4, 24).val


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=40), st.floats(0.001, 8), st.sampled_from([2, 3, 4]))
@settings(max_examples=60, deadline=None)
def test_bounded_set_lies_inside_the_images_apart_and_within_its_bound(
    sizes: list[tuple[int, int]], megapixels: float, scale: int
) -> None:
    pack = Sized(sizes, scale)
    found = bounded(pack, megapixels)
    assert found.crops == bounded(Sized(sizes, scale), megapixels).crops  # on every day
    assert len(found.crops) >= 1
    if everything(pack).megapixels <= megapixels:
        assert found.is_everything
        return
    assert found.megapixels <= max(megapixels, (CROP_LR * scale) ** 2 / 1e6)
    pixels: set[tuple[int, int, int]] = set()
    for crop in found.crops:
        height, width = sizes[crop.image]
        assert 0 <= crop.top <= height - crop.height
        assert 0 <= crop.left <= width - crop.width
        here = {(crop.image, crop.top + y, crop.left + x) for y in range(crop.height) for x in range(crop.width)}
        assert not pixels & here
        pixels |= here


def test_crops_are_spread_over_all_images_and_all_over_each() -> None:
    found = bounded(Sized([(320, 480)] * 100, 4), 20.0, side=64)
    assert found.images == 100
    per_image = [sum(crop.image == image for crop in found.crops) for image in range(100)]
    assert set(per_image) == {3, 4}
    few = bounded(Sized([(320, 480)] * 100, 4), 2.0, side=64)
    images = sorted({crop.image for crop in few.crops})
    assert len(images) == len(few.crops) == 30  # one each, of every third image
    assert max(b - a for a, b in pairwise(images)) <= 4
    for side, positions in ((320, {crop.top for crop in few.crops}), (480, {crop.left for crop in few.crops})):
        assert len(positions) == side // 64  # every row and column of crops is used


@given(st.integers(0, 50), st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_sharing_out_is_as_even_as_there_is_room(count: int, room: list[int]) -> None:
    given_out = shared_out(count, room)
    assert sum(given_out) == min(count, sum(room))
    for given_here, most in zip(given_out, room, strict=True):
        assert given_here <= most
        if given_here < most:
            assert given_here >= max(given_out) - 1


def test_it_says_what_is_looked_at(pack: Pack) -> None:
    assert str(everything(pack)) == "3 whole images, 0.19 megapixels"
    assert str(bounded(Sized([(320, 480)] * 100, 4), 2.0)) == "122 crops in 100 of 100 images, 2.00 of 246 megapixels"


def test_whole_images_have_the_figure_of_an_evaluation(pack: Pack) -> None:
    expected = evaluate(bicubic(4), pack, 4).psnr_rgb_db
    assert mean_psnr_rgb(bicubic(4), everything(pack)) == pytest.approx(expected, abs=1e-9)


def test_network_and_upscaler_are_scored_on_the_same_pixels(pack: Pack) -> None:
    part = ValidationSet(pack, (Crop(0, 3, 5, 20, 20), Crop(0, 30, 31, 20, 24), Crop(2, 0, 0, 16, 16)))
    network = build(preset("imdeception-c4"), seed=0).eval()
    found = validation_psnr_rgb(network, part)
    errors: dict[int, list[float]] = {}
    for image, top, left, height, width in part.crops:
        lr = np.ascontiguousarray(pack.lr(image)[top : top + height, left : left + width])
        hr = pack.hr(image)[4 * top : 4 * (top + height), 4 * left : 4 * (left + width)].astype(float)
        with torch.no_grad():
            output = network(torch.from_numpy(lr).permute(2, 0, 1)[None].float() / 255)
        large = (output[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
        errors.setdefault(image, []).append(float(np.mean((large - hr)[4:-4, 4:-4] ** 2)))
    by_hand = np.mean([10 * math.log10(255**2 / np.mean(each)) for each in errors.values()])
    assert found == pytest.approx(by_hand, abs=1e-3)


def test_flat_image_is_no_infinity(pack: Pack) -> None:
    class Flat(Sized):
        def lr(self, index: int) -> np.ndarray:
            return np.full((20, 20, 3), 7, np.uint8)

        def hr(self, index: int) -> np.ndarray:
            return np.full((80, 80, 3), 7, np.uint8)

    assert mean_psnr_rgb(bicubic(4), everything(Flat([(20, 20)], 4))) == pytest.approx(58.92, abs=0.01)


def test_measurement_can_have_the_device_between_images_and_between_layers(pack: Pack) -> None:
    network = build(preset("imdeception-c4"), seed=0)
    calls: list[int] = []
    part = bounded(pack, 0.07)
    quiet = validation_psnr_rgb(network, part)
    assert validation_psnr_rgb(network, part, lambda: calls.append(1)) == quiet
    assert len(calls) > len(part.crops) * 20
    before = len(calls)
    network(torch.rand(1, 3, 8, 8))
    assert len(calls) == before  # nothing stays behind
