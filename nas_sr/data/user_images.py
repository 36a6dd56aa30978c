"""A user's image file with all it carries: 8 or 16 bits, grey or colour, transparency, metadata; upright.

(Training and evaluation want the same pixels as plain 8-bit RGB: `nas_sr.data.images`.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from nas_sr.data.decoding import LONGEST_SIDE
from nas_sr.data.formats.parts import Metadata
from nas_sr.data.formats.png import png_chunks
from nas_sr.data.images import read_image
from nas_sr.data.metadata import save_options
from nas_sr.files import replacing

# Suffix, Pillow's name, and the longest side that the format holds (for PNG: that its common readers take).
FORMATS = {
    ".png": ("PNG", LONGEST_SIDE),
    ".jpg": ("JPEG", 65535),
    ".jpeg": ("JPEG", 65535),
    ".webp": ("WEBP", 16383),
}

_SEGMENT = 65_500  # bytes for one kind of metadata in JPEG, behind its name


class CannotHold(Exception):
    """A format cannot hold a picture; the text says why, and what can."""


@dataclass(frozen=True)
class Picture:
    """An image as people have them.

    Attributes:
        colour: uint8 or uint16, (h, w, 3) RGB or (h, w, 1) grey.
        alpha: of the same type, (h, w, 1), or None where the image has no transparency.
        metadata: EXIF, profile and the like; orientation is already applied to the pixels.
        notes: what of the file could not be kept.
    """

    colour: np.ndarray
    alpha: np.ndarray | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()

    @property
    def bits(self) -> int:
        """Of a sample."""
        return 8 * self.colour.dtype.itemsize


def read_picture(path: Path) -> Picture:
    """Reads PNG, JPEG, WebP, BMP or TIFF.

    Palettes become RGB (with alpha where a colour is transparent), CMYK becomes RGB.

    Raises:
        UnreadableImage: see `read_image`.
    """
    samples, metadata, notes = read_image(path)
    if samples.shape[2] in (2, 4):
        return Picture(samples[:, :, :-1], samples[:, :, -1:], metadata, notes)
    return Picture(samples, None, metadata, notes)


def check_fits(picture: Picture, suffix: str, scale: int = 1) -> None:
    """Whether a picture, `scale` times as large, can be written as that kind of file.

    Raises:
        CannotHold: not with these sides, bits, transparency or metadata.
    """
    kind, longest = FORMATS[suffix]
    height, width = (scale * side for side in picture.colour.shape[:2])
    if max(height, width) > longest:
        raise CannotHold(f"{width}x{height} pixels; {kind} holds at most {longest} a side")
    if kind != "PNG" and picture.bits == 16:
        raise CannotHold(f"its 16 bits a sample do not fit {kind}, which holds 8; PNG holds 16")
    if kind == "JPEG" and picture.alpha is not None:
        raise CannotHold("its transparency does not fit JPEG; PNG and WEBP hold it")
    if (
        kind == "JPEG"
        and max(map(len, (picture.metadata.exif, picture.metadata.xmp, picture.metadata.comment))) > _SEGMENT
    ):
        raise CannotHold(f"one of EXIF, XMP and comment has more than the {_SEGMENT:,} bytes of JPEG; PNG holds it")


def write_picture(path: Path, picture: Picture, quality: int = 95) -> None:
    """Writes a PNG, JPEG or WebP, by the suffix, whole or not at all.

    Args:
        path: the file; its folder is made where it is missing.
        picture: what to write, with its metadata; text chunks of a PNG are kept in a PNG only.
        quality: 1 to 100, of JPEG (colours at full resolution) and WebP (100 is lossless).

    Raises:
        CannotHold: the format does not hold such a picture.
        OSError: the file cannot be written.
    """
    check_fits(picture, path.suffix.lower())
    kind = FORMATS[path.suffix.lower()][0]
    mode = ("L" if picture.colour.shape[2] == 1 else "RGB") + ("" if picture.alpha is None else "A")
    samples = picture.colour if picture.alpha is None else np.dstack([picture.colour, picture.alpha])
    written = "RGBA" if mode == "LA" and picture.bits == 16 else mode  # what OpenCV makes of it
    options = save_options(picture.metadata, kind, written, (samples.shape[1], samples.shape[0]))
    if kind == "JPEG":
        options |= {"quality": quality, "subsampling": 0}
    elif kind == "WEBP":
        options |= {"lossless": True} if quality == 100 else {"quality": quality}
    with replacing(path) as temporary:
        if picture.bits == 16:
            temporary.write_bytes(_png_of_sixteen_bits(samples, options))
        else:
            squeezed = samples[:, :, 0] if mode == "L" else samples
            Image.fromarray(squeezed).save(temporary, format=kind, **options)


def _png_of_sixteen_bits(samples: np.ndarray, options: dict[str, object]) -> bytes:
    """OpenCV's PNG of the pixels, with the metadata that Pillow would write."""
    if samples.shape[2] == 2:  # OpenCV writes no grey with alpha
        samples = samples[:, :, [0, 0, 0, 1]]
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(samples[:, :, order[samples.shape[2]]]))
    if not done:
        raise OSError("could not be encoded as PNG")
    data = encoded.tobytes()
    header = next(png_chunks(data))
    described = BytesIO()
    Image.new("L" if samples.shape[2] == 1 else "RGB", (1, 1)).save(described, format="PNG", **options)
    metadata = described.getvalue()
    extra = [
        metadata[chunk.start : chunk.end]
        for chunk in png_chunks(metadata)
        if chunk.kind not in (b"IHDR", b"IDAT", b"IEND")
    ]
    return b"".join([data[: header.end], *extra, data[header.end :]])
