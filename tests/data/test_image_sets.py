"""From folders as people have them to packs that workers share."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from nas_sr.data import demo
from nas_sr.data.demo import PHOTOGRAPHS, demonstration
from nas_sr.data.image_sets import image_sets
from nas_sr.data.images import write_png
from nas_sr.data.resize import downscale
from nas_sr.errors import UsageError
from tests.data.pictures import image, write_images


def test_training_and_validation_share_nothing(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", [f"{index:02}.png" for index in range(25)])
    sets = image_sets(str(folder), None, 4, 16)
    assert len(sets.train) == 23
    assert len(sets.val) == 2
    assert not set(sets.train.names) & set(sets.val.names)
    again = image_sets(str(folder), None, 4, 16)
    assert (again.train.digest, again.val.digest) == (sets.train.digest, sets.val.digest)


def test_unusable_files_are_named_and_the_rest_is_used(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    write_images(folder, ["tiny.png"], (40, 40))
    (folder / "broken.png").write_bytes(b"no image")
    for name in ("notes.txt", "IMG_0001.HEIC", ".hidden"):
        (folder / name).write_text("not looked at")
    (folder / "raw").mkdir()
    sets = image_sets(str(folder), str(write_images(tmp_path / "val", ["v.png"])), 4, 16)
    assert sets.train.names == ("a.png", "b.png", "c.png")
    assert any("broken.png" in problem for problem in sets.problems)
    assert any("tiny.png" in problem and "40x40" in problem and "64" in problem for problem in sets.problems)
    passed_over = "passed over: 2 files that are not read (IMG_0001.HEIC, notes.txt); 1 folder (raw)"
    assert f"{folder}: {passed_over}" in sets.problems
    assert len(sets.problems) == 3
    assert image_sets(str(folder), str(tmp_path / "val"), 4, 16).problems == sets.problems  # also when cached


def test_lr_of_another_size_is_named(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        hr = image()
        write_png(tmp_path / "HR" / name, hr)
        write_png(tmp_path / "LRx4" / name, downscale(hr, 4)[:, : 24 if name == "a.png" else 23])
    sets = image_sets(str(tmp_path), str(write_images(tmp_path / "val", ["v.png"])), 4, 8)
    assert sets.train.names == ("a.png",)
    assert any("23x16" in problem and "24x16" in problem for problem in sets.problems)


def test_nothing_usable_is_an_error_that_says_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist; expected a folder with HR/"):
        image_sets(str(tmp_path / "none"), None, 4, 16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no images; expected"):
        image_sets(str(tmp_path / "empty"), None, 4, 16)
    small = write_images(tmp_path / "small", ["a.png", "b.png"], (20, 20))
    with pytest.raises(UsageError, match=r"no usable image among 2; the first: b\.png: 20x20 pixels.* at least 64"):
        image_sets(str(small), None, 4, 16)
    big = str(write_images(tmp_path / "big", ["a.png"], (80, 80)))
    with pytest.raises(UsageError, match=r"no usable image among 1.*the same picture as the validation image a\.png"):
        image_sets(big, big, 4, 1)


def test_picture_that_is_validated_on_is_never_trained_on(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", [f"{index}.png" for index in range(4)], (80, 80))
    held_out = image_sets(str(folder), None, 4, 16).val.names[0]
    (folder / "copy.png").write_bytes((folder / held_out).read_bytes())
    sets = image_sets(str(folder), None, 4, 16)
    assert not {entry.digest for entry in sets.train.entries} & {entry.digest for entry in sets.val.entries}
    assert len(sets.train) == 3
    assert any("the same picture as the validation image" in problem for problem in sets.problems)


def test_broken_file_does_not_cost_the_validation_images(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", ["a.png", "b.png", "c.png"], (80, 80))
    first = image_sets(str(folder), None, 4, 16).val.names[0]
    (folder / first).write_bytes(b"no image")
    sets = image_sets(str(folder), None, 4, 16)
    assert len(sets.val) == 1
    assert len(sets.train) == 1
    assert [first in problem for problem in sets.problems] == [True]


def test_changed_file_makes_another_pack(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", ["a.png", "b.png"])
    val = str(write_images(tmp_path / "val", ["v.png"]))
    before = image_sets(str(folder), val, 4, 16).train
    write_png(folder / "a.png", image())
    os.utime(folder / "a.png", (1, 1))
    after = image_sets(str(folder), val, 4, 16).train
    assert after.digest != before.digest
    assert np.array_equal(after.lr(1), before.lr(1))


def test_two_who_pack_the_same_at_once_get_one_pack(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", [f"{index}.png" for index in range(8)])
    with ThreadPoolExecutor(2) as pool:
        sets = list(pool.map(lambda _: image_sets(str(folder), None, 4, 16), range(2)))
    assert sets[0].train.digest == sets[1].train.digest


def test_demonstration_set_is_honest_about_itself() -> None:
    scenes = {role: {photograph.scene for photograph in PHOTOGRAPHS[role]} for role in PHOTOGRAPHS}
    assert not scenes["train"] & scenes["val"]
    sets = image_sets(None, None, 4, 24)
    assert "demonstration" in sets.description
    assert str(len(demonstration("train"))) in demo.DESCRIPTION
    assert len(sets.train) == len(demonstration("train"))
    for scale in (2, 3):
        assert image_sets(None, None, scale, 24).val.names == sets.val.names


def test_images_of_one_colour_are_not_validated_on(tmp_path: Path) -> None:
    """Restored exactly, they have an infinite PSNR, and with it the mean that candidates are compared by."""
    folder = write_images(tmp_path / "photos", ["a.png", "c.png"], (80, 80))
    for name, colour in (("b.png", 0), ("d.png", 255)):
        write_png(folder / name, np.full((80, 80, 3), colour, np.uint8))
    sets = image_sets(str(folder), None, 4, 16)
    assert set(sets.val.names) <= {"a.png", "c.png"}
    given = image_sets(str(write_images(tmp_path / "train", ["1.png"], (80, 80))), str(folder), 4, 16)
    assert given.val.names == ("a.png", "c.png")
    assert [problem.split(",")[0] for problem in given.problems] == ["b.png: of one colour", "d.png: of one colour"]
