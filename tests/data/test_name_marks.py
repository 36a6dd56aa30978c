"""Names that mark pairs, in every usual way: they pair up, or are refused, and no file is lost without a word."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_sr.data.folders import FoundPairs, find_pairs
from nas_sr.data.name_marks import Mark, mark_of
from nas_sr.errors import UsageError

CONVENTIONS = [
    ("{}_HR", "{}_LR"), ("{}_HR", "{}_LR4"), ("{}_HR", "{}_LRx4"), ("{}", "{}x4"), ("{}", "{}_x4"), ("{}", "{}_4x"),
    ("{}", "{}_bicLRx4"), ("{}", "{}_LRBI"), ("{}", "{}_LRbicx4"), ("{}_HR_x4", "{}_LRBI_x4"), ("{}_HR", "{}x4"),
    ("{}-hr", "{}-lr"), ("{}.HR", "{}.LR"), ("{} HR", "{} LR"), ("HR_{}", "LR_{}"), ("HR-{}", "LRx4-{}"),
    ("hr_{}", "lr_x4_{}"), ("{}_gt", "{}_lq"), ("{}_GT", "{}_LQx4"), ("{}HR", "{}LR"), ("{}HR", "{}LRBIx4"),
    ("{}", "{}_LR_bicubic_x4"), ("{}", "{}_bicubic_x4"), ("{}", "{}x4m"), ("{}_HR", "{}_lr"), ("{}", "{}_LR4"),
    ("{}_HRx4", "{}_LRx4"), ("{}", "{}_BIx4"), ("{}_highres", "{}_lowres"),
]  # fmt: skip
FOLDERS = [
    ("HR", "LR"), ("HR", "LRx4"), ("hr", "lr"), ("Hr", "lrX4"), ("HR", "LR_bicubic/X4"), ("HR", "LR/x4"), ("HR", "x4"),
    ("HR/x4", "LRBI/x4"), ("GT", "LQ"), ("GTmod12", "LRbicx4"), ("train_HR", "train_LR"), ("train-hr", "train-lr-x4"),
    ("HR_train", "LR_train"), ("Set_HR", "Set_LR_bicubic/X4"), ("own_HR", "own_LRBI"), ("HR", "bicLRx4"),
    ("photos", "photos_LR"), ("photos", "photosx4"), ("photos", "photos/LRx4"), ("SetHR", "SetLR"),
    ("set_HR", "SET_lr"), ("own_HR", "own_LR_unknown/X4"),
]  # fmt: skip
WORDS = [
    "img",
    "001",
    "SRF",
    "4",
    "Butterfly",
    "bird",
    "0801",
    "x",
    "matrix",
    "HRV",
    "lrs",
    "wild",
    "colour",
    "B",
    "2x3y",
]
KEYS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).flatmap(
    lambda words: st.sampled_from("_- .").map(lambda separator: separator.join(words))
)
STEMS = st.lists(KEYS, min_size=1, max_size=4, unique_by=str.casefold)


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def _pairs(found: FoundPairs) -> list[tuple[str, str | None]]:
    return [(pair.hr.name, pair.lr and pair.lr.name) for pair in found.pairs]


def _unmarked(key: str) -> bool:
    return mark_of(key) == Mark(key)


@pytest.mark.parametrize("convention", CONVENTIONS, ids="|".join)
@settings(max_examples=12)
@given(keys=STEMS)
def test_marked_names_in_one_folder_pair_up(
    tmp_path_factory: pytest.TempPathFactory, convention: tuple[str, str], keys: list[str]
) -> None:
    keys = [key for key in keys if _unmarked(key)] or ["a1"]
    if convention[0].endswith("}HR"):  # capitals without anything between them and the name
        keys = [f"{key}s" for key in keys]
    folder = tmp_path_factory.mktemp("flat")
    names = {template.format(key) + ".png" for key in keys for template in convention}
    found = find_pairs(_touch(folder, *names), 4)
    expected = sorted(tuple(template.format(key) + ".png" for template in convention) for key in keys)
    assert sorted(_pairs(found)) == expected
    assert found.problems == []


@pytest.mark.parametrize("folders", FOLDERS, ids="|".join)
@settings(max_examples=6)
@given(keys=STEMS, convention=st.sampled_from([("{}", "{}"), *CONVENTIONS]))
def test_marked_names_in_two_folders_pair_up(
    tmp_path_factory: pytest.TempPathFactory, folders: tuple[str, str], keys: list[str], convention: tuple[str, str]
) -> None:
    keys = [f"{key}s" for key in keys if _unmarked(f"{key}s")] or ["a1"]
    top = tmp_path_factory.mktemp("two")
    for name, template in zip(folders, convention, strict=True):
        _touch(top / name, *(template.format(key) + ".png" for key in keys))
    expected = sorted(tuple(template.format(key) + ".png" for template in convention) for key in keys)
    for given_folder in (top / folders[0], *([top] if "photos" not in folders else [])):
        found = find_pairs(given_folder, 4)
        assert sorted(_pairs(found)) == expected
        assert found.problems == []


MARKED = [template for pair in CONVENTIONS for template in pair]


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c1", "Img_2"]), st.sampled_from(MARKED)), min_size=1, max_size=7),
       st.sampled_from(["flat", "HR", "image_SRF_4"]), st.sampled_from([2, 4]))  # fmt: skip
def test_no_image_is_lost_or_taken_for_hr_without_a_word(
    tmp_path_factory: pytest.TempPathFactory, names: list[tuple[str, str]], place: str, scale: int
) -> None:
    folder = tmp_path_factory.mktemp("any") / place
    files = {template.format(key) + ".png" for key, template in names}
    found: FoundPairs | UsageError
    try:
        found = find_pairs(_touch(folder, *files), scale)
    except UsageError as error:
        found = error
    if isinstance(found, UsageError):
        assert str(folder) in str(found)
        assert any(name in str(found) for name in files)
        return
    hr = {pair.hr.name for pair in found.pairs}
    used = hr | {pair.lr.name for pair in found.pairs if pair.lr}
    said = " ".join(found.problems)
    lone = {path.name for path, _ in found.unpaired}
    hidden = 0 if "more" not in said else 7
    assert len([name for name in files - used - lone if name not in said]) <= hidden
    roles = {name: mark_of(Path(name).stem) for name in hr}
    assert not any(mark.role == "LR" and mark.strong for mark in roles.values())
    if len({mark.role for mark in roles.values()}) > 1:  # some marked, some not: pairs tell, or the folder does
        unpaired = {pair.hr.name for pair in found.pairs if not pair.lr and roles[pair.hr.name].role != "HR"}
        assert not unpaired or (place == "HR" and "all are taken as HR" in said)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            ["0001x4.png", "0002x4.png"],
            "its 2 images are named as LR or for another factor .0001x4.png., and none is HR",
        ),
        (["a_LR.png", "b_LR4.png"], "named as LR"),
        (["a_HR.png", "b.png"], "1 images are named as HR .a_HR.png. and 1 are not .b.png."),
        (["HR_a.png", "b.png", "c.png"], "1 images are named as HR .HR_a.png. and 2 are not"),
        (["a-hr.png", "photo2.jpg"], "mark all HR images or none"),
        (["a_HR.png", "a-hr.jpg", "a_LR.png"], "a_LR.png could belong to a-hr.jpg and a_HR.png"),
        (["a.png", "ax4.png", "a_LR.png"], "a_LR.png and ax4.png could belong to a.png"),
        (["LRx4/a.png"], "a folder of LR images by its name"),
    ],
)
def test_names_that_do_not_tell_are_refused(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        find_pairs(_touch(tmp_path / "set", *names), 4)
    assert "\n" not in str(raised.value)


def test_images_for_another_factor_are_passed_over_and_named(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "set", "a.png", "ax2.png", "ax4.png", "b.png", "b_LR3.png")
    found = find_pairs(folder, 4)
    assert _pairs(found) == [("a.png", "ax4.png"), ("b.png", None)]
    assert f"{folder}: passed over: 2 images (ax2.png, b_LR3.png)" in found.problems
    assert any("b.png: no LR image in" in problem for problem in found.problems)


def test_everything_that_is_passed_over_is_counted_and_named(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "set", *(f"HR/{n}.png" for n in range(3)), *(f"LRx4/{n}x4.png" for n in range(3)))
    _touch(
        folder, *(f"HR/IMG_{n}.HEIC" for n in range(8)), "LRx4/a.avif", "LRx4/.hidden", "raw/1.png", "README", "0.png"
    )
    _touch(folder, "LRx2/0x2.png")  # for another factor, which nobody misses
    assert find_pairs(folder, 4).problems == [
        f"{folder}: passed over: 1 image (0.png); 1 file that is not read (README); 1 folder (raw)",
        f"{folder}/HR: passed over: 8 files that are not read"
        " (IMG_0.HEIC, IMG_1.HEIC, IMG_2.HEIC, IMG_3.HEIC, IMG_4.HEIC and 3 more)",
        f"{folder}/LRx4: passed over: 1 file that is not read (a.avif)",
    ]


def test_folder_without_any_image_that_is_read_says_what_is_there(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "phone", "1.HEIC", "2.HEIC", "3.avif")
    with pytest.raises(
        UsageError, match=r"no images; expected .*; .*3 files that are not read \(1\.HEIC, 2\.HEIC, 3\.avif"
    ):
        find_pairs(folder, 4)


def test_jpeg_by_its_other_names_is_read(tmp_path: Path) -> None:
    found = find_pairs(_touch(tmp_path / "web", "a.jfif", "b.JPE", "c.jif", "d.JFIF"), 4)
    assert [pair.name for pair in found.pairs] == ["a.jfif", "b.JPE", "c.jif", "d.JFIF"]
    assert found.problems == []


def test_bicubic_lr_images_are_taken_before_others_and_those_are_named(tmp_path: Path) -> None:
    _touch(tmp_path, "own_HR/1.png", "own_LR_unknown/X4/1x4.png", "own_LR_bicubic/X4/1x4.png", "own_LR_wild/1x4.png")
    found = find_pairs(tmp_path, 4)
    (pair,) = found.pairs
    assert pair.lr == tmp_path / "own_LR_bicubic" / "X4" / "1x4.png"
    assert found.problems == [f"{tmp_path}: passed over: 2 folders (own_LR_unknown, own_LR_wild)"]
