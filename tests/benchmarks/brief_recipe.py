"""Which recipe of brief training makes the best networks for its time: starts, rates, batches, crops, losses compared.

    python -m tests.benchmarks.brief_recipe TRAINING_IMAGES VALIDATION_IMAGES [RECIPE ...] [--seeds 2]

Four networks, small and large, with and without attention, are trained by each recipe of the table below, on one
thread each, as many side by side as there are cores. The recipes cost about the same, some with crops of 24 more. The
last one is the default of `nas-sr search`. Printed: validation PSNR (RGB), how far seeds lie apart, and CPU time.
Results are kept: a benchmark that was stopped goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from nas_sr.cache import cache_folder
from nas_sr.config import Cosine, Phase, WarmupConstantDecay
from nas_sr.families.imdeception.initialisation import interpolate
from nas_sr.families.imdeception.network import Network
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from tests.benchmarks.brief_training import Start, Task, results

NETWORKS = (
    ImdeceptionSpec(core=4, groups=4),
    ImdeceptionSpec(core=8, groups=4, nla_after=(2, 4)),
    ImdeceptionSpec(core=12, groups=2, gidbs=4),
    ImdeceptionSpec(core=16, groups=4),
)


def torch_default(spec: ImdeceptionSpec, seed: int) -> Network:
    """torch's weights in the body."""
    network = _seeded(spec, seed)
    interpolate(network)
    return network


def tenth_outside(spec: ImdeceptionSpec, seed: int) -> Network:
    """Likewise, and the output convolution reads a little of the body from the beginning."""
    network = _seeded(spec, seed)
    default = network.out.weight.detach().clone()
    interpolate(network)
    with torch.no_grad():
        network.out.weight[:, 3:] = 0.1 * default[:, 3:]
    return network


def he_only(spec: ImdeceptionSpec, seed: int) -> Network:
    """The shipped start, but no GIDB hands on its input."""
    network, drawn = build(spec, seed), _seeded(spec, seed)
    with torch.no_grad():
        for gidb, fresh in zip(network.gidbs, drawn.gidbs, strict=True):
            nn.init.kaiming_normal_(fresh.fuse.weight, nonlinearity="linear")
            gidb.fuse.weight.copy_(fresh.fuse.weight)
    return network


def not_centred(spec: ImdeceptionSpec, seed: int) -> Network:
    """The shipped start, but the head's features keep the mean grey."""
    network = build(spec, seed)
    with torch.no_grad():
        network.head.bias.zero_()
    return network


def _seeded(spec: ImdeceptionSpec, seed: int) -> Network:
    torch.manual_seed(seed)
    return Network(spec)


FIRST = Phase(steps=400, loss="l2", learning_rate=1e-3, batch=8, crop_lr=16, schedule=Cosine(warmup=1 / 6))
LARGE_CROPS = {"loss": "l1", "crop_lr": 24, "steps": 300}  # where the starts were compared
DECAY = WarmupConstantDecay(warmup=0.05, decay=0.5)
LONG_DECAY = WarmupConstantDecay(warmup=0.05, decay=0.8)


class Recipe(NamedTuple):
    """How a network starts, and what differs from FIRST."""

    start: Start
    changes: dict[str, Any]

    def phase(self) -> Phase:
        """The whole training, validated once at its end."""
        phase = FIRST.model_copy(update=self.changes)
        return phase.model_copy(update={"validate_every": phase.steps})


RECIPES = {
    "torch's start, L1, crop 24": Recipe(torch_default, LARGE_CROPS),
    "tenth outside, L1, crop 24": Recipe(tenth_outside, LARGE_CROPS),
    "He only, L1, crop 24": Recipe(he_only, LARGE_CROPS),
    "not centred, L1, crop 24": Recipe(not_centred, LARGE_CROPS),
    "L1, crop 24": Recipe(build, LARGE_CROPS),
    "L1, crop 24, batch 4": Recipe(build, {**LARGE_CROPS, "batch": 4, "steps": 600}),
    "L1": Recipe(build, {"loss": "l1"}),
    "L1, crop 12, batch 16": Recipe(build, {"loss": "l1", "crop_lr": 12, "batch": 16, "steps": 356}),
    "L1, short warm-up": Recipe(build, {"loss": "l1", "schedule": Cosine(warmup=0.03)}),
    "L1, decay": Recipe(build, {"loss": "l1", "schedule": DECAY}),
    "L1, EMA 0.98": Recipe(build, {"loss": "l1", "ema": 0.98}),
    "L2": Recipe(build, {}),
    "L2, rate 2e-3": Recipe(build, {"learning_rate": 2e-3}),
    "L2, crop 12, batch 16": Recipe(build, {"crop_lr": 12, "batch": 16, "steps": 356}),
    "L2, decay": Recipe(build, {"schedule": DECAY}),
    "L2, decay, rate 2e-3": Recipe(build, {"schedule": DECAY, "learning_rate": 2e-3}),
    "L2, long decay, rate 1.5e-3": Recipe(build, {"schedule": LONG_DECAY, "learning_rate": 1.5e-3}),
    "L2, long decay, batch 4": Recipe(build, {"schedule": LONG_DECAY, "batch": 4, "steps": 700}),
    "L2, decay, batch 4, EMA 0.99": Recipe(build, {"schedule": DECAY, "batch": 4, "steps": 800, "ema": 0.99}),
    "L2, decay, batch 4, crop 24": Recipe(build, {"schedule": DECAY, "batch": 4, "steps": 400, "crop_lr": 24}),
    "L2, decay, batch 4, crop 24, longer": Recipe(build, {"schedule": DECAY, "batch": 4, "steps": 500, "crop_lr": 24}),
    "L2, decay, batch 4": Recipe(build, {"schedule": DECAY, "batch": 4, "steps": 800}),
}


def main() -> None:
    """Trains what is missing and prints a line for each recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="training images")
    parser.add_argument("val", help="validation images")
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=f"of: {', '.join(RECIPES)} [default: all]")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder of the results [default: in the cache]")
    arguments = parser.parse_args()
    kept = arguments.keep or cache_folder("brief-trainings")
    print(f"{'':28}{'mean':>9}{'':4}{'  '.join(spec.label() for spec in NETWORKS)}")
    for name in arguments.recipes or RECIPES:
        recipe = RECIPES[name]
        tasks = [
            Task(spec, recipe.start, recipe.phase(), seed, arguments.data, arguments.val)
            for spec in NETWORKS
            for seed in range(arguments.seeds)
        ]
        found = results(tasks, kept)
        psnr_db = np.array([found[task].psnr_db for task in tasks]).reshape(len(NETWORKS), arguments.seeds)
        print(
            f"{name:28}{psnr_db.mean():9.3f}    {'  '.join(f'{each:.3f}' for each in psnr_db.mean(axis=1))}"
            f"  seeds {np.ptp(psnr_db, axis=1).mean():.3f} dB apart,"
            f" {np.mean([each.cpu_s for each in found.values()]):.0f} s of CPU each",
            flush=True,
        )


if __name__ == "__main__":
    main()
