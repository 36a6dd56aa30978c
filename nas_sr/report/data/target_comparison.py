"""The same networks on several targets: whose order differs, and who is on which front."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from nas_sr.latency import Latency
from nas_sr.quantities import listed, percent, plural, significant
from nas_sr.records import StudyRecord
from nas_sr.report.data.search_history import knees
from nas_sr.report.data.trial_info import without_prefix


class Network(NamedTuple):
    """One network that has a latency on each of some targets."""

    trial: int
    name: str
    psnr_db: float | None  # None where it was not trained to the end
    latencies: tuple[Latency, ...]  # one a target
    fronts: tuple[str, ...]  # targets on whose front it is
    knees: tuple[str, ...]  # targets whose knee it is


class Comparison(NamedTuple):
    """What a study's targets make of the same networks."""

    targets: tuple[str, ...]
    pairs: tuple[Pair, ...]
    on_fronts: tuple[Network, ...]  # those on any front

    def where(self, network: Network) -> str:
        """On whose fronts it is, and whose knee."""
        knee = f", knee of {self._named(network.knees)}" if network.knees else ""
        return self._named(network.fronts) + knee

    def _named(self, some: Sequence[str]) -> str:
        if len(some) == len(self.targets):
            return "both" if len(some) == 2 else "all"
        return listed(some)


class Pair(NamedTuple):
    """Two targets, by the networks that have a latency on both."""

    targets: tuple[str, str]
    networks: tuple[Network, ...]
    same_order: float | None  # share of pairs of networks that are in the same order on both; None without a pair
    ratio: float | None  # median of the second latency over the first

    @property
    def sentence(self) -> str:
        """How alike the two are, and which networks are worth their place on one only."""
        return pair_sentence(self)


def networks(studies: Sequence[StudyRecord]) -> tuple[Network, ...]:
    """Those that have a latency on every target, fastest on the first one first; repeats are left out."""
    at_knee = knees(studies)
    # By number: a search may have begun a trial between the reading of two targets.
    others = [{trial.number: trial.latency for trial in study.trials} for study in studies[1:]]
    found = []
    for trial in studies[0].trials:
        on_each = (trial.latency, *(other.get(trial.number) for other in others))
        latencies = tuple(latency for latency in on_each if latency is not None)
        if len(latencies) == len(studies) and trial.repeats is None:
            fronts = tuple(study.target for study in studies if trial.number in study.front)
            name = without_prefix(trial.preset) if trial.preset else trial.spec.label()
            at_knee_of = at_knee.get(trial.number, ())
            found.append(Network(trial.number, name, trial.psnr_db, latencies, fronts, at_knee_of))
    return tuple(sorted(found, key=lambda network: network.latencies[0].latency_ms))


def pairs(studies: Sequence[StudyRecord]) -> tuple[Pair, ...]:
    """The first target with each other one."""
    return tuple(_pair(studies[0], other) for other in studies[1:])


def comparison(studies: Sequence[StudyRecord]) -> Comparison | None:
    """None of a study on one target."""
    if len(studies) == 1:
        return None
    on_fronts = tuple(network for network in networks(studies) if network.fronts)
    return Comparison(tuple(study.target for study in studies), pairs(studies), on_fronts)


def _pair(one: StudyRecord, other: StudyRecord) -> Pair:
    found = networks([one, other])
    figures = [(network.latencies[0].latency_ms, network.latencies[1].latency_ms) for network in found]
    return Pair(
        (one.target, other.target),
        found,
        _same_order(figures),
        median(y / x for x, y in figures) if figures else None,
    )


def _same_order(figures: Sequence[tuple[float, float]]) -> float | None:
    """Share of pairs that both columns put in the same order, of those that both put in an order."""
    columns = np.array(figures).reshape(-1, 2).T
    one, other = (np.sign(np.subtract.outer(column, column)) for column in columns)
    orders = np.triu(one * other)
    ordered = np.count_nonzero(orders)
    return float(np.count_nonzero(orders > 0) / ordered) if ordered else None


def pair_sentence(pair: Pair) -> str:
    """How alike two targets are, and which networks are worth their place on one only."""
    one, other = pair.targets
    if pair.same_order is None or pair.ratio is None:
        return f"Too few networks have a latency on both {one} and {other} to compare them."
    sentences = [
        f"{plural(len(pair.networks), 'network')} on {one} and {other}: {percent(pair.same_order)} of all pairs are in"
        f" the same order on both. In the median a network takes {significant(pair.ratio, 2)} times as long on {other}"
        " (the dashed line); what lies above it suits that target worse than most."
    ]
    for wanted, text in (
        ((one, other), "On both fronts"),
        ((one,), f"Only on that of {one}"),
        ((other,), f"Only on that of {other}"),
    ):
        trials = sorted(network.trial for network in pair.networks if network.fronts == wanted)
        if trials:
            sentences.append(f"{text}: {listed(trials)}.")
    if predicted := predicted_targets(pair):
        sentences.append(f"Where latencies on {listed(predicted)} are predicted, the order is what the model expects.")
    return " ".join(sentences)


def predicted_targets(pair: Pair) -> list[str]:
    """Those of the two on which a latency is predicted."""
    return [
        target
        for index, target in enumerate(pair.targets)
        if any(network.latencies[index].kind == "predicted" for network in pair.networks)
    ]
