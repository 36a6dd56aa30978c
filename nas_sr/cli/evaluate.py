"""`nas-sr evaluate`: PSNR and SSIM of networks on sets of images."""

from __future__ import annotations

from pathlib import Path

import typer

from nas_sr.cli.options import DEVICE, LAYOUT, MODEL_HELP, RANGE, RUNTIME, SCALE, STUDIES, TILE
from nas_sr.cli.output import JSON, print_json
from nas_sr.console import counted, error_console


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
    from nas_sr.names import layout_named, upscaler, white_named

    if csv and csv.is_dir():
        raise UsageError(f"{csv}: is a folder; --csv takes a file")
    convention = layout_named(layout), white_named(value_range)
    upscalers = {model: upscaler(model, scale, runtime, device, tile, *convention, studies) for model in models}
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
