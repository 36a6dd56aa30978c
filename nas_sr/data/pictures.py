"""A user's image file with all it carries: 8 or 16 bits, grey or colour, transparency, metadata; upright.

Pillow reads and writes here because it knows modes, transparency and metadata. Samples of 16 bits go through OpenCV:
Pillow would cut them to 8. (Training and evaluation want plain 8-bit RGB, fast: `nas_sr.data.images`.)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from nas_sr.data.images import LONGEST_SIDE, MOST_PIXELS, PNG, UnreadableImage, decode, png_chunks, read_whole
from nas_sr.data.metadata import Metadata, read_metadata, save_options
from nas_sr.files import replacing

# Suffix, Pillow's name, and the longest side that the format holds (for PNG: that its common readers take).
FORMATS = {
    ".png": ("PNG", LONGEST_SIDE),
    ".jpg": ("JPEG", 65535),
    ".jpeg": ("JPEG", 65535),
    ".webp": ("WEBP", 16383),
}

_SEGMENT = 65_500  # bytes for one kind of metadata in JPEG, behind its name

_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored),
}


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
        UnreadableImage: missing, corrupt, cut short, too large, animated, or with samples of other than 8 or 16 bits.
    """
    data = read_whole(path)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with Image.open(BytesIO(data)) as image:
                _check_openable(path, image)
                deep = _sixteen_bits(image, data)
                image.load()  # PNG may have its metadata behind the pixels
                samples = _decoded(path, data, image.info.get("transparency")) if deep else _converted(image)
                found = read_metadata(image, data)
    except UnreadableImage:
        raise
    except Exception as error:  # a broken file fails in many ways inside Pillow
        text = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        why = "corrupt, or not an image" if "cannot identify" in text else f"cannot be decoded: {text}"
        raise UnreadableImage(path, why) from None
    samples = np.ascontiguousarray(_UPRIGHT[found.orientation](samples))
    notes = (*found.notes, *dict.fromkeys(f"not all of it is read: {warning.message}".strip() for warning in warned))
    if samples.shape[2] in (2, 4):
        return Picture(samples[:, :, :-1], samples[:, :, -1:], found.metadata, notes)
    return Picture(samples, None, found.metadata, notes)


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


def _check_openable(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise UnreadableImage(
            path,
            f"{width}x{height} pixels; read are at most {MOST_PIXELS:,} pixels and {LONGEST_SIDE:,} a side",
        )
    # A phone's JPEG may hold further pictures behind its photograph (MPO: depth, brightness); they are no animation.
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnreadableImage(path, f"holds {frames} images; files with one are read")
    if image.mode in ("F", "I"):
        raise UnreadableImage(path, "32-bit samples; 8 and 16 bits can be read")


def _sixteen_bits(image: Image.Image, data: bytes) -> bool:
    """Whether samples have 16 bits, which Pillow's mode does not say."""
    if data.startswith(PNG):
        return data[24] == 16
    bits = image.tag_v2.get(258, (8,)) if image.format == "TIFF" else (8,)  # type: ignore[attr-defined]
    return max(bits) > 8


def _decoded(path: Path, data: bytes, transparent: object) -> np.ndarray:
    """(h, w, channels) uint16 in Pillow's order of channels, as stored; `transparent` is a grey PNG's clear value."""
    image = decode(path, data, cv2.IMREAD_UNCHANGED)
    if image.dtype != np.uint16:
        raise UnreadableImage(path, f"{image.dtype} samples where 16 bits are announced")
    image = image.reshape(*image.shape[:2], -1)
    grey_png = data.startswith(PNG) and data[25] in (0, 4)  # OpenCV makes grey with alpha into colour with alpha
    if grey_png and image.shape[2] == 4:
        return image[:, :, [0, 3]]
    if grey_png and image.shape[2] == 1 and isinstance(transparent, int):
        return np.dstack([image, np.where(image == transparent, 0, 65535).astype(np.uint16)])
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}
    return image[:, :, order[image.shape[2]]]


def _converted(image: Image.Image) -> np.ndarray:
    """(h, w, channels) uint8: L, LA, RGB or RGBA, as stored."""
    mode = ("L" if image.mode in ("1", "L", "LA", "La") else "RGB") + ("A" if image.has_transparency_data else "")
    samples = np.asarray(image.convert(mode))
    return samples.reshape(*samples.shape[:2], -1)


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
