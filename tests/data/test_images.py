"""Real files of every kind a user has, and broken ones."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from nas_sr.data.images import UnreadableImage, read_rgb, write_png

RGB = np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)


def _write(path: Path, bgr: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), bgr)
    return path


def test_png_comes_back_exactly(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", RGB)
    assert np.array_equal(read_rgb(tmp_path / "a.png"), RGB)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_grey_alpha_and_sixteen_bits_become_rgb(tmp_path: Path) -> None:
    bgr = RGB[:, :, ::-1]
    grey = read_rgb(_write(tmp_path / "grey.png", RGB[:, :, 0]))
    assert np.array_equal(grey, np.repeat(RGB[:, :, :1], 3, axis=2))
    alpha = np.dstack([bgr, np.full(RGB.shape[:2], 7, np.uint8)])
    assert np.array_equal(read_rgb(_write(tmp_path / "alpha.png", alpha)), RGB)
    deep = bgr.astype(np.uint16) * 257 + np.random.default_rng(1).integers(-128, 129, bgr.shape)
    deep = deep.clip(0, 65535).astype(np.uint16)
    assert np.array_equal(read_rgb(_write(tmp_path / "deep.png", deep)), RGB)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".bmp", ".tif"])
def test_other_formats_are_read(tmp_path: Path, suffix: str) -> None:
    smooth = cv2.GaussianBlur(RGB, (0, 0), 5)
    read = read_rgb(_write(tmp_path / f"a{suffix}", smooth[:, :, ::-1]))
    assert np.abs(read.astype(int) - smooth).mean() < 4


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.95])
def test_file_cut_short_is_named(tmp_path: Path, suffix: str, kept: float) -> None:
    whole = _write(tmp_path / f"a{suffix}", RGB).read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    with pytest.raises(UnreadableImage) as raised:
        read_rgb(cut)
    assert str(raised.value).startswith(f"{cut}: ")


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("not an image at all")
    with pytest.raises(UnreadableImage, match="notes"):
        read_rgb(text)
    with pytest.raises(UnreadableImage, match="No such file"):
        read_rgb(tmp_path / "none.png")
