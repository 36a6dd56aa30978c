"""Waits for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(happened: Callable[[], object]) -> None:
    """Returns when it has.

    Raises:
        AssertionError: it has not within half a minute.
    """
    for _ in range(3000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("did not happen within 30 s")
