"""WebP: RIFF chunks, of which EXIF, XMP and the colour profile are metadata."""

from __future__ import annotations

import struct

from nas_sr.data.formats.parts import BadPixels, Metadata, Parts, behind_the_end

SIGNATURE, NAME = b"RIFF", b"WEBP"  # at 0 and at 8
_PIXELS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_IMAGE = (b"VP8 ", b"VP8L", b"ANMF")
_METADATA = (b"EXIF", b"XMP ", b"ICCP")
_METADATA_FLAGS = 0x20 | 0x08 | 0x04  # in VP8X: profile, EXIF, XMP


def parts(data: bytes) -> Parts:
    """Takes a WebP file apart.

    Raises:
        BadPixels: a chunk of pixels is missing or cut short.
    """
    pixels: list[bytes] = []
    chunks: dict[bytes, bytes] = {}
    notes: list[str] = []
    at, last = 12, min(len(data), 8 + int(struct.unpack_from("<I", data, 4)[0]))
    has_image = False
    while at + 8 <= last:
        kind, length = struct.unpack_from("<4sI", data, at)
        content, at = data[at + 8 : at + 8 + length], at + 8 + length + length % 2
        whole = len(content) == length
        if kind in _PIXELS:
            if not whole:
                raise BadPixels("cut short or corrupt")
            has_image |= kind in _IMAGE
            if kind == b"VP8X" and content:
                content = bytes([content[0] & ~_METADATA_FLAGS]) + content[1:]
            pixels.append(struct.pack("<4sI", kind, length) + content + b"\0" * (length % 2))
        elif not whole:
            notes.append(f"WebP chunk {kind.decode('ascii', 'backslashreplace').strip()} left out: it is cut short")
        elif kind in _METADATA:
            chunks.setdefault(kind, content)
    if not has_image:
        raise BadPixels("cut short or corrupt")
    exif, xmp, icc = (chunks.get(kind, b"") for kind in _METADATA)
    metadata = Metadata(exif=exif, xmp=xmp, icc=icc)
    body = NAME + b"".join(pixels)
    notes += behind_the_end(max(0, len(data) - max(at, last)))
    return Parts(SIGNATURE + struct.pack("<I", len(body)) + body, metadata, tuple(notes))
