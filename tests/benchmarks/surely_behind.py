"""What leaving candidates untrained that are surely behind the front saves, and what it loses, in made-up worlds.

    python -m tests.benchmarks.surely_behind [WORLDS]

Each world has 200 networks, proposed in random order; latency goes with multiply-accumulates, and differs from them by
15 %. Every second world is drawn from the model that predicts, the others have another trend and other deviations.
"""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

import numpy as np

from nas_sr.families.counts import counts
from nas_sr.pareto import hypervolume, pareto_front
from nas_sr.search.fidelity import FidelityModel, Score
from nas_sr.search.surely_behind import FEWEST, error_factor
from tests.search.test_fidelity import World, _specs
from tests.search.test_surely_behind import SIZES, STEPS

NETWORKS = 200
SPECS = _specs(NETWORKS)
MACS_G = np.array([counts(spec).macs_g for spec in SPECS])


class Found(NamedTuple):
    """Of one world."""

    front: int  # members
    untrained: int
    lost: int  # members of the front among these
    hypervolume: float  # as a share of that of the whole front


def scores_db(world: int) -> np.ndarray:
    """What brief training comes to."""
    if world % 2 == 0:
        other = World(world, NETWORKS)
        return np.array([other.score(place, 0, STEPS).psnr_db for place in range(NETWORKS)])
    model = FidelityModel(SPECS, [Score(place, 0, STEPS, 26.0) for place in range(NETWORKS)], SIZES)
    root = np.linalg.cholesky(model._observed(SIZES))
    return 26 + root @ np.random.default_rng(world).standard_normal(NETWORKS)


def searched(world: int) -> Found:
    """All networks of a world, one after the other."""
    random = np.random.default_rng(world)
    psnr_db = scores_db(world)
    latency_ms = MACS_G * np.exp(random.normal(0, 0.15, NETWORKS))
    points = list(zip(psnr_db, latency_ms, strict=True))
    trained: list[int] = []
    untrained: set[int] = set()
    sizes = None
    for place in random.permutation(NETWORKS).tolist():
        # Of samples that spread by 1 % to either side.
        rivals = [each for each in trained if latency_ms[each] * 1.01 <= latency_ms[place] * 0.99]
        if len(trained) >= FEWEST and rivals:
            known = [Score(each, 0, STEPS, float(psnr_db[each])) for each in trained]
            if sizes is None or len(trained) % 10 == 0:
                sizes = FidelityModel(SPECS, known[:: math.ceil(len(known) / 60)]).sizes
            model = FidelityModel(SPECS, known, sizes)
            mean_db, sd_db = model.next_score(place, STEPS)
            if max(psnr_db[rivals]) > mean_db + error_factor(model) * sd_db:
                untrained.add(place)
                continue
        trained.append(place)
    front = pareto_front(points)
    worst = (float(psnr_db.min()), float(latency_ms.max()))
    share = hypervolume([points[place] for place in trained], worst) / hypervolume(points, worst)
    return Found(len(front), len(untrained), len(untrained & set(front)), share)


def main(worlds: int) -> None:
    """Prints a line for each world, and one of all."""
    found = []
    for world in range(worlds):
        found.append(searched(world))
        print(world, found[-1], flush=True)
    untrained, lost, front = (sum(each[place] for each in found) for place in (1, 2, 0))
    shares = [each.hypervolume for each in found]
    print(
        f"{untrained / NETWORKS / worlds:.1%} untrained; {lost} of {front} members of fronts lost;"
        f" hypervolume {np.mean(shares):.4f} of the whole, at least {min(shares):.4f}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
