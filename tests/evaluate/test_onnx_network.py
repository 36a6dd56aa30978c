"""Other people's networks as upscalers: every layout, type and range gives the same image, and a wrong one is found."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from nas_sr.errors import UsageError, WorkError
from nas_sr.evaluate.evaluate import ReadablePair
from nas_sr.evaluate.onnx_convention import convention_of
from nas_sr.evaluate.onnx_network import Convention, OnnxNetwork
from nas_sr.evaluate.onnx_upscaler import check_scale, whole_image_upscaler
from tests.onnx_files import BYTES, FLOAT, HALF, OPEN, OPEN_LAST, enlarger, saved

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (17, 29, 3), dtype=np.uint8)


def _images(blue: int = 256) -> list[ReadablePair]:
    """Blocks with a little noise: repeating pixels is nearly right, and bicubic is far off."""

    images: list[ReadablePair] = []
    for name in "abc":
        lr = RANDOM.integers(0, 256, (20, 24, 3))
        lr[..., 2] = lr[..., 2] * blue // 256
        hr = lr.repeat(4, axis=0).repeat(4, axis=1)
        noisy = np.clip(hr + RANDOM.integers(-3, 4, hr.shape), 0, 255)
        pair = lr.astype(np.uint8), noisy.astype(np.uint8)
        images.append((name, partial(tuple, pair)))
    return images


@pytest.mark.parametrize(
    "made",
    [
        {"shape": OPEN},
        {"shape": (-1, 3, -1, -1)},
        {"shape": (0, 3, 0, 0)},
        {"shape": OPEN_LAST, "last": True},
        {"shape": ("unk__1", "unk__2", "unk__3", 3), "last": True},
        {"kind": HALF},
        {"kind": BYTES, "white_in": 255, "white_out": 255},
        {"kind": BYTES, "output": FLOAT, "white_in": 255, "white_out": 255},
        {"kind": BYTES, "shape": OPEN_LAST, "last": True, "white_in": 255, "white_out": 255},
        {"scale": 2},
    ],
)
def test_image_is_enlarged_whatever_layout_and_type(tmp_path: Path, made: dict[str, Any]) -> None:
    network = OnnxNetwork(saved(enlarger(**made), tmp_path / "n.onnx"))
    assert network.scale == made.get("scale", 4)
    upscale = whole_image_upscaler(network, network.conventions()[0])
    expected = IMAGE.repeat(network.scale, axis=0).repeat(network.scale, axis=1)
    assert np.abs(upscale(IMAGE).astype(int) - expected).max() <= (made.get("kind") == HALF)
    deep = upscale(IMAGE.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    assert np.abs(deep.astype(int) - expected.astype(int) * 257).max() <= (80 if made.get("kind") == HALF else 0)


def test_image_of_one_pixel_has_no_layout_of_its_own(tmp_path: Path) -> None:
    """Enlarged by 3, it is (1, 3, 3, 3) either way."""
    pixel = np.array([[[10, 200, 90]]], np.uint8)
    for last in (False, True):
        model = enlarger(OPEN_LAST if last else OPEN, last=last, scale=3)
        network = OnnxNetwork(saved(model, tmp_path / "n.onnx"))
        upscale = whole_image_upscaler(network, Convention())
        assert np.array_equal(upscale(pixel), np.broadcast_to(pixel, (3, 3, 3)))


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ({}, Convention()),
        ({"white_in": 255, "white_out": 255}, Convention(255, 255)),
        ({"white_in": 1, "white_out": 255}, Convention(1, 255)),
        ({"white_in": 255, "white_out": 1}, Convention(255, 1)),
        ({"kind": HALF, "white_in": 255, "white_out": 255}, Convention(255, 255)),
        ({"kind": BYTES, "white_in": 255, "white_out": 255}, Convention(255, 255)),
        ({"kind": BYTES, "output": FLOAT, "white_in": 255, "white_out": 1}, Convention(255, 1)),
        ({"output": BYTES, "white_out": 255}, Convention(1, 255)),
        ({"output": BYTES, "white_in": 255, "white_out": 255}, Convention(255, 255)),
        ({"ceiling": (0.3, 1, 1)}, Convention(bgr=True)),
        ({"ceiling": (0.3, 1, 1), "white_in": 255, "white_out": 255}, Convention(255, 255, bgr=True)),
    ],
)
def test_convention_is_found_by_trying_and_said(tmp_path: Path, made: dict[str, Any], found: Convention) -> None:
    network = OnnxNetwork(saved(enlarger(**made), tmp_path / "n.onnx"))
    convention, note = convention_of(network, _images(blue=60 if "ceiling" in made else 256))
    assert convention == found
    if found == network.conventions()[0]:
        assert note == ""
    else:
        assert f"read as {found}" in note
        assert "bicubic" in note


def test_network_that_is_bad_by_every_convention_is_kept_as_it_is_and_said(tmp_path: Path) -> None:
    network = OnnxNetwork(saved(enlarger(ceiling=(0.1, 0.1, 0.1)), tmp_path / "n.onnx"))
    convention, note = convention_of(network, _images())
    assert convention == Convention()
    assert "far below bicubic" in note
    assert "tried: RGB, 0..255" in note
    assert "--range" in note


def test_range_that_the_user_says_is_not_doubted(tmp_path: Path) -> None:
    network = OnnxNetwork(saved(enlarger(white_in=255, white_out=255), tmp_path / "n.onnx"))
    assert convention_of(network, _images(), 255) == (Convention(255, 255), "")
    convention, note = convention_of(network, _images(), 1)
    assert (convention.white_in, convention.white_out) == (1, 1)
    assert "far below bicubic" in note


def test_images_that_cannot_be_upscaled_are_no_score(tmp_path: Path) -> None:
    network = OnnxNetwork(saved(enlarger(), tmp_path / "n.onnx"))
    tiny = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(WorkError, match="too small to score"):
        convention_of(network, [("tiny", lambda: (tiny, np.zeros((8, 8, 3), np.uint8)))])


def test_weights_beside_the_file_are_used_and_missing_ones_named(tmp_path: Path) -> None:
    path = saved(enlarger(), tmp_path / "n.onnx", beside=True)
    upscale = whole_image_upscaler(OnnxNetwork(path), Convention())
    assert np.array_equal(upscale(IMAGE)[::4, ::4], IMAGE)
    (tmp_path / "n.onnx.data").unlink()
    with pytest.raises(UsageError, match=r"n\.onnx\.data: No such file"):
        OnnxNetwork(path)


def test_what_makes_no_larger_image_is_refused(tmp_path: Path) -> None:
    two = enlarger()
    two.graph.output.add().CopyFrom(helper.make_tensor_value_info("mixed", FLOAT, ["b", 3, "h", "w"]))
    unloadable = enlarger()
    unloadable.graph.node[2].op_type = "Sharpen"
    grey = enlarger()
    weights = next(each for each in grey.graph.initializer if each.name == "weights")
    weights.dims[0] = 1
    weights.raw_data = weights.raw_data[:12]
    next(node for node in grey.graph.node if node.op_type == "Min").input[1] = "high"
    for model, words in [
        (two, "2 outputs"),
        (unloadable, "ONNX Runtime cannot load it"),
        (grey, r"makes \[1, 1, 64, 96\] of an image of 24x16 pixels; an RGB image"),
        (enlarger((1, 3, 32, 48)), "takes images of 48x32 pixels; a file for any height and width"),
        (enlarger((1, 3, 32, "w")), "takes images of anyx32 pixels"),
        (enlarger(("a", "b", "c", "d")), "--layout nchw"),
    ]:
        with pytest.raises(UsageError, match=words) as raised:
            OnnxNetwork(saved(model, tmp_path / "n.onnx"))
        assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="does not enlarge by 4 but by 2"):
        check_scale(OnnxNetwork(saved(enlarger(scale=2), tmp_path / "n.onnx")), 4, "as is compared here")
