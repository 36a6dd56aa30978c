"""Texts deflated into a page, whose script `assets/unpack.js` inflates them again: Plotly alone is 4.8 MB of text."""

from __future__ import annotations

import zlib

import numpy as np

# Printable, without what could end the text's element or begin an entity. Two of these hold 13 bits, as 91 * 91 > 8192:
# a fifth less overhead than base64 has.
CHARACTERS = "".join(chr(code) for code in range(33, 127) if chr(code) not in "<&\\")


def packed(text: str) -> str:
    """A text as the number of its deflated bytes, a colon, and two characters for each 13 bits of them."""
    content = zlib.compress(text.encode(), 9)
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    values = np.pad(bits, (0, -len(bits) % 13)).reshape(-1, 13) @ (1 << np.arange(12, -1, -1))
    letters = np.frombuffer(CHARACTERS.encode(), np.uint8)
    return f"{len(content)}:{letters[np.stack(np.divmod(values, 91), axis=1)].tobytes().decode()}"
