"""Whether a measurement on a GPU is believed, from reports as the target program makes them."""

from __future__ import annotations

import os

import pytest

from nas_sr.device_program.conditions import snapshot
from nas_sr.device_program.gpu import Watch
from nas_sr.device_program.jetson import Jetson
from nas_sr.device_program.nvml import Nvml, throttle_words
from nas_sr.measure.measurement import Measurement, Repeat
from nas_sr.measure.profile import profile
from nas_sr.measure.stability import conditions, instability_reasons, notes, spread_reasons

RTX, XAVIER = profile("rtx2080"), profile("xavier")
# A warm RTX 2080 at its lock; the driver names the locked clocks as the reason why they are not higher.
AT_LOCK = {
    "sm_clock_mhz": 1515,
    "memory_clock_mhz": 7000,
    "temperature_c": 61,
    "power_w": 187.4,
    "throttle": ["application clocks setting"],
    "memory_free_mb": 6144,
    "other_processes": [],
}
# A Xavier after `nvpmodel -m 3` and `jetson_clocks`; its driver tells only root who uses it.
AT_30_W = {"sm_clock_mhz": 905.25, "memory_clock_mhz": None, "temperature_c": 46.25, "power_w": 20.1, "throttle": []}


def report(source, facts, usual, *changes):
    """A report with a reading every half second from 10.0 s on, each with what it has of its own."""
    blank = Watch(source)
    blank.look()
    (nothing,) = blank.report()["readings"]
    readings = [{**nothing, **usual, "at_s": 10.0 + 0.5 * number, **each} for number, each in enumerate(changes)]
    assert all(reading.keys() == nothing.keys() for reading in readings), "not what the program reports"
    known = blank.report()["facts"]
    assert facts.keys() <= known.keys()
    return {"facts": {**known, **facts}, "readings": readings}


def rtx(*changes):
    facts = {"source": "nvml", "name": "NVIDIA GeForce RTX 2080", "compute_capability": "7.5", "driver": "535.183.01"}
    return report(Nvml(library="libno-such-driver.so.1"), facts, AT_LOCK, *(changes or [{}] * 7))


def xavier(tmp_path, *changes, **facts):
    known = {"power_mode": "MODE_30W_ALL", "max_sm_clock_mhz": 905.25, "clocks_locked": True, **facts}
    return report(Jetson(tmp_path), known, AT_30_W, *(changes or [{}] * 7))


def measured(gpu, *, samples_ms=(17.7,) * 200, visitors=frozenset(), **fields) -> Measurement:
    """A quiet machine between 10.0 s and 13.0 s, and what its GPU reports."""
    begin = {**snapshot(), "at_s": 10.0, "busy_s": 50.0, "own_s": 5.0, "stolen_s": 0.0, "throttle_events": 0}
    end = {**begin, "at_s": 13.0, "busy_s": 53.1, "own_s": 8.0}
    return Measurement(
        target="t",
        backend="tensorrt",
        network="n",
        lr_height=256,
        lr_width=512,
        samples_ms=samples_ms,
        reference_ms=(9.9,) * 40,
        stable=False,
        conditions=conditions([begin, end], gpu, visitors),
        protocol={},
        machine={},
        versions={},
        measured_at="2024-01-01T00:00:00+00:00",
        **fields,
    )


def test_gpu_at_its_lock_is_beyond_doubt():
    found = measured(rtx())
    assert instability_reasons(found, RTX, 9.9) == notes(found, RTX) == []


def test_jetson_at_its_lock_is_beyond_doubt_though_much_cannot_be_read(tmp_path):
    found = measured(xavier(tmp_path))
    assert instability_reasons(found, XAVIER, 9.9) == notes(found, XAVIER) == []


@pytest.mark.parametrize(
    ("mask", "doubt"),
    [
        (0x0, None),
        (0x2, None),  # application clocks setting: the lock itself
        (0x4 | 0x2, "the GPU was throttled: software power cap"),
        (0x20, "the GPU was throttled: software thermal slowdown"),
        (0x48, "the GPU was throttled: hardware slowdown, hardware thermal slowdown"),
        (0x4000, "the GPU was throttled: 0x4000"),  # a reason of a later driver is a reason
    ],
)
def test_throttling_is_named_but_for_what_a_lock_brings_with_it(mask, doubt):
    found = instability_reasons(measured(rtx({}, {"throttle": throttle_words(mask)}, {})), RTX, None)
    assert found == ([doubt] if doubt else [])


def test_cooling_of_a_jetson_is_throttling(tmp_path):
    slowed = measured(xavier(tmp_path, {}, {"throttle": ["gpu-throttle-alert"]}))
    assert instability_reasons(slowed, XAVIER, None) == ["the GPU was throttled: gpu-throttle-alert"]


def test_overcurrent_events_count_from_the_first_reading(tmp_path):
    before = measured(xavier(tmp_path, *[{"overcurrent_events": 27}] * 3))
    assert instability_reasons(before, XAVIER, None) == []
    during = measured(xavier(tmp_path, *[{"overcurrent_events": count} for count in (27, 27, 30)]))
    assert instability_reasons(during, XAVIER, None) == ["the board's overcurrent protection slowed it down 3 times"]


def test_clock_that_falls_below_98_percent_of_its_lock_is_a_doubt():
    def clocks(*mhz):
        return measured(rtx(*({"sm_clock_mhz": each} for each in mhz)))

    assert instability_reasons(clocks(1515, 1485, 1515), RTX, None) == []  # 98.02 %
    fallen = clocks(1515, 1480, 1515)
    assert instability_reasons(fallen, RTX, None) == ["the GPU's clock fell to 1480 MHz from its lock at 1515 MHz"]
    assert notes(fallen, RTX) == []


@pytest.mark.parametrize("mhz", [1350, 1890])
def test_clock_that_was_never_at_the_lock_floats(mhz):
    found = measured(rtx(*({"sm_clock_mhz": mhz + step} for step in (0, 15, 30))))
    assert instability_reasons(found, RTX, None) == []
    assert notes(found, RTX) == ["floating clocks: lock them with `sudo nvidia-smi -lgc 1515,1515`"]


def test_jetson_whose_clocks_may_move_floats_even_while_they_stand_at_the_lock(tmp_path):
    found = measured(xavier(tmp_path, clocks_locked=False))
    assert notes(found, XAVIER) == ["floating clocks: lock them with `sudo nvpmodel -m 3 && sudo jetson_clocks`"]
    fallen = measured(xavier(tmp_path, {}, {"sm_clock_mhz": 675.0}, clocks_locked=False))
    assert instability_reasons(fallen, XAVIER, None) == []


def test_clock_that_cannot_be_read_is_said():
    found = measured(rtx(*[{"sm_clock_mhz": None, "throttle": None}] * 3))
    assert instability_reasons(found, RTX, None) == []
    assert notes(found, RTX) == ["the GPU's clock cannot be read"]


def test_profile_without_clocks_asks_for_none():
    found = measured(rtx(*[{"sm_clock_mhz": 300}] * 3))
    assert instability_reasons(found, profile("cpu"), None) == notes(found, profile("cpu")) == []


def test_other_processes_on_the_gpu_are_named_once():
    others = ({}, {"other_processes": [4711, 99]}, {"other_processes": [99]})
    assert instability_reasons(measured(rtx(*others)), RTX, None) == ["other processes computed on the GPU (99, 4711)"]
    assert instability_reasons(measured(rtx({"other_processes": None})), RTX, None) == []


def test_processes_that_step_aside_are_no_foreign_ones():
    """Trainings on the same GPU wait, but the driver lists whoever has something in its memory."""
    listed = rtx(*[{"other_processes": [os.getpid(), os.getppid()]}] * 2)
    found = measured(listed, visitors=frozenset({os.getpid(), 99}))
    assert instability_reasons(found, RTX, None) == [f"other processes computed on the GPU ({os.getppid()})"]
    assert instability_reasons(measured(listed, visitors=frozenset({os.getpid(), os.getppid()})), RTX, None) == []


def test_in_a_container_as_many_unknown_processes_as_step_aside_are_they():
    unknown = [2**22 + 1, 2**22 + 2]  # above Linux's largest process number
    listed = rtx({"other_processes": [*unknown, os.getppid()]})
    one, two = (measured(listed, visitors=frozenset(range(900000, 900000 + count))) for count in (1, 2))
    assert instability_reasons(two, RTX, None) == [f"other processes computed on the GPU ({os.getppid()})"]
    assert instability_reasons(one, RTX, None) == [
        f"other processes computed on the GPU ({os.getppid()}, {unknown[1]})"
    ]


def test_readings_before_and_after_the_window_are_not_held_against_it():
    """A GPU that waits for its engine to be loaded has let its clock fall."""
    asleep = {"sm_clock_mhz": 300, "power_w": 12.0, "throttle": ["software power cap"], "other_processes": [1]}
    found = measured(rtx({"at_s": 8.2, **asleep}, {"at_s": 9.9, **asleep}, {}, {}, {"at_s": 13.1, **asleep}))
    assert instability_reasons(found, RTX, None) == notes(found, RTX) == []
    assert [reading["at_s"] for reading in found.conditions["gpu"]["readings"]] == [11.0, 11.5]
    assert found.conditions["gpu_power_w"] == pytest.approx(187.4)


def test_reading_of_an_idle_gpu_says_nothing_of_its_clock():
    """trtexec loads its engine within what can be seen of its run."""
    idle = {"sm_clock_mhz": 300, "power_w": 12.0, "throttle": ["gpu idle"]}
    found = measured(rtx(idle, {}, {}, idle))
    assert instability_reasons(found, RTX, None) == notes(found, RTX) == []
    assert found.conditions["gpu_power_w"] == pytest.approx(187.4)


def test_power_is_the_energy_counters_where_there_is_one():
    counted = measured(rtx(*({"energy_j": 1000.0 + 150.0 * number} for number in range(4))))
    assert counted.conditions["gpu_power_w"] == pytest.approx(300.0)
    assert counted.energy_mj == pytest.approx(300.0 * 17.7)


def test_power_is_the_mean_of_the_readings_without_a_counter(tmp_path):
    read = measured(xavier(tmp_path, {"power_w": 18.0}, {"power_w": None}, {"power_w": 21.0}))
    assert read.conditions["gpu_power_w"] == pytest.approx(19.5)
    assert read.summary()["energy_mj"] == pytest.approx(19.5 * 17.7)
    once = measured(rtx({"energy_j": 1000.0}))  # one value of a counter is no power
    assert once.conditions["gpu_power_w"] == pytest.approx(187.4)


def test_without_a_sensor_there_is_no_energy():
    for gpu in (None, rtx(*[{"power_w": None}] * 2)):
        found = measured(gpu)
        assert (found.conditions["gpu_power_w"], found.energy_mj) == (None, None)


def test_output_that_is_not_finite_is_a_doubt():
    assert instability_reasons(measured(rtx(), extra={"output": "finite"}), RTX, None) == []
    overflown = measured(rtx(), extra={"output": "not finite"})
    assert instability_reasons(overflown, RTX, None) == ["the network's output is not finite in fp16"]


def test_samples_that_vary_are_judged_where_the_protocol_says_so():
    """One slow run in forty leaves the quartiles alone, and the variation at 7 %."""
    samples_ms = ((17.7,) * 39 + (25.7,)) * 5
    assert instability_reasons(measured(rtx(), samples_ms=samples_ms), RTX, None) == [
        "samples vary by 7.0% (coefficient of variation)"
    ]
    assert instability_reasons(measured(None, samples_ms=samples_ms), profile("cpu"), None) == []


def test_runs_of_one_build_must_agree_and_builds_need_not():
    def finalist(*latencies_ms):
        repeats = [
            Repeat(build=b, run=r, latency_ms=ms, reference_latency_ms=9.9, relative_latency=ms / 9.9)
            for b, r, ms in latencies_ms
        ]
        return measured(rtx(), repeats=tuple(repeats))

    builds_differ = finalist((0, 0, 17.0), (0, 1, 17.1), (1, 0, 19.0), (1, 1, 19.1))
    assert spread_reasons(builds_differ, RTX.protocol) == []
    assert builds_differ.build_spread == pytest.approx(2.0 / 18.05)
    runs_differ = finalist((0, 0, 17.0), (0, 1, 17.5), (1, 0, 17.0), (1, 1, 17.0))
    assert spread_reasons(runs_differ, RTX.protocol) == ["runs of the same engine differ by 2.9%"]
    assert spread_reasons(finalist((0, 0, 17.0)), RTX.protocol) == spread_reasons(measured(rtx()), RTX.protocol) == []
