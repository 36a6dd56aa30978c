"""CONTRIBUTING.md's "Add a runtime", followed to the letter."""

from __future__ import annotations

import json
from pathlib import Path

from tests.contracts.recipe import followed, recipe, run_there

MEASURE = """
import json, os, sys
os.environ["NAS_SR_CACHE"] = sys.argv[1]
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.all_runtimes import by_all_runtimes
from nas_sr.measure.latency_cache import cached_or_measured
from nas_sr.measure.profile import profile
from nas_sr.runtimes import runtime_checks
from nas_sr.device_program.backends import RUNTIMES
from tests.measure.conftest import CREDULOUS
small = {"lr_height": 16, "lr_width": 24, "protocol": CREDULOUS}
target, spec = profile("cpu-plain").model_copy(update=small), ImdeceptionSpec(core=4, gidbs=2, depth=2)
found = cached_or_measured(spec, target)
rows = by_all_runtimes(target, lambda each: cached_or_measured(spec, each))
HERE = {"versions": found.versions, "precisions": ["fp32"]}
there = {name: {"lacks": "not here"} for name in RUNTIMES} | {"onnxruntime-plain": HERE}
print(json.dumps({
    "device": target.device,
    "backend": found.backend,
    "precision": found.precision,
    "again": cached_or_measured(spec, target) == found,
    "rows": [row.backend for row in rows if row.latency is not None],
    "checks": [check.status for check in runtime_checks(there) if check.name == "plain ONNX Runtime"],
}))
"""


def test_a_runtime_is_one_module_one_entry_and_one_profile(tmp_path: Path) -> None:
    told = recipe("Add a runtime")
    assert sum(len(step.lines.splitlines()) - len((step.replaced or "").splitlines()) for step in told.changes) == 1
    assert {step.path for step in told.steps if step.replaced is None} == {
        "nas_sr/device_program/backends/onnxruntime_plain.py",
        "hw_profiles/cpu-plain.yaml",
    }
    sources = followed("Add a runtime", tmp_path / "copy")
    found = json.loads(run_there(sources, "-c", MEASURE, str(tmp_path / "cache")))
    assert found["device"] == "cpu"
    assert (found["backend"], found["precision"], found["again"]) == ("onnxruntime-plain", "fp32", True)
    assert "onnxruntime-plain" in found["rows"]
    assert found["checks"] == ["ok"]
    contract = run_there(
        sources, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contracts/test_backends.py", "-k", "plain"
    )
    assert contract.count(".") > 2
