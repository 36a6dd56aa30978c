"""Several models on several image sets, bicubic always beside them: as JSON, CSV and text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas_sr.evaluate.benchmark import Benchmark, open_benchmark
from nas_sr.evaluate.evaluate import ImageScores, Scores, Seen, bicubic, evaluate_images
from nas_sr.evaluate.side_by_side import write_side_by_side
from nas_sr.evaluate.upscalers import Upscaler
from nas_sr.files import replacing

BICUBIC = "bicubic"

_COLUMNS = (("PSNR-Y", "psnr_y_db", 3), ("SSIM-Y", "ssim_y", 4), ("PSNR-RGB", "psnr_rgb_db", 3), ("SSIM-RGB", "ssim_rgb", 4))


class Result(NamedTuple):
    """The scores of one model on one image set."""

    model: str
    data: str
    scale: int
    scores: Scores
    notes: tuple[str, ...]


class Comparison(NamedTuple):
    """All results: image sets in the order given, in each bicubic first and then the models in theirs."""

    results: tuple[Result, ...]
    rounded_y: bool

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for each image that could not be scored."""
        return tuple(dict.fromkeys(problem for result in self.results for problem in result.scores.problems))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know about the images."""
        return tuple(dict.fromkeys(note for result in self.results for note in result.notes))

    def to_json(self) -> dict[str, Any]:
        """`results`: one entry for each model and image set; one model on one image set is also on top."""
        entries = [self._entry(result) for result in self.results]
        asked = [entry for entry in entries if entry["model"] != BICUBIC] or entries
        if len(asked) > 1:
            return {"results": entries}
        beside = next(entry for entry in entries if entry["model"] == BICUBIC)
        return {**asked[0], BICUBIC: beside, "results": entries}

    def to_csv(self) -> str:
        """A row for each image, and one named `mean`, of each model and image set."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["data", "scale", "model", "y", "image", *ImageScores._fields[1:]])
        for result in self.results:
            same = [result.data, result.scale, result.model, self._y()]
            writer.writerows([*same, *image] for image in result.scores.per_image)
            writer.writerow([*same, "mean", *result.scores.means().values()])
        return text.getvalue()

    def to_text(self, per_image: bool = False) -> str:
        """A table for each image set, with what each model gains over bicubic."""
        tables = []
        for data, scale in dict.fromkeys((result.data, result.scale) for result in self.results):
            results = [result for result in self.results if (result.data, result.scale) == (data, scale)]
            title = f"{data}, x{scale}, {max(result.scores.n for result in results)} images, Y {self._y()}"
            body = _means(results)
            if per_image:
                body = _each_image(results) + ["", *body]
            tables.append("\n".join([title, *body]))
        return "\n\n".join(tables)

    def _entry(self, result: Result) -> dict[str, Any]:
        return {
            "model": result.model,
            "data": result.data,
            "scale": result.scale,
            "y": self._y(),
            **result.scores.to_json(),
            "notes": list(result.notes),
        }

    def _y(self) -> str:
        return "rounded" if self.rounded_y else "float"


def write_csv(comparison: Comparison, path: Path) -> None:
    """Writes `comparison` as CSV, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(comparison.to_csv())


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
    shown = _shortened(models)
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
        results += [Result(name, str(benchmark.folder), scale, scores[name], benchmark.notes) for name in upscalers]
    return Comparison(tuple(results), rounded_y)


def _seen(folder: Path, scale: int, shown: Mapping[str, str]) -> Seen:
    def write(name: str, hr: np.ndarray, outputs: Mapping[str, np.ndarray]) -> None:
        write_side_by_side(folder, name, hr, {shown.get(label, label): outputs[label] for label in outputs}, scale)

    return write


def _shortened(models: Iterable[str]) -> dict[str, str]:
    """Names for tables and pictures: of a path the last part, unless two end alike."""
    last = {model: Path(model).name for model in models}
    return {model: name if list(last.values()).count(name) == 1 else model for model, name in last.items()}


def _picture_folder(benchmark: Benchmark, benchmarks: list[Benchmark]) -> str:
    """The set's own name; with its place in the list where another is called the same."""
    names = [f"{one.folder.resolve().name}-x{one.scale}" for one in benchmarks]
    at = benchmarks.index(benchmark)
    return names[at] if names.count(names[at]) == 1 else f"{at + 1}-{names[at]}"


def _means(results: list[Result]) -> list[str]:
    shown = _shortened(result.model for result in results)
    width = max(len("model"), *(len(name) for name in shown.values()))
    heads = "".join(f"{head:>10}" for head, _, _ in _COLUMNS)
    lines = [f"{'model':<{width}}{heads}      gain"]
    base = next(result.scores.psnr_y_db for result in results if result.model == BICUBIC)
    most = max(result.scores.n for result in results)
    for result in results:
        means = result.scores.means()
        figures = "".join(f"{means[key]:>10.{digits}f}" for _, key, digits in _COLUMNS)
        gain = "" if result.model == BICUBIC else f"{means['psnr_y_db'] - base:>+10.3f}"
        fewer = f"  of {result.scores.n} images" if result.scores.n < most else ""
        lines.append(f"{shown[result.model]:<{width}}{figures}{gain}{fewer}")
    return lines


def _each_image(results: list[Result]) -> list[str]:
    """A row for each image: PSNR-Y and SSIM-Y of each model, side by side."""
    by_name = [{image.name: image for image in result.scores.per_image} for result in results]
    names = list(dict.fromkeys(name for images in by_name for name in images))
    width = max([len("image"), *(len(name) for name in names)])
    titles = [name if len(name) <= 16 else f"...{name[-13:]}" for name in _shortened(r.model for r in results).values()]
    lines = [
        f"{'':<{width}}" + "".join(f"{title:>18}" for title in titles),
        f"{'image':<{width}}" + f"{'PSNR-Y':>10}{'SSIM-Y':>8}" * len(results),
    ]
    nothing = ImageScores("", *[math.nan] * 4)
    for name in names:
        found = [images.get(name, nothing) for images in by_name]
        lines.append(f"{name:<{width}}" + "".join(f"{one.psnr_y_db:>10.3f}{one.ssim_y:>8.4f}" for one in found))
    return lines
