"""bundle.json: where a bundle's network comes from, and what it is written for."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nas_sr.errors import UsageError
from nas_sr.export.formats.base import Target
from nas_sr.export.model_card import card_facts
from nas_sr.measure.measurement import Measurement
from nas_sr.records import StudyRecord, TrialRecord

ORIGIN = "bundle.json"


def read_origin(folder: Path) -> dict[str, Any]:
    """What bundle.json says; nothing where it is missing.

    Raises:
        UsageError: it is broken.
    """
    path = folder / ORIGIN
    try:
        found = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError:
        raise UsageError(f"{path}: not JSON; put the file back") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path}: not an object of JSON; put the file back")
    return found


def target_of(origin: dict[str, Any], folder: Path, needed: bool) -> Target:
    """What destinations are for, from bundle.json; of an earlier version, what its latency says.

    Raises:
        UsageError: it says no input size, and one is needed.
    """
    known = origin.get("target") or {}
    latency = origin.get("latency") or {}
    size = {side: known.get(side) or latency.get(side) for side in ("lr_height", "lr_width")}
    if not all(size.values()):
        if needed:
            raise UsageError(f"{folder}: {ORIGIN} does not say for which input size; name a target with --hw")
        size = {"lr_height": 1, "lr_width": 1}  # nothing is made for it
    precision = known.get("precision") or latency.get("precision") or "fp32"
    capability = (known.get("facts") or {}).get("compute_capability")
    name = known.get("name") or latency.get("target") or "unknown"
    return Target.model_validate(
        {**known, **size, "name": name, "precision": precision, "compute_capability": capability}
    )


def origin_of(study: StudyRecord, trial: TrialRecord, place: Path) -> dict[str, Any]:
    """What bundle.json says of a trial, as plain values; `place` is the bundle's folder."""
    return {
        "study": study.name,
        "study_dir": os.path.relpath(Path(study.study_dir).resolve(), place),  # as both may be moved together
        "trial": trial.number,
        "digest": trial.spec.digest,
        "preset": trial.preset,
        "written_at": today(),
        "runtime_psnr": trial.runtime_psnr.model_dump() if trial.runtime_psnr else None,
        "brief_training": {
            "psnr_db": trial.pytorch_psnr_db,  # estimated, where there are longer trainings
            "steps": trial.estimate.steps if trial.estimate else trial.curve[-1].step if trial.curve else None,
        },
        "counts_at_256x256": trial.counts._asdict(),
        "objectives": {each.name: each.value(trial) for each in study.traded},
        "latency": trial.latency.summary() if trial.latency else None,
        "target": {**study.profile, "name": study.target, **_tensorrt(trial)},
        "card": card_facts(study, trial).model_dump(mode="json"),
    }


def _tensorrt(trial: TrialRecord) -> dict[str, list[str]]:
    """The very version that measured, where one did."""
    versions = trial.latency.versions if isinstance(trial.latency, Measurement) else {}
    version = versions.get("tensorrt") or versions.get("trtexec")
    return {"tensorrt": [version]} if version else {}


def today() -> str:
    """As 2026-01-31, UTC."""
    return datetime.now(UTC).date().isoformat()
