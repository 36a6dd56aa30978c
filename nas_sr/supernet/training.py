"""The training of a supernet in a folder: begun, resumed, and kept with what its members reach."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from nas_sr.command_line import Value, command
from nas_sr.config import Config, Phase, Positive, Share, SupernetTraining, Training, WarmupConstantDecay
from nas_sr.console import counted, error_console
from nas_sr.data.image_sets import ImageSets, image_sets
from nas_sr.errors import UsageError, WorkError
from nas_sr.families.base import Spec
from nas_sr.families.sharing import sharing
from nas_sr.files import held_alone, writable_folder
from nas_sr.space import Space
from nas_sr.supernet.members import Draw, pool, refuse_outside
from nas_sr.supernet.stored import SUPERNET, load_supernet, save_supernet, space_digest
from nas_sr.supernet.subject import SupernetSubject, members_of
from nas_sr.supernet.supernet import Supernet
from nas_sr.train.checkpoint import Checkpoint, Run, read_checkpoint, refuse_unfinished
from nas_sr.train.console_view import ConsoleView
from nas_sr.train.execution import default_device
from nas_sr.train.full_training import BEST, CHECKPOINT, Trained, run_training
from nas_sr.train.loop import Diverged
from nas_sr.train.session import Interrupted

_AVERAGED = 0.1  # of the decay: the length of the average of weights


class Recipe(Config):
    """How a supernet is trained; what is not here, such as Adam and L2, is as for one network."""

    steps: Positive = 16_000
    members_per_step: Positive = 4
    crops: Positive = Field(4, description="of each member in a step")
    crop_lr: Positive = 16
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    decay: Share = Field(0.5, description="share of the steps in which the rate falls to zero; before, it is constant")
    draw: Draw = "uniform"
    distil: bool = False
    own_groups: bool = False
    max_macs_g: Annotated[float, Field(gt=0)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    watched: Positive = 8
    validation_megapixels: Annotated[float, Field(gt=0)] = 2.0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    memory_format: Literal["auto", "contiguous", "channels_last"] = "auto"

    @model_validator(mode="after")
    def _sandwich_has_two_sides(self) -> Recipe:
        if self.draw == "sandwich" and self.members_per_step < 2:
            raise ValueError("draw: sandwich needs members_per_step of 2 at least, for the costliest and the cheapest")
        return self

    def config(self, space: Space, members: tuple[Spec, ...] = ()) -> SupernetTraining:
        """The training of a space's supernet; of some `members` alone, where they are given.

        The weights that are judged and kept are an average over about the last tenth of the decay.
        """
        phase = Phase(
            steps=self.steps,
            learning_rate=self.learning_rate,
            schedule=WarmupConstantDecay(warmup=min(0.05, 1 - self.decay), decay=self.decay),
            batch=self.members_per_step * self.crops,
            crop_lr=self.crop_lr,
            ema=max(0.0, 1 - 1 / max(1.0, _AVERAGED * self.decay * self.steps)),
            validate_every=max(1, self.steps // 8),
        )
        return SupernetTraining(
            space=space.frozen(),
            own_groups=self.own_groups,
            members_per_step=self.members_per_step,
            draw=self.draw,
            distil=self.distil,
            max_macs_g=self.max_macs_g,
            watched=self.watched,
            validation_megapixels=self.validation_megapixels,
            members=tuple(spec.to_json() for spec in members),
            training=Training(
                phases=(phase,),
                seed=self.seed,
                precision=self.precision,
                memory_format=self.memory_format,
                compile="off",
                micro_batch=self.crops,  # one member is in memory at a time
            ),
        )


class TrainedSupernet(NamedTuple):
    """Where a supernet is, and the validation PSNR [dB] of the watched members with its weights, by label."""

    path: Path
    steps: int
    psnr_db: dict[str, float]


def train_supernet(
    space: Space,
    folder: Path,
    recipe: Recipe | None = None,
    *,
    allowed: Callable[[Spec], bool] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    data: str | None = None,
    val: str | None = None,
    workers: int = 1,
    address: str | None = None,
    quiet: bool = False,
) -> TrainedSupernet:
    """Trains a space's supernet to the end, in `folder`, which then holds `supernet.safetensors`.

    Args:
        space: whose networks share the weights.
        folder: for this training alone.
        recipe: how; None: the default one, or that of the training which is resumed.
        allowed: which members are trained at all, for instance by a predicted latency; None: every one.
        resume: goes on from the last checkpoint, to the same weights as if it had not been stopped.
        overwrite: begins anew although an unfinished training is there.
        data: training images; None: photographs inside ordinary packages.
        val: validation images; None: a part of the training images.
        workers: processes that share each batch, a GPU or cores each.
        address: a running Ray cluster's; None: this machine only.
        quiet: shows nothing on standard error.

    Raises:
        UsageError: the family has no supernet; no member is allowed; an unfinished training is there; or the one to
            resume is of another space, recipe or set of images.
        WorkError: the training diverged, or what it needs gave way.
        KeyboardInterrupt: interrupted; the checkpoint is written.
    """
    sharing(space.family)
    with held_alone(writable_folder(folder) / ".training", f"{folder}: another training is running in it"):
        resumed = _resumed(space, folder, recipe) if resume else None
        if not resume and not overwrite:
            refuse_unfinished(folder / CHECKPOINT)
        config = resumed.run.config if resumed else _config(space, recipe or Recipe(), allowed)
        assert isinstance(config, SupernetTraining)
        run = Run(config=config, data=data or (resumed.run.data if resumed else None), val=val)
        if resumed and not data:
            run = run.model_copy(update={"val": val or resumed.run.val})
        with counted("packing images", quiet) as packing:
            smallest = config.training.largest_crop_lr
            images = image_sets(run.data, run.val, space.scale, smallest, packing)
        subject = SupernetSubject(config)
        trained = _trained(
            space, folder, run.on(images), images, subject, resumed, workers=workers, address=address, quiet=quiet
        )
        return _kept(folder, config, trained, images, subject)


def _config(space: Space, recipe: Recipe, allowed: Callable[[Spec], bool] | None) -> SupernetTraining:
    members: tuple[Spec, ...] = ()
    if allowed is not None:
        members = pool(space, recipe.seed, max_macs_g=recipe.max_macs_g, allowed=allowed).specs
    config = recipe.config(space, members)
    for spec in members_of(config).specs if config.members else ():
        refuse_outside(space, spec)
    return config


def _resumed(space: Space, folder: Path, recipe: Recipe | None) -> Checkpoint:
    path = folder / CHECKPOINT
    checkpoint = read_checkpoint(path)
    config = checkpoint.run.config
    if not isinstance(config, SupernetTraining):
        raise UsageError(f"{path}: of the training of one network, not of a supernet")
    begun_with = Space.model_validate(config.space)
    if space_digest(begun_with) != space_digest(space):
        raise UsageError(f"{path}: begun with another space; begin anew with --overwrite instead of --resume")
    if recipe is not None:
        raise UsageError(f"{path}: a training goes on as it was begun; leave out what says how, or use --overwrite")
    return checkpoint


def _trained(
    space: Space,
    folder: Path,
    run: Run,
    images: ImageSets,
    subject: SupernetSubject,
    resumed: Checkpoint | None,
    *,
    workers: int,
    address: str | None,
    quiet: bool,
) -> Trained:
    config = subject.config
    console = error_console(quiet)
    for problem in images.problems:
        console.print(f"left out: {problem}", style="dim", soft_wrap=True)
    console.print(images.description, style="dim", soft_wrap=True)
    supernet = Supernet(space, config.own_groups)
    supernet.initialise(config.training.seed)
    with ConsoleView(console, config.training.steps) as view:
        try:
            return run_training(
                supernet,
                run,
                images,
                folder,
                view.on_event,
                resumed=resumed,
                workers=workers,
                address=address,
                subject=subject,
            )
        except Diverged as error:
            raise WorkError(
                f"{folder}: training diverged: {error}; begin anew with --overwrite and a lower --learning-rate"
            ) from None
        except Interrupted:
            options: dict[str, Value] = {
                "--resume": True,
                "--out": folder,
                "--workers": workers if workers > 1 else None,
                "--address": address,
            }
            console.print(
                f"checkpoint written; continue with: {command('supernet train', 'SPACE', options=options)}",
                soft_wrap=True,
            )
            raise KeyboardInterrupt from None


def _kept(
    folder: Path, config: SupernetTraining, trained: Trained, images: ImageSets, subject: SupernetSubject
) -> TrainedSupernet:
    """Looks at the members once more, with the weights that are kept, and writes both."""
    supernet = load_supernet(folder / BEST)
    psnr_db = subject.psnr_db(supernet.to(default_device()), images.val, lambda: None)
    how = config.model_dump(mode="json", exclude={"space", "members", "tensorboard"})
    save_supernet(
        supernet,
        folder / SUPERNET,
        steps=trained.steps,
        psnr_db=psnr_db,
        training=how,
        images=images.train.digest,
    )
    return TrainedSupernet(folder / SUPERNET, trained.steps, psnr_db)
