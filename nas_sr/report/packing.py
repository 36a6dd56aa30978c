"""Texts deflated into a page, whose script `assets/unpack.js` inflates them again: Plotly alone is 4.8 MB of text."""

from __future__ import annotations

import base64
import zlib


def packed(text: str) -> str:
    """A text as deflated UTF-8 in 85 characters (RFC 1924's, with `,` for `<`), so that nothing ends its element."""
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode("ascii").replace("<", ",")


def unpacked(text: str) -> str:
    """What `packed` was given."""
    return zlib.decompress(base64.b85decode(text.replace(",", "<"))).decode()
