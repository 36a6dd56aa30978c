"""What a candidate does on a training device it does only while it shares that device: a measurement may hold it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas_sr.config import Phase, Training
from nas_sr.device_program.file_lock import try_lock
from nas_sr.families.presets import preset
from nas_sr.measure import device_lock
from nas_sr.search import candidate_training
from nas_sr.search.candidate import evaluate_candidate
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.outcome import Outcome
from nas_sr.train.execution import Execution


def test_network_is_placed_on_the_device_only_while_it_is_shared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a GPU that makes a context and takes memory, which the driver would report to the measurement."""
    monkeypatch.setenv("NAS_SR_CACHE", str(tmp_path / "cache"))
    free = []

    def placed(*arguments: object) -> None:
        for device in ("cpu", "cuda:0"):
            with device_lock._opened(device, "device") as file:
                free.append(try_lock(file))
        raise RuntimeError("far enough")

    monkeypatch.setattr(candidate_training, "TrainingState", placed)
    monkeypatch.setattr(candidate_training, "Pack", Path)
    evaluation = Evaluation(
        study_dir=str(tmp_path),
        hw=(),
        train_pack="",
        val_pack="",
        validation_megapixels=1.0,
        training=Training(phases=(Phase(steps=1),)),
        execution=Execution(device="cuda"),
        limits_ms=(),
    )
    *_, outcome = evaluate_candidate(evaluation, 0, preset("imdeception-c4"))
    assert isinstance(outcome, Outcome)
    assert "far enough" in outcome.reason
    assert free == [False, False]
