"""Wrong orders of latencies on a machine that is disturbed on purpose: raw, drift-corrected, and timed in turn.

    python -m tests.benchmarks.disturbed_machine --rounds 3

Ten networks of the x4 space. Their true order is that of long timing in turn on the machine left alone. Then a load
comes and goes on no core, one core and every core, for a few seconds each, while every network is measured alone, one
after the other as in a search, and then all of them in turn, as a front is. Counted are pairs in the wrong order, among
pairs that truly lie more than 3 % apart. Run it on a machine that is otherwise quiet.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from statistics import median

from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.presets import preset
from nas_sr.measure.attempts import Network, measure
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.onnx_export import export_untrained
from nas_sr.measure.profile import HardwareProfile, profile

APART = 0.03
SPECS = (
    preset("imdeception-c4"),
    preset("imdeception-c4-nla"),
    preset("imdeception-c8"),
    preset("imdeception-c12"),
    preset("imdeception-c16"),
    ImdeceptionSpec(core=8, groups=1),
    ImdeceptionSpec(core=8, groups=4, gidbs=5),
    ImdeceptionSpec(core=16, groups=1, gidbs=3, depth=2, head=32),
    ImdeceptionSpec(core=12, groups=2, gidbs=4),
    ImdeceptionSpec(core=8, groups=4, nla_after=(2,)),
)
BURN = "while True: pass"


@contextmanager
def disturbance(seed: int) -> Iterator[None]:
    """A load on no core, one or all, for one to six seconds each, until the block ends."""
    cores = sorted(os.sched_getaffinity(0))
    burners = [
        subprocess.Popen([sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{core}])\n{BURN}"])
        for core in cores
    ]
    ended = threading.Event()
    draw = random.Random(seed)

    def toggle() -> None:
        while not ended.is_set():
            busy = set(draw.sample(range(len(burners)), draw.choice([0, 1, len(burners)])))
            for index, burner in enumerate(burners):
                burner.send_signal(signal.SIGCONT if index in busy else signal.SIGSTOP)
            ended.wait(draw.uniform(1, 6))

    thread = threading.Thread(target=toggle)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for burner in burners:
            burner.kill()
            burner.wait()


def changed(cpu: HardwareProfile, **protocol: float) -> HardwareProfile:
    """The CPU's profile with another protocol."""
    return cpu.model_copy(update={"protocol": cpu.protocol.model_copy(update=protocol)})


def wrong(truth: dict[str, float], found: dict[str, float]) -> tuple[int, int]:
    """Pairs in the wrong order, and pairs: of those that are truly apart and that were both found."""
    pairs = [
        (a, b)
        for a, b in combinations(truth, 2)
        if abs(truth[a] / truth[b] - 1) > APART and abs(truth[b] / truth[a] - 1) > APART and a in found and b in found
    ]
    return sum((truth[a] < truth[b]) != (found[a] < found[b]) for a, b in pairs), len(pairs)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--truth-seconds", type=float, default=40, help="of each of the processes that tell the truth")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cpu = profile("cpu")
    once = changed(cpu, retries=0)
    with tempfile.TemporaryDirectory() as folder:
        networks = [Network(spec.digest, Path(folder) / f"{spec.digest}.onnx") for spec in SPECS]
        for spec, network in zip(SPECS, networks, strict=True):
            export_untrained(spec, network.onnx, (cpu.lr_height, cpu.lr_width))

        def in_turn(target: HardwareProfile) -> list[Measurement]:
            return measure(networks, target, final=True)

        def alone(target: HardwareProfile) -> list[Measurement]:
            return [measure([network], target)[0] for network in networks]

        long = changed(cpu, seconds=arguments.truth_seconds, limit_s=10 * arguments.truth_seconds, retries=0)
        true = in_turn(long)
        truth = {taken.network: taken.relative_latency for taken in true}
        print(f"true ratios to the reference network: {', '.join(f'{ratio:.3f}' for ratio in truth.values())}")
        print(f"  runs of one network differ by up to {max(taken.run_spread or 0 for taken in true):.1%}", flush=True)
        rows: dict[str, list[tuple[int, int]]] = {}
        ranges: list[float] = []

        def count(name: str, taken: list[Measurement], figure: str) -> None:
            found = {each.network: getattr(each, figure) for each in taken}
            rows.setdefault(name, []).append(wrong(truth, found))

        for number in range(arguments.rounds):
            with disturbance(arguments.seed + number):
                single, together = alone(once), in_turn(once)
            quiet = alone(once)
            count("alone, disturbed: raw", single, "raw_latency_ms")
            count("alone, disturbed: corrected", single, "relative_latency")
            stable = [each for each in single if each.stable]
            count("alone, disturbed, called stable: corrected", stable, "relative_latency")
            count("in turn, disturbed: raw", together, "raw_latency_ms")
            count("in turn, disturbed: corrected", together, "relative_latency")
            count("alone, left alone: raw", quiet, "raw_latency_ms")
            count("alone, left alone: corrected", quiet, "relative_latency")
            references = [each.reference_latency_ms for each in single]
            ranges.append(max(references) / min(references))
            print(f"round {number + 1} of {arguments.rounds} done", flush=True)
        print(f"reference network while disturbed: slowest {median(ranges):.2f} times the fastest (median of rounds)")
        print(
            f"\n| {len(SPECS)} networks, pairs more than {APART:.0%} apart | wrong | of | by round |\n|---|---|---|---|"
        )
        for name, counts in rows.items():
            by_round = ", ".join(str(mistakes) for mistakes, _pairs in counts)
            print(f"| {name} | {sum(c[0] for c in counts)} | {sum(c[1] for c in counts)} | {by_round} |")


if __name__ == "__main__":
    main()
