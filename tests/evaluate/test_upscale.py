"""Files in, larger files out; what fails is named, and nothing is lost or half-written."""

from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from nas_sr.data.images import read_rgb, write_png
from nas_sr.data.resize import upscale
from nas_sr.data.user_images import Picture, read_picture, write_picture
from nas_sr.evaluate.evaluate import bicubic
from nas_sr.evaluate.jobs import UpscaleJob, plan_jobs
from nas_sr.evaluate.tiles import Tiling
from nas_sr.evaluate.upscale import enlarged, upscale_files
from nas_sr.evaluate.upscalers import Upscaler

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (9, 7, 3), dtype=np.uint8)
ALPHA = RANDOM.integers(0, 256, (9, 7, 1), dtype=np.uint8)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_kind_of_picture_is_kept(tmp_path: Path, kind: type, channels: int) -> None:
    factor = 257 if kind is np.uint16 else 1
    small = Picture(IMAGE[:, :, :channels].astype(kind) * factor, ALPHA.astype(kind) * factor)
    large = enlarged(small, bicubic(3))
    assert large.colour.dtype == kind
    assert large.colour.shape == (27, 21, channels)
    assert large.alpha is not None
    assert np.array_equal(large.alpha, upscale(small.alpha, 3))
    assert np.array_equal(large.colour, upscale(small.colour, 3))


def test_full_opacity_stays_full() -> None:
    large = enlarged(Picture(IMAGE, np.full_like(ALPHA, 255)), bicubic(2))
    assert large.alpha is not None
    assert (large.alpha == 255).all()


def test_folder_with_everything_in_it(tmp_path: Path) -> None:
    source = tmp_path / "in"
    write_png(source / "colour.png", IMAGE)
    write_picture(source / "grey.jpg", Picture(IMAGE[:, :, :1]))
    write_picture(source / "clear.webp", Picture(IMAGE, ALPHA))
    write_picture(source / "deep.png", Picture(IMAGE.astype(np.uint16) * 257))
    (source / "broken.jpg").write_bytes(b"no image")
    (source / "cut.png").write_bytes((source / "colour.png").read_bytes()[:-30])
    said: list[str] = []
    wrote: list[Path] = []
    done = upscale_files(
        bicubic(2), plan_jobs([str(source)], str(tmp_path / "out"), "same"), failed=said.append, wrote=wrote.append
    )
    names = ["clear.webp", "colour.png", "deep.png", "grey.jpg"]
    assert [file.name for file in done.files] == names
    assert list(done.files) == wrote
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    kinds = {name: read_picture(tmp_path / "out" / name) for name in names}
    assert all(picture.colour.shape[:2] == (18, 14) for picture in kinds.values())
    assert kinds["clear.webp"].alpha is not None
    assert kinds["deep.png"].bits == 16
    assert kinds["grey.jpg"].colour.shape[2] == 1
    assert list(done.problems) == said
    assert [line.split(": ")[0] for line in said] == [str(source / "broken.jpg"), str(source / "cut.png")]


def test_what_a_format_cannot_hold_fails_alone_and_early(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", Picture(IMAGE, ALPHA))
    write_picture(tmp_path / "b.png", Picture(IMAGE.astype(np.uint16)))
    write_png(tmp_path / "c.png", np.zeros((1, 6000, 3), np.uint8))
    write_png(tmp_path / "d.png", IMAGE)
    computed: list[int] = []

    def enlarge(image: np.ndarray) -> np.ndarray:
        computed.append(image.shape[1])
        return upscale(image, 4)

    jobs = plan_jobs([str(tmp_path / "*.png")], str(tmp_path / "out"), "jpg")
    done = upscale_files(Upscaler(Tiling(4, 2), enlarge), jobs)
    assert [file.name for file in done.files] == ["c.jpg", "d.jpg"]
    assert computed.count(IMAGE.shape[1]) == 1  # for d.png, and nothing for a.png and b.png
    assert "a.png: its transparency does not fit JPEG; PNG and WEBP hold it" in done.problems[0]
    assert "b.png: its 16 bits a sample do not fit JPEG" in done.problems[1]
    done = upscale_files(
        bicubic(4),
        [UpscaleJob(tmp_path / "c.png", tmp_path / "c.webp"), UpscaleJob(tmp_path / "d.png", tmp_path / "d.webp")],
    )
    assert done.problems == (f"{tmp_path / 'c.png'}: 24000x4 pixels; WEBP holds at most 16383 a side",)
    assert [file.name for file in done.files] == ["d.webp"]


def test_image_too_large_for_the_memory_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_png(tmp_path / "a.png", np.zeros((300, 400, 3), np.uint8))
    memory = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=5_000_000))
    done = upscale_files(bicubic(4), [UpscaleJob(tmp_path / "a.png", tmp_path / "b.png")])
    assert done.files == ()
    assert "400x300 pixels become 1600x1200, which needs 0.0 GB of memory" in done.problems[0]


def test_failure_of_the_model_is_said_and_the_rest_is_done(tmp_path: Path) -> None:
    write_png(tmp_path / "in" / "a.png", IMAGE)
    write_png(tmp_path / "in" / "b.png", IMAGE[:5])

    def enlarge(image: np.ndarray) -> np.ndarray:
        if image.shape[0] == 9:
            raise RuntimeError("not enough memory\nand a second line")
        return upscale(image, 2)

    jobs = plan_jobs([str(tmp_path / "in")], str(tmp_path / "out"))
    done = upscale_files(Upscaler(Tiling(2, 2), enlarge), jobs)
    assert done.problems == (f"{tmp_path / 'in' / 'a.png'}: could not be upscaled: not enough memory",)
    assert [file.name for file in done.files] == ["b.png"]


def test_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", IMAGE)
    job = UpscaleJob(tmp_path / "a.png", tmp_path / "b.png")
    appeared = lambda image: job.target.write_text("somebody else's")  # noqa: E731
    done = upscale_files(bicubic(2), [job], began=appeared)
    assert job.target.read_text() == "somebody else's"
    assert "has appeared meanwhile and is kept" in done.problems[0]
    assert upscale_files(bicubic(2), [job], overwrite=True).files == (job.target,)
    assert read_rgb(job.target).shape == (18, 14, 3)


def test_place_that_cannot_be_written_to_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", IMAGE)
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder.png").mkdir()
    jobs = [UpscaleJob(tmp_path / "a.png", tmp_path / name) for name in ("file/a.png", "folder.png", "c.png")]
    done = upscale_files(bicubic(2), jobs, overwrite=True)
    assert done.files == (tmp_path / "c.png",)
    assert [line.split(": could not be written")[0] for line in done.problems] == [str(job.target) for job in jobs[:2]]
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".part")]


def test_metadata_that_has_no_room_fails_that_file_only(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 70_000
    Image.fromarray(IMAGE).save(tmp_path / "a.png", exif=exif)
    jobs = [UpscaleJob(tmp_path / "a.png", tmp_path / name) for name in ("b.jpg", "b.png")]
    done = upscale_files(bicubic(2), jobs)
    assert done.files == (tmp_path / "b.png",)
    assert "more than the 65,500 bytes of JPEG" in done.problems[0]
    assert not (tmp_path / "b.jpg").exists()


def test_what_of_a_file_could_not_be_kept_is_said(tmp_path: Path) -> None:
    broken = b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff" + b"\x09" * 20
    Image.fromarray(IMAGE).save(tmp_path / "a.jpg", exif=broken)
    said: list[str] = []
    done = upscale_files(bicubic(2), [UpscaleJob(tmp_path / "a.jpg", tmp_path / "b.png")], noted=said.append)
    assert done.problems == ()
    assert said[0].startswith(f"{tmp_path / 'a.jpg'}: EXIF left out: it is broken")


def test_progress_is_told_by_tile(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", RANDOM.integers(0, 256, (30, 20, 3), dtype=np.uint8))
    told: list[tuple[int, int]] = []
    base = bicubic(2)
    upscaler = Upscaler(base.tiling._replace(side=10), base.enlarge)
    upscale_files(upscaler, [UpscaleJob(tmp_path / "a.png", tmp_path / "b.png")], tiled=lambda *at: told.append(at))
    assert told == [(done, 6) for done in range(1, 7)]


def test_hidden_colours_do_not_show_at_the_edges() -> None:
    """A white shape cut out of transparent black stays white."""
    colour, alpha = np.zeros((12, 12, 3), np.uint8), np.zeros((12, 12, 1), np.uint8)
    colour[3:9, 2:7], alpha[3:9, 2:7] = 255, 255
    large = enlarged(Picture(colour, alpha), bicubic(4))
    assert large.alpha is not None
    assert (large.colour[large.alpha[:, :, 0] > 0] == 255).all()
