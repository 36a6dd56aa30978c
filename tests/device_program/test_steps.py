"""Which GPU a step speaks of, on a machine with several, or that got another one: bindings and drivers stand in."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from nas_sr.device_program import backends, steps
from nas_sr.device_program.cuda import open_cuda
from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.settings import OnnxFiles, Settings

from .nvinfer.stand_in import StandInCuda

DISPLAY, COMPUTES = "GeForce GT 1030", "GeForce RTX 2080"


def _gpu(pci_bus_id: str | None = None) -> SimpleNamespace:
    """The driver's own first GPU is the one that drives the display; CUDA's first is the fastest."""
    name = {None: DISPLAY, StandInCuda.device.pci_bus_id: COMPUTES}[pci_bus_id]
    return SimpleNamespace(
        there=True, facts=lambda: {"name": name, "compute_capability": "7.5"}, reading=lambda: {"of": name}
    )


def _no_binding():
    raise Failure("device", "no Python binding of CUDA")


@pytest.fixture
def job(tmp_path: Path) -> SimpleNamespace:
    """What a probe and a build ask of a job."""
    for name in ("reference.onnx", "candidate-0.onnx"):
        (tmp_path / name).write_bytes(name.encode())
    return SimpleNamespace(
        folder=tmp_path,
        backends=["tensorrt"],
        tensorrt=[],
        networks=1,
        builds=1,
        settings=Settings(8, 12, cache_folder=str(tmp_path / "cache")),
        onnx=lambda name: OnnxFiles(tmp_path / f"{name}.onnx", None),
    )


@pytest.mark.parametrize(("opened", "name"), [(StandInCuda, COMPUTES), (_no_binding, DISPLAY)])
def test_probe_speaks_of_the_gpu_that_cuda_computes_on(monkeypatch, job, opened, name):
    open_cuda.cache_clear()
    monkeypatch.setattr(steps, "gpu", _gpu)
    monkeypatch.setattr(steps, "open_cuda", opened)
    found = steps.inspect(job, 0)["gpu"]
    assert (found["facts"]["name"], found["reading"]["of"]) == (name, name)


def test_reference_engine_of_another_gpu_is_not_used(monkeypatch, job):
    """TensorRT loads no engine of another compute capability, and of another model only with a warning."""
    built = []

    def build(onnx, engine, settings):
        built.append(onnx.fp32.stem)
        engine.write_bytes(f"engine {len(built)}".encode())
        return {}

    backend = SimpleNamespace(versions=dict, described=lambda settings: {}, build=build)
    monkeypatch.setattr(backends, "first_usable", lambda names, tensorrt: ("tensorrt", backend))
    monkeypatch.setattr(steps, "gpu", _gpu)
    monkeypatch.setattr(steps, "open_cuda", StandInCuda)
    steps.build(job, 0)
    steps.build(job, 1)
    assert built == ["reference", "candidate-0", "candidate-0"]
    monkeypatch.setattr(steps, "gpu", lambda pci_bus_id: _gpu(None))
    steps.build(job, 2)
    assert built == ["reference", "candidate-0", "candidate-0", "reference", "candidate-0"]
    assert (job.folder / steps.REFERENCE).read_bytes() == b"engine 4"
