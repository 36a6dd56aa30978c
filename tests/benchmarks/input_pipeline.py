"""Our input and our training step against a DataLoader that decodes PNGs and a plain step, as most people train.

    python -m tests.benchmarks.input_pipeline [--photos ../shared/data/photos/HR] [--arch imdeception-c16] [--threads 2]

Both sides train the same network by the brief recipe (studies/default.yaml) on the same pictures: ours from a pack, by
the loop of search and training and in the memory format and precision that are measured to be the fastest; the other
side by `png_loader`, with 0, 1 and 2 workers. "Ours, as plain" is our loop in fp32 and NCHW, so that what the format
brings can be told from the rest. Sides take turns, a window each a round; ratios are of windows of the same round. The
clock of a DataLoader's window starts when its first batch is there, so neither the start of an epoch nor what workers
have prepared by then costs it anything; CPU time is that of all its processes. Everything lies in the page cache.
Packing, which decodes every picture once, is shown but not counted.

Three kinds of pictures, all PNGs written here in a temporary folder: photographs cut into 480x480, as BasicSR advises
for speed; whole; and mosaics of twelve pieces of them in DF2K's usual size, because there is no DF2K here.

Takes about five minutes on two cores, on which nothing else should run.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import psutil
import torch

from nas_sr import shipped
from nas_sr.config import Phase, StudyConfig, Training, read_yaml
from nas_sr.data.batches import Batches
from nas_sr.data.pack import Pack
from nas_sr.data.prepare import prepare
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.presets import spec_from
from nas_sr.train.execution import Execution, choose_execution, explained
from nas_sr.train.loop import train
from nas_sr.train.state import TrainingState
from tests.benchmarks.picture_kinds import KINDS, endlessly, write_pairs
from tests.benchmarks.png_loader import DECODERS, DecodedPngs, PlainSteps, loader
from tests.benchmarks.step_profile import step_profile

WORKERS = (0, 1, 2)
AIMS = {"input alone": 5.0, "full step": 1.3}
OURS, AS_PLAIN = "ours", "ours, as plain"
MORE_INPUT = 20  # our windows of input alone, in those of a DataLoader: they would be over in milliseconds


class Speed(NamedTuple):
    """Of one window."""

    samples_per_s: float
    cpu_ms: float  # a sample


class Clock:
    """Runs from its creation."""

    def __init__(self) -> None:
        self._cpu_s, self._start = _cpu_s(), time.perf_counter()

    def speed(self, samples: int) -> Speed:
        """Of the samples since then."""
        wall_s = time.perf_counter() - self._start
        return Speed(samples / wall_s, (_cpu_s() - self._cpu_s) / samples * 1e3)


def _cpu_s() -> float:
    workers = (process.cpu_times() for process in psutil.Process().children())
    return time.process_time() + sum(times.user + times.system for times in workers)


class Ours:
    """Batches from a pack, and the loop that search and training run."""

    def __init__(
        self, pack: Pack, spec: ImdeceptionSpec, training: Training, execution: Execution, window: int
    ) -> None:
        phase = training.phases[0]
        self.phase, self.execution, self.window = phase, execution, window
        self._batches = Batches(pack, phase.crop_lr, phase.batch, training.seed)
        endless = phase.model_copy(update={"steps": 10**6, "validate_every": window})
        training = training.model_copy(update={"phases": (endless,)})
        state = TrainingState(build(spec, training.seed), training, execution)
        self._points = train(state, pack, lambda judged: 0.0)

    def input_alone(self) -> Speed:
        """Batches as the loop takes them."""
        clock = Clock()
        for step in range(self.window * MORE_INPUT):
            for images in self._batches.at(step):
                self.execution.images(images)
        return clock.speed(self.window * MORE_INPUT * self.phase.batch)

    def full_steps(self) -> Speed:
        """The loop up to its next validation, which does nothing here."""
        clock = Clock()
        self.take()
        return clock.speed(self.window * self.phase.batch)

    def take(self) -> int:
        """Takes some steps; returns how many."""
        next(self._points)
        return self.window


class Theirs:
    """A DataLoader and plain steps."""

    def __init__(self, images: DecodedPngs, spec: ImdeceptionSpec, phase: Phase, workers: int, window: int) -> None:
        self.phase, self.window = phase, window
        self._plain = PlainSteps(build(spec, 0), phase.learning_rate)
        self._loader = loader(images, phase.batch, window + 1, workers)

    def input_alone(self) -> Speed:
        """An epoch without its first batch."""
        batches = iter(self._loader)
        next(batches)
        clock = Clock()
        for _ in batches:
            pass
        return clock.speed(self.window * self.phase.batch)

    def full_steps(self) -> Speed:
        """An epoch with steps on all but its last batch."""
        batches = iter(self._loader)
        batch = next(batches)
        clock = Clock()
        for following in batches:
            self._plain.step(*batch)
            batch = following
        return clock.speed(self.window * self.phase.batch)

    def take(self) -> int:
        """Takes some steps; returns how many."""
        for batch in self._loader:
            self._plain.step(*batch)
        return self.window + 1


def faster_decoder(pairs: list[tuple[Path, Path]]) -> str:
    """Which library decodes these pairs faster, said."""
    taken: dict[str, list[float]] = {name: [] for name in DECODERS}
    for pair in pairs:
        for name, decode in DECODERS.items():
            start = time.process_time()
            for path in pair:
                decode(path)
            taken[name].append((time.process_time() - start) * 1e3)
    print("decoding a pair: " + ", ".join(f"{name} {median(ms):.1f} ms of CPU" for name, ms in taken.items()))
    return min(taken, key=lambda name: median(taken[name]))


def compare(what: str, windows: dict[str, Callable[[], Speed]], rounds: int) -> None:
    """Lets all sides take turns and prints a table."""
    speeds: dict[str, list[Speed]] = {name: [] for name in windows}
    for _ in range(rounds):
        for name in random.sample(list(windows), len(windows)):
            speeds[name].append(windows[name]())
    print(f"\n  {what:<24}{'samples/s':>11}{'CPU a sample':>16}   {'ours is faster by':<31}and takes less CPU by")
    for name, taken in speeds.items():
        line = f"  {name:<24}{median(s.samples_per_s for s in taken):>11.1f}{median(s.cpu_ms for s in taken):>13.3f} ms"
        if name != OURS:
            faster = [us.samples_per_s / them.samples_per_s for us, them in zip(speeds[OURS], taken, strict=True)]
            cheaper = [them.cpu_ms / us.cpu_ms for us, them in zip(speeds[OURS], taken, strict=True)]
            line += f"   {_spread(faster):<31}{_spread(cheaper)}"
        print(line)
    theirs = [name for name in speeds if name not in (OURS, AS_PLAIN)]
    best = max(theirs, key=lambda name: median(s.samples_per_s for s in speeds[name]))
    ratio = median(us.samples_per_s / them.samples_per_s for us, them in zip(speeds[OURS], speeds[best], strict=True))
    reached = "reached" if ratio >= AIMS[what] else "NOT reached"
    print(f"  {ratio:.2f}x the fastest other ({best}); the aim of {AIMS[what]}x is {reached}", flush=True)


def _spread(ratios: list[float]) -> str:
    return f"{median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"


def print_profiles(sides: dict[str, Ours | Theirs]) -> None:
    """Where a step's time goes, beside each other."""
    profiles = {name: step_profile(side.take) for name, side in sides.items()}
    print(f"\n  {'ms of a step, watched':<34}" + "".join(f"{name:>26}" for name in profiles))
    for part in next(iter(profiles.values())):
        shares = (f"{ms[part]:.1f} ({ms[part] / sum(ms.values()):.1%})" for ms in profiles.values())
        print(f"  {part:<34}" + "".join(f"{share:>26}" for share in shares), flush=True)


def main() -> None:
    """Prints two tables and a profile for each kind of pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/photos/HR"))
    parser.add_argument("--arch", default="imdeception-c16", help="a preset or a spec file")
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="of torch; default: all cores"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="of a window")
    parser.add_argument("--images", type=int, default=12, help="of each kind")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    arguments = parser.parse_args()
    if not arguments.photos.is_dir():
        parser.error(f"{arguments.photos}: no such folder; give photographs of at least 510x480 pixels by --photos")
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(1)
    spec = spec_from(arguments.arch)
    training = read_yaml(shipped.find("studies", "default"), StudyConfig).training
    phase, window = training.phases[0], arguments.steps
    execution, measured = choose_execution(spec, training, "cpu")
    print(
        f"{spec.label()}, batches of {phase.batch}, {phase.crop_lr}x{phase.crop_lr} LR crops,"
        f" {arguments.threads} threads on {len(os.sched_getaffinity(0))} cores,"
        f" {arguments.rounds} rounds of {window} steps\n{explained(execution, measured)}"
    )
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            pairs = write_pairs(KINDS[kind](endlessly(arguments.photos)), arguments.images, folder / kind, spec.scale)
            start = time.perf_counter()
            pack = prepare([folder / kind], folder / "packs", spec.scale, val=0).train.pack
            packing_s = time.perf_counter() - start
            megapixels = median(entry.height * entry.width for entry in pack.entries) * spec.scale**2 / 1e6
            print(f"\n{kind}: {len(pack)} pictures of {megapixels:.2f} megapixels, packed once in {packing_s:.1f} s")
            images = DecodedPngs(pairs, faster_decoder(pairs), phase.crop_lr, spec.scale)
            sides: dict[str, Ours | Theirs] = {OURS: Ours(pack, spec, training, execution, window)}
            if execution != Execution():
                sides[AS_PLAIN] = Ours(pack, spec, training, Execution(), window)
            for workers in WORKERS:
                sides[f"DataLoader, {workers} workers"] = Theirs(images, spec, phase, workers, window)
            for side in sides.values():
                side.take()  # starts workers and selects kernels
            alone = {name: side.input_alone for name, side in sides.items() if name != AS_PLAIN}
            compare("input alone", alone, arguments.rounds)
            compare("full step", {name: side.full_steps for name, side in sides.items()}, arguments.rounds)
            unhidden = "DataLoader, 0 workers"  # workers' time does not show in this process
            print_profiles({name: sides[name] for name in (OURS, unhidden)})


if __name__ == "__main__":
    main()
