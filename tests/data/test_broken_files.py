"""One file, one answer: every reader of the product gives the same pixels, or the same reason."""

import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nas_sr.data.check import check
from nas_sr.data.decoding import decode
from nas_sr.data.formats.parts import BadPixels
from nas_sr.data.image_sets import image_sets
from nas_sr.data.images import UnreadableImage, pixel_count, read_rgb
from nas_sr.data.pack import Pack
from nas_sr.data.packing import BadImages
from nas_sr.data.prepare import prepare
from nas_sr.errors import UsageError
from nas_sr.evaluate.benchmark import open_benchmark
from nas_sr.evaluate.evaluate import bicubic
from nas_sr.evaluate.jobs import plan_jobs
from nas_sr.evaluate.model_comparison import compare
from nas_sr.evaluate.tiles import Tiling
from nas_sr.evaluate.upscale import upscale_files
from nas_sr.evaluate.upscalers import Upscaler
from tests.conftest import BESIDE
from tests.data.broken_files import (
    CUT_PIXELS,
    PIXELS,
    WHOLE_PIXELS,
    chunk,
    deep_png,
    encoded,
    with_chunks,
    with_idat,
    with_segment,
    with_tag,
)
from tests.data.pictures import write_images

Answer = np.ndarray | str  # pixels, or why there are none
CASES = ("large-ztxt.png", "text-chunk-checksum.png")


def _upscale(path: Path, place: Path) -> tuple[Answer, list[str]]:
    notes: list[str] = []
    doubling = Upscaler(Tiling(2, 0), lambda image: image.repeat(2, axis=0).repeat(2, axis=1))
    done = upscale_files(doubling, plan_jobs([str(path.parent)], str(place / "large")), noted=notes.append)
    if done.problems:
        return done.problems[0], notes
    with Image.open(done.files[0]) as image:
        image.load()  # others can read it
    return read_rgb(done.files[0])[::2, ::2], notes


def _evaluate(path: Path, place: Path) -> Answer:
    scores = compare({"bicubic": bicubic(4)}, [path.parent]).results[0].scores
    if scores.problems:
        return scores.problems[0]
    (_, read) = open_benchmark(path.parent, 4).sources[0]
    return read()[1]


def _prepare(path: Path, place: Path) -> Answer:
    try:
        prepare([path.parent], place / "pack", 4, val=0)
    except BadImages as error:
        return error.lines[0]
    return Pack(place / "pack" / "train").hr(0)


def _search(path: Path, place: Path) -> Answer:
    try:
        return image_sets(str(path.parent), str(write_images(place / "val", ["v.png"])), 4, 16).train.hr(0)
    except UsageError as error:
        return str(error).split("the first: ")[1]


def _answers(path: Path, place: Path) -> dict[str, Answer]:
    return {
        "upscale": _upscale(path, place)[0],
        "evaluate": _evaluate(path, place),
        "prepare": _prepare(path, place),
        "search": _search(path, place),
    }


@pytest.mark.parametrize("name", WHOLE_PIXELS)
def test_broken_metadata_never_costs_whole_pixels_and_is_said(tmp_path: Path, name: str) -> None:
    make, word = WHOLE_PIXELS[name]
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_bytes(make())
    expected = PIXELS
    if path.suffix in (".jpg", ".jfif"):
        Image.fromarray(PIXELS).save(tmp_path / "clean.jpg")
        expected = np.asarray(Image.open(tmp_path / "clean.jpg"))
    for reader, answer in _answers(path, tmp_path).items():
        assert isinstance(answer, np.ndarray), f"{reader}: {answer}"
        assert np.array_equal(answer, expected), reader
    assert pixel_count(path) == PIXELS.shape[0] * PIXELS.shape[1]
    shutil.rmtree(tmp_path / "large")
    _, notes = _upscale(path, tmp_path)
    checked = check([path.parent], 4, lambda done, total: None, 1)
    assert checked.bad == []
    assert [f"{remark.file}: {remark.problem}" for remark in checked.notes] == notes
    if word:
        assert any(word in note for note in notes), notes
        assert all(note.startswith(f"{path}: ") for note in notes)
    else:
        assert notes == []


@pytest.mark.parametrize("name", CUT_PIXELS)
def test_pixels_that_are_not_whole_are_refused_everywhere_for_one_reason(tmp_path: Path, name: str) -> None:
    make, words = CUT_PIXELS[name]
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_bytes(make())
    with pytest.raises(UnreadableImage, match=words) as raised:
        read_rgb(path)
    assert _answers(path, tmp_path) == dict.fromkeys(("upscale", "evaluate", "prepare", "search"), str(raised.value))
    (remark,) = check([path.parent], 4, lambda done, total: None, 1).bad
    assert f"{remark.file}: {remark.problem}" == str(raised.value)


@pytest.mark.parametrize("name", CASES)
def test_files_of_other_peoples_trouble(tmp_path: Path, name: str) -> None:
    source = BESIDE / "cases" / name
    if not source.is_file():
        pytest.skip(f"needs cases/{name} beside the project, in shared/ (or $NAS_SR_SHARED)")
    (tmp_path / "in").mkdir()
    path = Path(shutil.copy(source, tmp_path / "in"))
    answer, notes = _upscale(path, tmp_path)
    assert np.array_equal(answer, read_rgb(path))
    assert len(notes) == 1
    assert "left out" in notes[0]


_NOT_NEEDED = st.sampled_from(
    [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"pHYs", b"sRGB", b"gAMA", b"cHRM", b"cICP"]
)
_CONTENT = st.binary(max_size=60) | st.binary(max_size=20).map(lambda key: key + b"\0\0" + zlib.compress(key))


@settings(max_examples=80)
@given(st.lists(st.tuples(_NOT_NEEDED | st.just(b"abCd") | st.just(b"tRNS"), _CONTENT, st.none() | st.just(1))))
def test_no_chunk_beside_the_pixels_of_a_png_can_change_them(chunks: list[tuple[bytes, bytes, int | None]]) -> None:
    for png in (encoded("PNG"), deep_png()):
        found = decode(with_chunks(*(chunk(*one) for one in chunks), png=png))
        assert np.array_equal(found.samples[:, :, :3] // (257 if found.samples.dtype == np.uint16 else 1), PIXELS)


@settings(max_examples=80)
@given(st.lists(st.tuples(st.integers(0xE0, 0xEF) | st.just(0xFE), st.binary(max_size=60)), max_size=5))
def test_no_metadata_segment_of_a_jpeg_can_change_its_pixels(segments: list[tuple[int, bytes]]) -> None:
    jpeg = whole = encoded("JPEG")
    for marker, content in segments:
        jpeg = with_segment(marker, content, jpeg)
    if not any(marker == 0xEE and content.startswith(b"Adobe") for marker, content in segments):
        assert np.array_equal(decode(jpeg).samples, decode(whole).samples)


@settings(max_examples=80)
@given(st.integers(600, 65535) | st.sampled_from([269, 270, 271, 282, 283, 296, 305, 330, 700]),
       st.integers(0, 20), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))  # fmt: skip
def test_no_metadata_tag_of_a_tiff_can_change_its_pixels(tag: int, kind: int, count: int, value: int) -> None:
    assert np.array_equal(decode(with_tag(tag, kind, count, value)).samples, PIXELS)


@settings(max_examples=60)
@given(st.integers(0, 2**20), st.booleans())
def test_compressed_pixels_cut_anywhere_are_never_filled_up(kept: int, deep: bool) -> None:
    png = with_idat(deep_png() if deep else encoded("PNG"), lambda content: content[: kept % (len(content) - 8)])
    with pytest.raises(BadPixels):
        decode(png)
