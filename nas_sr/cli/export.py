"""`nas-sr export`: one network as a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas_sr.cli.options import STUDIES
from nas_sr.cli.output import JSON, print_json
from nas_sr.command_line import command

if TYPE_CHECKING:
    from nas_sr.export.bundle import Written


def export(
    study: str = typer.Argument(..., metavar="STUDY", help="A study's name or folder, or a bundle to write again."),
    trial: int = typer.Option(None, "--trial", help="The trial of this number."),
    knee: bool = typer.Option(False, "--knee", help="The front's point of best trade."),
    max_latency: float = typer.Option(None, "--max-latency", metavar="MS", help="The best PSNR that is this fast."),
    min_psnr: float = typer.Option(None, "--min-psnr", metavar="DB", help="The fastest that is this good."),
    limit: list[str] = typer.Option(
        None, "--limit", metavar="NAME=VALUE", help="Only of those within it; alone: the best PSNR of them."
    ),
    hw: str = typer.Option(None, "--hw", help="Whose latency and front count.  [default: the study's first target]"),
    destinations: list[str] = typer.Option(
        None,
        "--for",
        metavar="NAME,...",
        help="Also files for onnxruntime, tensorrt, openvino, ncnn, chainner, vs-mlrt, or all that can be.",
    ),
    optimise: bool = typer.Option(
        False, "--optimise", help="Time the graphs that compute the same on the target, and write the fastest."
    ),
    licence: str = typer.Option(None, "--licence", metavar="ID", help="Of the weights, as SPDX calls it."),
    author: str = typer.Option(None, "--author", help="Of the weights."),
    out: Path = typer.Option(None, "--out", help="Folder to write.  [default: bundles/STUDY-TRIAL]"),
    start: str = typer.Option(
        "weights",
        "--start",
        help="What full training begins with: weights (as exported), scratch, longest-rung (likewise, kept apart) or"
        " supernet:PATH.",
    ),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace an existing bundle."),
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """Writes one network as a bundle to train and ship.

    A bundle holds the spec, weights (safetensors), ONNX, the full-training config, a model card, a sample picture and
    checksums; with --for, files for runtimes and tools. Of a bundle, --for writes all of that again, from its weights.

    \b
        nas-sr export cpu-imdeception_x4 --knee
        nas-sr export cpu-imdeception_x4 --max-latency 40 --out camera --for tensorrt,vs-mlrt
        nas-sr export cpu-imdeception_x4 --knee --limit memory_mb=20
        nas-sr export bundles/camera --for all
    """
    from nas_sr.errors import UsageError
    from nas_sr.export import choose
    from nas_sr.export.bundle import TRAINING, is_bundle, write_bundle
    from nas_sr.export.formats import wanted
    from nas_sr.export.starts import parse_start
    from nas_sr.latency_wording import in_short
    from nas_sr.measure.profile import profile
    from nas_sr.names import study_record
    from nas_sr.objectives import LATENCY, parse_limits
    from nas_sr.train.recipes import PAPER_CROP, paper_training

    limits, begins = parse_limits(limit or ()), parse_start(start)
    rules = sum([trial is not None, knee, max_latency is not None, min_psnr is not None])
    of_study = bool(rules or limits or out or overwrite)
    if is_bundle(Path(study)) and not (of_study and (studies / study / "study.yaml").is_file()):
        if of_study:
            raise UsageError(
                f"{study}: a bundle, of which export takes --for, --optimise, --hw, --licence and --author only"
            )
        _again(Path(study), destinations or [], hw, licence, author, optimise, as_json)
        return
    if rules > 1 or (rules == 0 and not limits):
        raise UsageError("export needs exactly one of --trial N, --knee, --max-latency MS, --min-psnr DB")
    if trial is not None and limits:
        raise UsageError(
            "export takes --trial N or --limit NAME=VALUE, not both: a trial of that number is one already"
        )
    asked = wanted(destinations or [])
    record = study_record(study, studies, hw)
    if trial is not None:
        chosen = choose.by_number(record, trial)
    else:
        chosen = choose.by_rule(record, limits, max_latency, min_psnr, knee)
    config = record.config
    training = paper_training(
        chosen.spec.scale, config["data"], config["val"], record.environment["data"]["smallest_lr"]
    )
    folder = out or Path("bundles") / f"{record.name}-{chosen.number}"
    target = profile(record.hw) if optimise else None
    written = write_bundle(record, chosen, training, folder, overwrite, asked, licence, author, target, begins)
    if as_json:
        files = [str(path) for path in written.files]
        print_json({"bundle": str(folder), "trial": chosen.number, "files": files, "left_out": written.left_out})
        return
    latency = in_short(chosen.latency) if chosen.latency else LATENCY.text(chosen.latency_ms)
    print(f"{folder}: trial {chosen.number}, {chosen.psnr_db:.3f} dB after brief training, {latency}")
    _print_files(folder, written)
    crop_lr = training.training.phases[0].crop_lr
    if config["data"] and crop_lr < PAPER_CROP // chosen.spec.scale:
        print(
            f"{TRAINING} has crops of {crop_lr * chosen.spec.scale} HR pixels, not the paper's {PAPER_CROP}: the"
            " smallest training image is no larger; a larger crop_lr leaves small images out (of a pack: --min-lr of"
            " `nas-sr data prepare`)"
        )
    print(f"next: {command('train', folder)}")


def _again(
    folder: Path,
    destinations: list[str],
    hw: str | None,
    licence: str | None,
    author: str | None,
    optimise: bool,
    as_json: bool,
) -> None:
    """Writes what a bundle has and what is asked for from its weights."""
    from nas_sr.errors import UsageError
    from nas_sr.export.bundle import write_again
    from nas_sr.export.origin import read_origin

    if not (destinations or hw or licence or author or optimise):
        raise UsageError(f"{folder}: a bundle; say what to write it for, as with --for all")
    written = write_again(folder, destinations, hw, licence, author, optimise)
    if as_json:
        files = [str(path) for path in written.files]
        trial = read_origin(folder).get("trial")
        print_json({"bundle": str(folder), "trial": trial, "files": files, "left_out": written.left_out})
        return
    print(f"{folder}: written again from its weights")
    _print_files(folder, written)
    print(f"next: {command('verify', folder)}")


def _print_files(folder: Path, written: Written) -> None:
    for path in written.files:
        print(f"  {path.relative_to(folder)}")
    for name, reason in written.left_out.items():
        print(f"  no {name}/: {reason}")
