"""How many HR pixels tell two networks apart: the standard error of their PSNR difference against pixels validated.

    python -m tests.benchmarks.validation_pixels TRAIN VAL [VAL ...] [--steps 800] [--side 64]

Four networks are trained as a search trains them, two of them alike but for the seed. Every image of each VAL folder is
scored whole and in crops of `--side` LR pixels. Then crops are drawn as a search chooses them (as many from one image
as from another; of more images than crops, some), but at random places, a thousand times. For each number of pixels:

- standard error: standard deviation over the draws of the difference between two networks, over all pairs (root of
  the mean square);
- off by: how far the mean of those differences is from the difference on whole images, likewise;
- chosen: how far the difference on the crops that a search really takes is from that on whole images, likewise.

What decides is the standard error beside the 0.03 dB by which two trainings of one network differ.
"""

from __future__ import annotations

import argparse
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from nas_sr.config import StudyConfig
from nas_sr.data.image_sets import image_sets
from nas_sr.data.pack import Entry, Pack
from nas_sr.evaluate.metrics import psnr_db, to_samples
from nas_sr.evaluate.upscalers import to_batch
from nas_sr.evaluate.validation import Crop, Grid, ValidationSet, bounded, cut, everything, shared_out
from nas_sr.families.network import build
from nas_sr.families.presets import preset
from nas_sr.train.execution import Execution
from nas_sr.train.loop import train
from nas_sr.train.state import TrainingState

NETWORKS = (("imdeception-c4", 0), ("imdeception-c8", 0), ("imdeception-c8", 1), ("imdeception-c16", 0))
MEGAPIXELS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
DRAWS = 1000

Errors = list[dict[Crop, float]]  # of each network: crop -> mean squared error


def trained(name: str, seed: int, data: str, val: str, steps: int) -> torch.nn.Module:
    """A network as a search leaves it."""
    training = StudyConfig().training.shortened(steps).model_copy(update={"seed": seed})
    images = image_sets(data, val, 4, training.phases[0].crop_lr)
    state = TrainingState(build(preset(name), seed), training, Execution(memory_format="channels_last"))
    begun = time.time()
    for _ in train(state, images.train, lambda network: 0.0):
        pass
    print(f"{name}, seed {seed}: trained in {time.time() - begun:.0f} s", flush=True)
    return state.network


@torch.inference_mode()
def errors_of(network: torch.nn.Module, images: ValidationSet) -> dict[Crop, float]:
    """The mean squared error of each crop."""
    found = {}
    for crop in images.crops:
        output = to_samples(network(to_batch(cut(images.pack.lr(crop.image), crop, 1))), np.dtype(np.uint8))
        hr = cut(images.pack.hr(crop.image), crop, images.pack.scale)
        found[crop] = 255**2 / 10 ** (psnr_db(output, hr, images.pack.scale) / 10)
    return found


def differences(errors: Errors, crops: tuple[Crop, ...]) -> np.ndarray:
    """PSNR differences [dB] of all pairs of networks on those crops, pooled in each image as in a search."""
    of_image: dict[int, list[Crop]] = {}
    for crop in crops:
        of_image.setdefault(crop.image, []).append(crop)
    figures = [
        np.mean([-10 * np.log10(max(np.mean([each[crop] for crop in part]), 1 / 12)) for part in of_image.values()])
        for each in errors
    ]
    return np.array([b - a for a, b in combinations(figures, 2)])


def drawn(random: np.random.Generator, cells: list[list[Crop]], count: int) -> tuple[Crop, ...]:
    """`count` crops at random places, shared out over images as a search does it."""
    images = random.permutation(len(cells))[:count]
    parts = shared_out(count, [len(cells[image]) for image in images])
    return tuple(
        cells[image][place]
        for image, part in zip(images, parts, strict=True)
        for place in random.permutation(len(cells[image]))[:part]
    )


def _cells(image: int, entry: Entry, side: int) -> list[Crop]:
    grid = Grid(image, entry, side)
    return list(grid.spread(grid.rows * grid.columns))


def rms(values: np.ndarray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))


def compare(networks: list[torch.nn.Module], pack: Pack, side: int) -> None:
    """Prints the table of one validation set."""
    cells = [_cells(image, entry, side) for image, entry in enumerate(pack.entries)]
    every_crop = ValidationSet(pack, tuple(crop for part in cells for crop in part))
    errors = [errors_of(network, every_crop) for network in networks]
    whole = differences([errors_of(network, everything(pack)) for network in networks], everything(pack).crops)
    print(f"\n{pack.folder}: {everything(pack)}; crops of {side * pack.scale} HR pixels a side")
    print("differences on whole images:", "  ".join(f"{each:+.3f}" for each in whole), "dB")
    print(f"{'megapixels':>10} {'crops':>6} {'images':>6} {'standard error':>15} {'off by':>8} {'chosen':>8}   [dB]")
    random = np.random.default_rng(0)
    for megapixels in MEGAPIXELS:
        chosen = bounded(pack, megapixels, side)
        if chosen.is_everything:
            break
        found = np.array([differences(errors, drawn(random, cells, len(chosen.crops))) for _ in range(DRAWS)])
        off = rms(found.mean(0) - whole)
        taken = rms(differences(errors, chosen.crops) - whole)
        print(
            f"{chosen.megapixels:10.2f} {len(chosen.crops):6} {chosen.images:6} {rms(found.std(0)):15.4f} {off:8.4f}"
            f" {taken:8.4f}",
            flush=True,
        )


def main() -> None:
    """Trains, scores, prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("train")
    parser.add_argument("val", nargs="+")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--side", type=int, nargs="+", default=[32, 64, 128], help="of a crop, LR pixels")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    networks = [trained(*each, arguments.train, arguments.val[0], arguments.steps) for each in NETWORKS]
    for val in arguments.val:
        pack = image_sets(arguments.train, val, 4, 16).val
        print(f"\n{Path(val).name}")
        for side in arguments.side:
            compare(networks, pack, side)


if __name__ == "__main__":
    main()
