"""Image files: which they are, and their pixels as 8-bit RGB in, PNG out.

All that a file carries besides is in `nas_sr.data.user_images`.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from nas_sr.data.decoding import Decoded, decode, size, take_apart
from nas_sr.data.formats.parts import BadPixels
from nas_sr.data.metadata import read_metadata
from nas_sr.files import replacing

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".jif", ".webp", ".bmp", ".tif", ".tiff")


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
        UnreadableImage: see `read_image`.
    """
    samples = read_image(path).samples
    if samples.dtype == np.uint16:
        samples = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    colours = (0, 0, 0) if samples.shape[2] < 3 else (0, 1, 2)
    return samples if samples.shape[2] == 3 else np.ascontiguousarray(samples[:, :, colours])


def read_image(path: Path) -> Decoded:
    """What every reader of image files here reads them with.

    Raises:
        UnreadableImage: missing, corrupt, cut short, too large, several images in one file, or with samples of other
            than 8 or 16 bits. Broken metadata never is a reason.
    """
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise UnreadableImage(path, error.strerror or type(error).__name__) from None
    except BadPixels as error:
        raise UnreadableImage(path, str(error)) from None


def pixel_count(path: Path) -> int:
    """Pixels by the file's header; 0 where it cannot be read."""
    try:
        try:
            with Image.open(path) as image:
                width, height = image.size
        except Exception:  # perhaps only because of its metadata, which fails in many ways inside Pillow
            width, height = size(take_apart(path.read_bytes()).pixels)
    except (OSError, BadPixels):
        return 0
    return width * height


def broken_metadata(path: Path) -> tuple[str, ...]:
    """A line for each thing in a file besides its pixels that cannot be kept; none where the file cannot be read."""
    try:
        parts = take_apart(path.read_bytes())
    except (OSError, BadPixels):
        return ()
    return (*parts.notes, *read_metadata(parts.metadata).notes)


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes uint8 (h, w, 3) RGB as a PNG, whole or not at all."""
    done, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"{path}: could not be encoded as PNG")
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
