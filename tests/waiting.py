"""Waits for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(happened: Callable[[], object]) -> None:
    """Returns when it has.

    Raises:
        AssertionError: it has not within a minute.
    """
    end = time.monotonic() + 60
    while not happened():
        if time.monotonic() > end:
            raise AssertionError("did not happen within a minute")
        time.sleep(0.02)
