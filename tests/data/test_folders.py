"""The layouts in which DIV2K, Flickr2K and people's own images come."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nas_sr.data.folders import find_all_pairs, find_pairs
from nas_sr.data.images import UnreadableImage, write_png
from nas_sr.data.resize import downscale
from nas_sr.errors import UsageError
from tests.data.pictures import image, write_div2k, write_images


def test_our_layout_pairs_hr_with_lr(tmp_path: Path) -> None:
    write_images(tmp_path / "HR", ["a.png", "b.png"])
    lr = image(16, 24)
    write_png(tmp_path / "LRx4" / "a.png", lr)
    found = find_pairs(tmp_path, 4)
    assert [pair.name for pair in found.pairs] == ["a.png", "b.png"]
    assert np.array_equal(found.pairs[0].read(4)[0], lr)  # the file, not a new downscaling
    made, hr = found.pairs[1].read(4)
    assert np.array_equal(made, downscale(hr, 4))
    assert "b.png" in found.problems[0]


@pytest.mark.parametrize("given", [".", "DIV2K_train_HR"])
def test_div2k_layout(tmp_path: Path, given: str) -> None:
    write_div2k(tmp_path, "DIV2K_train", ["0001", "0002"])
    write_div2k(tmp_path, "DIV2K_valid", ["0801"])
    found = find_pairs(tmp_path / given, 4)
    assert [(pair.name, pair.hr.name, pair.lr and pair.lr.name) for pair in found.pairs] == [
        ("0001.png", "0001.png", "0001x4.png"),
        ("0002.png", "0002.png", "0002x4.png"),
    ]
    assert not found.unpaired
    assert any("2 images; 800 were published" in note for note in found.notes)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("given", [["DF2K"], ["DF2K/DIV2K", "DF2K/Flickr2K"], ["DF2K/Flickr2K", "DF2K"]])
def test_df2k_is_found_in_one_folder_or_in_several(tmp_path: Path, given: list[str], scale: int) -> None:
    write_div2k(tmp_path / "DF2K" / "DIV2K", "DIV2K_train", ["0001"], scale=scale)
    write_div2k(tmp_path / "DF2K" / "DIV2K", "DIV2K_valid", ["0801"], scale=scale)
    write_div2k(tmp_path / "DF2K" / "Flickr2K", "Flickr2K", ["000001", "000002"], scale=scale)
    found = find_all_pairs([tmp_path / folder for folder in given], scale)
    assert {pair.name: pair.lr and pair.lr.name for pair in found.pairs} == {
        "DIV2K_train_HR/0001.png": f"0001x{scale}.png",
        "Flickr2K_HR/000001.png": f"000001x{scale}.png",
        "Flickr2K_HR/000002.png": f"000002x{scale}.png",
    }


def test_sets_of_equal_names_keep_their_images_apart(tmp_path: Path) -> None:
    for folder in ("a/photos/HR", "b/photos/HR", "c"):
        write_images(tmp_path / folder, ["1.png"])
    found = find_all_pairs([tmp_path / "a" / "photos", tmp_path / "b" / "photos", tmp_path / "c"], 4)
    names = [pair.name for pair in found.pairs]
    assert len(set(names)) == 3
    assert names[0].endswith("a/photos/1.png")


def test_images_without_a_partner_are_counted_and_named(tmp_path: Path) -> None:
    write_div2k(tmp_path, "Flickr2K", ["000001", "000002", "000003", "000004"])
    lr = tmp_path / "Flickr2K_LR_bicubic" / "X4"
    (tmp_path / "Flickr2K_HR" / "000002.png").unlink()
    (lr / "000003x4.png").unlink()
    (lr / "000004x4.png").unlink()
    found = find_pairs(tmp_path, 4)
    assert {path.name for path, _ in found.unpaired} == {"000002x4.png", "000003.png", "000004.png"}
    assert any("000003.png and 1 more: no LR image" in problem for problem in found.problems)


def test_no_lr_at_all_is_nothing_to_speak_of(tmp_path: Path) -> None:
    assert find_pairs(write_images(tmp_path / "photos", ["a.png"]), 4).problems == []


def test_lr_of_another_picture_is_refused_with_both_names(tmp_path: Path) -> None:
    write_div2k(tmp_path, "Flickr2K", ["000001", "000002"])
    lr = tmp_path / "Flickr2K_LR_bicubic" / "X4"
    (lr / "000001x4.png").replace(lr / "other.png")
    (lr / "000002x4.png").replace(lr / "000001x4.png")
    (lr / "other.png").replace(lr / "000002x4.png")
    for pair in find_pairs(tmp_path, 4).pairs:
        pair.read(4)  # both can be read
        with pytest.raises(UnreadableImage, match="not a downscale of") as raised:
            pair.read_matching(4)
        assert raised.value.path == pair.lr
        assert str(pair.hr) in raised.value.why


def test_dangling_link_is_an_unreadable_image(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png"])
    (tmp_path / "b.png").symlink_to(tmp_path / "nowhere.png")
    pairs = find_pairs(tmp_path, 4).pairs
    assert pairs[1].stamp() == ["b.png", 0, 0]
    assert pairs[1].hr_pixels() == 0
    with pytest.raises(UnreadableImage, match=r"b\.png: No such file"):
        pairs[1].read(4)


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder of images that this process may not list, even where tests run as root."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        write_images(Path(folder) / "HR", ["a.png"])
        (Path(folder) / "HR").chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            if root:
                os.seteuid(0)
            (Path(folder) / "HR").chmod(0o755)


@pytest.mark.parametrize("given", [".", "HR"])
def test_folder_that_may_not_be_read_is_named(closed: Path, given: str) -> None:
    with pytest.raises(UsageError, match=r"HR: cannot be read: Permission denied"):
        find_pairs(closed / given, 4)
