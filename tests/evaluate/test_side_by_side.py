"""The picture shows the pixels that were compared, where it matters, and never fails on a size."""

from pathlib import Path

import numpy as np
import pytest

from nas_sr.data.images import read_rgb
from nas_sr.evaluate.side_by_side import side_by_side, worst_places, write_side_by_side

RANDOM = np.random.default_rng(0)


def _contains(page: np.ndarray, patch: np.ndarray) -> bool:
    """Whether the patch is somewhere on the page, pixel for pixel."""
    height, width = patch.shape[:2]
    corners = np.argwhere((page[: 1 - height or None, : 1 - width or None] == patch[0, 0]).all(axis=2))
    return any(np.array_equal(page[y : y + height, x : x + width], patch) for y, x in corners)


def test_worst_places_are_where_the_error_is_and_do_not_overlap() -> None:
    error = np.zeros((300, 400))
    error[200:220, 300:330] = 50
    error[20:30, 10:20] = 30
    error[0, :] = 1000  # in the border, which is not scored
    first, second = worst_places(error, border=4)
    for (rows, columns), (y, x) in ((first, (210, 315)), (second, (25, 15))):
        assert rows.start <= y < rows.stop
        assert columns.start <= x < columns.stop
        assert rows.stop - rows.start == columns.stop - columns.start == 80
        assert rows.start >= 4
        assert columns.start >= 4


def test_picture_holds_the_pixels_close_up() -> None:
    hr = RANDOM.integers(0, 256, (120, 130, 3), dtype=np.uint8)
    poor, good = hr // 2, hr.copy()
    poor[10:90, 20:100] = 0
    page = side_by_side("a.png", hr, {"poor": poor, "good": good}, 4)
    rows, columns = worst_places(np.abs(hr.astype(float) - poor).mean(axis=2), 4)[0]
    for image in (hr, poor):
        assert _contains(page, image[rows, columns].repeat(3, axis=0).repeat(3, axis=1))
    assert _contains(page, np.zeros((240, 240, 3), np.uint8) + page[-20, -20])  # no error at all is one dark colour
    assert page[-20, -20].max() < 10


@pytest.mark.parametrize("size", [(19, 19), (19, 500), (700, 30), (90, 2000)])
def test_any_size_and_number_of_models(size: tuple[int, int]) -> None:
    hr = RANDOM.integers(0, 256, (*size, 3), dtype=np.uint8)
    for count in (1, 4):
        outputs = {f"a model with a very long name, number {number}": 255 - hr for number in range(count)}
        page = side_by_side("an image with a name that is very long as well.png", hr, outputs, 4)
        assert page.dtype == np.uint8
        assert page.shape[1] > count * 240


def test_file_is_named_after_the_image(tmp_path: Path) -> None:
    hr = RANDOM.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for name in ("DIV2K_valid_HR/0801.png", "a.jpg", "a.png"):
        write_side_by_side(tmp_path / "out", name, hr, {"same": hr}, 4)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "DIV2K_valid_HR-0801.png",
        "a.jpg.png",
        "a.png",
    ]
    assert read_rgb(tmp_path / "out" / "a.png").shape[2] == 3
    write_side_by_side(tmp_path / "none", "a.png", hr, {}, 4)
    assert not (tmp_path / "none").exists()
