"""Names for plain values: equal for equal content."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(value: Any, digits: int = 12) -> str:
    """Hex digits of a value that JSON can hold, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:digits]
