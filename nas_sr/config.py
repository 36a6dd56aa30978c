"""Typed configs of a study and of a training. Unknown keys are refused with the known ones listed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nas_sr.config_errors import explain
from nas_sr.errors import UsageError
from nas_sr.objectives import DEFAULT, LATENCY, PSNR, all_named
from nas_sr.yaml_file import dump_yaml, load_yaml

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Model = TypeVar("Model", bound=BaseModel)


class Config(BaseModel):
    """A frozen section of a config file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Cosine(Config):
    """Linear warm-up, then half a cosine from the maximum to `final`."""

    kind: Literal["cosine"] = "cosine"
    warmup: Share = Field(1 / 6, description="share of the phase spent warming up")
    final: Share = Field(0.0, description="last learning rate, as a share of the maximum")


class Knee(Config):
    """Linear warm-up, hold, linear cooldown, in shares of the phase; then `after`.

    The paper gives 10 + 400 + 400 epochs of a longer phase and does not say what follows. `floor` stays at
    `final`; `restart` repeats the cycle; `stretch` scales the three parts to fill the phase.
    """

    kind: Literal["knee"] = "knee"
    warmup: Share
    hold: Share
    cooldown: Share
    final: Share = Field(0.01, description="learning rate after the cooldown, as a share of the maximum")
    after: Literal["floor", "restart", "stretch"] = "floor"

    @model_validator(mode="after")
    def _parts_fit(self) -> Knee:
        length = self.warmup + self.hold + self.cooldown
        if length == 0 or (length > 1 + 1e-9 and self.after != "stretch"):
            raise ValueError(
                "warmup + hold + cooldown must be more than 0 and, unless `after` is stretch, at most 1 (the phase),"
                f" but got {length:g}"
            )
        return self


class OneCycle(Config):
    """Half a cosine up from `initial` to the maximum, then half a cosine down to `final`."""

    kind: Literal["one_cycle"] = "one_cycle"
    warmup: Share = Field(0.3, description="share of the phase spent rising")
    initial: Share = Field(0.04, description="first learning rate, as a share of the maximum")
    final: Share = Field(1e-4, description="last learning rate, as a share of the maximum")


class WarmupConstantDecay(Config):
    """Linear warm-up, the maximum, and a linear decay to `final` that ends with the phase."""

    kind: Literal["warmup_constant_decay"] = "warmup_constant_decay"
    warmup: Share = Field(0.05, description="share of the phase spent warming up")
    warmup_steps: Positive | None = Field(
        None, description="steps spent warming up, in place of a share: the same whatever the phase's length"
    )
    decay: Share = Field(0.5, description="share of the phase spent decaying")
    final: Share = Field(0.0, description="last learning rate, as a share of the maximum")

    @model_validator(mode="after")
    def _parts_fit(self) -> WarmupConstantDecay:
        if self.warmup + self.decay > 1 + 1e-9:
            raise ValueError(f"warmup + decay must be at most 1, but got {self.warmup + self.decay:g}")
        return self


Schedule = Annotated[Cosine | Knee | OneCycle | WarmupConstantDecay, Field(discriminator="kind")]


class Phase(Config):
    """One loss and one pass of a learning-rate schedule."""

    steps: Positive
    loss: Literal["l1", "l2", "charbonnier"] = "l2"
    charbonnier_eps: Annotated[float, Field(gt=0)] = 0.1
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    schedule: Schedule = WarmupConstantDecay()
    batch: Positive = 4
    crop_lr: Positive = Field(16, description="side of a training crop, LR pixels")
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="decay of the averaged weights; 0 is off")
    clip: Annotated[float, Field(gt=0)] = Field(1.0, description="largest gradient norm")
    validate_every: Positive = Field(400, description="steps between validations; the last step always has one")


class Training(Config):
    """Phases run one after the other; each starts from the best weights of the one before."""

    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    seed: int = 0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: the fastest, measured; fp16 only on CUDA, with scaled gradients"
    )
    memory_format: Literal["auto", "contiguous", "channels_last"] = Field("auto", description="likewise")
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="torch.compile; auto: in long trainings on a GPU, if it works there and is faster, measured"
    )
    micro_batch: Positive | None = Field(
        None, description="images that one process holds at once; gradients add up to the batch's. None: all it has"
    )
    pack_in: Literal["auto", "memory_map", "device"] = Field(
        "auto", description="where crops are cut; auto: on a GPU with room for all images, if that is worth the copying"
    )

    @field_validator("compile", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        """YAML takes a bare `on` or `off` for a truth value."""
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    @property
    def largest_crop_lr(self) -> int:
        """Side of the largest crop of any phase, LR pixels: training images must be as large."""
        return max(phase.crop_lr for phase in self.phases)

    def crop_bytes(self, scale: int) -> int:
        """Bytes of the uint8 LR and HR crops that all steps read."""
        return sum(phase.steps * phase.batch * phase.crop_lr**2 * 3 * (1 + scale**2) for phase in self.phases)

    def shortened(self, steps: int) -> Training:
        """The same training over about `steps` steps; schedules are shares of a phase, so they shrink with it."""
        phases = tuple(
            phase.model_copy(
                update={
                    "steps": max(1, round(phase.steps * steps / self.steps)),
                    "validate_every": min(phase.validate_every, max(1, steps // 5)),
                }
            )
            for phase in self.phases
        )
        return self.model_copy(update={"phases": phases})


class FullTraining(Config):
    """The training of an exported network: train.yaml in its bundle, a plain file to edit."""

    data: str | None = Field(None, description="training images; none: photographs inside ordinary packages")
    val: str | None = Field(None, description="validation images; none: a part of the training images")
    start: Literal["weights", "scratch", "longest-rung", "supernet"] = Field(
        "weights",
        description="weights: those that the bundle has now; scratch: none, an interpolator; longest-rung: those of the"
        " candidate's longest training in its search; supernet: what it inherits of one",
    )
    tensorboard: bool = Field(True, description="whether scalars and sample crops go to training/tensorboard")
    training: Training

    @field_validator("start", mode="before")
    @classmethod
    def _as_it_was_called(cls, value: Any) -> Any:
        return "scratch" if value == "interpolator" else value


class Racing(Config):
    """Candidates of which it is open whether they are on the front are trained longer, and from further seeds."""

    rungs: Annotated[tuple[Positive, ...], Field(min_length=2)] = Field(
        (800, 2400, 8000),
        description="steps; every candidate is trained to the first, and the front is of the last, as far as known",
    )
    seeds: Positive = Field(3, description="most seeds that one candidate is trained from")

    @model_validator(mode="after")
    def _grow(self) -> Racing:
        if list(self.rungs) != sorted(set(self.rungs)):
            raise ValueError(f"rungs must grow, but got {', '.join(map(str, self.rungs))}")
        return self


class SupernetTraining(Config):
    """The training of a search space's shared weights. A batch is the step's members, each with crops of its own."""

    space: dict[str, Any] = Field(description="the search space's file, as plain values")
    own_groups: bool = Field(False, description="whether numbers of groups have weights of their own")
    members_per_step: Positive = Field(4, description="networks that a step trains")
    draw: Literal["uniform", "sandwich", "cost-weighted"] = Field(
        "uniform",
        description="sandwich: the costliest, the cheapest, others at random; cost-weighted: evenly over log cost",
    )
    distil: bool = Field(
        False, description="whether members also learn from the costliest one, which every step then trains"
    )
    max_macs_g: Annotated[float, Field(gt=0)] | None = Field(
        None, description="members with more multiply-accumulates [G, at 256x256 LR pixels] are not trained"
    )
    members: tuple[dict[str, Any], ...] = Field(
        (), description="specs of the only networks that are drawn; empty: any of the space"
    )
    watched: Positive = Field(8, description="members, evenly over log cost, whose mean PSNR judges the weights")
    validation_megapixels: Annotated[float, Field(gt=0)] = Field(
        2.0, description="millions of HR pixels that each of them is validated on, as a search's candidates are"
    )
    tensorboard: bool = False
    training: Training

    @model_validator(mode="after")
    def _members_share_a_batch(self) -> SupernetTraining:
        for phase in self.training.phases:
            if phase.batch % self.members_per_step:
                raise ValueError(
                    f"a batch must be the same number of crops for each of {self.members_per_step} members,"
                    f" but got {phase.batch} crops"
                )
        if self.draw == "sandwich" and self.members_per_step < 2:
            raise ValueError("draw: sandwich needs members_per_step of 2 at least, for the costliest and the cheapest")
        if self.training.compile != "off":
            raise ValueError("training.compile must be off: a supernet's steps run other networks every time")
        return self


class StudyConfig(Config):
    """Everything that decides a study's results. The budget is not here: a study may always be given more."""

    space: tuple[str, ...] = Field(
        ("imdeception_x4",),
        min_length=1,
        description="shipped search spaces or paths to files; several, one a family, are searched as one",
    )
    hw: tuple[str, ...] = Field(
        ("cpu",),
        min_length=1,
        description="shipped hardware profiles or paths to files; each candidate has a latency on each",
    )
    data: str | None = Field(None, description="training images; none: photographs inside ordinary packages")
    val: str | None = Field(None, description="validation images; none: a part of the training images")
    validation_megapixels: Annotated[float, Field(gt=0)] = Field(
        2.0,
        description="millions of HR pixels that every candidate is validated on: the same crops, spread over the"
        " images, or all images where they fit; the front is validated on everything at the end",
    )
    objectives: tuple[str, ...] = Field(
        tuple(each.name for each in DEFAULT),
        description="what the front trades, PSNR first: names of nas_sr/objectives.py",
    )
    max_latency_ms: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (), description="a limit for each of hw, in its order; empty: no limit"
    )
    limits: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {}, description="largest value of any objective (of one to maximise: least), the same on every target"
    )
    measure: Literal["all", "uncertain"] = Field(
        "all", description="uncertain: only where the predicted interval touches the limit or the front"
    )
    training: Training = Training(phases=(Phase(steps=800),))
    evaluator: Literal["scratch", "supernet", "finetune", "combined"] = Field(
        "scratch",
        description="scratch: trained from its start; finetune: from a supernet's weights; supernet: these as they are;"
        " combined: scratch and supernet, and one figure from both",
    )
    supernets: tuple[str, ...] = Field((), description="paths of supernets, one for each space, unless from scratch")
    racing: Racing | None = Field(None, description="none: every candidate is trained once, for one length")
    sampler: str = Field(
        "tpe", description="what proposes candidates: a name in nas_sr/search/samplers.py, or a class as MODULE:CLASS"
    )
    sampler_options: dict[str, bool | int | float | str | None] = Field(
        {}, description="keyword arguments of that sampler, such as {n_startup_trials: 20}"
    )
    ordered_parameters: bool = Field(
        True,
        description="whether lists of numbers are ordered for the sampler; false: categories, as in version 0.2",
    )
    warm_start: str | None = Field(
        None, description="folder of another study, whose front and next best networks are proposed first"
    )
    skip_surely_behind: bool = Field(
        False,
        description="whether candidates are left untrained whose latency and predicted PSNR put them surely behind the"
        " front, once 20 are complete",
    )
    seed: int = 0

    @field_validator("objectives")
    @classmethod
    def _psnr_and_another(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        _known_objectives(names)
        if PSNR.name not in names or len(set(names)) < 2 or len(set(names)) < len(names):
            raise ValueError(
                f"must be {PSNR.name} and at least one other, each once, but got {', '.join(names) or 'none'}"
            )
        # First in every vector of values, whatever the file's order.
        return (PSNR.name, *(name for name in names if name != PSNR.name))

    @field_validator("limits")
    @classmethod
    def _of_objectives(cls, limits: dict[str, float]) -> dict[str, float]:
        _known_objectives(limits)
        return limits

    @field_validator("space", "hw", "max_latency_ms", "supernets", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if value is None:
            return ()
        return tuple(value) if isinstance(value, (list, tuple)) else (value,)

    @model_validator(mode="after")
    def _a_limit_for_each(self) -> StudyConfig:
        if len(self.max_latency_ms) not in (0, len(self.hw)):
            raise ValueError(
                f"max_latency_ms must have one limit for each of the {len(self.hw)} targets,"
                f" but got {len(self.max_latency_ms)}"
            )
        return self

    @model_validator(mode="after")
    def _brief_training_is_not_compiled(self) -> StudyConfig:
        if self.training.compile == "on":
            raise ValueError(
                "training.compile is for full training: compiling a candidate takes longer than training it"
            )
        return self

    @model_validator(mode="after")
    def _supernets_where_they_are_needed(self) -> StudyConfig:
        if (self.evaluator == "scratch") == bool(self.supernets):
            raise ValueError(
                f"evaluator {self.evaluator} needs "
                + ("no supernets" if self.supernets else "supernets, the path of one for each space")
            )
        if self.evaluator == "supernet" and self.racing:
            raise ValueError("racing trains further, but evaluator supernet trains nothing; use finetune")
        return self

    @model_validator(mode="after")
    def _rungs_begin_with_the_training(self) -> StudyConfig:
        if self.racing is None:
            return self
        if len(self.training.phases) != 1 or self.training.phases[0].schedule.kind != "warmup_constant_decay":
            raise ValueError("racing needs a training of one phase whose schedule is warmup_constant_decay")
        if self.racing.rungs[0] != self.training.steps:
            raise ValueError(
                f"racing.rungs must begin with the training's length, {self.training.steps},"
                f" but got {', '.join(map(str, self.racing.rungs))}"
            )
        return self

    @model_validator(mode="after")
    def _one_latency_limit(self) -> StudyConfig:
        if self.max_latency_ms and LATENCY.name in self.limits:
            raise ValueError("the latency has one limit: max_latency_ms (for each target) or limits.latency_ms")
        return self

    @property
    def limits_ms(self) -> tuple[float | None, ...]:
        """The latency limit of each target."""
        return self.max_latency_ms or (self.limits.get(LATENCY.name),) * len(self.hw)

    @property
    def other_limits(self) -> dict[str, float]:
        """The limits of everything but the latency, by objective."""
        return {name: limit for name, limit in self.limits.items() if name != LATENCY.name}

    @model_validator(mode="after")
    def _validation_needs_data(self) -> StudyConfig:
        if self.val and not self.data:
            raise ValueError("val needs data: the built-in photographs bring their own validation images")
        return self


def _known_objectives(names: Iterable[str]) -> None:
    try:
        all_named(names)
    except UsageError as error:
        raise ValueError(str(error)) from None


def read_yaml(path: Path, model: type[Model]) -> Model:
    """A config file as its typed model.

    Raises:
        UsageError: unreadable, not YAML (with the line), or a wrong key (with the allowed ones). See `parse`.
    """
    return parse(load_yaml(path), model, str(path))


def parse(value: Any, model: type[Model], where: str) -> Model:
    """Plain values as their typed model; a wrong key or value becomes a UsageError that begins with `where`.

    Nothing is converted but a whole number to a real one: 8.0, "8" and true are no whole numbers, 1 is not true.
    """
    if not isinstance(value, dict):
        raise UsageError(f"{where}: expected keys and values, but got {type(value).__name__}")
    try:
        # By way of JSON, where a strict model takes a list for a tuple.
        return model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise UsageError(f"{where}: {explain(error, model)}") from None


def write_yaml(path: Path, model: BaseModel, comment: str = "") -> None:
    """Writes a config so that `read_yaml` gives it back equal; `comment` heads the file."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    path.write_text(head + dump_yaml(model.model_dump(mode="json")))


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted names (`training.phases.0.steps`), for comparing two configs."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, (list, tuple)):
        items = list(enumerate(value))
    else:
        return {prefix: value}
    return {name: leaf for key, part in items for name, leaf in flat(part, f"{prefix}.{key}".strip(".")).items()}


def differences(before: Any, now: Any) -> list[str]:
    """What changed from one config to another, by dotted names."""
    was, wanted = flat(before), flat(now)
    return [
        f"{key} was {was.get(key)} and is now {wanted.get(key)}"
        for key in sorted(was.keys() | wanted.keys())
        if was.get(key) != wanted.get(key)
    ]
