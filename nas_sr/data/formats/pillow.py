"""Metadata of formats that are not taken apart here, as Pillow gives it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from PIL import Image

from nas_sr.data.formats.parts import Metadata


class PillowMetadata(NamedTuple):
    """Metadata, and a line for each kind that is broken."""

    metadata: Metadata
    notes: tuple[str, ...]


def pillows_metadata(image: Image.Image, exif: Callable[[Image.Image], bytes]) -> PillowMetadata:
    """The metadata of an open image, `exif` being what finds its EXIF; one broken kind does not cost the others."""
    metadata: dict[str, Any] = {}
    notes = []
    for key, kind, read in [
        ("exif", "EXIF", exif),
        ("icc", "colour profile", lambda image: _bytes(image.info.get("icc_profile"))),
        ("xmp", "XMP", lambda image: _bytes(image.info.get("xmp"))),
        ("comment", "comment", lambda image: _bytes(image.info.get("comment"))),
        ("dpi", "resolution", _dpi),
    ]:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                metadata[key] = read(image)
            except Exception:  # what is broken fails in many ways inside Pillow
                notes.append(f"{kind} left out: it is broken")
        if warned and key in metadata:
            notes.append(f"{kind} not kept whole: some of it is broken")
    return PillowMetadata(Metadata(**metadata), tuple(notes))


def stored_exif(image: Image.Image) -> bytes:
    """EXIF as it lies in the file."""
    return _bytes(image.info.get("exif"))


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value or b"")


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    across, down = image.info.get("dpi", (0, 0))
    return (float(across), float(down)) if across and down else None
