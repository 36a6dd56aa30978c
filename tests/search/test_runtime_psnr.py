"""PSNR as a target's runtime computes a network: compared at the end of a search, and counted where it differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas_sr.cli.fronts import front_rows
from nas_sr.config import FullTraining
from nas_sr.data.image_sets import ImageSets
from nas_sr.evaluate.validation import validation_psnr_rgb
from nas_sr.export.model_card import card
from nas_sr.families.weights import load_network
from nas_sr.measure.outputs import runtime_output
from nas_sr.measure.profile import HardwareProfile, Ssh, profile
from nas_sr.records import SHOWN_DB
from nas_sr.report.data.trial_frames import trials_frame
from nas_sr.search import runtime_psnr
from nas_sr.search.runtime_psnr import compare_front, compared_crops, computes_as_pytorch
from nas_sr.search.store import StudyStore
from tests.search.made_study import made_study
from tests.train.quick import demonstration


@pytest.fixture(scope="module")
def sets() -> ImageSets:
    return demonstration()


@pytest.fixture
def bf16(sets: ImageSets, monkeypatch: pytest.MonkeyPatch) -> HardwareProfile:
    """A target that is asked for bf16; its runtime's outputs are fp32's, less precise by as much as NOISE says."""
    monkeypatch.setattr(runtime_psnr, "_validation_images", lambda store: sets.val)
    return profile("cpu-openvino-bf16").model_copy(update={"name": "cpu"})


def _noisy(monkeypatch: pytest.MonkeyPatch, noise: float) -> None:
    def computed(path: Path, images: np.ndarray, backend: str, precision: str) -> np.ndarray:
        assert precision == "bf16"
        exact = runtime_output(path, images, "onnxruntime")
        return exact + np.random.default_rng(0).normal(0, noise, exact.shape).astype(np.float32)

    monkeypatch.setattr(runtime_psnr, "runtime_output", computed)


def test_which_targets_compute_as_pytorch_does() -> None:
    assert [name for name in ("cpu", "cpu-openvino", "cpu-ncnn", "cpu-openvino-bf16", "rtx2080") if
            computes_as_pytorch(profile(name))] == ["cpu", "cpu-openvino", "cpu-ncnn"]  # fmt: skip


def test_psnr_that_differs_counts_and_both_are_kept_and_shown(
    tmp_path: Path, bf16: HardwareProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _noisy(monkeypatch, 0.02)
    store = made_study(tmp_path / "s")
    messages: list[str] = []
    assert compare_front(store, bf16, messages.append)
    record = StudyStore.read(tmp_path / "s").record()
    for number, before_db in zip(record.front, (25.0, 26.0), strict=True):
        trial = record.trial(number)
        found = trial.runtime_psnr
        assert found is not None
        assert (found.backend, found.precision, found.crops) == ("onnxruntime", "bf16", 3)
        assert found.difference_db < -SHOWN_DB
        assert 0.02 < found.largest_difference < 0.2
        assert trial.psnr_db == pytest.approx(before_db + found.difference_db)
        assert trial.pytorch_psnr_db == pytest.approx(before_db)
        (row,) = (row for row in front_rows(record) if row["trial"] == number)
        assert (row["psnr_db"], row["pytorch_psnr_db"]) == (trial.psnr_db, trial.pytorch_psnr_db)
        assert row["runtime_psnr"]["psnr_db"] == found.psnr_db
        text = card(record, trial, FullTraining(training=store.config.training), tmp_path)
        assert f"| PSNR on cpu | {found} |" in text
        assert f"{before_db:.3f} dB (RGB" in text
    frame = trials_frame([record])
    assert list(frame["psnr_db"] < frame["pytorch_psnr_db"]) == [True, True]
    assert all("dB to PyTorch's" in text and "(counts)" in text for text in messages)
    messages.clear()
    assert not compare_front(store, bf16, messages.append)  # each is compared once
    assert messages == []


def test_pytorchs_side_is_the_validation_of_the_same_crops_and_a_small_difference_changes_nothing(
    tmp_path: Path, bf16: HardwareProfile, sets: ImageSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    _noisy(monkeypatch, 1e-4)
    store = made_study(tmp_path / "s")
    assert not compare_front(store, bf16, lambda text: None)
    record = store.record()
    crops = compared_crops(sets.val)
    assert len({(crop.height, crop.width) for crop in crops.crops}) == 1
    for number, before_db in zip(record.front, (25.0, 26.0), strict=True):
        found = record.trial(number).runtime_psnr
        assert found is not None
        assert 0 < found.largest_difference < 1e-3
        assert abs(found.difference_db) < SHOWN_DB
        assert record.trial(number).psnr_db == before_db
        network = load_network(store.trial_folder(number) / "weights.safetensors")
        assert found.pytorch_psnr_db == pytest.approx(validation_psnr_rgb(network, crops), abs=1e-3)


def test_what_cannot_be_compared_is_said_and_stays_pytorchs(tmp_path: Path, bf16: HardwareProfile) -> None:
    store = made_study(tmp_path / "s")
    messages: list[str] = []
    lost, _ = store.record().front
    for number in store.record().front:
        (store.trial_folder(number) / "weights.safetensors").unlink()
    assert not compare_front(store, bf16, messages.append)
    assert messages[0].startswith(f"cpu: PSNR of trial {lost} is PyTorch's: ")
    far = bf16.model_copy(update={"ssh": (Ssh(host="far"),)})
    messages.clear()
    assert not compare_front(store, far, messages.append)
    assert messages == ["cpu: PSNR is PyTorch's; what a device reached by ssh computes is not fetched"]
    assert all(trial.runtime_psnr is None for trial in store.record().trials)
