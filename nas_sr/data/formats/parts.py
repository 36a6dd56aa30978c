"""What an image file is taken apart into: the bytes that decide its pixels, and what it says besides.

Pixels are decoded from their own bytes alone, so that metadata, however broken or large, cannot make them unreadable.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

# Of one compressed piece of metadata, inflated: what Pillow reads, so that files we write can be read by others.
MOST_INFLATED = 2**20


class BadPixels(Exception):
    """The pixels of a file cannot be read; the text says why."""


class Metadata(NamedTuple):
    """What a file says besides its pixels, as bytes: as they lie in it, or ready to be written into another."""

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    comment: bytes = b""
    dpi: tuple[float, float] | None = None
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()  # kind and content: text, and what the colours mean


class Parts(NamedTuple):
    """A file taken apart."""

    pixels: bytes  # a whole file of the same format, without any metadata
    metadata: Metadata
    notes: tuple[str, ...]  # what of the file is left out because it is broken or too large


def inflated(compressed: bytes, most: int = MOST_INFLATED) -> bytes:
    """What zlib data holds, cut behind `most` + 1 bytes, which tells that there is more.

    Raises:
        zlib.error: it is broken.
        EOFError: it is cut short.
    """
    stream = zlib.decompressobj()
    content = stream.decompress(compressed, most + 1)
    if len(content) <= most and not stream.eof:
        raise EOFError
    return content


def behind_the_end(count: int) -> list[str]:
    """A line where bytes follow an image: a second picture, a film, or rubbish."""
    return [f"{count:,} bytes behind the image left out"] if count else []
