"""How should a supernet be trained? One row for each way, on the networks of `tests.benchmarks.rank_agreement`.

    python -m tests.benchmarks.supernet_decisions TRAINING_IMAGES VALIDATION_IMAGES [--steps 6000] [--seeds 1]
        [--ways NAME ...] [--long LONG.json]

Every way trains a supernet of imdeception_x4 whose members are at most as costly as the paper's core=16; then twelve
networks are validated with inherited weights, without further training. Printed for each: their mean PSNR (RGB), that
of the two cheapest and of the two costliest, the CPU minutes, the mean cost of the members that steps drew, and, with
`--long` (a JSON object of labels and PSNRs after long trainings from scratch), Kendall's tau against those with a 90 %
interval from resampling the networks. Trainings and results are kept: a benchmark that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from nas_sr.cache import cache_folder
from nas_sr.data.image_sets import image_sets
from nas_sr.digest import digest
from nas_sr.evaluate.validation import bounded, validation_psnr_rgb
from nas_sr.families.counts import counts
from nas_sr.families.presets import preset
from nas_sr.space import read_space
from nas_sr.supernet.stored import load_supernet
from nas_sr.supernet.subject import members_of
from nas_sr.supernet.training import Recipe, train_supernet
from nas_sr.train.full_training import CHECKPOINT
from tests.benchmarks.rank_agreement import drawn, print_agreement

SPACE, NETWORKS, MEGAPIXELS = "imdeception_x4", 12, 2.0
WAYS: dict[str, dict[str, object]] = {
    "uniform": {},
    "cost-weighted": {"draw": "cost-weighted"},
    "sandwich": {"draw": "sandwich"},
    "distilled": {"distil": True},
    "own groups": {"own_groups": True},
    "short decay": {"decay": 0.2},
    "long decay": {"decay": 0.8},
    "no limit of cost": {"max_macs_g": None},
}


def main() -> None:
    """Trains what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="training images")
    parser.add_argument("val", help="validation images")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=WAYS, metavar="NAME")
    parser.add_argument("--long", type=Path, help="JSON: PSNR [dB] after long training, by label")
    parser.add_argument("--keep", type=Path, help="folder of the results [default: in the cache]")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep = arguments.keep or cache_folder("supernet-decisions")
    specs = drawn(SPACE, NETWORKS)
    long = json.loads(arguments.long.read_text()) if arguments.long else {}
    print(f"{'':22}{'seed':>5}{'mean':>9}{'cheapest':>10}{'costliest':>10}{'CPU min':>9}{'GMACs':>7}")
    for seed in range(arguments.seeds):
        for way in arguments.ways:
            found = result(way, arguments.steps, seed, arguments.data, arguments.val, keep)
            values = np.array([found["psnr_db"][spec.label()] for spec in specs])
            print(
                f"{way:22}{seed:5}{values.mean():9.3f}{values[:2].mean():10.3f}{values[-2:].mean():10.3f}"
                f"{found['cpu_s'] / 60:9.1f}{found['macs_g']:7.1f}",
                flush=True,
            )
            if long:
                print_agreement("    against long training", values, np.array([long[spec.label()] for spec in specs]))


def result(way: str, steps: int, seed: int, data: str, val: str, keep: Path) -> dict[str, object]:
    """What one way comes to, from the folder or now."""
    limit = {"max_macs_g": counts(preset("imdeception-c16")).macs_g}
    fixed = {"watched": 4, "validation_megapixels": 0.5, "precision": "fp32", "memory_format": "channels_last"}
    recipe = Recipe.model_validate({"steps": steps, "seed": seed, **fixed, **limit, **WAYS[way]})
    folder = keep / digest([recipe.model_dump(), data, val])
    if (folder / "result.json").is_file():
        return json.loads((folder / "result.json").read_text())
    space, began_s = read_space(SPACE), time.process_time()
    resume = (folder / CHECKPOINT).is_file()
    trained = train_supernet(space, folder, None if resume else recipe, resume=resume, data=data, val=val)
    cpu_s = time.process_time() - began_s  # since it was last resumed
    supernet = load_supernet(trained.path, space)
    images = bounded(image_sets(data, val, space.scale, recipe.crop_lr).val, MEGAPIXELS)
    members = members_of(recipe.config(space))
    steps_looked_at = range(0, steps, max(1, steps // 100))
    costs = [
        counts(spec).macs_g
        for step in steps_looked_at
        for spec in members.drawn(seed, step, recipe.members_per_step, recipe.draw, largest_first=recipe.distil)
    ]
    found = {
        "way": way,
        "recipe": recipe.model_dump(),
        "psnr_db": {
            spec.label(): validation_psnr_rgb(supernet.extract(spec).eval(), images) for spec in drawn(SPACE, NETWORKS)
        },
        "cpu_s": cpu_s,
        "macs_g": float(np.mean(costs)),
    }
    (folder / "result.json").write_text(json.dumps(found, indent=1))
    return found


if __name__ == "__main__":
    main()
