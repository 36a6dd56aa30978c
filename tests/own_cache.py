"""A cache in which nothing is measured yet."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nas_sr.cache import cache_folder
from nas_sr.measure.attempts import reference_onnx


def use_own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch, *sizes: tuple[int, int]) -> None:
    """From here on the cache is `folder`; only the reference networks of these LR sizes are not exported anew."""
    exported = [reference_onnx(*size) for size in sizes]
    monkeypatch.setenv("NAS_SR_CACHE", str(folder))
    for path in exported:
        shutil.copyfile(path, cache_folder("reference") / path.name)
