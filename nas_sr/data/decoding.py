"""The bytes of an image file become upright samples and metadata: the one way in which images are read here.

Pillow decodes 8 bits because it knows modes, palettes and transparency; it would cut 16 bits to 8, so those go through
OpenCV. Both are given the bytes of the pixels only.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from nas_sr.data.formats import jpeg, png, tiff, webp
from nas_sr.data.formats.parts import BadPixels, Metadata, Parts
from nas_sr.data.formats.pillow import pillows_metadata, stored_exif
from nas_sr.data.metadata import read_metadata

MOST_PIXELS, LONGEST_SIDE = 2**30, 2**20  # what OpenCV decodes

# By content, whatever the name says. Not all of Pillow's: some start other programs (EPS).
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
_EIGHT_BITS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
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

warnings.filterwarnings("ignore", module="PIL")  # what matters of them is caught and said in our words
Image.MAX_IMAGE_PIXELS = None  # our own limit is the same for every file, and an error instead of a warning
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # a broken file becomes our one line instead


class Decoded(NamedTuple):
    """An image file's content.

    Attributes:
        samples: uint8 or uint16 (h, w, channels), upright: grey, grey and alpha, RGB, or RGB and alpha.
        metadata: without orientation, which is applied.
        notes: what of the file was left out.
    """

    samples: np.ndarray
    metadata: Metadata
    notes: tuple[str, ...]


def decode(data: bytes) -> Decoded:
    """Samples and metadata of a file's bytes.

    Raises:
        BadPixels: empty, corrupt, cut short, too large, several images, or samples of other than 8 or 16 bits.
    """
    parts = take_apart(data)
    metadata = read_metadata(parts.metadata)
    samples, warned = _samples(parts.pixels)
    upright = np.ascontiguousarray(_UPRIGHT[metadata.orientation](samples))
    return Decoded(upright, metadata.metadata, (*parts.notes, *metadata.notes, *warned))


def take_apart(data: bytes) -> Parts:
    """The bytes of the pixels and the metadata of a file in any format that is read.

    Raises:
        BadPixels: empty, cut short, or several images.
    """
    if not data:
        raise BadPixels("empty file")
    if data.startswith(png.SIGNATURE):
        return png.parts(data)
    if data.startswith(jpeg.SIGNATURE):
        return jpeg.parts(data)
    if data.startswith(webp.SIGNATURE) and data[8:12] == webp.NAME:
        return webp.parts(data)
    if data.startswith(tiff.SIGNATURES):
        return tiff.parts(data)
    with _pillow_errors(), _opened(data) as image:
        metadata, notes = pillows_metadata(image, stored_exif)
    return Parts(data, metadata, notes)


def size(pixels: bytes) -> tuple[int, int]:
    """Width and height by the header.

    Raises:
        BadPixels: there is none.
    """
    with _pillow_errors(), _opened(pixels) as image:
        return image.size


def _samples(pixels: bytes) -> tuple[np.ndarray, list[str]]:
    """(h, w, channels) as stored, and what decoders complained about."""
    with warnings.catch_warnings(record=True) as warned, _pillow_errors():
        warnings.simplefilter("always")
        with _opened(pixels) as image:
            _check_openable(image)
            deep = _sixteen_bits(image, pixels)
            if not deep and image.mode not in _EIGHT_BITS:
                raise BadPixels(f"samples of a kind that is not read ({image.mode}); 8 and 16 bits can be read")
            image.load()  # also where OpenCV decodes: it gives what there is of a file that is cut short
            samples = _deep(pixels, image) if deep else _converted(image)
    lines = dict.fromkeys(str(warning.message).strip() for warning in warned)
    return samples, [f"not all of it is read: {line}" for line in lines]


def _opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data), formats=_known_formats())


@cache
def _known_formats() -> tuple[str, ...]:
    """Those that this build of Pillow has."""
    Image.init()
    return tuple(kind for kind in _FORMATS if kind in Image.OPEN)


@contextmanager
def _pillow_errors() -> Iterator[None]:
    """Turns whatever Pillow raises into `BadPixels`."""
    try:
        yield
    except BadPixels:
        raise
    except UnidentifiedImageError:
        raise BadPixels("corrupt, or not an image") from None
    except MemoryError:
        raise BadPixels("not enough memory to read it") from None
    except Exception as error:  # a broken file fails in many ways inside Pillow
        text = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise BadPixels(f"cannot be decoded: {text}") from None


def _check_openable(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise BadPixels(f"{width}x{height} pixels; read are at most {MOST_PIXELS:,} pixels and {LONGEST_SIDE:,} a side")
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise BadPixels(f"holds {frames} images; files with one are read")
    if image.mode in ("F", "I"):
        raise BadPixels("32-bit samples; 8 and 16 bits can be read")


def _sixteen_bits(image: Image.Image, pixels: bytes) -> bool:
    """Whether samples have 16 bits, which Pillow's mode does not say."""
    if image.format == "PNG":
        return pixels[24] == 16
    bits = image.tag_v2.get(258, (8,)) if image.format == "TIFF" else (8,)  # type: ignore[attr-defined]
    return max(bits) > 8


def _deep(pixels: bytes, image: Image.Image) -> np.ndarray:
    """(h, w, channels) uint16 in Pillow's order of channels, as stored."""
    if image.format == "TIFF":
        _refuse_misread(image)
    try:
        samples = cv2.imdecode(np.frombuffer(pixels, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise BadPixels(f"cannot be decoded: {str(error).splitlines()[0][:120]}") from None
    if samples is None or samples.dtype != np.uint16:
        kind = "not" if samples is None else f"to {samples.dtype} samples"
        raise BadPixels(f"16 bits are announced and can be decoded {kind}; save it as PNG")
    samples = samples.reshape(*samples.shape[:2], -1)
    grey = image.format == "PNG" and pixels[25] in (0, 4)  # OpenCV makes grey with alpha into colour with alpha
    if grey and samples.shape[2] == 4:
        return samples[:, :, [0, 3]]
    clear = image.info.get("transparency")
    if grey and samples.shape[2] == 1 and isinstance(clear, int):
        return np.dstack([samples, np.where(samples == clear, 0, 65535).astype(np.uint16)])
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}
    return samples[:, :, order[samples.shape[2]]]


def _refuse_misread(image: Image.Image) -> None:
    """OpenCV ignores these tags where samples have 16 bits (seen with 5.0), and gives other pixels."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    colours_apart = tags.get(284, 1) != 1 and tags.get(277, 1) > 1
    other_colours = tags.get(262) not in (1, 2)
    other_alpha = tags.get(338, (2,)) != (2,)
    for found, what in [
        (colours_apart, "its colours lie apart (PlanarConfiguration 2)"),
        (other_colours, f"its samples are neither RGB nor grey with black as 0 (Photometric {tags.get(262)})"),
        (other_alpha, "its fourth sample is no straight transparency (ExtraSamples)"),
    ]:
        if found:
            raise BadPixels(f"a 16-bit TIFF that is not read: {what}; save it as PNG")


def _converted(image: Image.Image) -> np.ndarray:
    """(h, w, channels) uint8: L, LA, RGB or RGBA, as stored."""
    mode = ("L" if image.mode in ("1", "L", "LA", "La") else "RGB") + ("A" if image.has_transparency_data else "")
    samples = np.asarray(image.convert(mode))
    return samples.reshape(*samples.shape[:2], -1)
