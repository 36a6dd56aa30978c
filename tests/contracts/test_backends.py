"""What a measurement relies on, of every backend that can be used on this machine.

A backend that cannot be used is held to the contract as far as its module can be imported.
"""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from nas_sr.device_program.backends import RUNTIMES, backend, check_precision
from nas_sr.device_program.backends.base import CPU, GPU, Backend
from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.protocol import Plan
from nas_sr.device_program.settings import OnnxFiles, Settings
from nas_sr.families.counts import counts
from nas_sr.families.network import build
from nas_sr.families.presets import preset
from nas_sr.families.registry import NAMES, family
from nas_sr.measure.onnx_export import export_onnx, export_untrained
from nas_sr.measure.onnx_fp16 import write_fp16

SPEC = preset("imdeception-c4")
SIZE = (37, 51)  # odd, and no multiple of anything that a kernel may like
SMALL_SIZE = (9, 13)
SMALL_IMAGE = np.random.default_rng(4).random((1, 3, *SMALL_SIZE), dtype=np.float32)
FUNCTIONS = [name for name, _ in inspect.getmembers(Backend, inspect.isfunction) if not name.startswith("_")]
PLAN = Plan(warmup_s=0.01, warmup_iterations=2, seconds=0.05, iterations=6, reference_share=0.5, limit_s=60)
LARGEST_DIFFERENCE = 1e-4
# PSNR between a runtime's output in a reduced precision and PyTorch's in fp32. A network that has 26 dB loses less than
# 0.01 dB by errors of 50 dB.
LEAST_PSNR_DB = {"fp16": 60.0, "bf16": 45.0}
PRECISIONS = [(name, precision) for name, runtime in RUNTIMES.items() for precision in runtime.precisions]


def _usable(name: str) -> ModuleType:
    """The module, or the test is skipped for what the backend lacks here."""
    try:
        return backend(name)
    except Failure as failure:
        pytest.skip(failure.text)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> OnnxFiles:
    folder = tmp_path_factory.mktemp("network")
    export_untrained(SPEC, folder / "fp32.onnx", SIZE)
    write_fp16(folder / "fp32.onnx", folder / "fp16.onnx")
    return OnnxFiles(folder / "fp32.onnx", folder / "fp16.onnx")


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(3).random((1, 3, *SIZE), dtype=np.float32)


@pytest.fixture(scope="module")
def expected(image: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return build(SPEC, seed=0).eval()(torch.from_numpy(image)).numpy()


def _built(name: str, precision: str, files: OnnxFiles, folder: Path) -> tuple[ModuleType, Path, Settings]:
    """A backend's module, the engine of the network, and how it was built; skipped where the processor cannot."""
    module, settings = _usable(name), Settings(*SIZE, precision, threads=1)
    refused = None
    try:
        assert isinstance(module.build(files, folder / "engine", settings), dict)
    except Failure as failure:
        refused = failure
    if refused:  # another precision is never taken in silence, and the refusal says which one is not to be had
        assert (refused.kind, precision in refused.text, precision != "fp32") == ("device", True, True)
        pytest.skip(refused.text)
    return module, folder / "engine", settings


@pytest.mark.parametrize("name", RUNTIMES)
def test_module_has_the_functions_of_the_contract(name: str) -> None:
    package = RUNTIMES[name].package
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    module = importlib.import_module(f"nas_sr.device_program.backends.{name.replace('-', '_')}")
    for function in FUNCTIONS:
        wanted = inspect.signature(getattr(Backend, function))
        wanted = wanted.replace(parameters=list(wanted.parameters.values())[1:])
        assert inspect.signature(getattr(module, function)) == wanted


@pytest.mark.parametrize("name", RUNTIMES)
def test_entry_says_all_that_must_be_known_without_the_runtime(name: str) -> None:
    runtime = RUNTIMES[name]
    assert runtime.device in (CPU, GPU)
    assert runtime.title
    assert runtime.install
    assert runtime.precisions[0] == "fp32"


@pytest.mark.parametrize("name", RUNTIMES)
def test_versions_name_the_backend(name: str) -> None:
    versions = _usable(name).versions()
    assert versions[name]
    assert all(isinstance(version, str) for version in versions.values())


@pytest.mark.parametrize("name", RUNTIMES)
def test_precision_and_threads_are_in_the_record(name: str) -> None:
    described = _usable(name).described(Settings(*SIZE, "fp32", threads=3))
    assert described["precision"] == "fp32"
    assert RUNTIMES[name].device != CPU or 3 in described.values()


@pytest.mark.parametrize("name", RUNTIMES)
def test_precision_that_it_has_not_is_refused_by_name(name: str) -> None:
    for precision in {"fp32", "fp16", "bf16"} - set(RUNTIMES[name].precisions):
        with pytest.raises(Failure, match=f"{name} runs networks in fp32.* not in {precision}; set `precision: fp32`"):
            check_precision(name, precision)
    for precision in RUNTIMES[name].precisions:
        check_precision(name, precision)


@pytest.mark.parametrize(("name", "precision"), PRECISIONS)
def test_output_is_pytorchs(name, precision, files, image, expected, tmp_path) -> None:
    module, engine, settings = _built(name, precision, files, tmp_path)
    try:
        output = module.infer(engine, image, settings)
    except Failure as failure:
        pytest.skip(failure.text)
    assert (output.shape, output.dtype) == (expected.shape, np.float32)
    if precision == "fp32":
        assert np.abs(output - expected).max() < LARGEST_DIFFERENCE
    else:
        mse = float(np.mean((output.astype(np.float64) - expected) ** 2))
        assert -10 * np.log10(mse) > LEAST_PSNR_DB[precision]


@pytest.fixture(scope="module")
def of_families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[OnnxFiles, np.ndarray]]:
    """By family: its smallest preset with random weights in every layer, and its output of a small image."""
    folder = tmp_path_factory.mktemp("families")
    found = {}
    for name in NAMES:
        network = build(min(family(name).presets.values(), key=lambda spec: counts(spec).macs_g), seed=0).eval()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
            expected = network(torch.from_numpy(SMALL_IMAGE)).numpy()
        export_onnx(network, folder / f"{name}.onnx", SMALL_SIZE)
        found[name] = OnnxFiles(folder / f"{name}.onnx", None), expected
    return found


@pytest.mark.parametrize("family_name", NAMES)
@pytest.mark.parametrize("name", RUNTIMES)
def test_every_runtime_runs_every_family(name, family_name, of_families, tmp_path) -> None:
    files, expected = of_families[family_name]
    module, settings = _usable(name), Settings(*SMALL_SIZE, threads=1)
    module.build(files, tmp_path / "engine", settings)
    try:
        output = module.infer(tmp_path / "engine", SMALL_IMAGE, settings)
    except Failure as failure:
        pytest.skip(failure.text)
    assert output.shape == expected.shape
    assert np.abs(output - expected).max() < LARGEST_DIFFERENCE * max(1, np.abs(expected).max())


@pytest.mark.parametrize(("name", "precision"), PRECISIONS)
def test_network_is_built_and_measured(name, precision, files, tmp_path) -> None:
    module, engine, settings = _built(name, precision, files, tmp_path)
    found = module.measure([engine, engine], engine, settings, PLAN)
    assert len(found["networks"]) == 2
    for network in found["networks"]:
        assert len(network["samples_ms"]) >= PLAN.iterations
        assert min(network["samples_ms"]) > 0
        assert len(network["reference_ms"]) == len(network["reference_after"]) > 0
        assert network.get("output", "finite") == "finite"
    assert len(found["snapshots"]) >= 2


@pytest.mark.parametrize("name", [name for name in RUNTIMES if RUNTIMES[name].device == CPU])
def test_network_of_another_size_is_the_candidates_fault(name, files, tmp_path) -> None:
    module = _usable(name)
    settings = Settings(SIZE[0], SIZE[1] + 1, "fp32")

    def build_and_measure() -> None:
        module.build(files, tmp_path / "engine", settings)
        module.measure([tmp_path / "engine"], tmp_path / "engine", settings, PLAN)

    with pytest.raises(Failure, match=r"the network takes \[1, 3, 37, 51\], but \[1, 3, 37, 52\] is measured"):
        build_and_measure()


@pytest.mark.parametrize("name", [name for name in RUNTIMES if RUNTIMES[name].device == CPU])
def test_what_is_no_network_is_the_candidates_fault(name, files, tmp_path) -> None:
    module = _usable(name)
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    settings, engine = Settings(*SIZE, "fp32"), tmp_path / "engine"
    module.build(files, tmp_path / "reference", settings)

    def build_and_measure() -> None:
        module.build(OnnxFiles(tmp_path / "broken.onnx", None), engine, settings)
        module.measure([engine], tmp_path / "reference", settings, PLAN)

    with pytest.raises(Failure) as caught:
        build_and_measure()
    assert caught.value.kind == "candidate"
