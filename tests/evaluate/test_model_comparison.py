"""Several models on several image sets: figures, their three forms, and images that cannot be scored."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from nas_sr.data.images import read_rgb, write_png
from nas_sr.data.pack import Pack
from nas_sr.data.packing import write_pack
from nas_sr.data.prepare import prepare
from nas_sr.data.resize import downscale, upscale
from nas_sr.errors import UsageError
from nas_sr.evaluate.comparison import BICUBIC, Comparison, Result, write_csv
from nas_sr.evaluate.evaluate import ImageScores, Scores, bicubic
from nas_sr.evaluate.model_comparison import compare
from nas_sr.evaluate.tiles import Tiling
from nas_sr.evaluate.upscalers import Upscaler
from tests.data.pictures import Picture, write_images

RANDOM = np.random.default_rng(0)
KEYS = ("n", "psnr_y_db", "ssim_y", "psnr_rgb_db", "ssim_rgb", "per_image")


def _image(height: int, width: int) -> np.ndarray:
    return upscale(RANDOM.integers(0, 256, (-(-height // 4), -(-width // 4), 3), dtype=np.uint8), 4)[:height, :width]


def _dark(scale: int) -> Upscaler:
    """A poor model: bicubic, and darker."""
    return Upscaler(Tiling(scale, 2), lambda image: upscale(image, scale) // 2)


@pytest.fixture
def sets(tmp_path: Path) -> list[Path]:
    for name, sizes in (("SetA", [(64, 48), (50, 90)]), ("SetB", [(40, 40)])):
        for number, size in enumerate(sizes):
            write_png(tmp_path / name / "HR" / f"{number}.png", _image(*size))
    return [tmp_path / "SetA", tmp_path / "SetB"]


def test_bicubic_is_beside_every_model_on_every_set(sets: list[Path]) -> None:
    told: list[tuple[int, int]] = []
    comparison = compare(
        {"dark": _dark(4), "half": _dark(2)}, sets, progress=lambda done, total: told.append((done, total))
    )
    assert [(result.model, Path(result.data).name, result.scale, result.scores.n) for result in comparison.results] == [
        ("bicubic", "SetA", 2, 2),
        ("half", "SetA", 2, 2),
        ("bicubic", "SetA", 4, 2),
        ("dark", "SetA", 4, 2),
        ("bicubic", "SetB", 2, 1),
        ("half", "SetB", 2, 1),
        ("bicubic", "SetB", 4, 1),
        ("dark", "SetB", 4, 1),
    ]
    assert told == [(done, 6) for done in range(1, 7)]
    base, model = comparison.results[2:4]
    assert model.scores.psnr_y_db < base.scores.psnr_y_db
    assert base.scores == compare({"bicubic": bicubic(4)}, sets[:1]).results[0].scores


def test_json_of_one_model_and_one_set_has_its_figures_on_top(sets: list[Path]) -> None:
    said = compare({"dark": _dark(4)}, sets[:1]).to_json()
    assert {"model": "dark", "data": str(sets[0]), "scale": 4, "y": "float"}.items() <= said.items()
    assert all(key in said and key in said["bicubic"] for key in KEYS)
    assert said["bicubic"]["model"] == "bicubic"
    assert "results" not in said
    assert said["psnr_y_db"] == np.mean([image["psnr_y_db"] for image in said["per_image"]])
    alone = compare({"bicubic": bicubic(4)}, sets[:1]).to_json()
    assert alone == said["bicubic"]
    several = compare({"dark": _dark(4)}, sets, rounded_y=True).to_json()
    assert list(several) == ["results"]
    assert {entry["y"] for entry in several["results"]} == {"rounded"}
    json.dumps(several)


def test_csv_has_every_image_and_the_mean(sets: list[Path], tmp_path: Path) -> None:
    comparison = compare({"dark, or so": _dark(4)}, sets)
    write_csv(comparison, tmp_path / "out" / "figures.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "figures.csv").read_text())))
    assert list(rows[0]) == ["data", "scale", "model", "y", "image", "psnr_y_db", "ssim_y", "psnr_rgb_db", "ssim_rgb"]
    assert len(rows) == 2 * (2 + 1) + 2 * (1 + 1)
    mine = [row for row in rows if row["model"] == "dark, or so" and row["data"] == str(sets[0])]
    assert [row["image"] for row in mine] == ["0.png", "1.png", "mean"]
    for key in ("psnr_y_db", "ssim_y", "psnr_rgb_db", "ssim_rgb"):
        figures = [float(row[key]) for row in mine]
        assert figures[2] == pytest.approx(np.mean(figures[:2]))
        result = next(one for one in comparison.results if one.model == "dark, or so")
        assert figures[2] == result.scores.means()[key]


def test_table_reads_like_one(sets: list[Path]) -> None:
    text = compare({"nets/one/weights": _dark(4), "nets/two/weights": _dark(4), "x/third": _dark(4)}, sets[:1]).to_text(
        per_image=True
    )
    lines = text.splitlines()
    assert lines[0] == f"{sets[0]}, x4, 2 images, Y float"
    assert [line.split()[0] for line in lines[-4:]] == ["bicubic", "nets/one/weights", "nets/two/weights", "third"]
    assert lines[-3].split()[-1].startswith("-")  # what it loses against bicubic
    assert any(line.startswith("1.png") for line in lines)
    assert len({len(line) for line in lines[-3:]}) == 1


def test_images_that_cannot_be_scored_are_named_and_the_others_are(sets: list[Path], tmp_path: Path) -> None:
    folder = sets[0] / "HR"
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    write_png(folder / "small.png", _image(18, 60))
    write_png(folder / "wrong.png", _image(40, 40))
    for name in ("0", "1", "small"):
        write_png(sets[0] / "LRx4" / f"{name}.png", downscale(read_rgb(folder / f"{name}.png"), 4))
    write_png(sets[0] / "LRx4" / "wrong.png", _image(9, 10))
    comparison = compare({"dark": _dark(4)}, sets[:1], pictures=tmp_path / "pictures")
    assert [image.name for image in comparison.results[1].scores.per_image] == ["0.png", "1.png"]
    assert comparison.results[0].scores.problems == comparison.results[1].scores.problems == comparison.problems
    assert len(comparison.problems) == 3
    for line, words in zip(
        comparison.problems,
        ("broken.png: cut short", "small.png: too small to score: 60x16 pixels; at least 19", "wrong.png: 10x9 pixels"),
        strict=True,
    ):
        assert words in line
    assert "broken.png: no LR image in" in comparison.notes[0]
    assert sorted(path.name for path in (tmp_path / "pictures" / "SetA-x4").iterdir()) == ["0.png", "1.png"]


def test_model_that_fails_on_an_image_leaves_the_others_their_score(sets: list[Path]) -> None:
    def enlarge(image: np.ndarray) -> np.ndarray:
        if image.shape[1] > 20:
            raise RuntimeError("out of memory")
        return upscale(image, 4)

    comparison = compare({"weak": Upscaler(Tiling(4, 0), enlarge)}, sets[:1])
    assert [result.scores.n for result in comparison.results] == [2, 1]
    assert comparison.problems == ("1.png: could not be upscaled: out of memory",)
    assert "of 1 images" in comparison.to_text()


def test_set_without_any_image_that_can_be_scored(tmp_path: Path) -> None:
    write_png(tmp_path / "Tiny" / "a.png", _image(8, 8))
    comparison = compare({"bicubic": bicubic(4)}, [tmp_path / "Tiny"])
    assert comparison.results[0].scores.n == 0
    assert math.isnan(comparison.to_json()["psnr_y_db"])
    assert "nan" in comparison.to_text(per_image=True)


def test_all_sets_are_looked_for_before_the_first_is_read(sets: list[Path], tmp_path: Path) -> None:
    def enlarge(image: np.ndarray) -> np.ndarray:
        raise AssertionError("read before all were found")

    with pytest.raises(UsageError, match="nowhere: does not exist"):
        compare({"a": Upscaler(Tiling(4, 0), enlarge)}, [*sets, tmp_path / "nowhere"])


def test_hr_alone_is_noted(sets: list[Path]) -> None:
    assert "no LR images for x4; made by MATLAB's bicubic" in compare({"dark": _dark(4)}, sets[1:]).notes[0]


def test_lr_of_another_kind_is_noted(sets: list[Path]) -> None:
    """Figures on it do not compare with anybody's."""
    for number in ("0", "1"):
        hr = read_rgb(sets[0] / "HR" / f"{number}.png")
        rows, columns = (side // 4 for side in hr.shape[:2])
        nearest = hr[2 : 4 * rows : 4, 2 : 4 * columns : 4]
        write_png(sets[0] / "LRx4" / f"{number}.png", nearest if number == "1" else downscale(hr, 4))
    (note,) = compare({"dark": _dark(4)}, sets[:1]).notes
    assert note.startswith(
        f"{sets[0]}: 1 LR images are not MATLAB's bicubic downscale of their HR: 1.png is the farthest from it"
    )


def test_pack_is_an_image_set(sets: list[Path], tmp_path: Path) -> None:
    hr = read_rgb(sets[1] / "HR" / "0.png")
    write_pack([Picture("0.png", hr, downscale(hr, 4))], 4, 4, tmp_path / "packed")
    packed, folder = (compare({"dark": _dark(4)}, [place]).results for place in (tmp_path / "packed", sets[1]))
    assert [result.scores for result in packed] == [result.scores for result in folder]
    with pytest.raises(UsageError, match="a pack for x4; the model is x2"):
        compare({"half": _dark(2)}, [tmp_path / "packed"])


def test_validation_images_of_a_prepared_pack_are_an_image_set(tmp_path: Path) -> None:
    prepare([write_images(tmp_path / "images", ["0.png", "1.png", "2.png"], (96, 96))], tmp_path / "packed", 4, val=1)
    result = compare({"dark": _dark(4)}, [tmp_path / "packed"]).results[1]
    assert [image.name for image in result.scores.per_image] == list(Pack(tmp_path / "packed" / "val").names)


def test_sets_of_one_name_keep_their_own_pictures(tmp_path: Path) -> None:
    for parent in ("one", "two"):
        write_png(tmp_path / parent / "Set" / "a.png", _image(40, 40))
    compare({"dark": _dark(4)}, [tmp_path / "one" / "Set", tmp_path / "two" / "Set"], pictures=tmp_path / "pictures")
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["1-Set-x4", "2-Set-x4"]


def test_lr_images_of_other_pictures_are_not_scored(sets: list[Path]) -> None:
    one, other = _image(64, 64), _image(64, 64)
    folder = sets[0].parent / "swapped"
    for name, hr, lr in (("a", one, other), ("b", other, one), ("c", one, one)):
        write_png(folder / "HR" / f"{name}.png", hr)
        write_png(folder / "LRx4" / f"{name}.png", downscale(lr, 4))
    comparison = compare({"bicubic": bicubic(4)}, [folder])
    assert [image.name for image in comparison.results[0].scores.per_image] == ["c.png"]
    assert len(comparison.problems) == 2
    assert all("swapped?" in problem for problem in comparison.problems)


def test_gain_is_taken_over_the_images_that_both_scored(sets: list[Path]) -> None:
    def fails_on_the_first(image: np.ndarray) -> np.ndarray:
        if image.shape[0] == 16:
            raise MemoryError
        return upscale(image, 4)

    comparison = compare({"same": Upscaler(Tiling(4, 2), fails_on_the_first)}, sets[:1])
    line = comparison.to_text().splitlines()[-1]
    assert line.split()[-4:] == ["+0.000", "of", "1", "images"]
    assert comparison.problems == ("0.png: could not be upscaled: MemoryError",)


def test_image_that_bicubic_could_not_score_is_left_out_of_the_gain() -> None:
    images = [ImageScores(name, psnr_db, 0.9, psnr_db, 0.9) for name, psnr_db in [("a.png", 30.0), ("b.png", 40.0)]]
    results = [
        Result(name, "Set", 4, Scores(tuple(scored)), ()) for name, scored in [(BICUBIC, images[:1]), ("net", images)]
    ]
    text = Comparison(tuple(results), rounded_y=False).to_text()
    assert text.splitlines()[-1].split()[-1] == "+0.000"


def test_picture_that_cannot_be_written_costs_no_figure(sets: list[Path], tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "SetA-x4").write_text("in the way")
    comparison = compare({"dark": _dark(4)}, sets[:1], pictures=pictures)
    assert comparison.results[0].scores.n == 2
    assert len(comparison.problems) == 2
    assert all("its picture could not be written" in problem for problem in comparison.problems)


def _numbers(said: object) -> list[float]:
    """Every fractional number in a JSON object."""
    if isinstance(said, dict):
        return [number for part in said.values() for number in _numbers(part)]
    if isinstance(said, list):
        return [number for part in said for number in _numbers(part)]
    return [said] if isinstance(said, float) else []


@pytest.mark.parametrize(("models", "folders"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_json_holds_each_figure_once(sets: list[Path], models: int, folders: int) -> None:
    # SetB has one image, whose figures are also the means; so it gets a second.
    write_png(sets[1] / "HR" / "1.png", _image(44, 52))
    said = compare({"dark": _dark(4), "darker": _darker(4)} if models == 2 else {"dark": _dark(4)}, sets[:folders])
    numbers = _numbers(said.to_json())
    assert len(numbers) == (models + 1) * folders * (4 + 2 * 4)
    assert len({*numbers}) == len(numbers)


def _darker(scale: int) -> Upscaler:
    return Upscaler(Tiling(scale, 2), lambda image: upscale(image, scale) // 3)


@pytest.fixture
def flat(sets: list[Path]) -> Path:
    """A set in which bicubic restores one image of three exactly."""
    write_png(sets[0] / "HR" / "flat.png", np.full((48, 48, 3), 90, np.uint8))
    return sets[0]


def test_infinite_psnr_is_said_in_text_csv_and_json_alike(flat: Path) -> None:
    comparison = compare({"dark": _dark(4)}, [flat])
    (line,) = [line for line in comparison.to_text().splitlines() if "infinite PSNR" in line]
    base, dark = (result.scores for result in comparison.results)
    others = np.mean([image.psnr_y_db for image in base.per_image if image.name != "flat.png"])
    assert line == (
        "bicubic: equal to HR and so of infinite PSNR, which makes the mean infinite: flat.png;"
        f" PSNR-Y of the other 2: {others:.3f}"
    )
    assert comparison.to_text(per_image=True).splitlines()[-1] == line
    rows = {(row["model"], row["image"]): row for row in csv.DictReader(io.StringIO(comparison.to_csv()))}
    assert rows["bicubic", "flat.png"]["psnr_y_db"] == rows["bicubic", "mean"]["psnr_rgb_db"] == "inf"

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    said = json.loads(json.dumps(comparison.to_json()), parse_constant=refuse)
    assert said["identical"] == []
    assert said["psnr_y_db"] == dark.psnr_y_db
    assert said["bicubic"]["identical"] == ["flat.png"]
    assert said["bicubic"]["psnr_y_db"] == said["bicubic"]["psnr_rgb_db"] == "inf"
    assert [image["psnr_y_db"] == "inf" for image in said["bicubic"]["per_image"]] == [False, False, True]
    several = compare({"dark": _dark(4), "bicubic": bicubic(4)}, [flat, flat.parent / "SetB"]).to_json()
    assert [entry["identical"] for entry in several["results"][:2]] == [["flat.png"], []]
    json.loads(json.dumps(several), parse_constant=refuse)


def test_gain_where_both_are_equal_to_hr_is_none(flat: Path) -> None:
    again = Upscaler(Tiling(4, 2), lambda image: upscale(image, 4))
    lines = compare({"again": again}, [flat]).to_text().splitlines()
    assert lines[3].split()[-1] == "+0.000"


def test_close_up_of_an_image_equal_to_hr_is_drawn(flat: Path, tmp_path: Path) -> None:
    comparison = compare({"dark": _dark(4)}, [flat], pictures=tmp_path / "pictures")
    assert comparison.problems == ()
    assert (tmp_path / "pictures" / "SetA-x4" / "flat.png").is_file()
