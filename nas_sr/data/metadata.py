"""What an image file says besides its pixels: EXIF, colour profile, XMP, resolution, text."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from PIL import ExifTags, Image, PngImagePlugin

from nas_sr.data.images import PNG, png_chunks

_XMP_KEY = "XML:com.adobe.xmp"
_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:="|>))[2-8]')
# Of a PNG, as they are: what its colours mean, and its text. EXIF, profile, XMP and resolution go through Pillow.
_COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_NOT_TEXT = (_XMP_KEY.encode(), b"Raw profile type ")
# In TIFF, EXIF shares its place with tags about how the pixels lie in that file; these are not.
_DESCRIPTIVE = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
_WIDTH_TAGS, _HEIGHT_TAGS = (0x0100, 0xA002), (0x0101, 0xA003)


class Metadata(NamedTuple):
    """Ready to be written beside pixels that are upright."""

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    comment: bytes = b""
    dpi: tuple[float, float] | None = None
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()


class ReadMetadata(NamedTuple):
    """Metadata, how the stored pixels must be turned (EXIF's 1 to 8), and what was too broken to keep."""

    metadata: Metadata
    orientation: int
    notes: tuple[str, ...]


def read_metadata(image: Image.Image, data: bytes) -> ReadMetadata:
    """The metadata of a loaded Pillow image and of the file that it comes from; the orientation in it is reset."""
    notes = []
    orientation = 1
    exif = b""
    try:
        found = image.getexif()
        orientation = int(found.get(ExifTags.Base.Orientation, 1))
        exif = _reset(_of_tiff(found) if image.format == "TIFF" else found)
    except Exception as error:  # broken EXIF fails in many ways inside Pillow
        notes.append(f"broken EXIF left out: {type(error).__name__}")
    xmp = image.info.get("xmp") or image.info.get(_XMP_KEY) or b""
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    comment = image.info.get("comment", b"")
    metadata = Metadata(
        exif=exif,
        icc=image.info.get("icc_profile") or b"",
        xmp=_XMP_ORIENTATION.sub(rb"\g<1>1", xmp),
        comment=comment if isinstance(comment, bytes) else str(comment).encode(),
        dpi=_dpi(image.info.get("dpi")),
        png_chunks=tuple(_carried_chunks(data)) if data.startswith(PNG) else (),
    )
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


def _of_tiff(exif: Image.Exif) -> Image.Exif:
    kept = Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in exif:
            kept[tag] = exif[tag]
    for place in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        tags = {tag: value for tag, value in exif.get_ifd(place).items() if tag != ExifTags.IFD.Interop}
        if tags:
            kept[place] = tags
    return kept


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


def _dpi(value: Any) -> tuple[float, float] | None:
    try:
        across, down = (float(part) for part in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None


def _carried_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    for chunk in png_chunks(data):
        content = data[chunk.start + 8 : chunk.end - 4]
        text = chunk.kind in _TEXT_CHUNKS and not content.startswith(_NOT_TEXT)
        if chunk.kind in _COLOUR_CHUNKS or text:
            found.append((chunk.kind, content))
    return found


def _png_info(metadata: Metadata) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for kind, content in metadata.png_chunks:
        info.add(kind, content)
    if metadata.comment:
        info.add_text("Comment", metadata.comment.decode("latin-1"))
    if metadata.xmp:
        info.add_itxt(_XMP_KEY, metadata.xmp.decode(errors="replace"))
    return info
