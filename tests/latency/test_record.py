from __future__ import annotations

import pytest

from nas_sr.latency.record import Measurement


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


def test_relative_latency_uses_the_nearest_reference_at_the_ends():
    assert measurement([20, 30], [10, 5], [1, 1]).relative_latency == pytest.approx((20 / 10 + 30 / 5) / 2)


def test_relative_latency_of_a_record_without_positions_is_the_ratio_of_medians():
    assert measurement([20, 30, 40], [10, 15, 20]).relative_latency == 2


def test_record_survives_json():
    record = measurement([1.5, 2], [1], [0], conditions={"foreign_cpu": None})
    assert Measurement.model_validate_json(record.model_dump_json()) == record
