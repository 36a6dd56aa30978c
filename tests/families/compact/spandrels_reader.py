"""The real spandrel, which other tools load networks with, where torchvision does not fit this PyTorch.

spandrel imports torchvision for architectures that are not read here. Its usual build needs a CUDA build of PyTorch;
where it cannot be loaded, empty modules take its place, so that everything that is read here is spandrel's own code.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any, ClassVar

import pytest


class _Empty(ModuleType):
    """A module in which every name is a class without anything in it."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def spandrel() -> Any:
    """The module; skips the test where it is not installed."""
    if importlib.util.find_spec("spandrel") is None:
        pytest.skip("needs spandrel: pip install --no-deps spandrel einops")
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):
        for name in [each for each in sys.modules if each.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name in ("torchvision", "torchvision.ops", "torchvision.transforms", "torchvision.transforms.functional"):
            sys.modules[name] = _Empty(name)
    return importlib.import_module("spandrel")
