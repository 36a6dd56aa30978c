"""PNG: chunks with checksums, of which those with a small first letter are not needed for the pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from nas_sr.data.formats.parts import MOST_INFLATED, BadPixels, Metadata, Parts, behind_the_end, inflated

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEY = b"XML:com.adobe.xmp"
_RAW_EXIF = b"Raw profile type exif"  # ImageMagick's, in hexadecimal
_RAW = b"Raw profile type "
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_MOST_TEXT = 64 * MOST_INFLATED  # of all text together: Pillow's limit
_COLOURS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4}  # their lengths
_CLEAR = {0: range(2, 3), 2: range(6, 7), 3: range(1, 257)}  # bytes of tRNS by colour type


class PngChunk(NamedTuple):
    """Where a named piece of a PNG file lies: length, kind, content and checksum, from `start` to `end`."""

    kind: bytes
    start: int
    end: int
    sound: bool  # whether the checksum is right

    def content(self, data: bytes) -> bytes:
        """Its content."""
        return data[self.start + 8 : self.end - 4]


def png_chunks(data: bytes) -> Iterator[PngChunk]:
    """The chunks of a PNG file, up to IEND or to the first that is cut short."""
    view = memoryview(data)
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        end = at + 12 + int(struct.unpack_from(">I", data, at)[0])
        if end > len(data):
            return
        kind = data[at + 4 : at + 8]
        yield PngChunk(kind, at, end, zlib.crc32(view[at + 4 : end - 4]) == struct.unpack_from(">I", data, end - 4)[0])
        if kind == b"IEND":
            return
        at = end


def parts(data: bytes) -> Parts:
    """Takes a PNG file apart.

    Raises:
        BadPixels: a chunk that the pixels need is missing, cut short or has a wrong checksum; or several images.
    """
    chunks = list(png_chunks(data))
    if not chunks or chunks[0].kind != b"IHDR" or chunks[0].end - chunks[0].start != 25:
        raise BadPixels("cut short or corrupt")
    needed = [chunk for chunk in chunks if chunk.kind[0] & 0x20 == 0 and chunk.kind != b"IEND"]
    if any(not chunk.sound for chunk in needed) or not any(chunk.kind == b"IDAT" for chunk in needed):
        raise BadPixels("cut short or corrupt")
    reading = _Reading(data[chunks[0].start + 17])
    pixels = [SIGNATURE]
    for chunk in chunks[:-1] if chunks[-1].kind == b"IEND" else chunks:
        if chunk in needed or (chunk.kind == b"tRNS" and chunk.sound and reading.fits_colours(chunk.content(data))):
            pixels.append(data[chunk.start : chunk.end])
        elif not chunk.sound:
            reading.notes.append(f"{_called(chunk.kind, chunk.content(data))} left out: its checksum is wrong")
        else:
            reading.take(chunk.kind, chunk.content(data))
    pixels.append(b"\0\0\0\0IEND\xaeB`\x82")
    end = chunks[-1].end
    if chunks[-1].kind == b"IEND":
        notes = behind_the_end(len(data) - end)
    elif data[end + 4 : end + 8] == b"IDAT":
        raise BadPixels("cut short or corrupt")
    else:
        notes = ["the file is cut short behind its pixels"]
    return Parts(b"".join(pixels), reading.metadata(), (*reading.notes, *notes))


class _Reading:
    """Collects the metadata of a file, chunk by chunk, and a line for each that is broken or too large."""

    def __init__(self, colour_type: int) -> None:
        self._clear = _CLEAR.get(colour_type, range(0))
        self._found = Metadata()
        self._carried: list[tuple[bytes, bytes]] = []
        self._room = _MOST_TEXT
        self.notes: list[str] = []

    def fits_colours(self, clear: bytes) -> bool:
        """Whether a tRNS chunk has the length that the colours need."""
        return len(clear) in self._clear

    def metadata(self) -> Metadata:
        """What was found."""
        return self._found._replace(png_chunks=tuple(self._carried))

    def take(self, kind: bytes, content: bytes) -> None:
        """Takes a chunk that is whole.

        Raises:
            BadPixels: it says that there are several images.
        """
        if kind == b"acTL" and len(content) == 8 and (images := struct.unpack_from(">I", content)[0]) > 1:
            raise BadPixels(f"holds {images} images; files with one are read")
        try:
            self._take(kind, content)
        except OverflowError:
            self.notes.append(f"{_called(kind, content)} left out: more than {MOST_INFLATED:,} bytes of text")
        except (ValueError, EOFError, IndexError, struct.error, zlib.error):
            self.notes.append(f"{_called(kind, content)} left out: it is broken")

    def _take(self, kind: bytes, content: bytes) -> None:
        if kind == b"eXIf":
            self._found = self._found._replace(exif=content)
        elif kind == b"iCCP":
            _, method, profile = _parted(content, 1)
            self._found = self._found._replace(icc=_within(method, profile))
        elif kind == b"pHYs":
            across, down, unit = struct.unpack(">IIB", content)
            if unit == 1:
                self._found = self._found._replace(dpi=(across * 0.0254, down * 0.0254))
        elif kind in _TEXT:
            self._take_text(kind, content)
        elif kind == b"tRNS" or len(content) != _COLOURS.get(kind, len(content)):
            raise ValueError
        elif kind in _COLOURS:
            self._carried.append((kind, content))

    def _take_text(self, kind: bytes, content: bytes) -> None:
        key, text = _text(kind, content)
        self._room -= len(text)
        if self._room < 0:
            raise OverflowError
        if key == XMP_KEY:
            self._found = self._found._replace(xmp=text)
        elif key == _RAW_EXIF and not self._found.exif:
            self._found = self._found._replace(exif=bytes.fromhex(text.split(b"\n", 3)[3].decode("ascii")))
        elif not key.startswith(_RAW):
            self._carried.append((kind, content))


def _text(kind: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Key and text of a text chunk, inflated."""
    if kind == b"tEXt":
        key, _, text = content.partition(b"\0")
        return key, text
    if kind == b"zTXt":
        key, method, text = _parted(content, 1)
        return key, _within(method, text)
    key, flags, rest = _parted(content, 2)
    _, rest = rest.split(b"\0", 1)  # language
    _, text = rest.split(b"\0", 1)  # the key in that language
    if flags[0]:
        text = _within(flags[1:], text)
    text.decode()
    return key, text


def _parted(content: bytes, flags: int) -> tuple[bytes, bytes, bytes]:
    """A name up to its zero, so many bytes behind it, and the rest; ValueError where they are missing."""
    name, rest = content.split(b"\0", 1)
    if len(rest) < flags:
        raise ValueError
    return name, rest[:flags], rest[flags:]


def _within(method: bytes, compressed: bytes) -> bytes:
    if method != b"\0":
        raise ValueError
    content = inflated(compressed)
    if len(content) > MOST_INFLATED:
        raise OverflowError
    return content


def _called(kind: bytes, content: bytes) -> str:
    """A chunk in words: its kind and, of text, the key."""
    name = kind.decode("latin-1").encode("ascii", "backslashreplace").decode()
    key = content.split(b"\0", 1)[0][:79].decode("latin-1")
    return f"PNG chunk {name} ('{key}')" if kind in _TEXT and key.isprintable() else f"PNG chunk {name}"
