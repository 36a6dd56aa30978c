"""CUDA's bindings on a machine without a GPU: what is missing must be said, and every function must exist."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from nas_sr.device_program import cuda
from nas_sr.device_program.cuda import open_cuda
from nas_sr.device_program.failure_kinds import Failure


@pytest.fixture(autouse=True)
def _opened_anew():
    open_cuda.cache_clear()
    yield
    open_cuda.cache_clear()


def test_no_binding_is_the_devices_fault_with_the_remedy(monkeypatch):
    for name in ("pycuda", "cuda"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in list(sys.modules):
        if name.startswith(("nas_sr.device_program.cuda_", "cuda.")):
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(
        Failure, match=r"no Python binding of CUDA; install one of them: pycuda .*, cuda-python "
    ) as caught:
        open_cuda()
    assert caught.value.kind == "device"


def _runtime():
    pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-python")
    from nas_sr.device_program import cuda_python

    return cuda_python


def _without_a_driver(binding) -> None:
    _status, version = binding.runtime.cudaDriverGetVersion()
    if version:
        pytest.skip("this machine has an NVIDIA driver")


def test_no_driver_is_the_devices_fault():
    _without_a_driver(_runtime())
    with pytest.raises(Failure, match="cuda-python finds no GPU to use: no NVIDIA driver on this machine") as caught:
        open_cuda()
    assert caught.value.kind == "device"


def test_driver_older_than_the_binding_is_told_what_to_install(monkeypatch):
    binding = _runtime()
    monkeypatch.setattr(binding.runtime, "cudaDriverGetVersion", lambda: (binding.runtime.cudaError_t(0), 12020))
    built_for = binding.runtime.cudaRuntimeGetVersion()[1] // 1000
    with pytest.raises(
        Failure, match=rf"supports CUDA 12.2 at most, cuda-python is of CUDA {built_for}.*cuda-python==12\.\*"
    ):
        open_cuda()


def test_faults_of_calls_are_told_apart():
    """On the real runtime: without a driver every call fails, and memory that runs out is a fault of its own."""
    binding = _runtime()
    _without_a_driver(binding)
    with pytest.raises(RuntimeError, match="cudaMalloc: CUDA driver version is insufficient"):
        binding._called("cudaMalloc", 8)
    out_of_memory = binding.runtime.cudaError_t.cudaErrorMemoryAllocation
    binding.runtime.cudaNothing = lambda: (out_of_memory,)
    try:
        with pytest.raises(MemoryError, match="cudaNothing: out of memory"):
            binding._called("cudaNothing")
    finally:
        del binding.runtime.cudaNothing


def test_every_function_of_the_runtime_that_is_called_exists():
    binding = _runtime()
    calls = [
        node
        for node in ast.walk(ast.parse(Path(binding.__file__).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_called"
    ]
    names = {call.args[0].value for call in calls}
    assert {"cudaMalloc", "cudaEventElapsedTime", "cudaGraphInstantiateWithFlags"} <= names
    assert [name for name in names if not hasattr(binding.runtime, name)] == []
    attribute = binding.runtime.cudaDeviceAttr
    assert attribute(binding._MAJOR) == attribute.cudaDevAttrComputeCapabilityMajor
    assert attribute(binding._MINOR) == attribute.cudaDevAttrComputeCapabilityMinor
    assert hasattr(binding.runtime.cudaStreamCaptureMode, "cudaStreamCaptureModeThreadLocal")
    assert hasattr(binding.runtime.cudaMemcpyKind, "cudaMemcpyHostToDevice")


def test_bindings_fill_in_all_of_the_interface():
    """PyCUDA cannot be had here: its class is at least read."""
    folder = Path(cuda.__file__).parent
    wanted = set(cuda.Cuda.__abstractmethods__)
    for module in cuda.BINDINGS:
        tree = ast.parse((folder / f"{module}.py").read_text())
        (binding,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
        assert wanted <= {node.name for node in binding.body if isinstance(node, ast.FunctionDef)}
        assert "open_device" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
