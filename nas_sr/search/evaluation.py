"""Everything a worker needs to evaluate any candidate of a study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nas_sr.config import Config, Training
from nas_sr.objectives import DEFAULT
from nas_sr.train.execution import Execution


class Evaluation(Config):
    """What is the same for all candidates of a study."""

    study_dir: str
    hw: tuple[str, ...]
    train_pack: str
    val_pack: str
    validation_megapixels: float
    training: Training
    execution: Execution
    limits_ms: tuple[float | None, ...]
    limits: dict[str, float] = Field(default_factory=dict)  # of everything else that is limited
    objectives: tuple[str, ...] = tuple(each.name for each in DEFAULT)
    measure: Literal["all", "uncertain"] = "all"
    threads: int = 1
    evaluator: Literal["scratch", "supernet", "finetune", "combined"] = "scratch"
    supernets: tuple[str, ...] = ()
    skip_surely_behind: bool = False  # whether candidates are trained that would surely be behind the front
    longest_rung: int | None = None  # steps after which the front is judged; None: those of the training
    racing: bool = False  # whether a candidate's training may be made longer later
    audit: bool = False  # whether trainings are those of an audit
