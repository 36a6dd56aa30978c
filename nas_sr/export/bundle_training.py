"""The full training of a bundle's network, whose best weights come back into the bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas_sr.command_line import Value, command
from nas_sr.console import counted, error_console
from nas_sr.data.image_sets import image_sets
from nas_sr.digest import digest
from nas_sr.errors import WorkError
from nas_sr.export.bundle import FULL_TRAINING, keep_inherited, read_bundle, take_trained, training_alone
from nas_sr.export.model_card import Trained as FullyTrained
from nas_sr.export.origin import read_origin
from nas_sr.export.starts import described, parse_start, starting_network
from nas_sr.families.base import Spec
from nas_sr.families.network import without_memory
from nas_sr.families.weights import load_network
from nas_sr.records import FullTrainingScore
from nas_sr.search.full_trainings import keep_full_training
from nas_sr.train.checkpoint import Run, read_checkpoint, refuse_other, refuse_unfinished
from nas_sr.train.console_view import ConsoleView
from nas_sr.train.full_training import BEST, CHECKPOINT, Trained, run_training
from nas_sr.train.loop import Diverged
from nas_sr.train.session import Interrupted

if TYPE_CHECKING:
    from rich.console import Console


# Of a training: they decide where and how fast it runs, not what comes out.
_NO_RECIPE = {"compile", "micro_batch", "pack_in"}


def train_bundle(
    bundle: Path,
    *,
    steps: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    data: str | None = None,
    val: str | None = None,
    workers: int = 1,
    address: str | None = None,
    start: str | None = None,
    quiet: bool = False,
) -> Trained:
    """Trains a bundle's network by its train.yaml; its weights, and all files made of them, then are the best ones.

    Args:
        bundle: a folder written by `nas-sr export`.
        steps: shortens the whole training.
        resume: goes on from the last checkpoint.
        overwrite: begins anew although an unfinished training is there.
        data: training images, instead of train.yaml's.
        val: validation images, instead of train.yaml's.
        workers: processes that share each batch.
        address: a running Ray cluster's.
        start: what it begins with, instead of train.yaml's: weights, scratch, longest-rung or supernet:PATH.
        quiet: shows nothing on standard error.

    Raises:
        UsageError: not a bundle; an unfinished training is there; a checkpoint is of something else; or the weights to
            start with are not there, or of another network.
        WorkError: the training diverged, or what it needs gave way.
        KeyboardInterrupt: interrupted; the checkpoint is written.
    """
    read_bundle(bundle)  # before anything is written into it
    with training_alone(bundle):
        return _trained(
            bundle, bundle / FULL_TRAINING, steps, resume, overwrite, data, val, workers, address, start, quiet
        )


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
    start: str | None,
    quiet: bool,
) -> Trained:
    """Runs the training, in a `folder` that nobody else uses."""
    spec, config = read_bundle(bundle)
    checkpoint = folder / CHECKPOINT
    resumed = read_checkpoint(checkpoint) if resume else None
    if not resume and not overwrite:
        refuse_unfinished(checkpoint)
    asked = parse_start(start) if start else None
    if asked and asked.supernet and not resumed:
        keep_inherited(bundle, asked.supernet)
    before = resumed.run if resumed else Run(config=config, data=config.data, val=config.val)
    kind = asked.kind if asked else before.start or config.start
    run = Run(
        config=config,
        steps=before.steps if steps is None else steps,
        start=asked.kind if asked else before.start,
        began_with=before.began_with or described(read_origin(bundle), kind),
        data=data or before.data,
        val=val or (None if data else before.val),
        training_images=before.training_images,
        validation_images=before.validation_images,
    )
    if resumed:  # before any image is looked at
        refuse_other(resumed, run, without_memory(spec), checkpoint)
    network = starting_network(bundle, kind, spec, config.training.seed)
    with counted("packing images", quiet) as packing:
        smallest = config.training.largest_crop_lr
        images = image_sets(run.data, run.val, spec.scale, smallest, packing)
    run = run.on(images)
    console = error_console(quiet)
    for problem in images.problems:
        console.print(f"left out: {problem}", style="dim", soft_wrap=True)
    console.print(images.description, style="dim", soft_wrap=True)
    with ConsoleView(console, run.training.steps) as view:
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
    written = take_trained(
        bundle,
        load_network(folder / BEST),
        config.model_copy(update={"data": run.data, "val": run.val}),
        FullyTrained(**trained._asdict(), data=images.description, start=run.began_with),
    )
    for name, reason in written.left_out.items():
        again = command("export", bundle, options={"--for": name})
        console.print(
            f"{name}/ is no longer in the bundle, its files were of other weights: {reason}; then `{again}`",
            soft_wrap=True,
            markup=False,
        )
    _tell_study(bundle, spec, run, trained, console)
    return trained


def _tell_study(bundle: Path, spec: Spec, run: Run, trained: Trained, console: Console) -> None:
    """Offers the result to the study that the bundle was exported from, where that is still there."""
    origin = read_origin(bundle)
    if "study_dir" not in origin or "trial" not in origin:
        return
    found = FullTrainingScore(
        psnr_db=trained.psnr_db,
        steps=trained.steps,
        start=run.began_with,
        recipe=digest(run.training.model_dump(mode="json", exclude=_NO_RECIPE)),
        training_images=run.training_images,
        validation_images=run.validation_images,
    )
    folder = (bundle.resolve() / origin["study_dir"]).resolve()
    said = keep_full_training(folder, origin["trial"], spec, found)
    console.print(said, style="dim", soft_wrap=True)
