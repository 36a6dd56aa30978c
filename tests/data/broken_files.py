"""Image files as they come out of broken programs, disks and downloads: whole pixels, and what is wrong beside them."""

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageCms

from nas_sr.data.formats.png import SIGNATURE, png_chunks

_RANDOM = np.random.default_rng(5)
PIXELS = cv2.resize(_RANDOM.integers(0, 256, (12, 16, 3), dtype=np.uint8), (128, 96), interpolation=cv2.INTER_CUBIC)
_DEEP = PIXELS.astype(np.uint16) * 257
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def encoded(kind: str, pixels: np.ndarray = PIXELS, **options: object) -> bytes:
    """A whole file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def deep_png() -> bytes:
    """16 bits a sample."""
    return cv2.imencode(".png", _DEEP[:, :, ::-1])[1].tobytes()


def chunk(kind: bytes, content: bytes, checksum: int | None = None) -> bytes:
    """A PNG chunk."""
    crc = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def with_chunks(*chunks: bytes, png: bytes | None = None) -> bytes:
    """A PNG with further chunks behind its header."""
    png = png or encoded("PNG")
    at = next(png_chunks(png)).end
    return png[:at] + b"".join(chunks) + png[at:]


def with_segment(marker: int, content: bytes, jpeg: bytes | None = None) -> bytes:
    """A JPEG with a further segment in front."""
    jpeg = jpeg or encoded("JPEG")
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


def with_riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP with further chunks behind its pixels."""
    webp = encoded("WEBP", lossless=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    more = b"".join(struct.pack("<4sI", kind, len(content)) + content for kind, content in chunks)
    return webp[:4] + struct.pack("<I", len(webp) + len(more) - 8) + webp[8:] + more


def with_tag(tag: int, kind: int, count: int, value: int) -> bytes:
    """A little-endian TIFF with one more tag in its directory, which is written anew at the end."""
    tiff = encoded("TIFF")
    at = struct.unpack_from("<I", tiff, 4)[0]
    number = struct.unpack_from("<H", tiff, at)[0]
    entries = [tiff[at + 2 + 12 * index :][:12] for index in range(number)]
    entries = [entry for entry in entries if struct.unpack_from("<H", entry)[0] != tag]
    entries = sorted([*entries, struct.pack("<HHII", tag, kind, count, value)], key=lambda one: one[:2][::-1])
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + directory


def _compressed_text(text: bytes) -> bytes:
    return chunk(b"zTXt", b"Workflow\0\0" + zlib.compress(text))


def _cut_behind_pixels() -> bytes:
    return (encoded("PNG")[:-12] + chunk(b"tEXt", b"Behind\0" + b"x" * 500))[:-40]


_BAD_EXIF = b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\x09" * 20

# Name with suffix -> what makes the file, and a word of what is said to be left out (empty: nothing is).
WHOLE_PIXELS: dict[str, tuple[Callable[[], bytes], str]] = {
    "text-checksum.png": (lambda: with_chunks(chunk(b"tEXt", b"Comment\0hi", 7)), "tEXt ('Comment')"),
    "itxt-checksum.png": (lambda: with_chunks(chunk(b"iTXt", b"Title\0\0\0\0\0hi", 7)), "iTXt ('Title')"),
    "exif-checksum.png": (lambda: with_chunks(chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0", 7)), "eXIf"),
    "profile-checksum.png": (lambda: with_chunks(chunk(b"iCCP", b"x\0\0" + zlib.compress(_SRGB), 7)), "iCCP"),
    "time-checksum.png": (lambda: with_chunks(chunk(b"tIME", bytes(7), 7)), "tIME"),
    "text-bomb.png": (lambda: with_chunks(_compressed_text(bytes(3_000_000))), "zTXt ('Workflow')"),
    "text-just-too-long.png": (lambda: with_chunks(_compressed_text(b"a" * (2**20 + 1))), "1,048,576 bytes"),
    "texts-too-long-together.png": (lambda: with_chunks(*[_compressed_text(b"a" * 2**20)] * 66), "zTXt"),
    "itxt-bomb.png": (
        lambda: with_chunks(chunk(b"iTXt", b"T\0\1\0\0\0" + zlib.compress(bytes(2_000_000)))),
        "iTXt ('T')",
    ),
    "xmp-bomb.png": (
        lambda: with_chunks(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(2_000_000)))),
        "XML:com.adobe.xmp",
    ),
    "profile-bomb.png": (lambda: with_chunks(chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(9_000_000)))), "iCCP"),
    "profile-garbage.png": (lambda: with_chunks(chunk(b"iCCP", b"x\0\0garbage")), "iCCP"),
    "profile-not-one.png": (lambda: with_chunks(chunk(b"iCCP", b"x\0\0" + zlib.compress(b"hi"))), "colour profile"),
    "text-cut-stream.png": (lambda: with_chunks(chunk(b"zTXt", b"K\0\0" + zlib.compress(b"a" * 999)[:-6])), "zTXt"),
    "text-unknown-method.png": (lambda: with_chunks(chunk(b"zTXt", b"K\0\x09xx")), "zTXt"),
    "text-without-key.png": (lambda: with_chunks(chunk(b"iTXt", b"no zeros")), "iTXt"),
    "srgb-empty.png": (lambda: with_chunks(chunk(b"sRGB", b"")), "sRGB"),
    "gamma-short.png": (lambda: with_chunks(chunk(b"gAMA", b"\0")), "gAMA"),
    "chroma-odd.png": (lambda: with_chunks(chunk(b"cHRM", bytes(5))), "cHRM"),
    "resolution-short.png": (lambda: with_chunks(chunk(b"pHYs", bytes(3))), "pHYs"),
    "transparency-short.png": (lambda: with_chunks(chunk(b"tRNS", b"\0")), "tRNS"),
    "exif-garbage.png": (lambda: with_chunks(chunk(b"eXIf", b"garbage, garbage")), "EXIF"),
    "raw-exif.png": (lambda: with_chunks(chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"x"))), "zTXt"),
    "deep-text-bomb.png": (lambda: with_chunks(_compressed_text(bytes(3_000_000)), png=deep_png()), "zTXt"),
    "deep-text-checksum.png": (lambda: with_chunks(chunk(b"tEXt", b"C\0hi", 7), png=deep_png()), "tEXt ('C')"),
    "trailing.png": (lambda: encoded("PNG") + b"rubbish", "7 bytes behind the image"),
    "cut-behind-pixels.png": (_cut_behind_pixels, "cut short behind its pixels"),
    "without-end.png": (lambda: encoded("PNG")[:-12], "cut short behind its pixels"),
    "exif.jpg": (lambda: with_segment(0xE1, _BAD_EXIF), "EXIF"),
    "exif-empty.jpg": (lambda: with_segment(0xE1, b"Exif\0\0"), ""),
    "profile-in-pieces.jpg": (lambda: with_segment(0xE2, b"ICC_PROFILE\0\1\3" + _SRGB), "colour profile"),
    "profile-garbage.jpg": (lambda: with_segment(0xE2, b"ICC_PROFILE\0\1\1garbage"), "colour profile"),
    "adobe-short.jpg": (lambda: with_segment(0xEE, b"Adobe"), ""),
    "jfif-short.jpg": (lambda: with_segment(0xE0, b"JFIF"), ""),
    "photoshop.jpg": (lambda: with_segment(0xED, b"Photoshop 3.0\x008BIM\xff\xff\xff"), ""),
    "second-picture-lost.jpg": (lambda: with_segment(0xE2, b"MPF\0MM\0*\xff\xff\xff\xff"), ""),
    "trailing.jpg": (lambda: encoded("JPEG") + b"\xff\xd8\xff\xe1cut", "7 bytes behind the image"),
    "rubbish-between.jpg": (lambda: encoded("JPEG")[:20] + b"rubbish" + encoded("JPEG")[20:], ""),
    "photo.jfif": (lambda: with_segment(0xE1, _BAD_EXIF), "EXIF"),
    "exif.webp": (lambda: with_riff((b"EXIF", _BAD_EXIF)), ""),  # the first counts
    "xmp-cut.webp": (lambda: with_riff((b"XMP ", b"x" * 100))[:-50], "XMP left out: it is cut short"),
    "trailing.webp": (lambda: encoded("WEBP", lossless=True) + b"rubbish", "7 bytes behind the image"),
    "profile.webp": (lambda: encoded("WEBP", lossless=True, icc_profile=b"no profile"), "colour profile"),
    "resolution-is-text.tif": (lambda: with_tag(282, 2, 4, 0x00636261), "left out"),
    "exif-nowhere.tif": (lambda: with_tag(0x8769, 4, 1, 0x7FFFFFFF), "EXIF"),
    "profile.tif": (lambda: with_tag(34675, 7, 4, 0x12345678), "colour profile"),
    "xmp-of-shorts.tif": (lambda: with_tag(700, 3, 2, 0x12345678), "XMP"),
}


def with_idat(png: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A PNG with other compressed pixels, of the right checksum."""
    pieces = [SIGNATURE]
    for one in png_chunks(png):
        content = one.content(png)
        pieces.append(chunk(one.kind, change(content) if one.kind == b"IDAT" else content))
    return b"".join(pieces)


# Name with suffix -> what makes the file, and why it cannot be read.
CUT_PIXELS: dict[str, tuple[Callable[[], bytes], str]] = {
    "half.png": (lambda: encoded("PNG")[:2000], "cut short or corrupt"),
    "idat-checksum.png": (lambda: encoded("PNG")[:-20] + b"\0" + encoded("PNG")[-19:], "cut short or corrupt"),
    "idat-short.png": (lambda: with_idat(encoded("PNG"), lambda content: content[:-900]), "cannot be decoded"),
    "idat-short-deep.png": (
        lambda: with_idat(deep_png(), lambda content: content[: len(content) // 2]),
        "cannot be decoded",
    ),
    "half.jpg": (lambda: encoded("JPEG")[:1500], "cut short or corrupt"),
    "half.webp": (lambda: encoded("WEBP")[:300], "cut short or corrupt"),
    "half.tif": (lambda: encoded("TIFF")[:9000], "cut short or corrupt|cannot be decoded"),
    "half.bmp": (lambda: encoded("BMP")[:9000], "cannot be decoded"),
    "moving.png": (
        lambda: encoded("PNG", save_all=True, append_images=[Image.fromarray(PIXELS[::-1])]),
        "holds 2 images",
    ),
    "pages.tif": (
        lambda: encoded("TIFF", save_all=True, append_images=[Image.fromarray(PIXELS[::-1])]),
        "holds 2 images",
    ),
    "moving.gif.png": (
        lambda: encoded("GIF", save_all=True, append_images=[Image.fromarray(PIXELS[::-1])]),
        "holds 2 images",
    ),
    "float.tif": (lambda: encoded("TIFF", PIXELS[:, :, 0].astype(np.float32)), "32-bit samples"),
    "text.png": (lambda: b"no image at all", "corrupt, or not an image"),
    "empty.jpg": (lambda: b"", "empty file"),
}
