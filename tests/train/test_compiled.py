"""torch.compile for real on the CPU; that it may pay on a GPU is for `choose_execution` to measure there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nas_sr.config import FullTraining, Phase, StudyConfig, Training, parse, read_yaml
from nas_sr.errors import UsageError, WorkError
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.records import CurvePoint
from nas_sr.train import execution
from nas_sr.train.execution import Execution, choose_execution, explained, resumed_execution
from nas_sr.train.loop import train
from nas_sr.train.state import TrainingState
from tests.train.quick import demonstration

SPEC = ImdeceptionSpec(core=4, gidbs=1, depth=1, head=16)
PLAIN = Execution()
COMPILED = Execution(compiled=True)
DEMANDED = Training(
    phases=(Phase(steps=4, batch=2, validate_every=2),), precision="fp32", memory_format="contiguous", compile="on"
)
LONG = Training(phases=(Phase(steps=20_000),))
needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="g++ is not installed: torch.compile needs it")


def _steps(state: TrainingState) -> list[CurvePoint]:
    return list(train(state, demonstration().train, lambda network: 25.0))


@needs_compiler
def test_compiled_training_is_plain_training_and_goes_on_exactly() -> None:
    torch._dynamo.reset()
    chosen, measured = choose_execution(SPEC, DEMANDED, "cpu")
    assert chosen == COMPILED
    assert [entry["compiled"] for entry in measured] == [False, True]
    plain, whole, parts = (TrainingState(build(SPEC, 0), DEMANDED, each) for each in (PLAIN, COMPILED, COMPILED))
    losses = [point.loss for point in _steps(whole)]
    assert losses == pytest.approx([point.loss for point in _steps(plain)], rel=1e-3)
    next(train(parts, demonstration().train, lambda network: 25.0))
    resumed = TrainingState(build(SPEC, 1), DEMANDED, COMPILED)
    resumed.restore(parts.values())
    assert [point.loss for point in _steps(resumed)] == losses[1:]
    ended, expected = resumed.network.state_dict(), whole.network.state_dict()
    assert list(ended) == list(build(SPEC, 0).state_dict())
    assert all(torch.equal(ended[name], expected[name]) for name in expected)


def test_without_a_compiler_the_config_hears_why(tmp_path: Path) -> None:
    script = (
        "from nas_sr.errors import WorkError\n"
        "from tests.train.test_compiled import DEMANDED, SPEC, choose_execution\n"
        "try:\n    choose_execution(SPEC, DEMANDED, 'cpu')\n"
        "except WorkError as error:\n    print(error)\n"
    )
    own = {"CXX": str(tmp_path / "missing"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    said = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **own}, capture_output=True, text=True, check=True
    ).stdout
    assert "compile: on, but torch.compile fails here: " in said
    assert str(tmp_path / "missing") in said


def test_auto_tries_it_in_long_trainings_on_a_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed stands in for a GPU's: compiled steps take half."""
    monkeypatch.setattr(execution, "_best_seconds", _halved_by_compiling)
    assert choose_execution(SPEC, LONG, "cuda")[0].compiled
    assert not choose_execution(SPEC, LONG.shortened(19_999), "cuda")[0].compiled
    assert not choose_execution(SPEC, LONG, "cpu")[0].compiled
    assert not choose_execution(SPEC, LONG.model_copy(update={"compile": "off"}), "cuda")[0].compiled
    chosen, measured = choose_execution(SPEC, LONG, "cuda")
    assert len(measured) == 7  # three precisions in two formats, and the fastest of them compiled
    assert explained(chosen, measured).startswith(
        "steps run on cuda, fp32, contiguous, compiled, the fastest measured: fp32 contiguous compiled 500 ms,"
    )


def test_auto_goes_on_without_it_where_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(candidates: list[Execution], *rest: object) -> list[float]:
        if any(candidate.compiled for candidate in candidates):
            raise RuntimeError("Cannot find a working triton installation.\nMore lines")
        return _halved_by_compiling(candidates)

    monkeypatch.setattr(execution, "_best_seconds", not_there)
    chosen, measured = choose_execution(SPEC, LONG, "cuda")
    assert not chosen.compiled
    assert explained(chosen, measured).endswith("; compiling fails here: Cannot find a working triton installation.")


def test_demanded_where_it_does_not_pay_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_best_seconds", lambda candidates, *rest: [1.0, 2.0])
    chosen, measured = choose_execution(SPEC, DEMANDED, "cpu")
    assert explained(chosen, measured) == (
        "steps run on cpu, fp32, contiguous, compiled, as the config says, measured:"
        " fp32 contiguous 1000 ms, fp32 contiguous compiled 2000 ms"
    )


@pytest.mark.parametrize("written", ["on", "off", "auto", "'on'"])
def test_config_file_takes_the_words_as_they_are(tmp_path: Path, written: str) -> None:
    """YAML 1.1 has truth values that look like them."""
    path = tmp_path / "train.yaml"
    path.write_text(f"training: {{compile: {written}, phases: [{{steps: 1}}]}}\n")
    assert read_yaml(path, FullTraining).training.compile == written.strip("'")


def test_brief_training_is_not_compiled() -> None:
    with pytest.raises(UsageError, match="compiling a candidate takes longer than training it"):
        parse({"training": {"compile": "on", "phases": [{"steps": 1}]}}, StudyConfig, "study.yaml")


def test_resumed_compiled_only_where_that_works_and_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    begun_on = Execution(device="cuda", compiled=True)
    monkeypatch.setattr(execution, "_best_seconds", _halved_by_compiling)
    assert resumed_execution(begun_on, SPEC, LONG, "cuda") == (begun_on, "")
    assert resumed_execution(begun_on, SPEC, LONG, "cpu") == (PLAIN, "; begun on cuda; no longer compiled")
    off = LONG.model_copy(update={"compile": "off"})
    assert resumed_execution(begun_on, SPEC, off, "cuda") == (Execution(device="cuda"), "; no longer compiled")
    assert resumed_execution(PLAIN, SPEC, LONG, "cpu") == (PLAIN, "")
    assert resumed_execution(PLAIN, SPEC, DEMANDED, "cpu") == (COMPILED, "; now compiled")

    def fails(*rest: object) -> list[float]:
        raise RuntimeError("no compiler\nand more")

    monkeypatch.setattr(execution, "_best_seconds", fails)
    plain, why = resumed_execution(begun_on, SPEC, LONG, "cuda")
    assert not plain.compiled
    assert why == "; no longer compiled, which fails here: no compiler"
    with pytest.raises(WorkError, match=r"compile: on, but .* fails here: no compiler"):
        resumed_execution(PLAIN, SPEC, DEMANDED, "cpu")


def _halved_by_compiling(candidates: list[Execution], *rest: object) -> list[float]:
    return [(1.0 + index) / (1 + 3 * candidate.compiled) for index, candidate in enumerate(candidates)]
