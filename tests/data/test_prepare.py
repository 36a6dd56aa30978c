"""Prepared packs: DF2K's layouts in, `--data PACK` out."""

from pathlib import Path

import pytest

from nas_sr.data.image_sets import image_sets
from nas_sr.data.packing import BadImages, How
from nas_sr.data.prepare import prepare
from nas_sr.errors import UsageError
from tests.data.pictures import write_div2k, write_images

SIZE = (112, 128)


@pytest.fixture
def df2k(tmp_path: Path) -> list[Path]:
    write_div2k(tmp_path / "DIV2K", "DIV2K_train", [f"{n:04}" for n in range(1, 5)], SIZE)
    write_div2k(tmp_path / "DIV2K", "DIV2K_valid", ["0801", "0802"], SIZE)
    write_div2k(tmp_path / "Flickr2K", "Flickr2K", [f"{n:06}" for n in range(1, 4)], SIZE)
    return [tmp_path / "DIV2K", tmp_path / "Flickr2K"]


def test_df2k_with_its_validation_set_is_what_jobs_train_on(tmp_path: Path, df2k: list[Path]) -> None:
    out = tmp_path / "packs" / "df2k"
    made = prepare(df2k, out, 4, val_data=df2k[0] / "DIV2K_valid_HR")
    assert (len(made.train.pack), made.val and len(made.val.pack)) == (7, 2)
    assert made.train.pack.names[0] == "DIV2K_train_HR/0001.png"
    assert made.train.problems == ()
    sets = image_sets(str(out), None, 4, 24)
    assert (sets.train.digest, sets.train.folder) == (made.train.pack.digest, out / "train")
    assert sets.val.names == ("0801.png", "0802.png")
    assert sets.description == f"trained on 7 images of {out}, validated on 2 images of {out / 'val'}"
    assert sets.problems == ()


def test_prepared_again_nothing_is_done(tmp_path: Path, df2k: list[Path]) -> None:
    first = prepare(df2k, tmp_path / "pack", 4)
    again = prepare(df2k, tmp_path / "pack", 4)
    assert (first.train.decoded, again.train.decoded) == (6, 0)
    assert again.train.pack.digest == first.train.pack.digest


def test_moved_images_are_the_same_images(tmp_path: Path, df2k: list[Path]) -> None:
    prepare(df2k, tmp_path / "pack", 4)
    (tmp_path / "disk").mkdir()
    moved = [folder.rename(tmp_path / "disk" / folder.name) for folder in df2k]
    assert prepare(moved, tmp_path / "pack", 4).train.decoded == 0


def test_images_are_held_out_as_asked(tmp_path: Path, df2k: list[Path]) -> None:
    by_default = prepare(df2k, tmp_path / "default", 4)
    assert by_default.val
    assert (len(by_default.train.pack), len(by_default.val.pack)) == (6, 1)
    three = prepare(df2k, tmp_path / "three", 4, val=3)
    assert three.val
    assert (len(three.train.pack), len(three.val.pack)) == (4, 3)
    assert not set(three.train.pack.names) & set(three.val.pack.names)
    none = prepare(df2k, tmp_path / "none", 4, val=0)
    assert (len(none.train.pack), none.val) == (7, None)
    with pytest.raises(UsageError, match=r"none: a pack without validation images; give --val"):
        image_sets(str(tmp_path / "none"), None, 4, 24)
    with pytest.raises(UsageError, match="7 of 7 images cannot be held out"):
        prepare(df2k, tmp_path / "all", 4, val=7)
    assert not (tmp_path / "all").exists()


def test_pack_without_validation_images_takes_any_that_it_does_not_hold(tmp_path: Path, df2k: list[Path]) -> None:
    out = tmp_path / "pack"
    prepare(df2k, out, 4, val=0)
    valid = df2k[0] / "DIV2K_valid_HR"
    assert image_sets(str(out), str(valid), 4, 24).val.names == ("0801.png", "0802.png")
    prepare([valid], tmp_path / "valid", 4, val=0)
    assert image_sets(str(out), str(tmp_path / "valid"), 4, 24).val.names == ("0801.png", "0802.png")
    with pytest.raises(UsageError, match=r"train: Flickr2K_HR/000001\.png is also the validation image 000001\.png"):
        image_sets(str(out), str(df2k[1]), 4, 24)


def test_pack_that_does_not_fit_the_job_is_refused(tmp_path: Path, df2k: list[Path]) -> None:
    out = tmp_path / "pack"
    prepare(df2k, out, 4)
    with pytest.raises(UsageError, match="a pack for x4, but x2 is needed"):
        image_sets(str(out), None, 2, 24)
    with pytest.raises(UsageError, match="its smallest image has 28 LR pixels; 48 are needed"):
        image_sets(str(out), None, 4, 48)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scale": 2}, "its scale is 4, not 2"),
        ({"min_lr": 24}, "its shortest side in LR pixels is 16, not 24"),
        ({"val": 2}, "its number of images is 1, not 2"),
        ({"val": 0}, "has validation images, and none are wanted now"),
        ({"folders": 1}, "another pack is there"),
    ],
)
def test_another_pack_in_the_same_place_is_refused(tmp_path: Path, df2k: list[Path], change: dict, words: str) -> None:
    digest = prepare(df2k, tmp_path / "pack", 4).train.pack.digest
    folders = df2k[: change.pop("folders", 2)]
    with pytest.raises(UsageError, match=words):
        prepare(folders, tmp_path / "pack", **({"scale": 4} | change))
    assert image_sets(str(tmp_path / "pack"), None, 4, 24).train.digest == digest


def test_other_things_in_the_place_are_refused(tmp_path: Path, df2k: list[Path]) -> None:
    with pytest.raises(UsageError, match=r"DIV2K: holds other things \(DIV2K_train_HR\); choose another --out"):
        prepare(df2k, df2k[0], 4)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file: is a file"):
        prepare(df2k, tmp_path / "file", 4)


def test_broken_file_is_named_and_costs_nothing_when_mended(tmp_path: Path, df2k: list[Path]) -> None:
    out, broken = tmp_path / "pack", df2k[1] / "Flickr2K_HR" / "000002.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:500])
    with pytest.raises(BadImages) as raised:
        prepare(df2k, out, 4, val_data=df2k[0] / "DIV2K_valid_HR")
    assert raised.value.lines == [f"{broken}: cut short or corrupt"]
    with pytest.raises(UsageError, match="not prepared to its end; give the same `nas-sr data prepare` again"):
        image_sets(str(out), None, 4, 24)
    broken.write_bytes(whole)
    made = prepare(df2k, out, 4, val_data=df2k[0] / "DIV2K_valid_HR")
    assert made.val
    assert (made.train.decoded, made.val.decoded) == (1, 0)
    other = prepare(df2k, tmp_path / "other", 4, val_data=df2k[0] / "DIV2K_valid_HR")
    assert other.train.pack.digest == made.train.pack.digest


def test_broken_file_may_be_left_out(tmp_path: Path, df2k: list[Path]) -> None:
    broken = df2k[1] / "Flickr2K_HR" / "000002.png"
    broken.write_bytes(b"no image")
    made = prepare(df2k, tmp_path / "pack", 4, val=0, how=How(leave_out_bad=True))
    assert len(made.train.pack) == 6
    assert made.train.problems == (f"{broken}: corrupt, or not an image",)


def test_validation_pictures_and_copies_are_not_trained_on(tmp_path: Path, df2k: list[Path]) -> None:
    own = write_images(tmp_path / "own", ["a.png"], SIZE)
    valid = df2k[0] / "DIV2K_valid_HR"
    (own / "leaked.png").write_bytes((valid / "0801.png").read_bytes())
    (own / "twice.png").write_bytes((own / "a.png").read_bytes())
    made = prepare([*df2k, own], tmp_path / "pack", 4, val_data=valid)
    assert len(made.train.pack) == 8
    assert set(made.train.problems) == {
        "own/leaked.png: the same picture as the validation image 0801.png",
        "own/twice.png: the same picture as own/a.png",
    }


def test_lr_of_another_kind_is_remarked_on(tmp_path: Path, df2k: list[Path]) -> None:
    """A set that was shrunk by another program is usable; that it is not what benchmarks use must be said."""
    lr = df2k[1] / "Flickr2K_LR_bicubic" / "X4" / "000001x4.png"
    import cv2

    hr = cv2.imread(str(df2k[1] / "Flickr2K_HR" / "000001.png"))
    cv2.imwrite(str(lr), cv2.resize(hr, (SIZE[1] // 4, SIZE[0] // 4), interpolation=cv2.INTER_NEAREST))
    made = prepare(df2k, tmp_path / "pack", 4, val=0)
    assert len(made.train.pack) == 7
    (problem,) = made.train.problems
    assert problem.startswith("1 LR images are not MATLAB's bicubic downscale")
    assert "Flickr2K_HR/000001.png" in problem
