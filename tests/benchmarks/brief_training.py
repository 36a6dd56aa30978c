"""Many short trainings side by side, each kept as soon as it is done: what two benchmarks of brief training share."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from nas_sr.config import Phase, Training
from nas_sr.data.image_sets import image_sets
from nas_sr.evaluate.validation import validation_psnr_rgb
from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork
from nas_sr.train.execution import Execution
from nas_sr.train.loop import Diverged, train
from nas_sr.train.state import TrainingState

Start = Callable[[Any, int], FamilyNetwork]  # an untrained network, of a spec that it knows, by seed


class Task(NamedTuple):
    """One training."""

    spec: Spec
    start: Start
    phase: Phase
    seed: int
    data: str
    val: str

    def identity(self) -> dict[str, Any]:
        """What makes its result what it is."""
        return {
            "spec": self.spec.model_dump(mode="json"),
            "start": self.start.__name__,
            "phase": self.phase.model_dump(mode="json"),
            "seed": self.seed,
            "data": self.data,
            "val": self.val,
        }

    def file(self) -> str:
        """The name of its result's file."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:20] + ".json"


class Result(NamedTuple):
    """`cpu_s` is the training's, without validation; the PSNR is that of the last step, NaN if it diverged."""

    psnr_db: float
    cpu_s: float


def results(tasks: Sequence[Task], kept: Path) -> dict[Task, Result]:
    """Of every task, in their order: from the folder, or trained now, on one thread for each usable core."""
    kept.mkdir(parents=True, exist_ok=True)
    found = {}
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
        running = {}
        for task in tasks:
            if (kept / task.file()).exists():
                found[task] = Result(**json.loads((kept / task.file()).read_text())["result"])
            else:
                running[pool.submit(_carry_out, task)] = task
        for done in as_completed(running):
            task = running[done]
            found[task] = result = done.result()
            text = json.dumps({"task": task.identity(), "result": result._asdict()}, indent=1)
            (kept / task.file()).write_text(text)
            print(
                f"  {task.spec.label():28}{task.start.__name__:14}{task.phase.steps:6} steps  seed {task.seed}"
                f"{result.psnr_db:9.3f} dB{result.cpu_s:7.0f} s",
                flush=True,
            )
    return {task: found[task] for task in tasks}


def _carry_out(task: Task) -> Result:
    torch.set_num_threads(1)
    sets = image_sets(task.data, task.val, task.spec.scale, task.phase.crop_lr)
    state = TrainingState(
        task.start(task.spec, task.seed),
        Training(phases=(task.phase,), seed=task.seed),
        Execution(memory_format="channels_last"),
    )
    validated_s = 0.0

    def validate(judged: nn.Module) -> float:
        nonlocal validated_s
        begin = time.process_time()
        found = validation_psnr_rgb(judged, sets.val)
        validated_s += time.process_time() - begin
        return found

    begin = time.process_time()
    psnr_db = float("nan")
    try:
        for point in train(state, sets.train, validate):
            psnr_db = point.psnr_db
    except Diverged:
        psnr_db = float("nan")
    return Result(psnr_db, time.process_time() - begin - validated_s)
