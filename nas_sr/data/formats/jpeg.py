"""JPEG: segments, of which APPn and comments are metadata, but for two that say what the colours are."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from nas_sr.data.formats.parts import BadPixels, Metadata, Parts, behind_the_end

SIGNATURE = b"\xff\xd8\xff"
# In JPEG's compressed data a 0xFF is followed by a stuffed zero, a restart marker or another 0xFF; anything else is
# the next marker.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_ALONE = (0x01, 0xD8)  # markers without content
_APP0, _APP1, _APP2, _APP14, _APP15, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_SCAN, _END = 0xDA, 0xD9
_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_INCH = {1: 1.0, 2: 2.54}  # JFIF's units of length in an inch


class _Segment(NamedTuple):
    kind: int
    start: int  # of the marker
    end: int


def parts(data: bytes) -> Parts:
    """Takes a JPEG file apart; pictures behind the first are no part of it.

    Raises:
        BadPixels: no end-of-image marker behind the last scan.
    """
    segments = list(_segments(data))
    first = next((index for index, segment in enumerate(segments) if segment.kind == _SCAN), None)
    if first is None or segments[-1].kind != _END:
        raise BadPixels("cut short or corrupt")
    pixels, exif, xmp, comment = [b"\xff\xd8"], b"", b"", b""
    icc: list[bytes] = []
    dpi = None
    for kind, start, end in segments[:first]:
        content = data[start + 4 : end]
        # What libjpeg looks at; shorter ones it ignores.
        colours = (kind == _APP0 and content.startswith(b"JFIF\0") and len(content) >= 14) or (
            kind == _APP14 and content.startswith(b"Adobe") and len(content) >= 12
        )
        if colours or not (_APP0 <= kind <= _APP15 or kind == _COMMENT):
            pixels.append(data[start:end])
        if kind == _APP0 and colours:
            unit, across, down = struct.unpack_from(">BHH", content, 7)
            dpi = (across * _INCH[unit], down * _INCH[unit]) if unit in _INCH else dpi
        elif kind == _APP1 and content.startswith(_EXIF):
            exif += content.removeprefix(_EXIF) if exif else content
        elif kind == _APP1 and content.startswith(_XMP):
            xmp = content.removeprefix(_XMP)
        elif kind == _APP2 and content.startswith(_ICC):
            icc.append(content.removeprefix(_ICC))
        elif kind == _COMMENT:
            comment = content
    pixels.append(data[segments[first].start : segments[-1].end])
    profile, notes = _profile(icc)
    notes += behind_the_end(len(data) - segments[-1].end)
    return Parts(b"".join(pixels), Metadata(exif, profile, xmp, comment, dpi), tuple(notes))


def _segments(data: bytes) -> Iterator[_Segment]:
    """The segments up to the end of the image or to one that is cut short; between scans lies compressed data."""
    at = 2
    while marker := _MARKER.search(data, at):
        kind = data[marker.start() + 1]
        at = marker.end()
        if kind not in (*_ALONE, _END):
            if at + 2 > len(data):
                return
            at += int(struct.unpack_from(">H", data, at)[0])
            if at > len(data):
                return
        yield _Segment(kind, marker.start(), at)
        if kind == _END:
            return


def _profile(pieces: list[bytes]) -> tuple[bytes, list[str]]:
    """A colour profile from its pieces, each with its number and their count in front."""
    numbered = {piece[0]: piece for piece in pieces if len(piece) >= 2}
    whole = list(numbered) and sorted(numbered) == list(range(1, len(pieces) + 1))
    if whole and all(piece[1] == len(pieces) for piece in pieces):
        return b"".join(numbered[number][2:] for number in sorted(numbered)), []
    return b"", ["colour profile left out: it is broken"] if pieces else []
