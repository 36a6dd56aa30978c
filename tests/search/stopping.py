"""Ctrl-C in a full training or a supernet's, after so many steps, without a signal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from nas_sr.train import full_training


@contextmanager
def stopping_after(steps: int) -> Iterator[None]:
    """Inside, a training is asked to stop before its next step."""

    @contextmanager
    def asked() -> Iterator[Callable[[], bool]]:
        left = iter([False] * steps)
        yield lambda: next(left, True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(full_training, "_stop_requests", asked)
        yield
