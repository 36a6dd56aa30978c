"""`nas-sr train`: the full training of a bundle's network."""

from __future__ import annotations

from pathlib import Path

import typer

from nas_sr.cli.output import JSON, print_json


def train(
    bundle: Path = typer.Argument(..., metavar="BUNDLE", help="A folder written by `nas-sr export`."),
    steps: int = typer.Option(None, "--steps", min=1, help="Shorten the whole training to this many steps."),
    resume: bool = typer.Option(False, "--resume", help="Continue from the last checkpoint."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Begin anew although an unfinished training is there."),
    data: str = typer.Option(None, "--data", help="Training images.  [default: train.yaml's]"),
    val: str = typer.Option(None, "--val", help="Validation images.  [default: train.yaml's]"),
    workers: int = typer.Option(1, "--workers", min=1, help="Processes that share each batch, a GPU or cores each."),
    address: str = typer.Option(None, "--address", help="A running Ray cluster's.  [default: this machine only]"),
    start: str = typer.Option(
        None,
        "--start",
        help="What it begins with: weights (the bundle's), scratch, longest-rung (of its search) or supernet:PATH."
        "  [default: train.yaml's]",
    ),
    as_json: bool = JSON,
) -> None:
    """Trains a bundle's network fully.

    Runs its train.yaml with checkpoints and validation, and puts the best weights back into the bundle.

    \b
        nas-sr train bundles/camera
        nas-sr train bundles/camera --steps 2000
        nas-sr train bundles/camera --resume
        nas-sr train bundles/camera --workers 4
        nas-sr train bundles/camera --start supernet:supernets/imdeception_x4
    """
    from nas_sr import api
    from nas_sr.export.bundle import FULL_TRAINING
    from nas_sr.export.origin import read_origin
    from nas_sr.train.full_training import CHECKPOINT

    trained = api.train(
        bundle,
        steps=steps,
        resume=resume,
        overwrite=overwrite,
        data=data,
        val=val,
        workers=workers,
        address=address,
        start=start,
    )
    if as_json:
        print_json(
            {
                "checkpoint": str(bundle / FULL_TRAINING / CHECKPOINT),
                "steps": trained.steps,
                "psnr_db": trained.psnr_db,
                "start": read_origin(bundle)["trained"]["start"],
            }
        )
        return
    print(f"{trained.steps} steps, validation PSNR from {trained.start_psnr_db:.3f} to {trained.psnr_db:.3f} dB")
    print(f"{bundle}: weights.safetensors, and all files made of them, now hold the best weights")
