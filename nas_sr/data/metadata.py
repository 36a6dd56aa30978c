"""What an image file says besides its pixels: EXIF, colour profile, XMP, resolution, text."""

from __future__ import annotations

import re
import warnings
from typing import Any, NamedTuple

from PIL import ExifTags, Image, PngImagePlugin

from nas_sr.data.formats.parts import Metadata
from nas_sr.data.formats.png import XMP_KEY

_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:="|>))([2-8])')
_ICC_HEADER = 128  # bytes
_WIDTH_TAGS, _HEIGHT_TAGS = (0x0100, 0xA002), (0x0101, 0xA003)


class ReadMetadata(NamedTuple):
    """What can be written beside upright pixels, how stored ones must be turned (EXIF's 1 to 8), what is left out."""

    metadata: Metadata
    orientation: int
    notes: tuple[str, ...]


def read_metadata(raw: Metadata) -> ReadMetadata:
    """Parses what a file says; the orientation in it is reset."""
    notes = []
    orientation, exif, dpi = 0, b"", raw.dpi
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            tags = Image.Exif()
            tags.load(raw.exif)
            orientation = int(tags.get(ExifTags.Base.Orientation, 0))
            dpi = dpi or _resolution(tags)
            exif = _reset(tags)
            _sized(exif, 1, 1)  # as it will be when it is written
        except Exception:  # broken EXIF fails in many ways inside Pillow
            exif = b""
            notes.append("EXIF left out: it is broken")
    if warned and not notes:
        notes.append("EXIF not kept whole: some of it is broken" if exif else "EXIF left out: it is broken")
    if not orientation and (found := _XMP_ORIENTATION.search(raw.xmp)):
        orientation = int(found[2])
    icc = raw.icc
    if icc and (len(icc) < _ICC_HEADER or icc[36:40] != b"acsp"):
        icc = b""
        notes.append("colour profile left out: it is broken")
    xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", raw.xmp)
    metadata = Metadata(exif, icc, xmp, raw.comment, _usual(dpi), raw.png_chunks)
    return ReadMetadata(metadata, orientation if 1 <= orientation <= 8 else 1, tuple(notes))


def save_options(metadata: Metadata, kind: str, mode: str, size: tuple[int, int]) -> dict[str, Any]:
    """What Pillow's `save` takes to write it into a PNG, JPEG or WebP of that mode, width and height.

    A profile for other colours than the file's (CMYK for what is RGB now) is left out, and text outside of PNG.
    """
    options: dict[str, Any] = {}
    if metadata.exif:
        options["exif"] = _sized(metadata.exif, *size)
    if metadata.icc[16:20] == (b"GRAY" if mode in ("L", "LA") and kind != "WEBP" else b"RGB "):
        options["icc_profile"] = metadata.icc
    if metadata.dpi:
        options["dpi"] = metadata.dpi
    if kind == "PNG":
        options["pnginfo"] = _png_info(metadata)
    else:
        if metadata.xmp:
            options["xmp"] = metadata.xmp
        if metadata.comment:
            options["comment"] = metadata.comment
    return options


def _reset(exif: Image.Exif) -> bytes:
    """EXIF without orientation, and without a thumbnail (Pillow writes none), which would show the old size."""
    exif.pop(ExifTags.Base.Orientation, None)
    return exif.tobytes() if len(exif) else b""


def _resolution(tags: Image.Exif) -> tuple[float, float] | None:
    """Dots an inch that EXIF has, for files that do not say it elsewhere."""
    inch = {2: 1.0, 3: 2.54}.get(int(tags.get(ExifTags.Base.ResolutionUnit, 2)))
    across, down = tags.get(ExifTags.Base.XResolution), tags.get(ExifTags.Base.YResolution, 0)
    return (float(across) * inch, float(down) * inch) if across and inch else None


def _sized(exif: bytes, width: int, height: int) -> bytes:
    """EXIF whose tags for width and height, where it has them, say the new ones."""
    tags = Image.Exif()
    tags.load(exif)
    places = [tags, tags.get_ifd(ExifTags.IFD.Exif)] if ExifTags.IFD.Exif in tags else [tags]
    for place in places:
        for names, value in ((_WIDTH_TAGS, width), (_HEIGHT_TAGS, height)):
            for name in names:
                if name in place:
                    place[name] = value
    return tags.tobytes()


def _usual(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    """A resolution that files can hold."""
    return dpi if dpi and all(0 < value < 1e6 for value in dpi) else None


def _png_info(metadata: Metadata) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for kind, content in metadata.png_chunks:
        info.add(kind, content)
    if metadata.comment:
        info.add_text("Comment", metadata.comment.decode("latin-1"))
    if metadata.xmp:
        info.add_itxt(XMP_KEY.decode(), metadata.xmp.decode(errors="replace"))
    return info
