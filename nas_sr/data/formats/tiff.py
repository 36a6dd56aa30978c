"""TIFF: a directory of tags, of which most that are not about samples are metadata."""

from __future__ import annotations

import struct
import warnings
from io import BytesIO

from PIL import ExifTags, Image

from nas_sr.data.formats.parts import BadPixels, Metadata, Parts
from nas_sr.data.formats.pillow import pillows_metadata

SIGNATURES = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
# What decoders need: sizes, samples, strips and tiles, compression, palette, colours (TIFF 6.0 and its supplements).
_RANGES = ((254, 266), (273, 273), (277, 281), (284, 284), (290, 293), (301, 301), (317, 328), (332, 347))
_RANGES_OF_SUPPLEMENTS = ((512, 521), (529, 532))
_PIXEL_TAGS = frozenset(tag for first, last in (*_RANGES, *_RANGES_OF_SUPPLEMENTS) for tag in range(first, last + 1))
# EXIF shares its place with tags about how the pixels lie in that file; these are not.
_DESCRIPTIVE = (0x010E, 0x010F, 0x0110, 0x0112, 0x0131, 0x0132, 0x013B, 0x8298)


def parts(data: bytes) -> Parts:
    """Takes a TIFF file apart.

    Raises:
        BadPixels: its directory is cut short, or there are several images.
    """
    pixels, notes = _without_metadata(data)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            with Image.open(BytesIO(data), formats=("TIFF",)) as image:
                metadata = pillows_metadata(image, _exif)
        except Exception:  # broken tags fail in many ways inside Pillow
            return Parts(pixels, Metadata(), ("metadata left out: it is broken", *notes))
    if warned and not metadata.notes:
        notes.append("metadata not kept whole: some of it is broken")
    return Parts(pixels, metadata.metadata, (*metadata.notes, *notes))


def _without_metadata(data: bytes) -> tuple[bytes, list[str]]:
    """The file with nothing but the tags of pixels in its directory."""
    order, big = ("<" if data.startswith(b"II") else ">"), data[2:4] in (b"+\0", b"\0+")
    count_format, offset_format, entry = (f"{order}Q", f"{order}Q", 20) if big else (f"{order}H", f"{order}I", 12)
    count_size = struct.calcsize(count_format)
    try:
        at = int(struct.unpack_from(offset_format, data, 8 if big else 4)[0])
        count = int(struct.unpack_from(count_format, data, at)[0])
        begin = at + count_size
        end = begin + count * entry
        following = int(struct.unpack_from(offset_format, data, end)[0])
    except (struct.error, IndexError, OverflowError):
        raise BadPixels("cut short or corrupt") from None
    entries = [data[start : start + entry] for start in range(begin, end, entry)]
    kept = [one for one in entries if struct.unpack_from(f"{order}H", one)[0] in _PIXEL_TAGS]
    notes = []
    if following and following + count_size > len(data):
        following, notes = 0, ["a further image left out: the file is cut short behind the first"]
    made = bytearray(data)
    struct.pack_into(count_format, made, at, len(kept))
    directory = b"".join(kept) + struct.pack(offset_format, following)
    made[begin : begin + len(directory)] = directory
    return bytes(made), notes


def _exif(image: Image.Image) -> bytes:
    found, kept = image.getexif(), Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in found:
            kept[tag] = found[tag]
    for place in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        tags = {tag: value for tag, value in found.get_ifd(place).items() if tag != ExifTags.IFD.Interop}
        if tags:
            kept[place] = tags
    return kept.tobytes() if len(kept) else b""
