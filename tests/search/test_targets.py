"""Whole searches for several devices, and for a second one afterwards; here they are this CPU at two input sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nas_sr.cli.main import run
from nas_sr.measure.measurement import Measurement
from nas_sr.search.latency_epochs import current_epoch
from nas_sr.search.store import StudyStore
from tests.search.quick import answered, searched, write_configs


def _second_target(folder: Path, **protocol: object) -> str:
    path = folder / "larger.yaml"
    values = {"extends": "quick-cpu.yaml", "name": "larger-cpu", "title": "larger", "lr_height": 48, "lr_width": 48}
    path.write_text(yaml.safe_dump({**values, "protocol": protocol}))
    return str(path)


def test_two_targets_share_one_training_and_retarget_adds_a_third_front(tmp_path: Path) -> None:
    options = write_configs(tmp_path)
    second = _second_target(tmp_path)
    both = ["--hw", str(tmp_path / "quick-cpu.yaml"), "--hw", second, "--budget", "3"]
    result, _ = searched([*options, *both])
    assert result["complete"] == 3
    assert set(result["fronts"]) == {"quick-cpu", "larger-cpu"}
    store = StudyStore.open(tmp_path / "studies" / "quick")
    for number in range(3):
        small, large = (store.record(name).trial(number) for name in ("quick-cpu", "larger-cpu"))
        assert small.psnr_db == large.psnr_db
        assert small.latency
        assert large.latency
        assert (small.latency.lr_width, large.latency.lr_width) == (24, 48)
    assert len(list((store.folder / "trials" / "0").glob("latency*.json"))) == 2

    third = tmp_path / "third.yaml"
    third.write_text(yaml.safe_dump({"extends": "larger.yaml", "name": "third", "lr_width": 24}))
    folder = ["--studies", str(tmp_path / "studies"), "--reports", str(tmp_path / "reports"), "--json"]
    again, said = answered(["retarget", "quick", "--hw", str(third), *folder])
    assert (again["target"], said.count("[3/3]")) == ("third", 1)
    record = StudyStore.open(tmp_path / "studies" / "quick").record("third")
    assert record.targets == ("quick-cpu", "larger-cpu", "third")
    assert [trial.psnr_db for trial in record.trials] == [trial.psnr_db for trial in store.record().trials]
    assert {trial.latency.lr_height for trial in record.trials if trial.latency} == {48}
    assert [point["trial"] for point in again["front"]] == list(record.front)

    # What is there is not measured again, and a name stands for one profile only.
    _, said = answered(["retarget", "quick", "--hw", str(third), *folder])
    assert "trial" not in said
    third.write_text(yaml.safe_dump({"extends": "larger.yaml", "name": "third", "lr_width": 96}))
    _, said = answered(["retarget", "quick", "--hw", str(third), *folder], status=2)
    assert "another profile called third" in said
    _, said = answered(["retarget", "quick", "--hw", second, *folder], status=2)
    assert "searched on larger-cpu itself" in said

    bundle = ["export", "quick", "--knee", "--out", str(tmp_path / "bundle"), *folder[:2], "--json"]
    exported, _ = answered([*bundle, "--hw", "third"])
    assert exported["trial"] in record.front
    _, said = answered([*bundle, "--hw", "fourth"], status=2)
    assert "fourth" in said
    assert "larger-cpu" in said


def test_two_runtimes_of_one_processor_have_a_front_each_from_the_same_trainings(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    options = write_configs(tmp_path)
    path = tmp_path / "other-runtime.yaml"
    values = {"extends": "quick-cpu.yaml", "name": "quick-openvino", "title": "other runtime", "backends": ["openvino"]}
    path.write_text(yaml.safe_dump(values))
    result, _ = searched([*options, "--hw", str(tmp_path / "quick-cpu.yaml"), "--hw", str(path), "--budget", "2"])
    assert set(result["fronts"]) == {"quick-cpu", "quick-openvino"}
    store = StudyStore.open(tmp_path / "studies" / "quick")
    for number in range(2):
        one, other = (store.record(name).trial(number) for name in ("quick-cpu", "quick-openvino"))
        assert one.psnr_db == other.psnr_db
        backends = [(each.latency.backend, each.latency.precision) for each in (one, other)]  # type: ignore[union-attr]
        assert backends == [("onnxruntime", "fp32"), ("openvino", "fp32")]


def test_the_front_is_measured_in_fresh_processes_before_it_is_shown(tmp_path: Path) -> None:
    options = write_configs(tmp_path)
    hardware = yaml.safe_load((tmp_path / "quick-cpu.yaml").read_text())
    hardware["protocol"] |= {"final_builds": 2, "final_runs": 2}
    (tmp_path / "quick-cpu.yaml").write_text(yaml.safe_dump(hardware))
    _, said = searched([*options, "--budget", "2"])
    assert "quick-cpu: measuring the front in turn (trial" in said
    record = StudyStore.open(tmp_path / "studies" / "quick").record()
    epoch = current_epoch(Path(record.study_dir), "quick-cpu")
    assert epoch is not None
    assert len(epoch.reference.repeats) == 2
    for number in record.front:
        latency = record.trial(number).latency
        assert isinstance(latency, Measurement)
        assert [(repeat.build, repeat.run) for repeat in latency.repeats] == [(0, 0), (0, 1), (1, 0), (1, 1)]
        assert latency.run_spread is not None
        assert latency.build_spread is not None
        ratios = sorted(repeat.relative_latency for repeat in latency.repeats)
        assert latency.latency_ms == pytest.approx((ratios[1] + ratios[2]) / 2 * epoch.reference_ms)
        assert latency.raw_latency_ms in [
            pytest.approx((each[1] + each[2]) / 2) for each in [sorted(repeat.latency_ms for repeat in latency.repeats)]
        ]
    assert len({record.trial(number).latency.window for number in record.front}) == 1  # type: ignore[union-attr]


def test_device_that_is_not_there_and_that_nothing_predicts_for_is_said_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_SR_CACHE", str(tmp_path / "cache"))
    (tmp_path / "away.yaml").write_text(yaml.safe_dump({"extends": "orin64", "name": "away"}))
    studies = ["--studies", str(tmp_path / "studies")]
    assert run(["search", "--hw", str(tmp_path / "away.yaml"), "--budget", "1", *studies]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "away (this machine)" in said
    assert not (tmp_path / "studies").exists()


def test_two_targets_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    studies = ["--studies", str(tmp_path / "studies")]
    assert run(["search", "--hw", "cpu", "--hw", "cpu", "--budget", "1", *studies]) == 2
    assert "different names" in capsys.readouterr().err


def test_a_limit_for_each_target_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    studies = ["--studies", str(tmp_path / "studies")]
    second = tmp_path / "second.yaml"
    second.write_text(yaml.safe_dump({"extends": "cpu", "name": "second"}))
    arguments = ["search", "--hw", "cpu", "--hw", str(second), "--max-latency", "5", "--budget", "1", *studies]
    assert run(arguments) == 2
    assert "one limit for each of the 2 targets" in capsys.readouterr().err
