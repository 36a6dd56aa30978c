"""Does full training gain by starting from the longest rung, or from a supernet, at equal total steps?

    python -m tests.benchmarks.warm_start TRAINING_IMAGES VALIDATION_IMAGES [--networks 12] [--seeds 3]
        [--steps 2400 8000 16000] [--rung 800] [--supernet PATH]

Networks are those of `tests.benchmarks.rank_agreement`, trained by the default recipe of `nas-sr search` on one thread
each, as many side by side as there are cores. Three ways come to the same number of steps of the network's own:

    scratch       from zero, all steps
    longest rung  --rung steps with their own decay first, as a search trains them; then the rest from those weights
    supernet      all steps from what the network inherits of --supernet, whose own steps are stated separately: they
                  are spent once for all networks, and each one's share of them is said

Printed for each length: validation PSNR (RGB), the mean over networks with the standard deviation of that mean over
seeds, and the mean gain over from zero, with how many networks gain and the standard deviation of one network's gain
over seeds; then the same for the three cheapest. Results are kept: a benchmark that was stopped goes on.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from nas_sr import shipped
from nas_sr.cache import cache_folder
from nas_sr.config import Phase, StudyConfig, Training, read_yaml
from nas_sr.data.image_sets import ImageSets, image_sets
from nas_sr.digest import digest
from nas_sr.evaluate.validation import validation_psnr_rgb
from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork
from nas_sr.families.registry import parse_spec
from nas_sr.files import write_json
from nas_sr.measure.attempts import file_digest
from nas_sr.supernet.initialisation import initial_network
from nas_sr.supernet.stored import SUPERNET, load_supernet, read_about
from nas_sr.supernet.supernet import Supernet
from nas_sr.train.execution import Execution
from nas_sr.train.loop import Diverged, train
from nas_sr.train.state import TrainingState
from tests.benchmarks.rank_agreement import drawn

Way = Literal["scratch", "longest rung", "supernet"]
CHEAPEST = 3


class Task(NamedTuple):
    """One network, trained for so many steps of its own in all."""

    way: Way
    spec: str  # JSON
    seed: int
    steps: int
    rung: int  # of the way longest rung; else 0
    supernet: str  # a path; else nothing
    data: str
    val: str

    def file(self) -> str:
        """The name of its result's file: by what decides it, so by a supernet's content."""
        content = file_digest(Path(self.supernet)) if self.supernet else ""
        return digest([*self._replace(supernet=content), phase().model_dump(mode="json")], 20) + ".json"


def main() -> None:
    """Trains what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="training images")
    parser.add_argument("val", help="validation images")
    parser.add_argument("--space", default="imdeception_x4")
    parser.add_argument("--networks", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs="+", default=[2400, 8000, 16000])
    parser.add_argument("--rung", type=int, default=800)
    parser.add_argument("--supernet", type=Path, help="a supernet.safetensors, or its training's folder")
    parser.add_argument("--keep", type=Path, help="folder of the results [default: in the cache]")
    arguments = parser.parse_args()
    if min(arguments.steps) <= arguments.rung:
        parser.error(f"--steps must be more than --rung, {arguments.rung}")
    supernet = (
        arguments.supernet / SUPERNET if arguments.supernet and arguments.supernet.is_dir() else arguments.supernet
    )
    ways: list[Way] = ["scratch", "longest rung", *(["supernet"] if supernet else [])]  # type: ignore[list-item]
    specs = drawn(arguments.space, arguments.networks)

    def tasks(way: Way, steps: int) -> list[Task]:
        rung = arguments.rung if way == "longest rung" else 0
        path = str(supernet) if way == "supernet" else ""
        texts = [json.dumps(spec.to_json()) for spec in specs]
        return [
            Task(way, text, seed, steps, rung, path, arguments.data, arguments.val)
            for seed in range(arguments.seeds)
            for text in texts
        ]

    lengths = sorted(arguments.steps)
    wanted = [task for steps in lengths for way in ways for task in tasks(way, steps)]
    found = results(wanted, arguments.keep or cache_folder("warm-start"))
    print(f"{len(specs)} networks, {arguments.seeds} seeds, steps of the network's own in all")
    if supernet:
        spent = read_about(supernet).steps
        print(f"the supernet's {spent} steps are besides: {spent / len(specs):.0f} for each of {len(specs)} networks")
    print(f"\n{'steps':>7}  {'start':14}{'mean':>9}{'sd':>8}{'gain':>9}{'sd':>8}{'gaining':>9}   cheapest {CHEAPEST}")
    for steps in lengths:
        zero = _table(found, tasks("scratch", steps), arguments.seeds)
        for way in ways:
            print(_row(steps, way, _table(found, tasks(way, steps), arguments.seeds), zero))


def _table(found: dict[Task, float], tasks: Sequence[Task], seeds: int) -> np.ndarray:
    """PSNR [dB] by seed and network."""
    return np.array([found[task] for task in tasks]).reshape(seeds, -1)


def _row(steps: int, way: str, values: np.ndarray, zero: np.ndarray) -> str:
    gain = values - zero
    more = f"{gain.mean():+9.3f}{_sd(gain):8.3f}{f'{(gain.mean(axis=0) > 0).sum()}/{gain.shape[1]}':>9}"
    cheap = f"{values[:, :CHEAPEST].mean():.3f} ({gain[:, :CHEAPEST].mean():+.3f})"
    of_mean = _sd(values.mean(axis=1, keepdims=True))
    return f"{steps:7}  {way:14}{values.mean():9.3f}{of_mean:8.3f}{more if way != 'scratch' else ' ' * 26}   {cheap}"


def _sd(values: np.ndarray) -> float:
    """Over seeds, pooled over networks; NaN of one seed."""
    return float(np.sqrt(values.var(axis=0, ddof=1).mean())) if len(values) > 1 else float("nan")


def results(tasks: Sequence[Task], kept: Path) -> dict[Task, float]:
    """The PSNR [dB] of every task, from the folder or trained now, one a core; NaN where it diverged."""
    kept.mkdir(parents=True, exist_ok=True)
    found: dict[Task, float] = {}
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
        running = {}
        for task in tasks:
            path = kept / task.file()
            if path.exists():
                value = json.loads(path.read_text())["psnr_db"]
                found[task] = float("nan") if value is None else value
            else:
                running[pool.submit(carry_out, task)] = task
        for number, done in enumerate(as_completed(running), start=1):
            task, (psnr_db, cpu_s) = running[done], done.result()
            found[task] = psnr_db
            plain = None if np.isnan(psnr_db) else psnr_db
            write_json(kept / task.file(), {"task": task._asdict(), "psnr_db": plain, "cpu_s": cpu_s})
            label = parse_spec(json.loads(task.spec)).label()
            what = f"{label:28}{task.way:14}{task.steps:7} steps  seed {task.seed}{psnr_db:9.3f} dB{cpu_s:7.0f} s"
            print(f"  {what}  ({len(running) - number} left)", flush=True)
    return found


def carry_out(task: Task) -> tuple[float, float]:
    """The PSNR [dB] after the last step, NaN if it diverged, and the CPU seconds."""
    torch.set_num_threads(1)
    begin = time.process_time()
    spec = parse_spec(json.loads(task.spec))
    sets = image_sets(task.data, task.val, spec.scale, phase().crop_lr)
    try:
        network, left = start(task, spec, sets)
        # Other crops than those of a rung before.
        psnr_db = _trained(network, left, task.seed + (1000 if task.rung else 0), sets)[1]
    except Diverged:
        psnr_db = float("nan")
    return psnr_db, time.process_time() - begin


def start(task: Task, spec: Spec, sets: ImageSets) -> tuple[FamilyNetwork, int]:
    """The network that the last training begins with, and the steps that are left for it."""
    if task.way == "supernet":
        return _supernet(task.supernet).extract(spec), task.steps
    network = initial_network(spec, task.seed)
    if task.way == "scratch":
        return network, task.steps
    return _trained(network, task.rung, task.seed, sets)[0], task.steps - task.rung


def _trained(network: FamilyNetwork, steps: int, seed: int, sets: ImageSets) -> tuple[FamilyNetwork, float]:
    training = Training(phases=(phase().model_copy(update={"steps": steps, "validate_every": steps}),), seed=seed)
    state = TrainingState(network, training, Execution(memory_format="channels_last"))
    psnr_db = float("nan")
    for point in train(state, sets.train, lambda judged: validation_psnr_rgb(judged, sets.val)):
        psnr_db = point.psnr_db
    return network, psnr_db


@functools.lru_cache
def phase() -> Phase:
    """The default recipe's."""
    return read_yaml(shipped.find("studies", "default"), StudyConfig).training.phases[0]


@functools.lru_cache(maxsize=1)
def _supernet(path: str) -> Supernet:
    return load_supernet(Path(path))


if __name__ == "__main__":
    main()
