"""The layouts in which benchmark sets, DIV2K, Flickr2K and people's own images come."""

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

HR = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
LR = HR[::4, ::4].copy()


def _write(folder: Path, files: dict[str, np.ndarray]) -> Path:
    for name, pixels in files.items():
        write_png(folder / name, pixels)
    return folder


LAYOUTS = {
    "ours": {"HR/baby.png": HR, "LRx4/baby.png": LR, "LRx2/baby.png": HR[::2, ::2]},
    "EDSR": {"HR/baby.png": HR, "LR_bicubic/X4/babyx4.png": LR, "LR_bicubic/X2/babyx2.png": HR[::2, ::2]},
    "BasicSR": {"GTmod12/baby.png": HR, "LRbicx4/baby.png": LR, "original/baby.png": HR[:31]},
    "modulo 4": {"GTmod4/baby.png": HR, "LRbicx4/baby.png": LR},
    "LR beside HR": {"HR/baby.png": HR, "LR/X4/baby_x4.png": LR},
    "DIV2K's": {"Urban100_HR/001.png": HR, "Urban100_LR_bicubic/X4/001x4.png": LR},
    "SelfExSR": {
        "image_SRF_4/img_001_SRF_4_HR.png": HR,
        "image_SRF_4/img_001_SRF_4_LR.png": LR,
        "image_SRF_4/img_001_SRF_4_bicubic.png": HR,
        "image_SRF_4/img_001_SRF_4_SRCNN.png": HR,
        "image_SRF_2/img_001_SRF_2_HR.png": HR,
    },
    "unpacked into itself": {"Set5/image_SRF_4/img_001_SRF_4_HR.png": HR, "Set5/image_SRF_4/img_001_SRF_4_LR.png": LR},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_usual_layouts(tmp_path: Path, layout: str) -> None:
    found = find_pairs(_write(tmp_path, LAYOUTS[layout]), 4)
    assert found.unpaired == []
    left = {
        "BasicSR": ["1 folder (original)"],
        "SelfExSR": ["2 images (img_001_SRF_4_SRCNN.png, img_001_SRF_4_bicubic.png)"],
    }
    assert [problem.split("passed over: ")[1] for problem in found.problems] == left.get(layout, [])
    (pair,) = found.pairs
    assert pair.lr is not None
    lr, hr = pair.read(4)
    assert np.array_equal(lr, LR)
    assert np.array_equal(hr, HR)


@pytest.mark.parametrize("folder", ["image_SRF_4", "HR", "GTmod12", "Urban100_HR"])
def test_the_hr_folder_itself(tmp_path: Path, folder: str) -> None:
    if folder.startswith("image"):
        files = {f"{folder}/a_HR.png": HR, f"{folder}/a_LR.png": LR}
    else:
        lr = {"HR": "LRx4/a", "GTmod12": "LRbicx4/a", "Urban100_HR": "Urban100_LR_bicubic/X4/ax4"}[folder]
        files = {f"{folder}/a.png": HR, f"{lr}.png": LR}
    (pair,) = find_pairs(_write(tmp_path, files) / folder, 4).pairs
    assert np.array_equal(pair.read(4)[0], LR)


def test_flat_folder_is_hr(tmp_path: Path) -> None:
    found = find_pairs(_write(tmp_path, {"Aosugiru.png": HR, "Belmondo.png": HR[::-1]}), 4)
    assert [(pair.name, pair.lr) for pair in found.pairs] == [("Aosugiru.png", None), ("Belmondo.png", None)]


def test_folder_of_which_only_some_names_end_in_hr_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"1 images are named as HR \(photo_HR\.png\) and 1 are not \(other\.png\)"):
        find_pairs(_write(tmp_path, {"photo_HR.png": HR, "other.png": HR}), 4)


def test_evaluation_takes_the_validation_set_and_training_the_others(tmp_path: Path) -> None:
    _write(tmp_path, {"DIV2K_train_HR/0001.png": HR, "DIV2K_valid_HR/0801.png": HR, "Flickr2K_HR/000001.png": HR})
    training, evaluating = find_pairs(tmp_path, 4), find_pairs(tmp_path, 4, evaluating=True)
    assert [pair.hr.name for pair in training.pairs] == ["0001.png", "000001.png"]
    assert [pair.hr.name for pair in evaluating.pairs] == ["0801.png"]
    assert "DIV2K_valid_HR left out" in training.problems[0]
    assert "DIV2K_train_HR, Flickr2K_HR left out" in evaluating.problems[0]


def test_missing_partner_is_named_and_made(tmp_path: Path) -> None:
    files = {"image_SRF_4/a_HR.png": HR, "image_SRF_4/a_LR.png": LR, "image_SRF_4/b_HR.png": HR}
    found = find_pairs(_write(tmp_path, files), 4)
    assert "b_HR.png: no LR image in" in found.problems[0]
    assert "made by bicubic downscaling" in found.problems[0]
    assert found.pairs[1].read(4)[0].shape == LR.shape


def test_lr_that_does_not_match_is_named(tmp_path: Path) -> None:
    (pair,) = find_pairs(_write(tmp_path, {"HR/a.png": HR, "LR_bicubic/X4/ax4.png": HR[::2, ::2]}), 4).pairs
    with pytest.raises(UnreadableImage, match=r"ax4\.png: 24x16 pixels; x4 of 48x32 HR needs 12x8"):
        pair.read(4)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    _write(tmp_path, {"image_SRF_2/a_HR.png": HR, "image_SRF_3/a_HR.png": HR})
    with pytest.raises(UsageError, match="no image_SRF_4 for x4; there is image_SRF_2, image_SRF_3"):
        find_pairs(tmp_path, 4)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: no images; expected a folder with HR/"):
        find_pairs(tmp_path / "empty", 4)


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


def test_validation_images_are_told_from_training_images_one_level_down(tmp_path: Path) -> None:
    write_div2k(tmp_path / "DIV2K", "DIV2K_train", ["0001"])
    write_div2k(tmp_path / "DIV2K", "DIV2K_valid", ["0801"])
    write_div2k(tmp_path / "Flickr2K", "Flickr2K", ["000001"])
    found = find_pairs(tmp_path, 4, evaluating=True)
    assert [(pair.name, pair.lr and pair.lr.name) for pair in found.pairs] == [("0801.png", "0801x4.png")]


def test_lr_without_hr_side_by_side_is_named(tmp_path: Path) -> None:
    files = {"image_SRF_4/a_HR.png": HR, "image_SRF_4/a_LR.png": LR, "image_SRF_4/b_LR.png": LR}
    found = find_pairs(_write(tmp_path, files), 4)
    assert [pair.name for pair in found.pairs] == ["a_HR.png"]
    assert [path.name for path, _ in found.unpaired] == ["b_LR.png"]


def test_results_of_other_methods_are_not_images_to_score_even_without_lr(tmp_path: Path) -> None:
    files = {"image_SRF_4/a_HR.png": HR, "image_SRF_4/a_SRCNN.png": HR}
    assert [pair.hr.name for pair in find_pairs(_write(tmp_path, files), 4).pairs] == ["a_HR.png"]


def test_two_hr_folders_of_one_set_keep_their_images_apart(tmp_path: Path) -> None:
    _write(tmp_path, {"Set5/HR/baby.png": HR, "Set5/GTmod12/baby.png": HR[:24]})
    found = find_all_pairs([tmp_path / "Set5" / "HR", tmp_path / "Set5" / "GTmod12"], 4)
    assert [pair.name for pair in found.pairs] == ["HR/baby.png", "GTmod12/baby.png"]


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
