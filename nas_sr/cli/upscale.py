"""`nas-sr upscale`: images into larger ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from nas_sr.cli.options import DEVICE, LAYOUT, MODEL_HELP, RANGE, RUNTIME, SCALE, STUDIES, TILE
from nas_sr.cli.output import JSON, print_json
from nas_sr.console import error_console


def upscale(
    model: str = typer.Argument(..., metavar="MODEL", help=MODEL_HELP),
    sources: list[str] = typer.Argument(..., metavar="IN...", help="Images, folders of images, patterns like '*.jpg'."),
    target: str = typer.Argument(..., metavar="OUT", help="The image (.png, .jpg, .webp) or folder to write."),
    scale: int = SCALE,
    output_format: str = typer.Option("png", "--format", help="Of files in a folder: png, jpg, webp, or same as IN."),
    quality: int = typer.Option(95, "--quality", min=1, max=100, help="Of JPEG and WebP (there, 100 is lossless)."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace existing files."),
    skip_existing: bool = typer.Option(False, "--skip-existing", help="Leave out images whose file exists."),
    runtime: str = RUNTIME,
    device: str = DEVICE,
    tile: int = TILE,
    layout: str = LAYOUT,
    value_range: int = RANGE,
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """Turns images into larger ones.

    Grey stays grey, 16 bits stay 16 bits, transparency and metadata are kept, and the result is upright. An image that
    fails is named, and the others are still done.

    \b
        nas-sr upscale bundles/camera photo.jpg large.png
        nas-sr upscale bundles/camera photos/ large/ --format same
        nas-sr upscale bundles/camera/model.onnx 'photos/*.webp' large/
    """
    from nas_sr.errors import UsageError, WorkError
    from nas_sr.evaluate.jobs import not_read, plan_jobs
    from nas_sr.evaluate.upscale import upscale_files
    from nas_sr.names import layout_named, upscaler, white_named

    if overwrite and skip_existing:
        raise UsageError("--overwrite and --skip-existing exclude each other")
    convention = layout_named(layout), white_named(value_range)
    enlarge = upscaler(model, scale, runtime, device, tile, *convention, studies)
    existing: Any = "overwrite" if overwrite else "skip" if skip_existing else "refuse"
    jobs = plan_jobs(sources, target, output_format, existing)
    with _UpscalingView(len(jobs), quiet=as_json) as view:
        for line in not_read(sources):
            view.print_line(line)
        done = upscale_files(
            enlarge,
            jobs,
            overwrite=overwrite,
            quality=quality,
            began=view.began,
            tiled=view.tiled,
            wrote=view.wrote,
            noted=view.print_line,
            failed=view.print_line if len(jobs) > 1 else lambda line: None,  # the only one is the verb's own last line
        )
    if as_json:
        print_json({"files": [str(path) for path in done.files], "problems": list(done.problems)})
    if done.problems:
        several = f"{len(done.problems)} of {len(jobs)} images could not be upscaled; the first: "
        raise WorkError(f"{several if len(jobs) > 1 else ''}{done.problems[0]}")


class _UpscalingView:
    """Bars for the images and for the tiles of the current one on a terminal; each file's name when it is there."""

    def __init__(self, images: int, quiet: bool) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        self._console = error_console()
        self._quiet = quiet
        self._bar = Progress(
            *columns,
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
            redirect_stdout=sys.stdout.isatty(),  # names that go into a pipe must not end up beside the bar
        )
        self._begun = 0
        self._images = self._bar.add_task("upscaling", total=images)
        self._tiles = self._bar.add_task("", total=None)

    def __enter__(self) -> _UpscalingView:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def began(self, image: Path) -> None:
        self._bar.update(self._images, completed=self._begun)
        self._bar.reset(self._tiles, description=image.name, total=None)
        self._begun += 1

    def tiled(self, done: int, total: int) -> None:
        self._bar.update(self._tiles, completed=done, total=total)

    def wrote(self, file: Path) -> None:
        if not self._quiet:
            print(file, flush=True)

    def print_line(self, line: str) -> None:
        self._console.print(line, style="dim", markup=False, soft_wrap=True)
