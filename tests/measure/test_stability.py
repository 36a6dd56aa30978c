from __future__ import annotations

import pytest

from nas_sr.measure.measurement import Measurement
from nas_sr.measure.profile import profile
from nas_sr.measure.stability import conditions, halves_change, instability_reasons

QUIET = {"foreign_cpu": 0.0, "stolen_cpu": 0.0, "throttle_events": 0}
CPU = profile("cpu")


def _measurement(samples_ms=(10.0,) * 8, reference_ms=(5.0,) * 8, **conditions):
    return Measurement(
        target="t",
        backend="onnxruntime",
        network="n",
        lr_height=1,
        lr_width=1,
        samples_ms=samples_ms,
        reference_ms=reference_ms,
        stable=False,
        conditions={**QUIET, **conditions},
        protocol={},
        machine={},
        versions={},
        measured_at="2024-01-01T00:00:00+00:00",
    )


def test_quiet_and_even_measurement_has_no_doubts():
    assert instability_reasons(_measurement(), CPU, 5.0) == []


@pytest.mark.parametrize(
    ("measurement", "text"),
    [
        (_measurement(foreign_cpu=0.9), "other processes used 0.90 cores"),
        (_measurement(stolen_cpu=0.9), "the hypervisor took 0.90 cores away"),
        (_measurement(throttle_events=3), "the CPU was throttled 3 times"),
        (_measurement(samples_ms=(10.0, 20.0) * 8), "samples spread by 67% of the median between the quartiles"),
        (_measurement(samples_ms=(10.0,) * 40 + (12.0,) * 40), "latency changed by +20% within the window"),
        (_measurement(reference_ms=(8.0,) * 8), "device slower than usual: the reference network took 8 ms, usually 5"),
        (_measurement(reference_ms=(3.0,) * 8), "device faster than usual: the reference network took 3 ms, usually 5"),
    ],
)
def test_each_disturbance_is_named(measurement, text):
    assert any(text in doubt for doubt in instability_reasons(measurement, CPU, 5.0))


def test_drift_that_the_reference_shares_is_no_reason():
    """On a device that becomes a third slower within the window, with the reference between the samples."""
    speeds = [1 + each / 120 for each in range(40)]
    drifting = _measurement(
        samples_ms=tuple(10 * speed for speed in speeds), reference_ms=tuple(5 * speed for speed in speeds)
    ).model_copy(update={"reference_after": tuple(range(40))})
    assert instability_reasons(drifting, CPU, None) == []
    assert drifting.relative_latency == pytest.approx(2, rel=0.01)
    alone = drifting.model_copy(update={"reference_ms": (5.0,) * 40})
    assert any("latency changed by +15% within the window" in doubt for doubt in instability_reasons(alone, CPU, None))


def test_one_slow_run_is_no_reason():
    assert instability_reasons(_measurement(samples_ms=(10.0,) * 30 + (300.0,)), CPU, None) == []


def test_unreadable_conditions_are_not_held_against_a_measurement():
    blind = _measurement(foreign_cpu=None, stolen_cpu=None, throttle_events=None)
    assert instability_reasons(blind, CPU, None) == []


def test_halves_of_too_few_samples_are_not_compared():
    assert halves_change((1.0, 5.0, 9.0)) == 0


def _snapshot(at_s, busy_s, own_s, stolen_s=0.0, throttle_events=None):
    return {
        "at_s": at_s,
        "busy_s": busy_s,
        "own_s": own_s,
        "stolen_s": stolen_s,
        "throttle_events": throttle_events,
        "load_average": 1.0,
        "frequency_mhz": None,
        "temperature_c": 50.0,
    }


def test_foreign_cpu_is_what_others_used_per_second_of_the_window():
    found = conditions([_snapshot(10, 100, 7), _snapshot(11, 101, 8), _snapshot(12, 105, 11, 0.5, None)])
    assert (found["foreign_cpu"], found["stolen_cpu"], found["throttle_events"]) == (0.5, 0.25, None)
    assert (found["frequency_mhz"], found["temperature_c"]) == (None, [50.0] * 3)


def test_rounding_of_the_kernels_counters_gives_no_negative_time():
    assert conditions([_snapshot(0, 10, 10), _snapshot(1, 10.98, 11)])["foreign_cpu"] == 0
