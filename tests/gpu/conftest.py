"""The GPU suite: skipped where there is no GPU, with the reason; what it finds goes into one file of figures."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pytest

import nas_sr
from nas_sr.measure.inspection import inspect_target
from tests.gpu import here
from tests.gpu.figures import NAME, Figures
from tests.gpu.profiles import this_gpu

# The engines of all networks come last, and those that no time is left for are skipped: the rest must not wait.
LIMIT_S = 500.0
_BEGAN = time.monotonic()
_FIGURES = pytest.StashKey[Figures]()


@lru_cache
def _why_not() -> str:
    if "PYTEST_XDIST_WORKER" in os.environ:
        return "GPU tests run one at a time: make test-gpu"
    return here.no_gpu()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a GPU where there is none."""
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.filterwarnings("default"))  # another torch may warn of other things
            if _why_not():
                item.add_marker(pytest.mark.skip(reason=_why_not()))
    items.sort(key=lambda item: "test_engines_of_all" in item.nodeid)


@pytest.fixture(scope="session")
def found() -> dict[str, Any]:
    """What the product's own probe finds here: the GPU, and each backend's versions or what it lacks."""
    return inspect_target(this_gpu("tensorrt"))


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest, found: dict[str, Any]) -> Figures:
    """Where a test records what it found."""
    kept = Figures(request.config.rootpath / NAME, about(found))
    request.config.stash[_FIGURES] = kept
    return kept


@pytest.fixture(autouse=True)
def _every_gpu_test_is_in_the_file(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("gpu"):
        request.getfixturevalue("figures")


@pytest.fixture
def in_time() -> None:
    """Skips a test that nothing depends on once the suite has used its time."""
    if time.monotonic() - _BEGAN > LIMIT_S:
        pytest.skip(f"the suite has run for {LIMIT_S:g} s; alone: python -m pytest -m gpu tests/gpu/test_engines.py")


@pytest.fixture(params=here.PRODUCTS)
def product(request: pytest.FixtureRequest, found: dict[str, Any]) -> str:
    """A product that builds engines for this GPU."""
    name: str = request.param
    skip_without(name, found)
    return name


def skip_without(product: str, found: dict[str, Any]) -> None:
    """Skips where a product cannot be used on this GPU."""
    if "lacks" in found["backends"][product]:
        pytest.skip(f"{found['backends'][product]['lacks']}; {here.PRODUCTS[product][2]}")
    if product == "tensorrt-rtx":
        from nas_sr.device_program.backends.tensorrt_rtx import compute_capabilities

        capability, known = found["gpu"]["facts"]["compute_capability"], compute_capabilities()
        if capability is not None and capability not in known:
            pytest.skip(f"TensorRT for RTX builds for compute capability {', '.join(known)}, not {capability}")


def about(found: dict[str, Any]) -> dict[str, Any]:
    """What the figures were taken on and with."""
    import torch

    facts = (found["gpu"] or {}).get("facts", {})
    versions = {k: v for there in found["backends"].values() for k, v in there.get("versions", {}).items()}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": here.commit(),
        "gpu": facts.get("name"),
        "compute capability": facts.get("compute_capability"),
        "driver": facts.get("driver"),
        "GPU memory [MB]": facts.get("memory_total_mb"),
        "power limit [W]": facts.get("power_limit_w"),
        "largest SM clock [MHz]": facts.get("max_sm_clock_mhz"),
        "processor": found["machine"]["cpu"],
        "cores": found["machine"]["cores"],
        "nas-sr": nas_sr.__version__,
        "torch": torch.__version__,
        "CUDA of torch": torch.version.cuda,
        "cuDNN of torch": torch.backends.cudnn.version(),
        **versions,
        "missing": "; ".join(here.lacks().values()),
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Keeps how every GPU test ended, beside the figures."""
    report: pytest.TestReport = yield
    kept = item.config.stash.get(_FIGURES, None)
    if kept is not None and item.get_closest_marker("gpu") and (report.when == "call" or not report.passed):
        kept.ended(f"{item.path.name}::{item.name}", report.outcome, _reason(report))
    return report  # type: ignore[return-value]


def _reason(report: pytest.TestReport) -> str:
    if report.passed:
        return ""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr).splitlines()[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says where the figures are."""
    kept = terminalreporter.config.stash.get(_FIGURES, None)
    if kept is not None:
        terminalreporter.write_line(f"figures: {kept.path} and {kept.table}")
