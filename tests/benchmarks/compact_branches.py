"""Do the branches of the compact family, which fold away, help at a search's budget?

    python -m tests.benchmarks.compact_branches TRAINING_IMAGES VALIDATION_IMAGES [--seeds 3]

Three networks of the family, each trained plainly, as `sum` and as `expand`, by the default recipe of `nas-sr search`,
on one thread each, as many side by side as there are cores; and plainly with a quarter more steps, which takes as long
as `sum` does. Printed: validation PSNR (RGB), mean and range of the
seeds, the difference to the plain network of the same seed, and CPU time. Results are kept: a benchmark that was
stopped goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from nas_sr import shipped
from nas_sr.cache import cache_folder
from nas_sr.config import StudyConfig, read_yaml
from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.network import build
from tests.benchmarks.brief_training import Task, results

NETWORKS = (
    CompactSpec(width=16, depth=4),
    CompactSpec(width=32, depth=8),
    CompactSpec(width=48, depth=6),
)
# What a network is trained as, and how many times as many steps as the recipe has.
ROWS = (("none", 1.0), ("sum", 1.0), ("expand", 1.0), ("none", 1.25))


def main() -> None:
    """Trains what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="training images")
    parser.add_argument("val", help="validation images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder of the results [default: in the cache]")
    arguments = parser.parse_args()
    phase = read_yaml(shipped.find("studies", "default"), StudyConfig).training.phases[0]

    def tasks(network: CompactSpec, branches: str, times: float) -> list[Task]:
        spec = network.model_copy(update={"branches": branches})
        steps = round(phase.steps * times)
        own = phase.model_copy(update={"steps": steps, "validate_every": steps})
        return [Task(spec, build, own, seed, arguments.data, arguments.val) for seed in range(arguments.seeds)]

    rows = [(network, *row) for network in NETWORKS for row in ROWS]
    # Seed by seed, so that a benchmark that is stopped has the same number of seeds of every network.
    ordered = [tasks(*row)[seed] for seed in range(arguments.seeds) for row in rows]
    trained = results(ordered, arguments.keep or cache_folder("brief-trainings"))
    print(f"\n{'':24}{'PSNR dB':>9}{'range':>8}{'to plain':>10}{'range':>18}{'CPU s':>8}")
    for network, branches, times in rows:
        of_row = [trained[task] for task in tasks(network, branches, times)]
        psnr_db = np.array([each.psnr_db for each in of_row])
        gain_db = psnr_db - np.array([trained[task].psnr_db for task in tasks(network, *ROWS[0])])
        print(
            f"{f'{network.label()} {branches} x{times:g}':<24}{psnr_db.mean():9.3f}{np.ptp(psnr_db):8.3f}"
            f"{gain_db.mean():+10.3f}{f'{gain_db.min():+.3f} to {gain_db.max():+.3f}':>18}"
            f"{np.mean([each.cpu_s for each in of_row]):8.0f}"
        )


if __name__ == "__main__":
    main()
