"""LR images that belong to their HR images, and those that do not, on real photographs."""

from itertools import permutations

import cv2
import numpy as np
import pytest

from nas_sr.data.demo import demonstration
from nas_sr.data.matching import Match, match, other_downscales
from nas_sr.data.resize import crop_to_multiple, downscale
from tests.data.pictures import image

PHOTOGRAPHS = [photograph for role in ("train", "val") for _, photograph in demonstration(role)]
SMALLEST = min(min(photograph.shape[:2]) for photograph in PHOTOGRAPHS) // 12 * 12
SQUARES = [np.ascontiguousarray(photograph[:SMALLEST, :SMALLEST]) for photograph in PHOTOGRAPHS]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_downscale_is_recognised_everywhere(scale: int) -> None:
    for photograph in PHOTOGRAPHS:
        hr = crop_to_multiple(photograph, scale)
        found = match(downscale(hr, scale), hr, scale)
        assert found.same_picture
        assert found.bicubic_db == float("inf")
        assert found.is_bicubic


@pytest.mark.parametrize("how", [cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4, cv2.INTER_NEAREST])
def test_other_downscales_are_of_the_same_picture(how: int) -> None:
    for hr in SQUARES:
        lr = cv2.resize(hr, (SMALLEST // 4, SMALLEST // 4), interpolation=how)
        assert match(lr, hr, 4).same_picture
    assert not all(match(cv2.resize(hr, lr.shape[:2], interpolation=how), hr, 4).is_bicubic for hr in SQUARES)


def test_swapped_images_are_not() -> None:
    small = [downscale(hr, 4) for hr in SQUARES]
    left, right = 2, 3  # one scene, seen by two cameras beside each other
    for a, b in permutations(range(len(SQUARES)), 2):
        found = match(small[a], SQUARES[b], 4)
        assert not found.is_bicubic
        assert {a, b} == {left, right} or not found.same_picture


@pytest.mark.parametrize(
    "change",
    [lambda lr: lr[:, ::-1], lambda lr: lr[::-1], lambda lr: 255 - lr, np.zeros_like, lambda lr: np.rot90(lr)],
    ids=["mirrored", "upside down", "negative", "black", "turned"],
)
def test_changed_images_are_not(change) -> None:
    for hr in SQUARES:
        found = match(np.ascontiguousarray(change(downscale(hr, 4))), hr, 4)
        assert not found.is_bicubic
        assert not found.same_picture


def test_shift_by_one_pixel_is_told_from_bicubic() -> None:
    for hr in SQUARES:
        assert not match(np.roll(downscale(hr, 4), 1, axis=1), hr, 4).is_bicubic


@pytest.mark.parametrize("size", [(4, 4), (8, 4), (12, 200), (36, 32), (260, 36)])
def test_small_and_narrow_images_can_be_compared(size: tuple[int, int]) -> None:
    hr = image(*size)
    assert match(downscale(hr, 4), hr, 4) == Match(pytest.approx(1, abs=0.05), float("inf"))


def test_flat_image_matches_its_downscale() -> None:
    hr = np.full((64, 64, 3), 130, np.uint8)
    assert match(downscale(hr, 4), hr, 4).same_picture
    assert not match(np.full((16, 16, 3), 100, np.uint8), hr, 4).same_picture


def test_other_downscales_are_told_once_with_the_farthest() -> None:
    assert other_downscales({"a": 60.0, "b": float("inf")}) == []
    (line,) = other_downscales({"a": 60.0, "b": 27.04, "c": 30.0})
    assert line.startswith("2 LR images")
    assert "b is the farthest from it (27.0 dB)" in line
