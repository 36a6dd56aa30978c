"""The project's one image codec: files in as 8-bit RGB, PNG out."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np

from nas_sr.files import replacing

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
# In JPEG's compressed data a 0xFF is followed by a stuffed zero, a restart marker or another 0xFF; anything else is
# the next marker.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)

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
        UnreadableImage: missing, corrupt, cut short, or with samples that are neither 8 nor 16 bits.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableImage(path, error.strerror or type(error).__name__) from None
    if not data:
        raise UnreadableImage(path, "empty file")
    # Some versions of the decoders fill the missing part of a cut file with grey and report nothing.
    if (data.startswith(_PNG) and not _complete_png(data)) or (data.startswith(_JPEG) and not _complete_jpeg(data)):
        raise UnreadableImage(path, "cut short or corrupt")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except (cv2.error, MemoryError) as error:
        raise UnreadableImage(path, f"cannot be decoded: {str(error).splitlines()[0][:120]}") from None
    if image is None:
        raise UnreadableImage(path, "corrupt, or not an image")
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:
        raise UnreadableImage(path, f"{image.dtype} samples; 8 and 16 bits can be read")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes uint8 (h, w, 3) RGB as a PNG, whole or not at all."""
    done, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"{path}: could not be encoded as PNG")
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _complete_png(data: bytes) -> bool:
    """Whether all chunks up to IEND are there with the right checksum."""
    at = len(_PNG)
    while at + 12 <= len(data):
        length = struct.unpack_from(">I", data, at)[0]
        end = at + 8 + length
        if end + 4 > len(data) or zlib.crc32(data[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            return False
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at = end + 4
    return False


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
