"""Scores several models on several image sets, bicubic always beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nas_sr.evaluate.benchmark import Benchmark, open_benchmark
from nas_sr.evaluate.comparison import BICUBIC, Comparison, Result, shortened
from nas_sr.evaluate.evaluate import Seen, bicubic, evaluate_images
from nas_sr.evaluate.side_by_side import write_side_by_side
from nas_sr.evaluate.upscalers import Upscaler


def compare(
    models: Mapping[str, Upscaler],
    folders: Sequence[Path],
    *,
    rounded_y: bool = False,
    pictures: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Scores every model on every image set, and bicubic of the same factors.

    Args:
        models: by the name they are shown under; bicubic need not be among them.
        folders: image sets; all are looked for before the first is read.
        rounded_y: whether Y is rounded to integers.
        pictures: a folder for side-by-side pictures, one for each image.
        progress: told (images done, images), over all sets.

    Raises:
        UsageError: an image set is missing or empty.
    """
    scales = sorted({upscaler.scale for upscaler in models.values()})
    benchmarks = [open_benchmark(folder, scale) for folder in folders for scale in scales]
    total = sum(len(benchmark.sources) for benchmark in benchmarks)
    shown = shortened(models)
    results: list[Result] = []
    before = 0
    for benchmark in benchmarks:
        scale = benchmark.scale
        upscalers = {BICUBIC: bicubic(scale)}
        upscalers |= {name: upscaler for name, upscaler in models.items() if upscaler.scale == scale}
        scores = evaluate_images(
            upscalers,
            benchmark.sources,
            scale,
            rounded_y=rounded_y,
            progress=lambda done, _, before=before: progress(before + done, total),  # type: ignore[misc]
            seen=_seen(pictures / _picture_folder(benchmark, benchmarks), scale, shown) if pictures else None,
        )
        before += len(benchmark.sources)
        results += [Result(name, str(benchmark.folder), scale, scores[name], benchmark.notes()) for name in upscalers]
    return Comparison(tuple(results), rounded_y)


def _seen(folder: Path, scale: int, shown: Mapping[str, str]) -> Seen:
    def write(name: str, hr: np.ndarray, outputs: Mapping[str, np.ndarray]) -> None:
        write_side_by_side(folder, name, hr, {shown.get(label, label): outputs[label] for label in outputs}, scale)

    return write


def _picture_folder(benchmark: Benchmark, benchmarks: list[Benchmark]) -> str:
    """The set's own name; with its place in the list where another is called the same."""
    names = [f"{one.folder.resolve().name}-x{one.scale}" for one in benchmarks]
    at = benchmarks.index(benchmark)
    return names[at] if names.count(names[at]) == 1 else f"{at + 1}-{names[at]}"
