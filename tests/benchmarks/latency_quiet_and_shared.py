"""Is a latency the same while networks are being trained on the device? One network, three conditions, in turn.

    python tests/benchmarks/latency_quiet_and_shared.py --rounds 5

quiet: nothing else runs. shared: two processes train and step aside for the measurement (SharedDevice), as in a
search. no lock: the same trainings ignore it; this is what the lock prevents, and such figures must come out labelled.
The ratio to the interleaved reference network stands beside the milliseconds: it tells the lock's effect from a machine
that changes its speed between two measurements.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

TRAINERS = 2
COLUMNS = ("latency_ms", "relative_latency")


def train(device: str, steps_aside: bool) -> None:
    """Trains a small network on noise for ever; one line on standard output for each step."""
    import torch

    from nas_sr.families.imdeception.spec import ImdeceptionSpec
    from nas_sr.families.network import build
    from nas_sr.measure.device_lock import SharedDevice

    torch.set_num_threads(1)
    network = build(ImdeceptionSpec(core=8), seed=0)
    optimizer = torch.optim.Adam(network.parameters())
    images = torch.rand(4, 3, 24, 24)
    with SharedDevice(device) if steps_aside else contextlib.nullcontext() as training:
        while True:
            if training:
                training.step_boundary()
            loss = network(images).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print("step", flush=True)


@contextlib.contextmanager
def trainings(device: str, steps_aside: bool) -> Iterator[None]:
    """Two trainings that have begun to step; gone at the end."""
    how = "aside" if steps_aside else "ignore"
    started = []
    with contextlib.ExitStack() as logs:
        for _ in range(TRAINERS):
            log = logs.enter_context(tempfile.NamedTemporaryFile())
            started.append((subprocess.Popen([sys.executable, __file__, "--train", device, how], stdout=log), log.name))
        try:
            while any(Path(name).stat().st_size < 20 for _, name in started):
                if any(process.poll() is not None for process, _ in started):
                    raise SystemExit("a training ended by itself")
                time.sleep(0.1)
            yield
        finally:
            for process, _ in started:
                process.kill()
                process.wait()


def main() -> None:
    """Measures the rounds and prints one line for each figure, then the medians and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="imdeception-c16", help="a preset or a spec file")
    parser.add_argument("--hw", default="cpu", help="a hardware profile")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--train", nargs=2, metavar=("DEVICE", "HOW"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        train(arguments.train[0], arguments.train[1] == "aside")
        return

    from nas_sr.families.presets import spec_from
    from nas_sr.measure.attempts import measure
    from nas_sr.measure.measurement import Measurement
    from nas_sr.measure.onnx_export import export_untrained
    from nas_sr.measure.profile import profile

    hardware, spec = profile(arguments.hw), spec_from(arguments.arch)
    once = hardware.model_copy(update={"protocol": hardware.protocol.model_copy(update={"retries": 0})})
    taken: dict[str, list[Measurement]] = {"quiet": [], "shared": [], "no lock": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_untrained(spec, path, (hardware.lr_height, hardware.lr_width))
        for number, name in itertools.product(range(1, arguments.rounds + 1), taken):
            with contextlib.nullcontext() if name == "quiet" else trainings(hardware.device, name == "shared"):
                found = measure(spec.digest, path, once if name == "no lock" else hardware)
            taken[name].append(found)
            reasons = "; ".join(found.labels)
            print(
                f"round {number} {name:8} {found.latency_ms:8.2f} ms  ratio to reference {found.relative_latency:6.3f}"
                f"  attempts {found.attempts}  foreign CPU {found.conditions['foreign_cpu']:.2f}  {reasons}",
                flush=True,
            )

    print(f"\n{spec.label()} on {hardware.title}, {hardware.lr_height}x{hardware.lr_width}, {arguments.rounds} rounds")
    quiet_ms, quiet_ratio = (median(getattr(each, name) for each in taken["quiet"]) for name in COLUMNS)
    for name, found_all in taken.items():
        ms, ratios = ([getattr(each, column) for each in found_all] for column in COLUMNS)
        print(
            f"{name:8} median {median(ms):8.2f} ms ({median(ms) / quiet_ms - 1:+.1%}, range {_range(ms)})"
            f"   ratio to reference {median(ratios):.3f} ({median(ratios) / quiet_ratio - 1:+.1%}, {_range(ratios)})"
            f"   stable {sum(each.stable for each in found_all)} of {len(found_all)}"
        )


def _range(values: list[float]) -> str:
    return f"{min(values):.4g} to {max(values):.4g}"


if __name__ == "__main__":
    main()
