"""The images of training and evaluation: files in as 8-bit RGB, PNG out.

OpenCV decodes them, the fastest here; what users upscale, with all that it carries, is `nas_sr.data.pictures`.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from nas_sr.files import replacing

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MOST_PIXELS, LONGEST_SIDE = 2**30, 2**20  # what OpenCV decodes

PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
# In JPEG's compressed data a 0xFF is followed by a stuffed zero, a restart marker or another 0xFF; anything else is
# the next marker.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)

Image.MAX_IMAGE_PIXELS = None  # our own limit is the same for every file, and an error instead of a warning
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # a broken file becomes our one line instead


class UnreadableImage(Exception):
    """An image file that cannot be used; the text is one line naming the file and the reason."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why

    def __reduce__(self) -> tuple[type[UnreadableImage], tuple[Path, str]]:
        return UnreadableImage, (self.path, self.why)


def is_image(path: Path) -> bool:
    """Whether the name is that of an image we read; hidden files are not."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def read_rgb(path: Path) -> np.ndarray:
    """The image as uint8 (h, w, 3), turned upright where its metadata says so.

    Grey and palette images become RGB; alpha is dropped, so what lies under transparent pixels shows; 16 bits are
    rounded to 8. Colour profiles are ignored.

    Raises:
        UnreadableImage: missing, corrupt, cut short, too large, or with samples that are neither 8 nor 16 bits.
    """
    image = decode(path, read_whole(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_whole(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        UnreadableImage: missing, empty, or a PNG or JPEG without its end.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableImage(path, error.strerror or type(error).__name__) from None
    if not data:
        raise UnreadableImage(path, "empty file")
    # Some versions of the decoders fill the missing part of a cut file with grey and report nothing.
    if data.startswith(_JPEG) and not _complete_jpeg(data):
        raise UnreadableImage(path, "cut short or corrupt")
    if data.startswith(PNG) and not any(chunk.kind == b"IEND" for chunk in png_chunks(data)):
        raise UnreadableImage(path, "cut short or corrupt")
    return data


def decode(path: Path, data: bytes, flags: int) -> np.ndarray:
    """OpenCV's image of a file's bytes, uint8 or uint16, blue before red.

    Raises:
        UnreadableImage: naming `path`: corrupt, too large, or with other samples.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, MemoryError) as error:
        text = str(error).splitlines()[0][:120] if str(error) else "not enough memory"
        too_large = f"too large; read are at most {MOST_PIXELS:,} pixels and {LONGEST_SIDE:,} a side"
        raise UnreadableImage(path, too_large if "CV_IO_MAX" in text else f"cannot be decoded: {text}") from None
    if image is None:
        raise UnreadableImage(path, "corrupt, or not an image")
    if image.dtype not in (np.uint8, np.uint16):
        raise UnreadableImage(path, f"{image.dtype} samples; 8 and 16 bits can be read")
    if image.dtype == np.uint16 and data.startswith(_TIFF):
        _refuse_misread_tiff(path, data)
    return image


def _refuse_misread_tiff(path: Path, data: bytes) -> None:
    """OpenCV ignores these tags where samples have 16 bits (seen with 5.0), and gives other pixels."""
    try:
        with Image.open(BytesIO(data)) as image:
            tags = image.tag_v2  # type: ignore[attr-defined]
    except UnidentifiedImageError:
        raise UnreadableImage(path, "a 16-bit TIFF of a kind that is not read; save it as PNG") from None
    colours_apart = tags.get(284, 1) != 1 and tags.get(277, 1) > 1
    other_colours = tags.get(262) not in (1, 2)
    other_alpha = tags.get(338, (2,)) != (2,)
    for found, what in [
        (colours_apart, "its colours lie apart (PlanarConfiguration 2)"),
        (other_colours, f"its samples are neither RGB nor grey with black as 0 (Photometric {tags.get(262)})"),
        (other_alpha, "its fourth sample is no straight transparency (ExtraSamples)"),
    ]:
        if found:
            raise UnreadableImage(path, f"a 16-bit TIFF that is not read: {what}; save it as PNG")


class PngChunk(NamedTuple):
    """Where a named piece of a PNG file lies: length, kind, data and checksum, from `start` to `end`."""

    kind: bytes
    start: int
    end: int


def png_chunks(data: bytes) -> Iterator[PngChunk]:
    """The chunks of a PNG file, up to IEND or to the first that is cut short or has a wrong checksum."""
    view = memoryview(data)
    at = len(PNG)
    while at + 12 <= len(data):
        end = at + 12 + int(struct.unpack_from(">I", data, at)[0])
        if end > len(data) or zlib.crc32(view[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            return
        chunk = PngChunk(data[at + 4 : at + 8], at, end)
        yield chunk
        if chunk.kind == b"IEND":
            return
        at = end


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes uint8 (h, w, 3) RGB as a PNG, whole or not at all."""
    done, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"{path}: could not be encoded as PNG")
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _complete_jpeg(data: bytes) -> bool:
    """Whether the end-of-image marker follows the last scan: thumbnails in the metadata have markers of their own."""
    at = 2
    while marker := _JPEG_MARKER.search(data, at):
        kind = data[marker.start() + 1]
        if kind == 0xD9:
            return True
        if marker.start() + 4 > len(data):
            return False
        at = marker.start() + 2 + int(struct.unpack_from(">H", data, marker.start() + 2)[0])
    return False
