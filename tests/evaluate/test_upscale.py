"""Files in, larger files out, and nothing overwritten by accident."""

from pathlib import Path

import numpy as np
import pytest

from nas_sr.data.images import read_rgb, write_png
from nas_sr.errors import UsageError, WorkError
from nas_sr.evaluate.evaluate import bicubic
from nas_sr.evaluate.upscale import upscale_files

IMAGE = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def test_image_and_folder(tmp_path: Path) -> None:
    write_png(tmp_path / "in" / "a.png", IMAGE)
    write_png(tmp_path / "in" / "b.png", IMAGE[:5])
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no image")
    said: list[str] = []
    files = upscale_files(bicubic(3), tmp_path / "in", tmp_path / "out", left_out=said.append)
    assert files == [tmp_path / "out" / "a.png", tmp_path / "out" / "b.png"]
    assert read_rgb(files[0]).shape == (27, 21, 3)
    assert "broken.jpg" in said[0]
    one = upscale_files(bicubic(3), tmp_path / "in" / "a.png", tmp_path / "one.png")
    assert np.array_equal(read_rgb(one[0]), read_rgb(files[0]))


def test_existing_files_are_kept_unless_told(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", IMAGE)
    write_png(tmp_path / "b.png", IMAGE)
    before = (tmp_path / "b.png").read_bytes()
    with pytest.raises(UsageError, match="--overwrite"):
        upscale_files(bicubic(2), tmp_path / "a.png", tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes() == before
    upscale_files(bicubic(2), tmp_path / "a.png", tmp_path / "b.png", overwrite=True)
    assert read_rgb(tmp_path / "b.png").shape == (18, 14, 3)


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such image"):
        upscale_files(bicubic(2), tmp_path / "none.png", tmp_path / "b.png")
    with pytest.raises(UsageError, match="no images"):
        upscale_files(bicubic(2), tmp_path, tmp_path / "out")
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(WorkError, match=r"broken\.png"):
        upscale_files(bicubic(2), tmp_path / "broken.png", tmp_path / "b.png")
    write_png(tmp_path / "a.png", IMAGE)
    with pytest.raises(UsageError, match=r"\.png"):
        upscale_files(bicubic(2), tmp_path / "a.png", tmp_path / "b.gif")
    write_png(tmp_path / "two" / "x.png", IMAGE)
    write_png(tmp_path / "two" / "y.png", IMAGE)
    (tmp_path / "two" / "y.png").rename(tmp_path / "two" / "x.jpg")
    with pytest.raises(UsageError, match="both become"):
        upscale_files(bicubic(2), tmp_path / "two", tmp_path / "out")
