"""The image sets that networks are compared on: a folder in any usual layout, or a pack's validation images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas_sr.data.folders import find_pairs
from nas_sr.data.matching import other_downscales
from nas_sr.data.pack import Pack
from nas_sr.data.pairs import ImagePair
from nas_sr.data.prepare import VAL, prepared_pack
from nas_sr.errors import UsageError
from nas_sr.evaluate.evaluate import ReadablePair, pack_sources


class Benchmark(NamedTuple):
    """An image set for one factor.

    Attributes:
        folder: where it is.
        scale: the factor.
        sources: its pairs, read when they are called.
        found: a line for each thing about the folder that a reader of its figures should know.
        bicubic_db: how near the LR files that were read so far are to MATLAB's bicubic downscale, PSNR by name.
    """

    folder: Path
    scale: int
    sources: list[ReadablePair]
    found: tuple[str, ...]
    bicubic_db: dict[str, float]

    def notes(self) -> tuple[str, ...]:
        """What was found, and, once the images were read, whether their LR files are another kind of downscale."""
        return (*self.found, *(f"{self.folder}: {line}" for line in other_downscales(self.bicubic_db)))


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
        return Benchmark(folder, scale, pack_sources(pack), pack.problems, {})
    pairs = find_pairs(folder, scale, evaluating=True)
    notes = pairs.problems
    if all(pair.lr is None for pair in pairs.pairs):
        notes = [*notes, f"{folder}: no LR images for x{scale}; made by MATLAB's bicubic downscaling"]
    bicubic_db: dict[str, float] = {}
    sources: list[ReadablePair] = [(pair.name, partial(_matching, pair, scale, bicubic_db)) for pair in pairs.pairs]
    return Benchmark(folder, scale, sources, tuple(notes), bicubic_db)


def _matching(pair: ImagePair, scale: int, bicubic_db: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    lr, hr, match = pair.read_matching(scale)
    if match:
        bicubic_db[pair.name] = match.bicubic_db
    return lr, hr
