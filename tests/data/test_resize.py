"""Bicubic against MATLAB's own output, and the properties of an interpolation."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nas_sr.data.folders import find_pairs
from nas_sr.data.images import read_rgb
from nas_sr.data.resize import crop_to_multiple, downscale, upscale

IMAGES = arrays.arrays(np.uint8, st.tuples(st.integers(4, 24), st.integers(4, 24), st.just(3)))


@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
def test_every_published_lr_image_bit_for_bit(images: Path, name: str) -> None:
    found = find_pairs(images / name, 4)
    assert len(found.pairs) == {"Set5": 5, "Set14": 14, "BSD100": 100}[name]
    for pair in found.pairs:
        assert pair.lr is not None
        assert np.array_equal(downscale(read_rgb(pair.hr), 4), read_rgb(pair.lr)), pair.name


@settings(max_examples=40, deadline=None)
@given(IMAGES, st.sampled_from([2, 3, 4]))
def test_sizes_and_symmetries(image: np.ndarray, scale: int) -> None:
    small, large = downscale(image, scale), upscale(image, scale)
    assert small.shape == (image.shape[0] // scale, image.shape[1] // scale, 3)
    assert large.shape == (image.shape[0] * scale, image.shape[1] * scale, 3)
    # Each row is filtered alike: mirroring columns before or after is the same.
    assert np.array_equal(upscale(image[:, ::-1], scale), large[:, ::-1])
    whole = crop_to_multiple(image, scale)
    assert np.array_equal(downscale(whole[::-1], scale), small[::-1])


@given(st.integers(0, 255), st.sampled_from([2, 3, 4]))
def test_flat_image_stays_flat(value: int, scale: int) -> None:
    flat = np.full((8, 12, 3), value, np.uint8)
    assert (downscale(flat, scale) == value).all()
    assert (upscale(flat, scale) == value).all()


def test_image_smaller_than_the_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4x4"):
        downscale(np.zeros((3, 9, 3), np.uint8), 4)
