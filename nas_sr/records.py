"""What leaves a study's store: frozen records that report and export read. No torch, no optuna."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nas_sr.audit_record import Audit
from nas_sr.digest import digest
from nas_sr.families.counts import Counts, counts
from nas_sr.families.presets import preset_name
from nas_sr.families.registry import SpecField
from nas_sr.latency import Latency
from nas_sr.measure.measurement import Measurement
from nas_sr.objectives import DEFAULT, Objective, all_named, maximised, point
from nas_sr.pareto import knee
from nas_sr.predict.prediction import Prediction

State = Literal["complete", "infeasible", "pruned", "failed", "running", "interrupted"]
EVALUATED: tuple[State, ...] = ("complete", "infeasible", "pruned", "failed")  # what a budget counts, but for repeats


WEIGHTS = "weights.safetensors"  # in a trial's folder
RUNS = "runs"  # likewise: longer trainings, and those from further seeds


class CurvePoint(NamedTuple):
    """A validation during training; `loss` is the mean since the point before (NaN at step 0)."""

    step: int
    loss: float
    psnr_db: float
    seconds: float


class Score(BaseModel):
    """What one training of a candidate came to."""

    model_config = ConfigDict(frozen=True)

    seed: int  # 0 is the study's, 1 the next
    steps: int
    psnr_db: float | None  # on the study's validation pixels; None: it failed
    reason: str = ""  # why it failed
    note: str = ""  # what a reader must know, such as a state that was gone
    audit: bool = False  # trained by an audit, not by the search


class LongEstimate(BaseModel):
    """What a candidate's PSNR after the longest rung is, as far as all trainings of its study tell: see fidelity.py."""

    model_config = ConfigDict(frozen=True)

    steps: int  # of the longest rung
    mean_db: float
    sd_db: float  # of its difference to the study's other candidates
    front_probability: float  # of being on the true front of this target
    ties: tuple[int, ...] = ()  # members of the front, this one being another: which of the two has more PSNR is open

    def __str__(self) -> str:
        return f"{self.mean_db:.3f} +- {self.sd_db:.3f} dB after {self.steps} steps, estimated"


class FullTrainingScore(BaseModel):
    """What the full training of a candidate's exported bundle came to, and by which protocol.

    Two are comparable only if their protocol is the same.
    """

    model_config = ConfigDict(frozen=True)

    psnr_db: float  # of the best weights, on all validation images
    steps: int
    start: str  # what it began with
    recipe: str  # digest of the training as it was carried out
    training_images: str  # how many, and their digest
    validation_images: str

    @property
    def protocol(self) -> str:
        """The digest of everything but the result."""
        return digest(self.model_dump(exclude={"psnr_db"}))

    def __str__(self) -> str:
        return f"{self.psnr_db:.3f} dB after {self.steps:,} steps of full training (protocol {self.protocol})"


class FullValidation(BaseModel):
    """A trained network on all validation images, whole, where its search looked at a part of them."""

    model_config = ConfigDict(frozen=True)

    psnr_db: float
    bicubic_psnr_db: float
    images: int
    megapixels: float
    weights: str = WEIGHTS  # of which training: see TrialRecord.weights

    def __str__(self) -> str:
        return f"{self.psnr_db:.3f} dB on all {self.images} validation images (bicubic {self.bicubic_psnr_db:.3f})"


# A runtime's PSNR counts where it differs from PyTorch's by more: two seeds of one network are 0.03 dB apart.
SHOWN_DB = 0.005


class RuntimePsnr(BaseModel):
    """A trained network as a target's runtime computes it, and as PyTorch does in fp32, on the same validation crops.

    Where the two differ by more than SHOWN_DB, the PSNR of the trial on that target is PyTorch's on the study's
    validation pixels plus this difference.
    """

    model_config = ConfigDict(frozen=True)

    backend: str
    precision: str
    psnr_db: float
    pytorch_psnr_db: float
    largest_difference: float  # of any output value, where white is 1
    crops: int

    @property
    def difference_db(self) -> float:
        """What the runtime adds; negative where it is worse."""
        return self.psnr_db - self.pytorch_psnr_db

    @property
    def decides(self) -> bool:
        """Whether the difference is large enough to count."""
        return abs(self.difference_db) > SHOWN_DB

    def __str__(self) -> str:
        kept = "counts" if self.decides else f"not counted: at most {SHOWN_DB:g} dB"
        return (
            f"{self.backend} in {self.precision} gives {self.difference_db:+.4f} dB to PyTorch's"
            f" {self.pytorch_psnr_db:.3f} on {self.crops} crops, values differ by {self.largest_difference:.1g}"
            f" at most ({kept})"
        )


class TrialRecord(BaseModel):
    """One candidate of a study."""

    model_config = ConfigDict(frozen=True)

    number: int
    state: State
    params: dict[str, Any]  # the sampler's parameters, by name
    spec: SpecField
    # On the study's validation pixels; as the runtime computes it, where that shows; of an estimate its mean.
    psnr_db: float | None = None
    runtime_psnr: RuntimePsnr | None = None  # on this target, of its front; None where that computes in plain fp32
    scores: tuple[Score, ...] = ()  # of every training, where there is racing or an audit
    estimate: LongEstimate | None = None  # likewise
    full_validation: FullValidation | None = None  # of the front; it decides nothing
    full_training: tuple[FullTrainingScore, ...] = ()  # of bundles that were exported; the latest last
    # By evaluator `combined`: psnr_db is a figure from both of these, by `estimate` where there is one.
    scratch_db: float | None = None  # after brief training from nothing
    inherited_db: float | None = None  # with a supernet's weights, untrained
    latency_ms: float | None = None  # measured or predicted: see `latency.kind`
    latency: Latency | None = Field(None, discriminator="kind")  # None where its file is lost
    figures: dict[str, float] = {}  # of the graph deployed on this target, by objective
    curve: tuple[CurvePoint, ...] = ()
    reason: str = ""  # why it failed or is infeasible; of a complete one, what must be known of its latency
    started: str | None = None  # ISO 8601, UTC
    seconds: float | None = None
    repeats: int | None = None  # number of the trial whose network this one has: it cost nothing

    @cached_property
    def counts(self) -> Counts:
        """At a 256x256 LR input."""
        return counts(self.spec)

    @cached_property
    def preset(self) -> str | None:
        """The name that this network is known by."""
        return preset_name(self.spec)

    @property
    def longest_training(self) -> tuple[int, int]:
        """Steps and seed of its longest training; of several the first seed's. 0 and 0 where it has none."""
        trained = [score for score in self.scores if score.psnr_db is not None]
        if not trained:
            return (self.curve[-1].step if self.curve else 0), 0
        longest = max(trained, key=lambda score: (score.steps, -score.seed))
        return longest.steps, longest.seed

    @property
    def weights(self) -> str:
        """The file of its trained weights in its trial's folder: those of the longest training."""
        steps, seed = self.longest_training
        first = min((score.steps for score in self.scores if score.seed == 0 and score.psnr_db is not None), default=0)
        return WEIGHTS if not first or (seed, steps) == (0, first) else f"{RUNS}/{seed}-{steps}.safetensors"

    @property
    def pytorch_psnr_db(self) -> float | None:
        """As PyTorch computes it in fp32: what the sampler was told."""
        if self.psnr_db is None or self.runtime_psnr is None or not self.runtime_psnr.decides:
            return self.psnr_db
        return self.psnr_db - self.runtime_psnr.difference_db

    @model_validator(mode="before")
    @classmethod
    def _figure_of_its_measurement(cls, values: dict[str, Any]) -> dict[str, Any]:
        latency = values.get("latency")
        if isinstance(latency, (Measurement, Prediction)) and values.get("latency_ms") is None:
            return {**values, "latency_ms": latency.latency_ms}
        return values


class Baseline(BaseModel):
    """A network from elsewhere, measured and judged like a candidate: a point to compare the front with."""

    model_config = ConfigDict(frozen=True)

    name: str
    file_digest: str
    psnr_db: float  # on the study's validation images
    latency: Latency = Field(discriminator="kind")
    convention: str = "RGB, 0..1"  # by which its values were read
    note: str = ""  # what must be known of its PSNR


class StudyRecord(BaseModel):
    """A whole study on one of its targets, as its report sees it."""

    model_config = ConfigDict(frozen=True)

    name: str
    study_dir: str
    target: str  # name of the hardware profile whose latencies these are
    target_title: str
    hw: str  # what names the target to a command: a shipped profile's name, or the path of the user's own
    profile: dict[str, Any]  # that profile as it was when the latencies on it were begun
    targets: tuple[str, ...]  # all that the study has latencies for; its own first, then those it was retargeted to
    objectives: tuple[str, ...] = tuple(each.name for each in DEFAULT)  # what the front trades, PSNR first
    max_latency_ms: float | None = None  # on this target
    limits: dict[str, float] = {}  # of everything else, by objective
    config: dict[str, Any]  # study.yaml
    environment: dict[str, Any]  # environment.json: machine, versions, data
    trials: tuple[TrialRecord, ...]
    front: tuple[int, ...]  # numbers of the Pareto-optimal complete trials, fastest first: see pareto.front_order
    hypervolume_reference: tuple[float, ...]  # value of each objective that the hypervolume is measured from
    hypervolume_history: tuple[tuple[int, float], ...]  # (trial number, hypervolume once it was told)
    baselines: tuple[Baseline, ...] = ()
    audit: Audit | None = None  # on this target
    importances: dict[str, dict[str, float]] = {}  # objective -> parameter -> share; empty with too few trials, or
    # where nobody shows them: see StudyStore.report_records

    @property
    def hypervolume(self) -> float:
        """Hypervolume of the front, in the product of the objectives' units; 0 before the first complete trial."""
        return self.hypervolume_history[-1][1] if self.hypervolume_history else 0.0

    @property
    def traded(self) -> tuple[Objective, ...]:
        """The objectives that the front trades."""
        return all_named(self.objectives)

    def at_knee(self, front: Sequence[TrialRecord]) -> TrialRecord:
        """Of some members of the front the one of best trade: see `pareto.knee`."""
        return front[knee([point(trial, self.traded) for trial in front], maximised(self.traded))]

    def weights(self, trial: TrialRecord) -> Path:
        """The file of a trial's trained weights."""
        number = trial.number if trial.repeats is None else trial.repeats
        return Path(self.study_dir) / "trials" / str(number) / trial.weights

    def trial(self, number: int) -> TrialRecord:
        """The trial of that number; KeyError if there is none."""
        for trial in self.trials:
            if trial.number == number:
                return trial
        raise KeyError(number)
