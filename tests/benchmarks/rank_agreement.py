"""Does a search's brief training rank networks as a ten times longer one does?

    python -m tests.benchmarks.rank_agreement TRAINING_IMAGES VALIDATION_IMAGES [--networks 12] [--seeds 2] [--times 10]
        [--recipes NAME ...]

Networks are drawn at random from the search space, none costlier than the paper's core=16. Each is trained by the
default recipe of `nas-sr search`, and by the same one with `--times` as many steps, once for each seed, on one thread,
as many side by side as there are cores. Printed: validation PSNR (RGB), and Kendall's tau between the short trainings
and the mean of the long ones, with a 90 % interval from resampling the networks; beside it what limits it, tau between
long trainings of two seeds and what a perfect score would reach against their mean (the noise ceiling); and what costs
nothing, ranking by multiply-accumulates. `--recipes` of `tests.benchmarks.brief_recipe` are put beside the default,
against the same long trainings. Results are kept: a benchmark that was stopped goes on.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nas_sr import shipped
from nas_sr.cache import cache_folder
from nas_sr.config import Phase, StudyConfig, read_yaml
from nas_sr.families.counts import counts
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.presets import preset
from nas_sr.rank_agreement import agreement, noise_ceiling
from nas_sr.space import read_space
from tests.benchmarks.brief_recipe import RECIPES
from tests.benchmarks.brief_training import Start, Task, results


def main() -> None:
    """Trains what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="training images")
    parser.add_argument("val", help="validation images")
    parser.add_argument("--space", default="imdeception_x4")
    parser.add_argument("--networks", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--times", type=int, default=10, help="how much longer the long trainings are")
    parser.add_argument("--recipes", nargs="*", default=[], choices=RECIPES, metavar="NAME", help="other short ones")
    parser.add_argument("--keep", type=Path, help="folder of the results [default: in the cache]")
    arguments = parser.parse_args()
    phase = read_yaml(shipped.find("studies", "default"), StudyConfig).training.phases[0]
    short = phase.model_copy(update={"validate_every": phase.steps})
    steps = phase.steps * arguments.times
    long = phase.model_copy(update={"steps": steps, "validate_every": steps})
    specs, seeds = drawn(arguments.space, arguments.networks), range(arguments.seeds)

    def tasks(phase: Phase, seed: int, start: Start = build) -> list[Task]:
        return [Task(spec, start, phase, seed, arguments.data, arguments.val) for spec in specs]

    kept = arguments.keep or cache_folder("brief-trainings")
    found = results([task for seed in seeds for phase in (short, long) for task in tasks(phase, seed)], kept)

    def psnr_db(phase: Phase) -> np.ndarray:
        return np.array([[found[task].psnr_db for task in tasks(phase, seed)] for seed in seeds])

    table(specs, psnr_db(short), psnr_db(long))
    cpu_s = [sum(found[task].cpu_s for seed in seeds for task in tasks(phase, seed)) for phase in (short, long)]
    print(f"\nCPU time: {cpu_s[0] / 60:.0f} minutes for the short trainings, {cpu_s[1] / 60:.0f} for the long ones")
    truth = psnr_db(long).mean(axis=0)
    if arguments.recipes:
        print(f"\n{'':44}{'tau':>7}{'90 % interval':>17}")
    for name in arguments.recipes:
        recipe = RECIPES[name]
        trained = results([task for seed in seeds for task in tasks(recipe.phase(), seed, recipe.start)], kept)
        values = np.array([each.psnr_db for each in trained.values()]).reshape(len(seeds), len(specs))
        print(f"{name}: mean {values.mean():.3f} dB, {sum(each.cpu_s for each in trained.values()) / 60:.0f} minutes")
        for seed, of_seed in enumerate(values):
            print_agreement(f"  seed {seed}", of_seed, truth)
        print_agreement("  mean of seeds", values.mean(axis=0), truth)


def drawn(space_name: str, n: int) -> list[ImdeceptionSpec]:
    """The same networks of the space every time, by cost."""
    space, largest = read_space(space_name), counts(preset("imdeception-c16")).macs_g
    found: list[ImdeceptionSpec] = []
    for digest in random.Random(0).sample(sorted(space.architectures), len(space.architectures)):
        spec = space.spec(space.architectures[digest])
        if counts(spec).macs_g <= largest:
            found.append(spec)
        if len(found) == n:
            break
    return sorted(found, key=lambda spec: counts(spec).macs_g)


def table(specs: Sequence[ImdeceptionSpec], short: np.ndarray, long: np.ndarray) -> None:
    """Prints every network and the agreements; PSNR [dB] by seed and network."""
    print(f"\n{'':28}{'MACs G':>8}{'short':>9}{'seeds':>8}{'long':>9}{'seeds':>8}")
    for index, spec in enumerate(specs):
        print(
            f"{spec.label():28}{counts(spec).macs_g:8.2f}{short[:, index].mean():9.3f}{np.ptp(short[:, index]):8.3f}"
            f"{long[:, index].mean():9.3f}{np.ptp(long[:, index]):8.3f}"
        )
    truth = long.mean(axis=0)
    print(f"\n{'':44}{'tau':>7}{'90 % interval':>17}")
    for seed, values in enumerate(short):
        print_agreement(f"short, seed {seed}, against long", values, truth)
    if len(short) > 1:
        print_agreement("short, mean of seeds, against long", short.mean(axis=0), truth)
        print_agreement("short, seed 0, against short, seed 1", short[0], short[1])
        print_agreement("long, seed 0, against long, seed 1", long[0], long[1])
    ceiling = noise_ceiling(long)
    if ceiling is not None:
        print(f"{'a perfect score, against long':44}{ceiling:7.3f}")
    print_agreement("multiply-accumulates against long", np.array([counts(spec).macs_g for spec in specs]), truth)


def print_agreement(name: str, first: np.ndarray, second: np.ndarray) -> None:
    """A line with Kendall's tau and the interval that resampled networks give it."""
    found = agreement(first, second)
    print(f"{name:44}{found.tau:7.3f}{found.low:10.2f} to {found.high:.2f}")


if __name__ == "__main__":
    main()
