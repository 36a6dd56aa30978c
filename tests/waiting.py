"""Waits for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(happened: Callable[[], object], within_s: float = 60) -> None:
    """Returns when it has.

    Raises:
        AssertionError: it has not within the time.
    """
    end = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {within_s:g} s")
        time.sleep(0.02)
