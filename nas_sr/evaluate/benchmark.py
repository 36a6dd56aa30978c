"""The image sets that networks are compared on: a folder in any usual layout, or a pack's validation images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas_sr.data.folders import find_pairs
from nas_sr.data.pack import Pack
from nas_sr.data.pairs import ImagePair
from nas_sr.data.prepare import VAL, prepared_pack
from nas_sr.errors import UsageError
from nas_sr.evaluate.evaluate import ReadablePair, pack_sources


class Benchmark(NamedTuple):
    """An image set for one factor; `notes` says in a line each what a reader of its figures should know."""

    folder: Path
    scale: int
    sources: list[ReadablePair]
    notes: tuple[str, ...] = ()


def open_benchmark(folder: Path, scale: int) -> Benchmark:
    """Finds the pairs in a folder; no image is read yet.

    Raises:
        UsageError: no such folder, no images in it, or a pack for another factor.
    """
    prepared = prepared_pack(folder, VAL)
    if prepared:
        pack = Pack(prepared)
        if pack.scale != scale:
            raise UsageError(f"{folder}: a pack for x{pack.scale}; the model is x{scale}")
        return Benchmark(folder, scale, pack_sources(pack), pack.problems)
    found = find_pairs(folder, scale, evaluating=True)
    notes = found.problems
    if all(pair.lr is None for pair in found.pairs):
        notes = [*notes, f"{folder}: no LR images for x{scale}; made by MATLAB's bicubic downscaling"]
    sources: list[ReadablePair] = [(pair.name, partial(_matching, pair, scale)) for pair in found.pairs]
    return Benchmark(folder, scale, sources, tuple(notes))


def _matching(pair: ImagePair, scale: int) -> tuple[np.ndarray, np.ndarray]:
    lr, hr, _ = pair.read_matching(scale)
    return lr, hr
