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
    data: str = typer.Option(None, "--data", help="Training images.  [default: train.yaml's]"),
    val: str = typer.Option(None, "--val", help="Validation images.  [default: train.yaml's]"),
    as_json: bool = JSON,
) -> None:
    """Trains a bundle's network fully.

    Runs its train.yaml with checkpoints and validation, and puts the best weights back into the bundle.

    \b
        nas-sr train bundles/camera
        nas-sr train bundles/camera --steps 2000
        nas-sr train bundles/camera --resume
    """
    from nas_sr.arch.network import build
    from nas_sr.arch.weights import load_network
    from nas_sr.data.image_sets import image_sets
    from nas_sr.errors import WorkError
    from nas_sr.export.bundle import WEIGHTS, read_bundle, record_training, write_weights
    from nas_sr.files import writable_folder
    from nas_sr.train.loop import Diverged
    from nas_sr.train.run import BEST, CHECKPOINT, Interrupted, checkpointed_training, run_training

    spec, config = read_bundle(bundle)
    folder = writable_folder(bundle / "training")
    training = config.training.shortened(steps) if steps is not None else config.training
    if resume and steps is None:
        training = checkpointed_training(folder)
    with counted("packing images") as packing:
        images = image_sets(
            absolute(data) or config.data,
            absolute(val) or (None if data else config.val),
            spec.scale,
            max(phase.crop_lr for phase in training.phases),
            packing,
        )
    console = error_console()
    for problem in images.problems:
        console.print(f"left out: {problem}", style="dim")
    console.print(images.description, style="dim", soft_wrap=True)
    network = load_network(bundle / WEIGHTS) if config.start == "weights" else build(spec, training.seed)
    with _TrainingView(console, training.steps) as view:
        try:
            state = run_training(
                network,
                training,
                images.train,
                images.val,
                folder,
                resume=resume,
                stepped=view.stepped,
                validated=view.validated,
            )
        except Diverged as error:
            raise WorkError(
                f"{bundle}: training diverged: {error}; its last checkpoint and best weights are kept"
            ) from None
        except Interrupted:
            console.print(f"checkpoint written; continue with: nas-sr train {shlex.quote(str(bundle))} --resume")
            raise KeyboardInterrupt from None
    write_weights(bundle, load_network(folder / BEST))
    record_training(bundle, state.position, state.best_psnr_db)
    if as_json:
        print_json({"checkpoint": str(folder / CHECKPOINT), "steps": state.position, "psnr_db": state.best_psnr_db})
        return
    print(f"{state.position} steps, validation PSNR from {view.start_db:.3f} to {state.best_psnr_db:.3f} dB")
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
        self._best_db = -math.inf
        self.start_db = math.nan

    def __enter__(self) -> _TrainingView:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def stepped(self, state: Any) -> None:
        self._bar.update(self._task, completed=state.position, best=f"best {state.best_psnr_db:.3f} dB")

    def validated(self, point: Any) -> None:
        if point.step == 0:
            self.start_db = point.psnr_db
        self._best_db = max(self._best_db, point.psnr_db)
        loss = "" if math.isnan(point.loss) else f"loss {point.loss:.5f}  "
        self._console.print(
            f"step {point.step}/{self._steps}  {loss}PSNR {point.psnr_db:.3f} dB  best {self._best_db:.3f} dB"
        )


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
