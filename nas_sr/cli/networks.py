"""The verb that gives networks their weights: train."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nas_sr.cli.names import absolute
from nas_sr.cli.output import JSON, Pace, counted, error_console, print_json
from nas_sr.command_line import Value, command

if TYPE_CHECKING:
    from nas_sr.records import CurvePoint
    from nas_sr.train.events import TrainingEvent

_PLAIN_LINE_EVERY_S = 60


def register(app: typer.Typer) -> None:
    """Adds this verb."""
    app.command("train")(train)


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
    from nas_sr.export.bundle import FULL_TRAINING, read_bundle, training_alone
    from nas_sr.train.full_training import CHECKPOINT

    read_bundle(bundle)  # before anything is written into it
    folder = bundle / FULL_TRAINING
    with training_alone(bundle):
        trained = _trained(bundle, folder, steps, resume, overwrite, absolute(data), absolute(val), workers, address)
    if as_json:
        print_json({"checkpoint": str(folder / CHECKPOINT), "steps": trained.steps, "psnr_db": trained.psnr_db})
        return
    print(f"{trained.steps} steps, validation PSNR from {trained.start_psnr_db:.3f} to {trained.psnr_db:.3f} dB")
    print(f"{bundle}: weights.safetensors and model.onnx now hold the best weights")


def _trained(
    bundle: Path,
    folder: Path,
    steps: int | None,
    resume: bool,
    overwrite: bool,
    data: str | None,
    val: str | None,
    workers: int,
    address: str | None,
) -> Any:
    """Runs the training of a bundle whose `folder` nobody else uses, and puts its best weights into the bundle."""
    from nas_sr.data.image_sets import image_sets
    from nas_sr.errors import WorkError
    from nas_sr.export.bundle import read_bundle, record_training, write_weights
    from nas_sr.families.network import build
    from nas_sr.families.weights import WEIGHTS, load_network
    from nas_sr.train.checkpoint import Run, read_checkpoint, refuse_other, refuse_other_network, refuse_unfinished
    from nas_sr.train.full_training import BEST, CHECKPOINT, run_training
    from nas_sr.train.loop import Diverged
    from nas_sr.train.session import Interrupted

    spec, config = read_bundle(bundle)
    checkpoint = folder / CHECKPOINT
    resumed = read_checkpoint(checkpoint) if resume else None
    if not resume and not overwrite:
        refuse_unfinished(checkpoint)
    before = resumed.run if resumed else Run(config=config, data=config.data, val=config.val)
    run = Run(
        config=config,
        steps=before.steps if steps is None else steps,
        data=data or before.data,
        val=val or (None if data else before.val),
        training_images=before.training_images,
        validation_images=before.validation_images,
    )
    network = build(spec, config.training.seed)
    if resumed:  # before any image is looked at
        refuse_other(resumed, run, network, checkpoint)
    with counted("packing images") as packing:
        smallest = max(phase.crop_lr for phase in config.training.phases)
        images = image_sets(run.data, run.val, spec.scale, smallest, packing)
    run = run.on(images)
    console = error_console()
    for problem in images.problems:
        console.print(f"left out: {problem}", style="dim", soft_wrap=True)
    console.print(images.description, style="dim", soft_wrap=True)
    if config.start == "weights":
        loaded = load_network(bundle / WEIGHTS)
        if loaded.spec.digest == network.spec.deployed.digest:
            network.load_deployed(loaded.state_dict())
        else:
            refuse_other_network(loaded.spec, loaded.state_dict(), network, bundle / WEIGHTS)
            network = loaded
    with _TrainingView(console, run.training.steps) as view:
        try:
            trained = run_training(
                network, run, images, folder, view.on_event, resumed=resumed, workers=workers, address=address
            )
        except Diverged as error:
            raise WorkError(
                f"{bundle}: training diverged: {error}; its last checkpoint and best weights are kept in {folder};"
                " it would diverge again: lower learning_rate in train.yaml and begin anew with --overwrite"
            ) from None
        except Interrupted:
            options: dict[str, Value] = {
                "--resume": True,
                "--workers": workers if workers > 1 else None,
                "--address": address,
            }
            again = command("train", bundle, options=options)
            console.print(f"checkpoint written; continue with: {again}", soft_wrap=True)
            raise KeyboardInterrupt from None
    write_weights(bundle, load_network(folder / BEST))
    record_training(bundle, trained.steps, trained.psnr_db)
    return trained


class _TrainingView:
    """A bar with the time left on a terminal, a line every minute elsewhere, and one at every validation everywhere."""

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
        self._pace, self._told_at = Pace(), time.monotonic()

    def __enter__(self) -> _TrainingView:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def on_event(self, event: TrainingEvent) -> None:
        from nas_sr.train.events import Began, Message, Stepped, Validated

        if isinstance(event, Began):
            self._began(event.position, event.best_psnr_db)
        elif isinstance(event, Stepped):
            self._stepped(event.position, event.best_psnr_db)
        elif isinstance(event, Validated):
            self._validated(event.point, event.best_psnr_db)
        elif isinstance(event, Message):
            self._print(event.text)

    def _began(self, position: int, best_psnr_db: float) -> None:
        self._pace = Pace(position)
        if position:
            self._bar.reset(self._task, completed=position)  # or the time left would count steps done before
            self._print(f"resumed after step {position} of {self._steps}, best so far {best_psnr_db:.3f} dB")

    def _stepped(self, position: int, best_psnr_db: float) -> None:
        best = f"best {best_psnr_db:.3f} dB"
        self._bar.update(self._task, completed=position, best=best)
        pace = self._pace.words(position, self._steps)
        if not self._console.is_terminal and time.monotonic() - self._told_at > _PLAIN_LINE_EVERY_S:
            self._told_at = time.monotonic()
            self._print(f"step {position}/{self._steps}  {best}  {pace}")

    def _validated(self, point: CurvePoint, best_psnr_db: float) -> None:
        loss = "" if math.isnan(point.loss) else f"loss {point.loss:.5f}  "
        self._console.print(
            f"step {point.step}/{self._steps}  {loss}PSNR {point.psnr_db:.3f} dB  best {best_psnr_db:.3f} dB"
        )

    def _print(self, text: str) -> None:
        self._console.print(text, style="dim", soft_wrap=True)
