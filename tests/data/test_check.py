"""Every bad or mismatched file is named, and good ones are not."""

from pathlib import Path

import pytest

from nas_sr.data.check import Checked, check
from nas_sr.data.images import read_rgb, write_png
from nas_sr.data.pack import HR, LR, Pack
from nas_sr.data.prepare import prepare
from nas_sr.errors import UsageError
from tests.data.pictures import write_div2k, write_images

SIZE = (112, 128)


def _check(*paths: Path, scale: int = 4) -> Checked:
    return check(paths, scale, lambda done, total: None)


def test_good_folders_have_nothing_to_name(tmp_path: Path) -> None:
    write_div2k(tmp_path / "a", "Own", ["1", "2"], SIZE)
    write_images(tmp_path / "b", ["1.png"], SIZE)
    assert _check(tmp_path / "a", tmp_path / "b") == Checked("images", 3, [], [])


def test_every_bad_file_is_named(tmp_path: Path) -> None:
    hr = write_div2k(tmp_path, "Own", [str(number) for number in range(12)], SIZE)
    lr = tmp_path / "Own_LR_bicubic" / "X4"
    (hr / "1.png").write_bytes((hr / "1.png").read_bytes()[:-40])
    (lr / "2x4.png").write_bytes(b"")
    write_png(lr / "3x4.png", read_rgb(lr / "3x4.png")[:, 1:])
    (lr / "4x4.png").write_bytes((lr / "5x4.png").read_bytes())
    (hr / "6.png").write_bytes((hr / "7.png").read_bytes())
    (lr / "6x4.png").write_bytes((lr / "7x4.png").read_bytes())
    (lr / "8x4.png").unlink()
    (hr / "9.png").unlink()
    found = _check(tmp_path)
    assert (found.kind, found.images) == ("images", 11)
    assert {Path(remark.file).name: remark.problem for remark in found.bad} == {
        "1.png": "cut short or corrupt",
        "2x4.png": "empty file",
        "3x4.png": "31x28 pixels; x4 of 128x112 HR needs 32x28",
        "4x4.png": next(remark.problem for remark in found.bad if "not a downscale" in remark.problem),
        "7.png": f"the same picture as {hr / '6.png'}",
        "8.png": f"no LR image in {lr}; it is made by bicubic downscaling",
        "9x4.png": f"no HR image in {hr}; it is not used",
    }


def test_lr_by_another_program_is_a_note(tmp_path: Path) -> None:
    hr = write_div2k(tmp_path, "Own", ["1", "2"], SIZE)
    lr = tmp_path / "Own_LR_bicubic" / "X4" / "2x4.png"
    write_png(lr, read_rgb(hr / "2.png")[::4, ::4])
    found = _check(tmp_path)
    assert found.bad == []
    (note,) = found.notes
    assert note.file == str(lr)
    assert "not MATLAB's bicubic downscale" in note.problem


def test_pack_is_read_to_the_last_pixel(tmp_path: Path) -> None:
    hr = write_div2k(tmp_path, "Own", [str(number) for number in range(6)], SIZE)
    prepare([hr], tmp_path / "pack", 4, val=2)
    assert _check(tmp_path / "pack") == Checked("pack", 6, [], [])
    entry = Pack(tmp_path / "pack" / "train").entries[2]
    for name, at in ((HR, entry.at * 48 + 7), (LR, 0)):
        with (tmp_path / "pack" / "train" / name).open("r+b") as file:
            file.seek(at)
            value = file.read(1)[0]
            file.seek(at)
            file.write(bytes([value ^ 1]))
    found = _check(tmp_path / "pack")
    first = Pack(tmp_path / "pack" / "train").names[0]
    assert [remark.problem.split(" are not")[0] for remark in found.bad] == [
        f"the pixels of {first}",
        f"the pixels of {entry.name}",
    ]


@pytest.mark.parametrize("name", [HR, LR])
def test_pack_cut_short_is_named(tmp_path: Path, name: str) -> None:
    prepare([write_images(tmp_path / "a", ["1.png", "2.png"], SIZE)], tmp_path / "pack", 4, val=0)
    path = tmp_path / "pack" / "train" / name
    path.write_bytes(path.read_bytes()[:-1])
    (remark,) = _check(tmp_path / "pack").bad
    assert "cut short" in remark.problem
    assert str(path) in remark.problem


def test_packs_are_checked_alone(tmp_path: Path) -> None:
    images = write_images(tmp_path / "a", ["1.png", "2.png"], SIZE)
    prepare([images], tmp_path / "pack", 4)
    with pytest.raises(UsageError, match="a pack is checked alone"):
        _check(images, tmp_path / "pack")
    with pytest.raises(UsageError, match="nowhere: does not exist"):
        _check(tmp_path / "nowhere")
