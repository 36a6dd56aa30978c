"""What a search's choice costs its user: PSNR after long training, lost to the best network of equal latency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nas_sr.benchmark.table import Table
from nas_sr.families.counts import counts
from nas_sr.pareto import hypervolume
from nas_sr.search.fidelity import FidelityModel, Score

_LIMITS = 200  # latencies that regret is averaged over


class Truth(NamedTuple):
    """PSNR [dB] of networks after long training, by digest, as far as all recorded trainings tell."""

    steps: int
    mean_db: dict[str, float]
    sd_db: dict[str, float]  # of a network's difference to the mean of all: the error of the reference itself
    measured: frozenset[str]  # networks that were trained so long; of the others the model of fidelity.py tells


def long_truth(table: Table) -> Truth:
    """What the networks of a table come to after its longest trainings from scratch, averaged over seeds.

    Every training counts, by the model that a search with racing has: of a network with three long ones it is their
    mean, drawn towards its neighbours by as much as seeds differ.
    """
    digests = sorted(table.specs)
    index = {digest: place for place, digest in enumerate(digests)}
    rows = [row for _, row in sorted(table.rows.items()) if row.start == "scratch" and row.psnr_db is not None]
    longest = max(row.steps for row in rows)
    scores = [Score(index[row.digest], row.seed, row.steps, float(row.psnr_db or 0)) for row in rows]
    found = FidelityModel([table.specs[digest] for digest in digests], scores).after(longest)
    return Truth(
        longest,
        dict(zip(digests, found.mean_db.tolist(), strict=True)),
        dict(zip(digests, found.sd_db.tolist(), strict=True)),
        frozenset(row.digest for row in rows if row.steps == longest),
    )


class Judge:
    """Judges what a search believes, on one set of networks and one target."""

    def __init__(self, truth: Mapping[str, float], latencies_ms: Mapping[str, float]) -> None:
        """
        Args:
            truth: PSNR [dB] of every network that can be chosen, by digest.
            latencies_ms: of the same networks.
        """
        self._truth, self._latencies_ms = truth, latencies_ms
        fastest, slowest = min(latencies_ms.values()), max(latencies_ms.values())
        self._limits = np.geomspace(fastest, slowest, _LIMITS)
        self._best = self._true_best(truth)
        self._worst = min(truth.values())
        # A tenth of the range beyond the worst, so that the ends of the front count too.
        spans = (max(truth.values()) - self._worst, math.log(slowest / fastest))
        self._reference = (self._worst - 0.1 * spans[0], math.log(slowest) + 0.1 * spans[1])
        self._whole = self._hypervolume(truth)

    def regret_db(self, believed: Mapping[str, float]) -> float:
        """Mean loss [dB] of a user who asks for the best network under a latency, and gets what the search believes.

        Over limits evenly spread over the logarithm of latency, from that of the fastest network to that of the
        slowest. Where the search knows no network under a limit, the loss is that to the worst of all.

        Args:
            believed: PSNR [dB] that the search gives each network that it evaluated.
        """
        order = sorted(believed, key=lambda digest: self._latencies_ms[digest])
        latencies = np.array([self._latencies_ms[digest] for digest in order])
        got = np.full(len(self._limits), self._worst)
        chosen, best = [], -np.inf
        for digest in order:
            if believed[digest] > best:
                best, pick = believed[digest], digest
            chosen.append(self._truth[pick])
        places = np.searchsorted(latencies, self._limits * (1 + 1e-12), side="right") - 1
        got[places >= 0] = np.array(chosen)[places[places >= 0]]
        return float((self._best - got).mean())

    def hypervolume_share(self, believed: Mapping[str, float]) -> float:
        """Hypervolume of the true PSNRs of what the search believes to be the front, as a share of the whole's.

        Over PSNR and the logarithm of latency.
        """
        front: dict[str, float] = {}
        best = -np.inf
        for digest in sorted(believed, key=lambda digest: (self._latencies_ms[digest], -believed[digest])):
            if believed[digest] > best:
                best = believed[digest]
                front[digest] = self._truth[digest]
        return self._hypervolume(front) / self._whole

    def _hypervolume(self, psnr_db: Mapping[str, float]) -> float:
        points = [(value, math.log(self._latencies_ms[digest])) for digest, value in psnr_db.items()]
        return hypervolume(points, self._reference)

    def _true_best(self, truth: Mapping[str, float]) -> np.ndarray:
        order = sorted(truth, key=lambda digest: self._latencies_ms[digest])
        latencies = np.array([self._latencies_ms[digest] for digest in order])
        best = np.maximum.accumulate([truth[digest] for digest in order])
        places = np.searchsorted(latencies, self._limits * (1 + 1e-12), side="right") - 1
        return best[np.clip(places, 0, None)]


def ranked_by_cost(table: Table, digests: Sequence[str]) -> dict[str, float]:
    """What somebody believes who trains nothing and takes more multiply-accumulates for more PSNR."""
    return {digest: counts(table.specs[digest]).macs_g for digest in digests}
