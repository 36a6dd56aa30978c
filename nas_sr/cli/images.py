"""Verbs that apply networks to images: evaluate, upscale."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nas_sr.cli.names import LAYOUT, RANGE, STUDIES, layout_named, model_path, white_named
from nas_sr.cli.output import JSON, counted, error_console, print_json

if TYPE_CHECKING:
    from nas_sr.image_format import Layout

MODEL_HELP = "A bundle folder, a .safetensors, .pth, .ckpt or .onnx file, STUDY:TRIAL, or `bicubic`."
SCALE = typer.Option(4, "--scale", min=2, max=4, help="For bicubic; a network knows its own.")
RUNTIME = typer.Option("torch", "--runtime", help="What runs a bundle: torch, or onnxruntime for its model.onnx.")
DEVICE = typer.Option(None, "--device", help="For torch: cpu, cuda, cuda:1 ...  [default: a GPU if there is one]")
TILE = typer.Option(
    512, "--tile", min=32, help="LR pixels a side computed at once; less needs less memory and gives the same pixels."
)


def register(app: typer.Typer) -> None:
    """Adds these verbs."""
    app.command("evaluate")(evaluate)
    app.command("upscale")(upscale)


def evaluate(
    models: list[str] = typer.Argument(..., metavar="MODEL...", help=MODEL_HELP),
    data: list[Path] = typer.Option(..., "--data", help="A folder with HR and LR images, or only HR; repeatable."),
    scale: int = SCALE,
    rounded_y: bool = typer.Option(False, "--rounded-y", help="Round Y to integers, as MATLAB's rgb2ycbcr does."),
    per_image: bool = typer.Option(False, "--per-image", help="Show every image, not only the means."),
    csv: Path = typer.Option(None, "--csv", help="Write every figure into this file."),
    pictures: Path = typer.Option(None, "--pictures", help="Write side-by-side pictures into this folder."),
    runtime: str = RUNTIME,
    device: str = DEVICE,
    tile: int = TILE,
    layout: str = LAYOUT,
    value_range: int = RANGE,
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """PSNR and SSIM by the field's protocol, bicubic beside them.

    uint8 output, borders of `scale` pixels cropped, Y of BT.601 kept as float. Reads Set5, Set14, BSD100, Urban100,
    Manga109 and DIV2K as they are usually laid out. An LR image of another picture than its HR image (swapped, turned)
    is named and not scored.

    \b
        nas-sr evaluate bundles/camera --data Set5
        nas-sr evaluate camera:3 camera:7 --data Set5 --data Urban100 --csv figures.csv --pictures pictures
        nas-sr evaluate bicubic --data Set5 --json

    Where the output equals HR, PSNR and its mean are infinite: `inf` in the table and the CSV, "inf" in JSON.

    JSON: model, data, scale, y (float or rounded), n, psnr_y_db, ssim_y, psnr_rgb_db, ssim_rgb (means; null without
    images), identical (names of images whose PSNR is infinite), per_image, problems, notes, and bicubic, which has the
    same keys. Of several models or image sets: results, a list of such objects, bicubic's among them.
    """
    from nas_sr.errors import UsageError, WorkError
    from nas_sr.evaluate.comparison import write_csv
    from nas_sr.evaluate.model_comparison import compare
    from nas_sr.files import writable_folder

    if csv and csv.is_dir():
        raise UsageError(f"{csv}: is a folder; --csv takes a file")
    convention = layout_named(layout), white_named(value_range)
    upscalers = {model: _upscaler(model, scale, runtime, device, tile, *convention, studies) for model in models}
    for folder in filter(None, (csv and csv.parent, pictures)):
        writable_folder(folder)
    with counted("evaluating") as progress:
        comparison = compare(
            upscalers, list(dict.fromkeys(data)), rounded_y=rounded_y, pictures=pictures, progress=progress
        )
    console = error_console()
    for line in (*comparison.notes, *comparison.problems):
        console.print(line, style="dim", markup=False, soft_wrap=True)
    try:
        if as_json:
            print_json(comparison.to_json())
        else:
            print(comparison.to_text(per_image), flush=True)
    finally:  # where the output's reader is gone, too
        if csv:
            write_csv(comparison, csv)
    if comparison.problems:
        raise WorkError(
            f"not everything could be scored and drawn ({len(comparison.problems)}): {comparison.problems[0]}"
        )


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

    if overwrite and skip_existing:
        raise UsageError("--overwrite and --skip-existing exclude each other")
    convention = layout_named(layout), white_named(value_range)
    upscaler = _upscaler(model, scale, runtime, device, tile, *convention, studies)
    existing: Any = "overwrite" if overwrite else "skip" if skip_existing else "refuse"
    jobs = plan_jobs(sources, target, output_format, existing)
    with _UpscalingView(len(jobs), quiet=as_json) as view:
        for line in not_read(sources):
            view.said(line)
        done = upscale_files(
            upscaler,
            jobs,
            overwrite=overwrite,
            quality=quality,
            began=view.began,
            tiled=view.tiled,
            wrote=view.wrote,
            noted=view.said,
            failed=view.said if len(jobs) > 1 else lambda line: None,  # the only one is the verb's own last line
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

    def said(self, line: str) -> None:
        self._console.print(line, style="dim", markup=False, soft_wrap=True)


def _upscaler(
    model: str,
    scale: int,
    runtime: str,
    device: str | None,
    tile: int,
    layout: Layout | None,
    value_range: int | None,
    studies: Path,
) -> Any:
    """What MODEL means."""
    from nas_sr.errors import unknown_name
    from nas_sr.evaluate.models import RUNTIMES, model_upscaler

    if runtime not in RUNTIMES:
        raise unknown_name("runtime", runtime, RUNTIMES)
    if model == "bicubic":
        from nas_sr.evaluate.evaluate import bicubic

        return bicubic(scale)
    if device is None:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    return model_upscaler(model_path(model, studies), runtime, device, tile, layout, value_range)
