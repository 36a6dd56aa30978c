"""Records a benchmark: trains what a table lacks, one process a core, and keeps every training as it ends."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from nas_sr.benchmark.members import long_members, members
from nas_sr.benchmark.protocol import Protocol
from nas_sr.benchmark.table import About, Row, Table, exists, read_table
from nas_sr.cache import cache_folder
from nas_sr.config import Training, differences
from nas_sr.data.image_sets import ImageSets, image_sets
from nas_sr.data.pack import Pack
from nas_sr.device_program.cores import usable_cpus
from nas_sr.digest import digest
from nas_sr.environment import environment
from nas_sr.errors import UsageError, WorkError
from nas_sr.evaluate.validation import ValidationSet, bounded, validation_psnr_rgb
from nas_sr.families.base import Spec
from nas_sr.supernet.initialisation import initial_network
from nas_sr.train.execution import Execution
from nas_sr.train.loop import Diverged
from nas_sr.train.rungs import begin_rung, refuse_no_rungs, train_rung


class Task(NamedTuple):
    """One network from one seed, to one length after another. They grow."""

    spec: Spec
    seed: int
    steps: tuple[int, ...]


class _Setting(NamedTuple):
    """What a worker needs to know of the whole."""

    training: Training
    train_pack: Path
    val_pack: Path
    validation_megapixels: float
    states: Path


def tasks(protocol: Protocol) -> list[Task]:
    """All trainings: from the first seed those of every network, then the long ones; then likewise from the next.

    Networks are in a random order, so that a table that is not complete yet is not one of cheap networks.
    """
    found = []
    order = random.Random(0)
    drawn, drawn_long = (order.sample(each, len(each)) for each in (members(protocol), long_members(protocol)))
    for seed in dict.fromkeys((*protocol.seeds, *protocol.long_seeds)):
        if seed in protocol.seeds:
            found += [Task(spec, seed, protocol.steps) for spec in drawn]
        if seed in protocol.long_seeds:
            lengths = (*protocol.steps, *protocol.long_steps)
            found += [Task(spec, seed, lengths) for spec in drawn_long]
    return found


def record(
    folder: Path,
    protocol: Protocol,
    data: str | None,
    val: str | None,
    processes: int | None = None,
    minutes: float = math.inf,
    tell: Callable[[str], None] = lambda text: None,
) -> Table:
    """Trains what the table in `folder` lacks, and writes it after each training; nothing that it has is done again.

    Args:
        folder: of the table, made if missing.
        protocol: what it holds.
        data: training images; None: those that come with ordinary packages.
        val: validation images.
        processes: trainings side by side, one thread each; None: one a core.
        minutes: after which no further training is begun.
        tell: is told each training that ended.

    Raises:
        UsageError: the table is of another protocol or other images.
    """
    refuse_no_rungs(protocol.training)
    images, _, content = recorded_images(protocol, data, val)
    table = Table(About(protocol, content, environment()), members(protocol), ())
    if exists(folder):
        there = read_table(folder)
        refuse_other(folder, there, protocol, content)
        table = Table(there.about, members(protocol), there.rows.values(), there.latencies.values())
    missing = [task for task in tasks(protocol) if _missing(table, task)]
    identity = digest([protocol.training.model_dump(mode="json"), content])
    setting = _Setting(
        protocol.training,
        images.train.folder,
        images.val.folder,
        protocol.validation_megapixels,
        cache_folder("benchmark", identity),
    )
    try:
        _record_missing(table, folder, missing, setting, processes or usable_cpus(), minutes, tell)
    except BrokenProcessPool:
        raise WorkError("a training's process was killed or ran out of memory; what had ended is kept") from None
    return table


def recorded_images(
    protocol: Protocol, data: str | None, val: str | None
) -> tuple[ImageSets, ValidationSet, dict[str, Any]]:
    """The images of a benchmark, what of them is validated on, and what names the networks and the images by content.

    Raises:
        UsageError: no such images, or spaces of different scales.
    """
    specs = members(protocol)
    scales = {spec.scale for spec in specs}
    if len(scales) != 1:
        raise UsageError(f"spaces of one benchmark must have one scale, but got {sorted(scales)}")
    images = image_sets(data, val, scales.pop(), protocol.training.phases[0].crop_lr)
    looked_at = bounded(images.val, protocol.validation_megapixels)
    content = {
        "networks": digest([spec.digest for spec in specs]),
        "training": {"number": len(images.train), "digest": images.train.digest},
        "validation": {"number": len(images.val), "digest": images.val.digest, "crops": looked_at.digest},
        "validation_megapixels": round(looked_at.megapixels, 3),
    }
    return images, looked_at, content


def _record_missing(
    table: Table,
    folder: Path,
    missing: list[Task],
    setting: _Setting,
    processes: int,
    minutes: float,
    tell: Callable[[str], None],
) -> None:
    until = time.monotonic() + 60 * minutes
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        running: dict[Future[list[Row]], Task] = {}
        while missing or running:
            while missing and len(running) < processes and time.monotonic() < until:
                # A long training goes on from the state that the same network's and seed's short one leaves.
                busy = {(task.spec.digest, task.seed) for task in running.values()}
                task = next((task for task in missing if (task.spec.digest, task.seed) not in busy), None)
                if task is None:
                    break
                missing.remove(task)
                if left := _missing(table, task):
                    running[pool.submit(_carry_out, task._replace(steps=left), setting)] = task
            if not running:
                break
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(done)
                rows = done.result()
                table.add(rows)
                table.write(folder)
                tell(_described(task, rows, len(missing) + len(running)))


def refuse_other(folder: Path, there: Table, protocol: Protocol, content: dict[str, Any]) -> None:
    """Refuses to mix figures of another protocol or other images into a table.

    Raises:
        UsageError: says what differs.
    """
    was = {"protocol": there.about.protocol.model_dump(mode="json"), "content": there.about.content}
    now = {"protocol": protocol.model_dump(mode="json"), "content": content}
    if changed := differences(was, now):
        raise UsageError(f"{folder}: recorded otherwise: {'; '.join(changed)}; record into another folder")


def _missing(table: Table, task: Task) -> tuple[int, ...]:
    """The lengths that a table lacks; none after one at which the training diverged."""
    there = [table.rows.get((task.spec.digest, "scratch", task.seed, steps)) for steps in task.steps]
    if any(row is not None and row.psnr_db is None for row in there):
        return ()
    return tuple(steps for steps, row in zip(task.steps, there, strict=True) if row is None)


def _described(task: Task, rows: list[Row], left: int) -> str:
    scores = ", ".join(
        f"{row.steps} {f'{row.psnr_db:.3f} dB' if row.psnr_db is not None else row.reason}" for row in rows
    )
    return f"{task.spec.label()}  seed {task.seed}: {scores}  ({rows[-1].cpu_ms_per_step:.0f} ms a step; {left} left)"


def _carry_out(task: Task, setting: _Setting) -> list[Row]:
    torch.set_num_threads(1)
    training = _judged_at_its_end(setting.training).model_copy(update={"seed": task.seed})
    precision, memory_format = training.precision, training.memory_format
    execution = Execution.model_validate(
        {
            "precision": "fp32" if precision == "auto" else precision,
            "memory_format": "channels_last" if memory_format == "auto" else memory_format,
        }
    )
    train_images, looked_at = Pack(setting.train_pack), bounded(Pack(setting.val_pack), setting.validation_megapixels)
    kept = setting.states / f"{task.spec.digest}-{task.seed}.ckpt"
    validated_s = 0.0

    def validate(network: nn.Module) -> float:
        nonlocal validated_s
        begin = time.process_time()
        psnr_db = validation_psnr_rgb(network, looked_at)
        validated_s += time.process_time() - begin
        return psnr_db

    rows = []
    for steps in task.steps:
        begin, validated_s = time.process_time(), 0.0
        state, _ = begin_rung(initial_network(task.spec, task.seed), training, steps, execution, train_images, kept)
        began_at, psnr_db, loss, reason = state.position, math.nan, math.nan, ""
        try:
            for point in train_rung(state, train_images, validate, kept):
                psnr_db, loss = point.psnr_db, point.loss
        except Diverged as error:
            reason = str(error)
        diverged = not math.isfinite(psnr_db)
        rows.append(
            Row(
                task.spec.digest,
                "scratch",
                task.seed,
                steps,
                None if diverged else psnr_db,
                loss if math.isfinite(loss) else None,
                1e3 * (time.process_time() - begin - validated_s) / max(1, state.position - began_at),
                reason or (f"validation PSNR became {psnr_db}" if diverged else ""),
            )
        )
        if diverged:
            break
    return rows


def _judged_at_its_end(training: Training) -> Training:
    """Validated once, after the last step, so that no length chooses among several validations."""
    (phase,) = training.phases
    return training.model_copy(update={"phases": (phase.model_copy(update={"validate_every": 10**9}),)})
