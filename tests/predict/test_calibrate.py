from __future__ import annotations

from pathlib import Path

import pytest

from nas_sr.errors import WorkError
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.predict.calibrate import calibrate
from nas_sr.predict.calibration import predictor, read_calibration
from nas_sr.predict.design_points import choose_design_points
from nas_sr.predict.roofline import Roofline
from nas_sr.space import read_space
from tests.predict.calibrated import Target, measurement

SPACE = read_space("imdeception_x4_quick")
TARGET = Target()
PROBES = choose_design_points(SPACE, 12, Roofline(32, 64, "fp16", TARGET.facts))


class Device:
    """Measures as it is told to, and remembers what it was asked."""

    def __init__(self, **troubles: Exception | Measurement | list) -> None:
        self.asked: list[str] = []
        self._troubles = {PROBES[int(key[1:])].digest: value for key, value in troubles.items()}

    def __call__(self, spec: ImdeceptionSpec) -> Measurement:
        self.asked.append(spec.digest)
        trouble = self._troubles.get(spec.digest)
        if isinstance(trouble, list):
            trouble = trouble.pop(0) if trouble else None
        if isinstance(trouble, BaseException):
            raise trouble
        return trouble or measurement(spec)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "board.calibration.json"


def test_probes_are_measured_kept_and_predict_the_rest(path: Path) -> None:
    device, told = Device(), []
    found = calibrate(TARGET, SPACE, 12, measure=device, progress=told.append, path=path)
    assert device.asked == [spec.digest for spec in PROBES]
    assert len(told) == 12
    assert read_calibration(path) == found
    assert not path.with_suffix(".part.json").exists()
    assert found.source == "measured here"
    assert (found.backend, found.versions, found.machine["cpu"]) == ("tensorrt", {"tensorrt": "10.0"}, "made up")
    assert found.cross_validation.mean_percent < 2
    assert predictor(TARGET, str(path.parent / "board.yaml")) is None  # no such profile file: looked for elsewhere


def test_without_a_path_it_is_found_again_for_the_profile(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_SR_CACHE", str(path.parent))
    calibrate(TARGET, SPACE, 12, measure=Device())
    others = [SPACE.spec(params) for params in SPACE.architectures.values()]
    found = predictor(TARGET)
    for spec in others:
        assert found.predict(spec).latency_ms == pytest.approx(measurement(spec).latency_ms, rel=0.05)


def test_drift_between_measurements_is_taken_out(path: Path) -> None:
    drifting = Device(**{f"p{i}": measurement(PROBES[i], drift=1 + 0.03 * i) for i in range(12)})
    steady = calibrate(TARGET, SPACE, 12, measure=Device(), path=path)
    drifted = calibrate(TARGET, SPACE, 12, measure=drifting, path=path)
    assert drifted.cross_validation.model_dump() == pytest.approx(steady.cross_validation.model_dump())
    assert "drift is taken out" in drifted.notes[0]


def test_interrupted_calibration_goes_on_where_it_was(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        calibrate(TARGET, SPACE, 12, measure=Device(p7=KeyboardInterrupt()), path=path)
    assert not path.exists()
    device = Device()
    found = calibrate(TARGET, SPACE, 12, measure=device, path=path)
    assert device.asked == [spec.digest for spec in PROBES[7:]]
    assert [point.spec for point in found.points] == PROBES


@pytest.mark.parametrize("broken", ["", "{}", '{"profile_digest": 3}'])
def test_broken_part_is_measured_again(path: Path, broken: str) -> None:
    path.with_suffix(".part.json").write_text(broken)
    device = Device()
    calibrate(TARGET, SPACE, 12, measure=device, path=path)
    assert len(device.asked) == 12


def test_part_of_another_profile_is_not_used(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        calibrate(Target(threads=9), SPACE, 12, measure=Device(p7=KeyboardInterrupt()), path=path)
    device = Device()
    calibrate(TARGET, SPACE, 12, measure=device, path=path)
    assert len(device.asked) == 12


def test_network_that_cannot_be_measured_there_is_left_out_and_named(path: Path) -> None:
    device = Device(p3=MeasurementFailed("candidate", "out of memory"))
    found = calibrate(TARGET, SPACE, 12, measure=device, path=path)
    assert len(device.asked) == 12
    assert len(found.points) == 11
    (omitted,) = found.omitted
    assert omitted.spec == PROBES[3]
    assert omitted.reason == "out of memory"
    assert any("1 of 12 networks" in note for note in found.notes)


def test_unstable_measurement_is_taken_again_after_the_others(path: Path) -> None:
    unstable = measurement(PROBES[2], drift=3, stable=False)
    transient = MeasurementFailed("transient", "the device was full")
    device = Device(p2=[unstable], p4=[transient], p6=[unstable, unstable])
    found = calibrate(TARGET, SPACE, 12, measure=device, path=path)
    assert device.asked[12:] == [PROBES[i].digest for i in (2, 4, 6)]
    assert {point.spec.digest for point in found.points} == {s.digest for i, s in enumerate(PROBES) if i != 6}
    (omitted,) = found.omitted
    assert omitted.spec == PROBES[6]
    assert omitted.reason == "not stable: somebody else was busy"


def test_device_that_stops_working_ends_it_and_keeps_what_there_is(path: Path) -> None:
    with pytest.raises(MeasurementFailed, match="unplugged"):
        calibrate(TARGET, SPACE, 12, measure=Device(p5=MeasurementFailed("device", "unplugged")), path=path)
    device = Device()
    calibrate(TARGET, SPACE, 12, measure=device, path=path)
    assert len(device.asked) == 7


def test_too_few_points_are_no_calibration(path: Path) -> None:
    broken = {f"p{i}": MeasurementFailed("candidate", "no such kernel") for i in range(8)}
    with pytest.raises(WorkError, match=r"only 4 of 12 networks could be measured.* 5: no such kernel"):
        calibrate(TARGET, SPACE, 12, measure=Device(**broken), path=path)
    assert not path.exists()


def test_points_of_two_backends_are_refused(path: Path) -> None:
    other = measurement(PROBES[4], backend="trtexec")
    with pytest.raises(WorkError, match="tensorrt and trtexec"):
        calibrate(TARGET, SPACE, 12, measure=Device(p4=other), path=path)
