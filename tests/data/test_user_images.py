"""Photographs as people have them: every kind comes back as it was, upright, with what it carries."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from nas_sr.data.formats.parts import Metadata
from nas_sr.data.formats.png import SIGNATURE as PNG
from nas_sr.data.formats.png import png_chunks
from nas_sr.data.images import UnreadableImage, read_rgb
from nas_sr.data.user_images import CannotHold, Picture, check_fits, read_picture, write_picture

RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (20, 14, 3), dtype=np.uint8)
ALPHA = RANDOM.integers(0, 256, (20, 14, 1), dtype=np.uint8)
SMOOTH = cv2.GaussianBlur(RANDOM.integers(0, 256, (48, 64, 3), dtype=np.uint8), (0, 0), 5)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION, MAKER, EXIF_PLACE, EXIF_WIDTH, TAKEN = 0x0112, 0x010F, 0x8769, 0xA002, 0x9003


def _same(one: Picture, other: Picture) -> bool:
    alike = one.colour.dtype == other.colour.dtype and np.array_equal(one.colour, other.colour)
    if one.alpha is None or other.alpha is None:
        return alike and one.alpha is other.alpha
    return alike and np.array_equal(one.alpha, other.alpha)


def _exif(path: Path) -> Image.Exif:
    with Image.open(path) as image:
        image.load()
        return image.getexif()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.booleans(), st.sampled_from([np.uint8, np.uint16])
)
def test_png_holds_every_kind(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, channels: int, clear: bool, kind: type
) -> None:
    path = tmp_path_factory.mktemp("png") / "a.png"
    samples = np.random.default_rng(height * 10 + width).integers(0, np.iinfo(kind).max + 1, (height, width, 4))
    samples = samples.astype(kind)
    picture = Picture(samples[:, :, :channels], samples[:, :, 3:] if clear else None)
    write_picture(path, picture)
    read = read_picture(path)
    if (channels, clear, kind) == (1, True, np.uint16):  # written as three equal colours: no writer knows this kind
        assert np.array_equal(read.colour, np.repeat(picture.colour, 3, axis=2))
        assert np.array_equal(read.alpha, picture.alpha)
    else:
        assert _same(read, picture)
    with Image.open(path) as image:
        image.verify()


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
@pytest.mark.parametrize("grey", [False, True])
def test_jpeg_and_webp_come_back_nearly(tmp_path: Path, suffix: str, grey: bool) -> None:
    picture = Picture(SMOOTH[:, :, :1] if grey else SMOOTH)
    write_picture(tmp_path / f"a{suffix}", picture)
    read = read_picture(tmp_path / f"a{suffix}")
    assert read.colour.shape[2] == (1 if grey and suffix != ".webp" else 3)  # WebP has no grey
    assert np.abs(read.colour.astype(int) - picture.colour).mean() < 3


def test_webp_keeps_transparency_and_is_lossless_at_100(tmp_path: Path) -> None:
    opaque_somewhere = np.maximum(ALPHA, 1)  # colours under full transparency are WebP's own affair
    picture = Picture(RGB, opaque_somewhere)
    write_picture(tmp_path / "a.webp", picture, quality=100)
    assert _same(read_picture(tmp_path / "a.webp"), picture)


def test_pixels_are_those_of_training_and_evaluation(tmp_path: Path) -> None:
    """Two readers, one image: a score of an upscaled file is a score of what was shown."""
    for suffix in (".png", ".jpg", ".webp", ".bmp", ".tif"):
        path = tmp_path / f"a{suffix}"
        assert cv2.imwrite(str(path), SMOOTH[:, :, ::-1])
        assert np.array_equal(read_picture(path).colour, read_rgb(path))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "deep"])
def test_orientation_is_applied_and_reset(tmp_path: Path, orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = orientation, "Maker"
    source, target = tmp_path / "stored.img", tmp_path / "upright.png"
    stored = Image.fromarray(SMOOTH)
    if kind == "deep":  # OpenCV's 16 bits with Pillow's EXIF chunk
        described = io.BytesIO()
        stored.save(described, "PNG", exif=exif)
        data = described.getvalue()
        (chunk,) = (data[one.start : one.end] for one in png_chunks(data) if one.kind == b"eXIf")
        deep = cv2.imencode(".png", SMOOTH[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes()
        at = next(png_chunks(deep)).end
        source.write_bytes(deep[:at] + chunk + deep[at:])
    else:
        stored.save(source, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    with Image.open(source) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    picture = read_picture(source)
    assert np.array_equal(picture.colour if kind != "deep" else picture.colour // 257, expected)
    write_picture(target, picture)
    assert _exif(target).get(ORIENTATION, 1) == 1
    assert _exif(target)[MAKER] == "Maker"
    assert np.array_equal(read_picture(target).colour, picture.colour)


def _described(path: Path, **more: object) -> Path:
    exif = Image.Exif()
    exif[MAKER] = "Maker"
    exif[EXIF_PLACE] = {EXIF_WIDTH: SMOOTH.shape[1], TAKEN: "2020:01:02 03:04:05"}
    Image.fromarray(SMOOTH).save(path, exif=exif, icc_profile=SRGB, dpi=(300, 300), **more)
    return path


@pytest.mark.parametrize("source", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("target", [".png", ".jpg", ".webp"])
def test_metadata_crosses_formats(tmp_path: Path, source: str, target: str) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="1"/>'
    more: dict[str, object] = {"xmp": xmp} if source != ".png" else {}
    picture = read_picture(_described(tmp_path / f"a{source}", **more))
    large = Picture(picture.colour.repeat(2, axis=0).repeat(2, axis=1), None, picture.metadata)
    write_picture(tmp_path / f"b{target}", large)
    with Image.open(tmp_path / f"b{target}") as image:
        image.load()
        exif = image.getexif()
        assert exif[MAKER] == "Maker"
        assert exif.get_ifd(EXIF_PLACE)[TAKEN] == "2020:01:02 03:04:05"
        assert exif.get_ifd(EXIF_PLACE)[EXIF_WIDTH] == 2 * SMOOTH.shape[1]
        assert image.info["icc_profile"] == SRGB
        if ".webp" not in (source, target):  # WebP itself says nothing of the resolution
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        if source != ".png":
            assert xmp in (image.info.get("xmp"), image.info.get("XML:com.adobe.xmp", "").encode())


@pytest.mark.parametrize("deep", [False, True])
def test_png_keeps_its_text_and_what_its_colours_mean(tmp_path: Path, deep: bool) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "a title")
    info.add_itxt("Description", "Größe", lang="de")
    info.add(b"gAMA", struct.pack(">I", 100_000))
    Image.fromarray(SMOOTH).save(tmp_path / "a.png", pnginfo=info, dpi=(72, 72))
    picture = read_picture(tmp_path / "a.png")
    if deep:
        picture = Picture(picture.colour.astype(np.uint16) * 257, None, picture.metadata)
    write_picture(tmp_path / "b.png", picture)
    with Image.open(tmp_path / "b.png") as image:
        image.load()
        assert image.text == {"Title": "a title", "Description": "Größe"}
        assert image.info["gamma"] == 1.0
        assert image.info["dpi"] == pytest.approx((72, 72), abs=0.1)
    assert np.array_equal(read_picture(tmp_path / "b.png").colour, picture.colour)


def test_stored_kinds_become_what_they_mean(tmp_path: Path) -> None:
    palette = Image.fromarray(SMOOTH).quantize(16)
    palette.save(tmp_path / "palette.png")
    assert np.array_equal(read_picture(tmp_path / "palette.png").colour, np.asarray(palette.convert("RGB")))
    palette.save(tmp_path / "clear.png", transparency=3)
    clear = read_picture(tmp_path / "clear.png")
    assert clear.alpha is not None
    assert set(np.unique(clear.alpha)) == {0, 255}
    Image.fromarray(SMOOTH[:, :, 0] > 128).save(tmp_path / "bits.png")
    assert set(np.unique(read_picture(tmp_path / "bits.png").colour)) == {0, 255}
    Image.fromarray(np.dstack([RGB[:, :, :1], ALPHA])).save(tmp_path / "la.png")
    assert _same(read_picture(tmp_path / "la.png"), Picture(RGB[:, :, :1], ALPHA))


def test_cmyk_becomes_rgb_without_its_profile(tmp_path: Path) -> None:
    profile = bytearray(SRGB)
    profile[16:20] = b"CMYK"
    Image.new("CMYK", (9, 9), (255, 0, 0, 0)).save(tmp_path / "a.jpg", icc_profile=bytes(profile))
    picture = read_picture(tmp_path / "a.jpg")
    red, _, blue = picture.colour[4, 4]
    assert red < 40
    assert blue > 200
    write_picture(tmp_path / "b.jpg", picture)
    with Image.open(tmp_path / "b.jpg") as image:
        assert "icc_profile" not in image.info


def test_deep_tiff_is_read(tmp_path: Path) -> None:
    deep = RANDOM.integers(0, 65536, (9, 8, 3), dtype=np.uint16)
    assert cv2.imwrite(str(tmp_path / "a.tif"), deep[:, :, ::-1])
    assert _same(read_picture(tmp_path / "a.tif"), Picture(deep))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"photometric": "rgb", "planarconfig": "separate"}, "its colours lie apart"),
        ({"photometric": "miniswhite"}, "black as 0"),
        ({"photometric": "rgb", "extrasamples": ["assocalpha"]}, "no straight transparency"),
        ({"photometric": "rgb", "extrasamples": ["unspecified"]}, "no straight transparency"),
        ({"photometric": "rgb", "extrasamples": ["unassalpha"]}, None),
        ({"photometric": "minisblack"}, None),
    ],
)
def test_deep_tiff_is_read_right_or_not_at_all(tmp_path: Path, options: dict, words: str | None) -> None:
    """Its tags can say that the samples mean something else than OpenCV takes them for."""
    channels = 1 if options["photometric"].startswith("minis") else 4 if "extrasamples" in options else 3
    deep = RANDOM.integers(0, 65536, (9, 8, channels), dtype=np.uint16)
    stored = deep.transpose(2, 0, 1) if "planarconfig" in options else deep
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    if words:
        for read in (read_picture, read_rgb):
            with pytest.raises(UnreadableImage, match=f"a 16-bit TIFF that is not read: .*{words}.*; save it as PNG"):
                read(tmp_path / "a.tif")
        return
    expected = Picture(deep[:, :, :3], deep[:, :, 3:]) if channels == 4 else Picture(deep)
    assert _same(read_picture(tmp_path / "a.tif"), expected)
    assert np.abs(read_rgb(tmp_path / "a.tif") - deep[:, :, :3] / 257).max() <= 0.5


def test_metadata_too_long_for_jpeg_is_said_before_the_work() -> None:
    for long in ({"xmp": b"x" * 70_000}, {"comment": b"x" * 70_000}, {"exif": b"x" * 70_000}):
        picture = Picture(SMOOTH, metadata=Metadata(**long))
        with pytest.raises(CannotHold, match=r"more than the 65,500 bytes of JPEG; PNG holds it"):
            check_fits(picture, ".jpg")
        check_fits(picture, ".png")


@pytest.mark.parametrize("kind", ["xmp", "comment"])
def test_metadata_that_just_fits_jpeg_is_written(tmp_path: Path, kind: str) -> None:
    picture = Picture(SMOOTH, metadata=Metadata(**{kind: b"x" * 65_500}))
    write_picture(tmp_path / "a.jpg", picture)
    assert getattr(read_picture(tmp_path / "a.jpg").metadata, kind) == b"x" * 65_500


def test_phone_picture_with_a_second_image_is_its_photograph(tmp_path: Path) -> None:
    second = Image.fromarray(SMOOTH[::2, ::2])
    Image.fromarray(SMOOTH).save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.n_frames == 2
    assert read_picture(tmp_path / "a.jpg").colour.shape == SMOOTH.shape


def test_broken_exif_costs_the_exif_and_not_the_picture(tmp_path: Path) -> None:
    Image.fromarray(SMOOTH).save(tmp_path / "a.jpg", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff" + b"\x09" * 20)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.colour.shape == SMOOTH.shape
    assert picture.metadata.exif == b""
    assert "EXIF" in picture.notes[0]


def _header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


def test_what_cannot_be_read_is_said_in_a_line(tmp_path: Path) -> None:
    frames = [Image.fromarray(SMOOTH), Image.fromarray(SMOOTH[::-1])]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    Image.fromarray(SMOOTH[:, :, 0].astype(np.float32)).save(tmp_path / "float.tif")
    (tmp_path / "huge.png").write_bytes(_header(60_000, 60_000))
    (tmp_path / "wide.png").write_bytes(_header(2_000_000, 1))
    (tmp_path / "lying.png").write_bytes(_header(30, 30))  # fewer pixels than it says
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.jpg").write_bytes(b"")
    for name, words in [
        ("moving.webp", "holds 2 images"),
        ("float.tif", "32-bit samples; 8 and 16 bits can be read"),
        ("huge.png", "60000x60000 pixels; read are at most 1,073,741,824 pixels"),
        ("wide.png", "1,048,576 a side"),
        ("lying.png", "cannot be decoded"),
        ("text.png", "not an image"),
        ("empty.jpg", "empty file"),
        ("none.png", "No such file"),
    ]:
        with pytest.raises(UnreadableImage, match=words) as raised:
            read_picture(tmp_path / name)
        assert str(raised.value).startswith(str(tmp_path / name))
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_file_cut_short_is_named(tmp_path: Path, suffix: str, kept: float) -> None:
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), SMOOTH)
    whole = (tmp_path / f"a{suffix}").read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(UnreadableImage, match="cut"):
        read_picture(cut)


def test_what_a_format_cannot_hold_is_refused_before_writing(tmp_path: Path) -> None:
    deep = Picture(RGB.astype(np.uint16))
    wide = Picture(np.zeros((1, 16384, 3), np.uint8))
    for picture, name, words in [
        (deep, "a.jpg", "16 bits a sample do not fit JPEG"),
        (deep, "a.webp", "PNG holds 16"),
        (Picture(RGB, ALPHA), "a.jpg", "its transparency does not fit JPEG"),
        (wide, "a.webp", "16384x1 pixels; WEBP holds at most 16383 a side"),
        (Picture(np.zeros((65536, 1, 3), np.uint8)), "a.jpg", "JPEG holds at most 65535"),
    ]:
        with pytest.raises(CannotHold, match=words):
            write_picture(tmp_path / name, picture)
    assert list(tmp_path.iterdir()) == []
    write_picture(tmp_path / "a.jpg", wide)


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    (tmp_path / "place.png").mkdir()
    with pytest.raises(OSError, match="place"):
        write_picture(tmp_path / "place.png", Picture(RGB))
    assert [path.name for path in tmp_path.iterdir()] == ["place.png"]


def test_clear_value_of_a_deep_grey_png_is_transparent(tmp_path: Path) -> None:
    grey = np.array([[0, 300], [300, 65535]], np.uint16)
    data = cv2.imencode(".png", grey)[1].tobytes()
    head = next(png_chunks(data)).end
    clear = b"tRNS" + struct.pack(">H", 300)
    chunk = struct.pack(">I", 2) + clear + struct.pack(">I", zlib.crc32(clear))
    (tmp_path / "clear.png").write_bytes(data[:head] + chunk + data[head:])
    found = read_picture(tmp_path / "clear.png")
    assert (found.colour[:, :, 0] == grey).all()
    assert found.alpha is not None
    assert found.alpha[:, :, 0].tolist() == [[65535, 0], [0, 65535]]


def test_deep_grey_with_transparency_is_written_without_a_grey_profile(tmp_path: Path) -> None:
    """The file is RGBA, to which a profile of grey does not belong."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[16:20] = b"GRAY"
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "grey.png", icc_profile=bytes(profile))
    grey = read_picture(tmp_path / "grey.png")
    deep = Picture(np.zeros((2, 2, 1), np.uint16), np.full((2, 2, 1), 9, np.uint16), grey.metadata)
    write_picture(tmp_path / "deep.png", deep)
    assert b"iCCP" not in [chunk.kind for chunk in png_chunks((tmp_path / "deep.png").read_bytes())]
