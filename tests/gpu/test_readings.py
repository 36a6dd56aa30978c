"""What the driver says of the GPU while it works: units, clocks, power, energy, reasons for a lower clock."""

from __future__ import annotations

import os
import time

import pytest
import torch

from nas_sr.device_program.gpu import gpu
from tests.gpu.figures import Figures
from tests.gpu.readings import implausible, sampled

pytestmark = pytest.mark.gpu


def test_readings_under_load_are_possible_and_told(figures: Figures, found: dict) -> None:
    source = gpu()
    numbers = torch.randn(4096, 4096, device="cuda")

    def work() -> None:
        for _ in range(20):
            torch.mm(numbers, numbers)
        torch.cuda.synchronize()

    work()
    taken = sampled(source, 4.0, work)
    figures.record("clock under load", taken.clocks)
    figures.record("reasons for a lower clock under load", ", ".join(taken.throttled) or "none")
    for name, unit in (("temperature_c", "C"), ("power_w", "W")):
        if taken.all_of(name):
            figures.record(f"largest {name} under load", float(max(taken.all_of(name))), unit)
    if taken.counted_w is not None:
        figures.record("mean power under load by the energy counter", taken.counted_w, "W")
    assert implausible(taken) == []
    assert taken.facts["name"] == found["gpu"]["facts"]["name"]
    assert len(taken.readings) >= 6


def test_idle_gpu_takes_less_and_is_called_idle_or_slower(figures: Figures) -> None:
    """Readings are of this moment, not of the driver's start."""
    source = gpu()
    numbers = torch.randn(4096, 4096, device="cuda")
    busy = sampled(source, 2.0, lambda: (torch.mm(numbers, numbers), torch.cuda.synchronize())).all_of("power_w")
    time.sleep(3)
    idle = source.reading()["power_w"]
    if idle is None or not busy:
        pytest.skip("this GPU tells no power")
    figures.record("power after three idle seconds", float(idle), "W")
    assert idle < max(busy)


def test_this_process_is_none_of_the_others() -> None:
    torch.zeros(1, device="cuda")
    others = gpu().reading()["other_processes"]
    if others is None:
        pytest.skip("this GPU tells no processes")
    assert os.getpid() not in others
