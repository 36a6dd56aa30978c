"""How samples are taken: warm-up, then the candidate with a fixed reference network spread over the whole window."""

from __future__ import annotations

import gc
import time
from typing import Any, Callable, NamedTuple

from .conditions import snapshot
from .failure import Failure
from .said import say_stage

Runner = Callable[[], float]  # one inference; returns its milliseconds
SNAPSHOT_EVERY_S = 0.5
# Runtimes have no exception of their own for it.
_NO_MEMORY = ("Failed to allocate memory", "bad_alloc", "out of memory", "OutOfMemory")


class Plan(NamedTuple):
    """Warm-up and window last until both their seconds and their iterations of the candidate are reached."""

    warmup_s: float
    warmup_iterations: int
    seconds: float
    iterations: int
    reference_share: float  # most time for the reference, as a share of the candidate's; one run between two at most
    limit_s: float


def measure(load_candidate: Callable[[], Runner], load_reference: Callable[[], Runner], plan: Plan) -> dict[str, Any]:
    """Raw samples [ms] in the order taken, and what the machine was doing meanwhile.

    `reference_after[i]` is the number of candidate samples taken before reference sample i.
    The reference goes first: a device that cannot run it has a problem that is not the candidate's.

    Raises:
        Failure: kind device where the reference does not run, candidate where the candidate does not.
    """
    start = time.perf_counter()
    say_stage("reference")
    reference = _proven("device", "the reference network", load_reference)
    say_stage("candidate")
    candidate = _proven("candidate", "the network", load_candidate)
    say_stage("warm-up")
    one_ms = _warm_up(candidate, reference, plan)
    needed_s = max(plan.seconds, plan.iterations * one_ms / 1e3) * (1 + plan.reference_share)
    left_s = plan.limit_s - (time.perf_counter() - start)
    if needed_s > left_s:
        raise Failure(
            "candidate",
            "too slow to measure: one run takes {:.0f} ms, {} of them and the reference need {:.0f} s,"
            " and {:.0f} s of the limit of {:g} s are left".format(
                one_ms, plan.iterations, needed_s, left_s, plan.limit_s
            ),
        )
    say_stage("window")
    return _window(candidate, reference, plan)


def _proven(kind: str, name: str, load: Callable[[], Runner]) -> Runner:
    try:
        runner = load()
        runner()
    except Exception as error:  # every runtime has its own; what matters is which network caused it
        if isinstance(error, MemoryError) or any(sign in str(error) for sign in _NO_MEMORY):
            raise Failure("passing", "{} does not fit into the memory that is free".format(name)) from error
        raise Failure(kind, "{} does not run: {}".format(name, error)) from error
    return runner


def _warm_up(candidate: Runner, reference: Runner, plan: Plan) -> float:
    """Runs both for the warm-up; the median [ms] of the candidate."""
    taken: list[float] = []
    end = time.perf_counter() + plan.warmup_s
    while time.perf_counter() < end or len(taken) < plan.warmup_iterations:
        taken.append(candidate())
    for _ in range(plan.warmup_iterations):
        reference()
    return sorted(taken)[len(taken) // 2]


def _window(candidate: Runner, reference: Runner, plan: Plan) -> dict[str, Any]:
    samples: list[float] = []
    reference_samples = []
    reference_after = []
    reference_due_ms = 0.0  # grows with the candidate's time, shrinks by the reference's
    gc.collect()
    gc.disable()
    snapshots = [snapshot()]
    begin = last = time.perf_counter()
    while last < begin + plan.seconds or len(samples) < plan.iterations:
        if reference_due_ms >= 0:
            reference_samples.append(reference())
            reference_after.append(len(samples))
            reference_due_ms -= reference_samples[-1]
        samples.append(candidate())
        reference_due_ms += samples[-1] * plan.reference_share
        last = time.perf_counter()
        if last - snapshots[-1]["at_s"] > SNAPSHOT_EVERY_S:
            snapshots.append(snapshot())
    reference_samples.append(reference())
    reference_after.append(len(samples))
    snapshots.append(snapshot())
    gc.enable()
    return {
        "samples_ms": samples,
        "reference_ms": reference_samples,
        "reference_after": reference_after,
        "snapshots": snapshots,
    }
