"""Verbs about networks with weights: train, evaluate, upscale."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import typer

from nas_sr.cli.names import STUDIES, absolute, model_path
from nas_sr.cli.output import JSON, counted, error_console, print_json

MODEL_HELP = "A bundle folder, a .safetensors or published .pth file, STUDY:TRIAL, or `bicubic`."


def register(app: typer.Typer) -> None:
    """Adds these verbs."""
    app.command("train")(train)
    app.command("evaluate")(evaluate)
    app.command("upscale")(upscale)


def train(
    bundle: Path = typer.Argument(..., metavar="BUNDLE", help="A folder written by `nas-sr export`."),
    steps: int = typer.Option(None, "--steps", min=1, help="Shorten the whole training to this many steps."),
    resume: bool = typer.Option(False, "--resume", help="Continue from the last checkpoint."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Begin anew although an unfinished training is there."),
    data: str = typer.Option(None, "--data", help="Training images.  [default: train.yaml's]"),
    val: str = typer.Option(None, "--val", help="Validation images.  [default: train.yaml's]"),
    workers: int = typer.Option(1, "--workers", min=1, help="Processes that share each batch, a GPU or cores each."),
    address: str = typer.Option(None, "--address", help="A running Ray cluster's.  [default: this machine only]"),
    as_json: bool = JSON,
) -> None:
    """Trains a bundle's network fully.

    Runs its train.yaml with checkpoints and validation, and puts the best weights back into the bundle.

    \b
        nas-sr train bundles/camera
        nas-sr train bundles/camera --steps 2000
        nas-sr train bundles/camera --resume
        nas-sr train bundles/camera --workers 4
    """
    from nas_sr.arch.network import build
    from nas_sr.arch.weights import load_network
    from nas_sr.data.image_sets import image_sets
    from nas_sr.errors import WorkError
    from nas_sr.export.bundle import WEIGHTS, read_bundle, record_training, write_weights
    from nas_sr.files import writable_folder
    from nas_sr.train.checkpoint import Run, read_checkpoint, refuse_other_network, refuse_unfinished
    from nas_sr.train.loop import Diverged
    from nas_sr.train.run import BEST, CHECKPOINT, run_training
    from nas_sr.train.session import Interrupted

    spec, config = read_bundle(bundle)
    folder = writable_folder(bundle / "training")
    checkpoint = folder / CHECKPOINT
    resumed = read_checkpoint(checkpoint) if resume else None
    if not resume and not overwrite:
        refuse_unfinished(checkpoint)
    before = resumed.run if resumed else Run(config=config, data=config.data, val=config.val)
    run = Run(
        config=config,
        steps=before.steps if steps is None else steps,
        data=absolute(data) or before.data,
        val=absolute(val) or (None if data else before.val),
    )
    with counted("packing images") as packing:
        smallest = max(phase.crop_lr for phase in config.training.phases)
        images = image_sets(run.data, run.val, spec.scale, smallest, packing)
    run = run.on(images)
    console = error_console()
    for problem in images.problems:
        console.print(f"left out: {problem}", style="dim", soft_wrap=True)
    console.print(images.description, style="dim", soft_wrap=True)
    network = build(spec, config.training.seed)
    if config.start == "weights":
        loaded = load_network(bundle / WEIGHTS)
        refuse_other_network(loaded.spec, loaded.state_dict(), network, bundle / WEIGHTS)
        network = loaded
    with _TrainingView(console, run.training.steps) as view:
        try:
            trained = run_training(
                network, run, images, folder, view, resumed=resumed, workers=workers, address=address
            )
        except Diverged as error:
            raise WorkError(
                f"{bundle}: training diverged: {error}; its last checkpoint and best weights are kept in {folder};"
                " it would diverge again: lower learning_rate in train.yaml and begin anew with --overwrite"
            ) from None
        except Interrupted:
            console.print(f"checkpoint written; continue with: nas-sr train {shlex.quote(str(bundle))} --resume")
            raise KeyboardInterrupt from None
    write_weights(bundle, load_network(folder / BEST))
    record_training(bundle, trained.steps, trained.psnr_db)
    if as_json:
        print_json({"checkpoint": str(checkpoint), "steps": trained.steps, "psnr_db": trained.psnr_db})
        return
    print(f"{trained.steps} steps, validation PSNR from {trained.start_psnr_db:.3f} to {trained.psnr_db:.3f} dB")
    print(f"{bundle}: weights.safetensors and model.onnx now hold the best weights")


class _TrainingView:
    """A bar with the time left on a terminal, and a line at every validation everywhere."""

    def __init__(self, console: Any, steps: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._console = console
        self._steps = steps
        self._bar = Progress(
            *columns,
            TextColumn("{task.fields[best]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, best="")

    def __enter__(self) -> _TrainingView:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def began(self, position: int, best_psnr_db: float) -> None:
        if position:
            self._bar.reset(self._task, completed=position)  # or the time left would count steps done before
            self.said(f"resumed after step {position} of {self._steps}, best so far {best_psnr_db:.3f} dB")

    def stepped(self, position: int, best_psnr_db: float) -> None:
        self._bar.update(self._task, completed=position, best=f"best {best_psnr_db:.3f} dB")

    def validated(self, point: Any, best_psnr_db: float) -> None:
        loss = "" if math.isnan(point.loss) else f"loss {point.loss:.5f}  "
        self._console.print(
            f"step {point.step}/{self._steps}  {loss}PSNR {point.psnr_db:.3f} dB  best {best_psnr_db:.3f} dB"
        )

    def said(self, text: str) -> None:
        self._console.print(text, style="dim", soft_wrap=True)


def evaluate(
    model: str = typer.Argument(..., metavar="MODEL", help=MODEL_HELP),
    data: Path = typer.Option(..., "--data", help="A folder with HR/ and LRx4/, or only HR/."),
    scale: int = typer.Option(4, "--scale", min=2, max=4, help="For bicubic; a network knows its own."),
    rounded_y: bool = typer.Option(False, "--rounded-y", help="Round Y to integers, as MATLAB's rgb2ycbcr does."),
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """PSNR and SSIM by the field's protocol.

    uint8 output, borders of `scale` pixels cropped, Y of BT.601 kept as float.

    \b
        nas-sr evaluate bundles/camera --data Set5
        nas-sr evaluate bicubic --data Set5 --json
    """
    from nas_sr.evaluate.evaluate import evaluate_folder

    upscaler, factor = _upscaler(model, scale, studies)
    with counted("evaluating") as progress:
        scores = evaluate_folder(upscaler, data, factor, rounded_y=rounded_y, progress=progress)
    if as_json:
        print_json(scores.to_json())
        return
    for image in scores.per_image:
        print(f"{image.name:<24} Y {image.psnr_y_db:7.3f} dB  SSIM {image.ssim_y:.4f}  RGB {image.psnr_rgb_db:7.3f} dB")
    print(
        f"{f'mean of {scores.n}':<24} Y {scores.psnr_y_db:7.3f} dB  SSIM {scores.ssim_y:.4f}"
        f"  RGB {scores.psnr_rgb_db:7.3f} dB"
    )


def upscale(
    model: str = typer.Argument(..., metavar="MODEL", help=MODEL_HELP),
    source: Path = typer.Argument(..., metavar="IN", help="An image or a folder of images."),
    target: Path = typer.Argument(..., metavar="OUT", help="The image or folder to write."),
    scale: int = typer.Option(4, "--scale", min=2, max=4, help="For bicubic; a network knows its own."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace existing files."),
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """Turns images into larger ones.

    \b
        nas-sr upscale bundles/camera photo.png large.png
        nas-sr upscale bundles/camera photos/ large/
    """
    from nas_sr.evaluate.upscale import upscale_files

    upscaler, _ = _upscaler(model, scale, studies)
    with counted("upscaling") as progress:
        files = upscale_files(upscaler, source, target, overwrite, progress, error_console().print)
    if as_json:
        print_json({"files": [str(path) for path in files]})
        return
    print("\n".join(str(path) for path in files))


def _upscaler(model: str, scale: int, studies: Path) -> tuple[Any, int]:
    """The function that MODEL means, and its factor."""
    from nas_sr.evaluate.evaluate import bicubic, network_upscaler

    if model == "bicubic":
        return bicubic(scale), scale
    from nas_sr.arch.weights import load_network

    network = load_network(model_path(model, studies))
    return network_upscaler(network), network.spec.scale
