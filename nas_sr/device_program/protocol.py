"""How samples are taken: warm-up, then networks in turn, with a fixed reference network between them all the time."""

from __future__ import annotations

import gc
import time
from typing import Any, Callable, NamedTuple, Sequence

from .conditions import snapshot
from .failure_kinds import Failure
from .messages import send_stage

Runner = Callable[[], float]  # one inference; returns its milliseconds
SNAPSHOT_EVERY_S = 0.5
# Of several networks in turn, each runs this often in a row: the first run finds the others' data in the caches.
IN_A_ROW = 3
# Runtimes have no exception of their own for it.
_NO_MEMORY = ("Failed to allocate memory", "bad_alloc", "out of memory", "OutOfMemory")


class Plan(NamedTuple):
    """Warm-up and window last until their seconds and their iterations of each network are reached.

    `limit_s` is for each network: several that are timed in turn may take as many times as long.
    """

    warmup_s: float
    warmup_iterations: int
    seconds: float
    iterations: int
    reference_share: float  # most time for the reference, as a share of the networks'; one run between two at most
    limit_s: float


def measure(
    load_networks: Sequence[Callable[[], Runner]], load_reference: Callable[[], Runner], plan: Plan
) -> dict[str, Any]:
    """Raw samples [ms] of each network in the order taken, and what the machine was doing meanwhile.

    `networks` holds for each `samples_ms`; `reference_ms`, the reference runs next to its own in time; and
    `reference_after`, the number of its samples taken before each of them.
    The reference goes first: a device that cannot run it has a problem that is not a network's.

    Raises:
        Failure: kind device where the reference does not run, candidate where a network does not.
    """
    start = time.perf_counter()
    send_stage("reference")
    reference = _proven("device", "the reference network", load_reference)
    send_stage("candidate")
    networks = [_proven("candidate", "the network", load) for load in load_networks]
    send_stage("warm-up")
    each_ms = _warm_up(networks, reference, plan)
    needed_s = max(plan.seconds, plan.iterations * sum(each_ms) / 1e3) * (1 + plan.reference_share)
    limit_s = plan.limit_s * len(networks)
    left_s = limit_s - (time.perf_counter() - start)
    if needed_s > left_s:
        raise Failure(
            "candidate",
            "too slow to measure: one run takes {} ms, {} of them and the reference need {:.0f} s,"
            " and {:.0f} s of the limit of {:g} s are left".format(
                " + ".join("{:.0f}".format(ms) for ms in each_ms), plan.iterations, needed_s, left_s, limit_s
            ),
        )
    send_stage("window")
    return _window(networks, reference, plan)


def _proven(kind: str, name: str, load: Callable[[], Runner]) -> Runner:
    try:
        runner = load()
        runner()
    except Exception as error:  # every runtime has its own; what matters is which network caused it
        if isinstance(error, MemoryError) or any(sign in str(error) for sign in _NO_MEMORY):
            raise Failure("transient", "{} does not fit into the memory that is free".format(name)) from error
        raise Failure(kind, "{} does not run: {}".format(name, error)) from error
    return runner


def _warm_up(networks: Sequence[Runner], reference: Runner, plan: Plan) -> list[float]:
    """Runs all of them for the warm-up; the median [ms] of each network."""
    taken: list[list[float]] = [[] for _ in networks]
    end = time.perf_counter() + plan.warmup_s
    while time.perf_counter() < end or len(taken[0]) < plan.warmup_iterations:
        for samples, run in zip(taken, networks):
            samples.append(run())
    for _ in range(plan.warmup_iterations):
        reference()
    return [sorted(samples)[len(samples) // 2] for samples in taken]


def _window(networks: Sequence[Runner], reference: Runner, plan: Plan) -> dict[str, Any]:
    taken: list[list[float]] = [[] for _ in networks]
    references: list[tuple[float, list[int]]] = []  # a run's time, and the samples of each network taken before it
    reference_due_ms = 0.0  # grows with the networks' time, shrinks by the reference's
    in_a_row = 1 if len(networks) == 1 else IN_A_ROW

    def run_reference() -> None:
        references.append((reference(), [len(samples) for samples in taken]))

    gc.collect()
    gc.disable()
    snapshots = [snapshot()]
    begin = last = time.perf_counter()
    while last < begin + plan.seconds or len(taken[-1]) < plan.iterations:
        for samples, run in zip(taken, networks):
            if reference_due_ms >= 0:
                run_reference()
                reference_due_ms -= references[-1][0]
            for _ in range(in_a_row):
                samples.append(run())
                reference_due_ms += samples[-1] * plan.reference_share
        last = time.perf_counter()
        if last - snapshots[-1]["at_s"] > SNAPSHOT_EVERY_S:
            snapshots.append(snapshot())
    run_reference()
    snapshots.append(snapshot())
    gc.enable()
    return {
        "networks": [
            {"samples_ms": samples, **_next_to(index, references, len(samples))} for index, samples in enumerate(taken)
        ],
        "snapshots": snapshots,
    }


def _next_to(index: int, references: list[tuple[float, list[int]]], samples: int) -> dict[str, Any]:
    """The reference runs that have a sample of the network between them and the next one, before or after them."""
    after = [counts[index] for _ms, counts in references]
    beside = [
        position
        for position, count in enumerate(after)
        if (after[position - 1] if position else 0) < count
        or count < (after[position + 1] if position + 1 < len(after) else samples)
    ]
    return {
        "reference_ms": [references[position][0] for position in beside],
        "reference_after": [after[position] for position in beside],
    }
