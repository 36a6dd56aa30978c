"""The verb that gives networks their weights: train."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import typer

from nas_sr.cli.names import absolute
from nas_sr.cli.output import JSON, counted, error_console, print_json


def register(app: typer.Typer) -> None:
    """Adds this verb."""
    app.command("train")(train)


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
