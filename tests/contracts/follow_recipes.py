"""What `test_recipes.py` runs with the changed sources, all in one process, because importing takes it seconds.

    python -m tests.contracts.follow_recipes FOLDER

Writes what it found to FOLDER/found.json.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml


class _Passed:
    """Counts the tests that passed in each file."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.counts[Path(report.location[0]).name] += report.when == "call" and report.passed


def contracts() -> dict[str, int]:
    """Holds the new family, runtime and sampler to the contracts."""
    passed = _Passed()
    files = [f"tests/contracts/test_{name}.py" for name in ("families", "backends", "samplers")]
    chosen = ["-k", "(espcn and not tensorrt) or plain or mutation"]
    assert pytest.main(["-p", "no:cacheprovider", *chosen, *files], plugins=[passed]) == 0
    return dict(passed.counts)


def search(folder: Path, study: dict[str, Any]) -> dict[str, Any]:
    """The answer of a quick search whose config has these keys, and what sampler its study has."""
    from nas_sr.search.store import StudyStore
    from tests.search.quick import searched, write_configs

    folder.mkdir()
    options = write_configs(folder)
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | study))
    answer, _ = searched([*options, "--budget", "2"])
    return {**answer, "sampler": type(StudyStore.open(Path(answer["study_dir"])).study.sampler).__name__}


def measure(folder: Path) -> dict[str, Any]:
    """What the new runtime measures by its own profile, and as one of all runtimes of the device."""
    os.environ["NAS_SR_CACHE"] = str(folder / "cache")
    from nas_sr.device_program.backends import RUNTIMES
    from nas_sr.families.imdeception.spec import ImdeceptionSpec
    from nas_sr.measure.all_runtimes import by_all_runtimes
    from nas_sr.measure.latency_cache import cached_or_measured
    from nas_sr.measure.measurement import Measurement
    from nas_sr.measure.measurement_error import MeasurementFailed
    from nas_sr.measure.profile import HardwareProfile, profile
    from nas_sr.runtimes import runtime_checks
    from tests.measure.conftest import CREDULOUS

    small = {"lr_height": 16, "lr_width": 24, "protocol": CREDULOUS}
    target, spec = profile("cpu-plain").model_copy(update=small), ImdeceptionSpec(core=4, gidbs=2, depth=2)
    found = cached_or_measured(spec, target)

    def measured(each: HardwareProfile) -> Measurement:
        if each.backends != target.backends:
            raise MeasurementFailed("device", "another runtime is not what is tested here")
        return cached_or_measured(spec, each)

    rows = by_all_runtimes(target, measured)
    there = {name: {"lacks": "not here"} for name in RUNTIMES} | {
        "onnxruntime-plain": {"versions": found.versions, "precisions": ["fp32"]}
    }
    return {
        "device": target.device,
        "backend": found.backend,
        "precision": found.precision,
        "again": cached_or_measured(spec, target) == found,
        "rows": [row.backend for row in rows if row.latency is not None],
        "checks": [check.status for check in runtime_checks(there) if check.name == "plain ONNX Runtime"],
    }


def unknown_sampler() -> str:
    """What is said of a name that no sampler has."""
    from nas_sr.config import StudyConfig
    from nas_sr.errors import UsageError
    from nas_sr.search.samplers import check_sampler

    with pytest.raises(UsageError) as caught:
        check_sampler(StudyConfig(sampler="mutaton"))
    return str(caught.value)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    found = {
        "passed": contracts(),
        "family and sampler": search(
            place / "family", {"space": ["espcn_x4"], "sampler": "mutation", "sampler_options": {"share": 0.2}}
        ),
        "families": search(place / "families", {"space": ["compact_x4", "espcn_x4"]}),
        "runtime": measure(place),
        "objective": search(
            place / "objective",
            {"objectives": ["psnr_db", "latency_ms", "convs"], "limits": {"convs": 16}},
        ),
        "unknown sampler": unknown_sampler(),
    }
    (place / "found.json").write_text(json.dumps(found))
