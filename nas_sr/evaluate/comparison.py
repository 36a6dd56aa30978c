"""What a comparison of models came to: as JSON, as CSV, as text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from nas_sr.evaluate.evaluate import ImageScores, Scores
from nas_sr.files import replacing

BICUBIC = "bicubic"
_MOST_NAMED = 5

_COLUMNS = (
    ("PSNR-Y", "psnr_y_db", 3),
    ("SSIM-Y", "ssim_y", 4),
    ("PSNR-RGB", "psnr_rgb_db", 3),
    ("SSIM-RGB", "ssim_rgb", 4),
)


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
        """A line for each image that could not be scored, and for each picture that could not be drawn."""
        return tuple(dict.fromkeys(problem for result in self.results for problem in result.scores.problems))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know about the images."""
        return tuple(dict.fromkeys(note for result in self.results for note in result.notes))

    def to_json(self) -> dict[str, Any]:
        """Each figure once: one model on one image set, with bicubic's figures as `bicubic`, or all as `results`."""
        entries = [self._entry(result) for result in self.results]
        asked = [entry for entry in entries if entry["model"] != BICUBIC] or entries
        if len(asked) > 1:
            return {"results": entries}
        beside = [entry for entry in entries if entry is not asked[0]]
        return {**asked[0], BICUBIC: beside[0]} if beside else asked[0]

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
                body = [*_each_image(results), "", *body]
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
        temporary.write_text(comparison.to_csv(), encoding="utf-8", errors="surrogateescape")


def shortened(models: Iterable[str]) -> dict[str, str]:
    """Names for tables and pictures: of a path the last part, unless two end alike."""
    last = {model: Path(model).name for model in models}
    return {model: name if list(last.values()).count(name) == 1 else model for model, name in last.items()}


def _infinite(result: Result, shown: str) -> list[str]:
    """A line that says which images make the mean infinite, and what that of the others is."""
    names = result.scores.identical
    if not names:
        return []
    first = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    others = [image.psnr_y_db for image in result.scores.per_image if image.name not in names]
    rest = f"; PSNR-Y of the other {len(others)}: {fmean(others):.3f}" if others else ""
    return [f"{shown}: equal to HR and so of infinite PSNR, which makes the mean infinite: {first}{more}{rest}"]


def _gain(ours: float, theirs: float) -> float:
    return ours - theirs if ours != theirs else 0.0  # also where both are infinite


def _means(results: list[Result]) -> list[str]:
    shown = shortened(result.model for result in results)
    width = max(len("model"), *(len(name) for name in shown.values()))
    heads = "".join(f"{head:>10}" for head, _, _ in _COLUMNS)
    lines = [f"{'model':<{width}}{heads}      gain"]
    base = {image.name: image for result in results if result.model == BICUBIC for image in result.scores.per_image}
    most = max(result.scores.n for result in results)
    for result in results:
        means = result.scores.means()
        figures = "".join(f"{means[key]:>10.{digits}f}" for _, key, digits in _COLUMNS)
        images = (image for image in result.scores.per_image if image.name in base)
        gains = [_gain(image.psnr_y_db, base[image.name].psnr_y_db) for image in images]
        gain = "" if result.model == BICUBIC else f"{fmean(gains or [math.nan]):>+10.3f}"
        fewer = f"  of {result.scores.n} images" if result.scores.n < most else ""
        lines.append(f"{shown[result.model]:<{width}}{figures}{gain}{fewer}")
    return [*lines, *(line for result in results for line in _infinite(result, shown[result.model]))]


def _each_image(results: list[Result]) -> list[str]:
    """A row for each image: PSNR-Y and SSIM-Y of each model, side by side."""
    by_name = [{image.name: image for image in result.scores.per_image} for result in results]
    names = list(dict.fromkeys(name for images in by_name for name in images))
    width = max([len("image"), *(len(name) for name in names)])
    titles = [name if len(name) <= 16 else f"...{name[-13:]}" for name in shortened(r.model for r in results).values()]
    lines = [
        f"{'':<{width}}" + "".join(f"{title:>18}" for title in titles),
        f"{'image':<{width}}" + f"{'PSNR-Y':>10}{'SSIM-Y':>8}" * len(results),
    ]
    nothing = ImageScores("", *[math.nan] * 4)
    for name in names:
        found = [images.get(name, nothing) for images in by_name]
        lines.append(f"{name:<{width}}" + "".join(f"{one.psnr_y_db:>10.3f}{one.ssim_y:>8.4f}" for one in found))
    return lines
