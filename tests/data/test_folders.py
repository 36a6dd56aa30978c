"""The layouts in which people have the benchmark sets."""

from pathlib import Path

import numpy as np
import pytest

from nas_sr.data.folders import find_pairs
from nas_sr.data.images import UnreadableImage, write_png
from nas_sr.errors import UsageError

HR = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
LR = HR[::4, ::4].copy()


def _write(folder: Path, files: dict[str, np.ndarray]) -> Path:
    for name, image in files.items():
        write_png(folder / name, image)
    return folder


LAYOUTS = {
    "ours": {"HR/baby.png": HR, "LRx4/baby.png": LR, "LRx2/baby.png": HR[::2, ::2]},
    "EDSR": {"HR/baby.png": HR, "LR_bicubic/X4/babyx4.png": LR, "LR_bicubic/X2/babyx2.png": HR[::2, ::2]},
    "BasicSR": {"GTmod12/baby.png": HR, "LRbicx4/baby.png": LR, "original/baby.png": HR[:31]},
    "modulo 4": {"GTmod4/baby.png": HR, "LRbicx4/baby.png": LR},
    "LR beside HR": {"HR/baby.png": HR, "LR/X4/baby_x4.png": LR},
    "DIV2K": {"DIV2K_valid_HR/0801.png": HR, "DIV2K_valid_LR_bicubic/X4/0801x4.png": LR},
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
    assert found.problems == []
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


def test_names_ending_in_hr_without_any_lr_are_plain_images(tmp_path: Path) -> None:
    found = find_pairs(_write(tmp_path, {"photo_HR.png": HR, "other.png": HR}), 4)
    assert [pair.name for pair in found.pairs] == ["other.png", "photo_HR.png"]


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
    assert "no LR image for b_HR.png; made by bicubic downscaling" in found.problems[0]
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
