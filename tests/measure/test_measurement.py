from __future__ import annotations

import pytest

from nas_sr.measure.measurement import Measurement, Repeat


def measurement(samples_ms, reference_ms, reference_after=(), **changes) -> Measurement:
    return Measurement(
        target="t",
        backend="onnxruntime",
        network="n",
        lr_height=1,
        lr_width=1,
        samples_ms=samples_ms,
        reference_ms=reference_ms,
        reference_after=reference_after,
        stable=True,
        protocol={},
        machine={},
        versions={},
        measured_at="2024-01-01T00:00:00+00:00",
        **changes,
    )


def test_relative_latency_is_blind_to_a_device_that_changes_speed():
    steady = measurement([20, 20, 20, 20], [10, 10, 10], [0, 2, 4])
    slowing = measurement([20, 20, 40, 60], [10, 10, 30, 30], [0, 2, 3, 4])
    assert steady.relative_latency == 2
    assert slowing.relative_latency == 2
    assert slowing.latency_ms == 30


def test_each_sample_is_held_against_the_reference_before_and_after_it():
    """Neither of the two alone would do: the device slows down in between."""
    assert measurement([30, 30], [10, 20, 40], [0, 1, 2]).ratios == pytest.approx((30 / 15, 30 / 30))


def test_at_the_ends_the_nearest_reference_serves():
    assert measurement([20, 30], [8], [1]).ratios == pytest.approx((20 / 8, 30 / 8))


def test_reference_runs_in_a_row_count_as_one():
    """trtexec runs the reference in blocks."""
    assert measurement([30], [10, 20, 30, 50], [0, 0, 1, 1]).ratios == pytest.approx((30 / ((15 + 40) / 2),))


def test_relative_latency_of_a_record_without_positions_is_the_ratio_of_medians():
    assert measurement([20, 30, 40], [10, 15, 20]).relative_latency == 2


def test_figure_is_the_ratio_times_what_the_reference_takes_on_the_target():
    """Of two networks the one that was taken in a fast spell is the slower one."""
    spell = measurement([26.5] * 4, [11.8] * 3, [0, 2, 4]).relative_to(15.6, "epoch")
    usual = measurement([28.9] * 4, [15.6] * 3, [0, 2, 4]).relative_to(15.6, "epoch")
    assert spell.raw_latency_ms < usual.raw_latency_ms
    assert spell.latency_ms == pytest.approx(26.5 / 11.8 * 15.6)
    assert spell.latency_ms > usual.latency_ms == pytest.approx(28.9)
    assert (spell.low_ms, spell.high_ms) == pytest.approx((spell.latency_ms, spell.latency_ms))
    assert spell.summary()["raw_latency_ms"] == 26.5
    # Relative to another reference it is another figure, and not one on top of the other.
    assert spell.relative_to(31.2).latency_ms == pytest.approx(2 * spell.latency_ms)
    assert spell.relative_to(None).latency_ms == 26.5


def test_a_copy_forgets_what_followed_from_other_samples():
    found = measurement([26.5, 27.0, 28.0, 29.0], [11.8] * 3, [0, 2, 4])
    raw = found.high_ms, found.spread
    doubled = found.relative_to(2 * 11.8)
    assert doubled.high_ms == pytest.approx(2 * raw[0])
    assert doubled.model_copy(update={"samples_ms": (1.0, 1.0, 1.0, 1.0)}).spread == 0
    assert (found.high_ms, found.spread) == raw


def test_finalists_figure_is_the_middle_of_its_runs():
    ratios = (2.4, 2.0, 2.2)  # neither the first nor the fastest
    repeats = tuple(
        Repeat(build=0, run=run, latency_ms=10 * ratio, reference_latency_ms=10, relative_latency=ratio)
        for run, ratio in enumerate(ratios)
    )
    found = measurement([24, 24], [10], [0], repeats=repeats)
    assert (found.raw_latency_ms, found.relative_latency) == (22, 2.2)
    assert found.relative_to(5.0).latency_ms == pytest.approx(11)
    assert found.run_spread == pytest.approx(0.4 / 2.2)


def test_record_of_version_1_is_read():
    old = {"build": 0, "run": 0, "latency_ms": 30.0, "reference_latency_ms": 10.0}
    assert Repeat.model_validate(old).relative_latency == 3


def test_record_survives_json():
    record = measurement([1.5, 2], [1], [0], conditions={"foreign_cpu": None})
    assert Measurement.model_validate_json(record.model_dump_json()) == record
